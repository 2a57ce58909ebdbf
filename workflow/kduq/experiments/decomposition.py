"""Decomposition (beyond the paper): the sources of the variance between students."""

from kduq.conditions import Condition
from kduq.config.fields import Positive
from kduq.experiments.protocol import Experiment, ExperimentSettings, FactorialRun


class Settings(ExperimentSettings):
    """Sources of the variance between students: a factorial design (beyond the paper)."""

    alpha: Positive
    """Noise variance of one response over Var(y_train)."""


def _conditions(settings: Settings) -> list[Condition]:
    # Students differ by the levels of the factors. Those without noise have one level less.
    return [Condition(alpha=settings.alpha), Condition(alpha=0.0)]


def _text_conditions(run: FactorialRun) -> list[Condition]:
    del run
    return [Condition(method="single", k=1, label_source="sampled", temperature=1.0)]


EXPERIMENT = Experiment(
    "decomposition",
    "Where does the variance between students come from?",
    "",
    Settings,
    _conditions,
    text_conditions=_text_conditions,
    factors=("noise", "bootstrap"),
    optional_factors=("initialisation", "decoding"),
    design="factorial",
    # There are few levels, each with many students.
    largest_shard=4,
    largest_text_shard=1,
)
