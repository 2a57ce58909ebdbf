"""Family ``mlp``: networks with one hidden layer."""

from typing import Literal

from kduq.config.fields import Count
from kduq.families.networks.settings import NetworkSettings, seconds
from kduq.families.protocol import Family


class MlpSettings(NetworkSettings):
    """A network with one hidden ReLU layer, trained by Adam."""

    family: Literal["mlp"]
    """mlp"""
    hidden: Count
    """Hidden units."""
    head: Literal["point", "gaussian"] = "point"
    """point: one number, by the squared loss; gaussian: a mean and a log-variance, by the normal
    likelihood. gaussian is for students of a regression only."""

    @property
    def hidden_units(self) -> int:
        """Units of the hidden layer."""
        return self.hidden

    @property
    def has_distribution(self) -> bool:
        """Whether a student predicts a distribution of its target, instead of one number."""
        return self.head == "gaussian"


FAMILY = Family(
    name="mlp",
    label="network",
    lane="tabular",
    settings=MlpSettings,
    models={
        "regression": "kduq.families.networks.models:Regression",
        "classification": "kduq.families.networks.models:Classifier",
    },
    seconds=seconds,
    sizes=(2, 4, 10, 40, 100, 200),
    factors=("split", "teacher", "noise", "initialisation", "bootstrap"),
    colour="#D55E00",
    marker="s",
    has_distribution=True,
)
