"""Family ``linear``: least squares with an intercept."""

from typing import Literal

from kduq.families.protocol import Family, ModelSettings, Workload

#: Seconds per student on one core of a laptop's processor. Like the costs of the other families, it
#: was measured on the default study and holds within a factor of two.
_SECONDS = 1e-4
#: Seconds per training row, which matter where there are thousands.
_ROW = 1e-7


class LinearSettings(ModelSettings):
    """Least squares with an intercept."""

    family: Literal["linear"]
    """linear"""


def _seconds(settings: LinearSettings, workload: Workload) -> float:  # noqa: ARG001
    return max(_SECONDS, _ROW * workload.rows)


FAMILY = Family(
    name="linear",
    label="linear",
    lane="tabular",
    settings=LinearSettings,
    models={"regression": "kduq.families.least_squares:Linear"},
    seconds=_seconds,
    sizes=(2, 4, 10, 40, 100, 200, 500, 1000),
    factors=("split", "noise", "bootstrap"),
    colour="#0072B2",
    marker="o",
    closed_form=True,
)
