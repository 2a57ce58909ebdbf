"""Study variance (beyond the paper): split and teacher beside the noise and initial parameters."""

from kduq.conditions import Condition
from kduq.config.fields import Positive
from kduq.experiments.protocol import Experiment, ExperimentSettings


class Settings(ExperimentSettings):
    """Sources of the variance between whole studies: a factorial design (beyond the paper)."""

    alpha: Positive
    """Noise variance of one response over Var(y) of the training rows of a split."""


def _conditions(settings: Settings) -> list[Condition]:
    return [Condition(alpha=settings.alpha)]


EXPERIMENT = Experiment(
    "study_variance",
    "Where does the uncertainty of a whole study come from?",
    "",
    Settings,
    _conditions,
    factors=("split", "noise"),
    optional_factors=("teacher", "initialisation"),
    design="studies",
    # There are few levels, each with many students.
    largest_shard=4,
)
