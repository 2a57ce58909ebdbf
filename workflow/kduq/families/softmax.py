"""Family ``softmax``: multinomial logistic regression."""

from typing import Literal

from kduq.families.networks.settings import NetworkSettings, seconds
from kduq.families.protocol import Family


class SoftmaxSettings(NetworkSettings):
    """Multinomial logistic regression, trained by Adam."""

    family: Literal["softmax"]
    """softmax"""


FAMILY = Family(
    name="softmax",
    label="softmax regression",
    lane="tabular",
    settings=SoftmaxSettings,
    models={"classification": "kduq.families.networks.models:Classifier"},
    seconds=seconds,
    sizes=(2, 10),
    factors=("split", "teacher", "noise", "initialisation", "bootstrap"),
    colour="#0072B2",
    marker="o",
)
