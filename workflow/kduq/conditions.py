"""The vocabulary of designs: conditions, and the factors of a factorial design."""

import math
from collections.abc import Mapping

from pydantic import ConfigDict

from kduq.config.fields import StrictModel


class Condition(StrictModel):
    """What an experiment varies between students: the condition columns of every table.

    A column that does not apply to an experiment is None.
    """

    model_config = ConfigDict(frozen=True)

    method: str | None = None
    """How the teacher's k responses to an input are turned into a student's label."""
    alpha: float | None = None
    """Noise variance of one response over Var(y_train)."""
    k: int | None = None
    """Responses per input."""
    teacher_weight: float | None = None
    """Weight of the mean of the k responses in a label; the rest is that of the pilots' mean."""
    init_noise: float | None = None
    """Scale s of the noise on the initial parameters."""
    sample_fraction: float | None = None
    """Size of the bootstrap sample over the number of training rows."""
    label_source: str | None = None
    """Where labels come from: the teacher or the truth, greedy or sampled, hard or soft."""
    temperature: float | None = None
    """Temperature of the teacher's responses."""


#: Source of labels: one sampled answer to every prompt that is a wording of the same question.
PER_QUESTION = "sampled_per_question"
#: Source of the labels of a teacher, where it stands among its students.
TEACHER = "truth"
#: Sources of labels that are drawn from a teacher's distribution.
DRAWN = ("sampled", "averaged")
#: Methods of regression whose labels need pilot students, one per response.
PILOTED = ("variance_weighting", "variance_weighting_oracle", "pilot_mean", "fixed_weight")
#: Factors of a factorial design in the order of its layout, the slowest first.
FACTORS = ("split", "teacher", "noise", "initialisation", "bootstrap", "decoding")
#: The factor whose levels are cut into shards, as replicates are elsewhere.
SHARDED_FACTOR = "noise"
#: The factor that students on all rows, each once, lack.
RESAMPLED_FACTOR = "bootstrap"
#: Columns of the students' table that hold the levels; null for a factor that a design or family
#: lacks, for labels without noise, and for a student on all rows, each once, in place of a
#: bootstrap sample.
LEVEL_COLUMNS = {
    "split": "split_level",
    "teacher": "teacher_level",
    "noise": "noise_level",
    "initialisation": "init_level",
    "bootstrap": "bootstrap_level",
}
#: Column of the draws of a language model's answers, which are the levels of decoding.
DRAW_COLUMN = "draw"


def in_order(levels: Mapping[str, int]) -> dict[str, int]:
    """Levels by factor in the order of `FACTORS`, which settings read from JSON have lost."""
    return {factor: levels[factor] for factor in FACTORS if factor in levels}


def tabular_combinations(inner_levels: Mapping[str, int]) -> int:
    """Students of a factorial design on a table per level of the sharded factor.

    Parameters
    ----------
    inner_levels : mapping of str to int
        Number of levels of all other factors.

    Returns
    -------
    int
        One per combination of levels; all rows, each once, are one further level of bootstrap.
    """
    return math.prod(n + (factor == RESAMPLED_FACTOR) for factor, n in inner_levels.items())
