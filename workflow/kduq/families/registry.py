"""The families that a study can use. A further one takes a line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from kduq.config.messages import alternatives, suggestion
from kduq.errors import UserError
from kduq.families import linear, lm, mlp, softmax
from kduq.families.protocol import Family, ModelSettings

_LINES = (
    linear.FAMILY,
    softmax.FAMILY,
    mlp.FAMILY,
    lm.FAMILY,
)
#: Families by name.
FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _LINES})

#: Settings of a model of any family, told apart by their key ``family``.
if TYPE_CHECKING:
    AnyModelSettings = ModelSettings
else:
    AnyModelSettings = Annotated[
        Union[tuple(family.settings for family in _LINES)],  # noqa: UP007
        Field(discriminator="family"),
    ]


def family(name: str) -> Family:
    """Family of a name.

    Parameters
    ----------
    name : str
        As in the configuration.

    Returns
    -------
    Family
        From `FAMILIES`.

    Raises
    ------
    UserError
        If there is no such family.
    """
    if name not in FAMILIES:
        raise UserError(
            f"family: found '{name}'; allowed: {alternatives(FAMILIES)}{suggestion(name, FAMILIES)}"
        )
    return FAMILIES[name]
