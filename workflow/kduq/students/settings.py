"""Settings of stage ``students``."""

from kduq.answers.settings import Evaluation
from kduq.conditions import Condition, in_order
from kduq.config.data import Task
from kduq.families import AnyModelSettings
from kduq.families.lm.settings import LanguageModelSettings
from kduq.stage import ShardSettings


class TabularSettings(ShardSettings):
    """What decides the students of a shard on a table."""

    task: Task
    """Whether they predict a number or a class."""
    model: AnyModelSettings
    """Settings of the student."""
    conditions: list[Condition]
    """What varies between students."""
    divergence_factor: float
    """In regression, a student has diverged above this many times Var(y_train) of training error.
    """


class TabularFactorialSettings(TabularSettings):
    """What decides the students of a shard of a factorial design on a table."""

    levels: dict[str, int]
    """Levels of each factor but the one that shards cut: a shard does not depend on their number.
    """

    @property
    def inner_levels(self) -> dict[str, int]:
        """Levels in the order of the layout."""
        return in_order(self.levels)


class TextSettings(ShardSettings):
    """What decides the students of a shard on a corpus."""

    model: LanguageModelSettings
    """Settings of the student."""
    source_files: str | None
    """Digest of what lies in the folder that the model is loaded from; None for no folder."""
    conditions: list[Condition]
    """What varies between students."""
    evaluation: Evaluation
    """How students are asked."""


class TextFactorialSettings(TextSettings):
    """What decides the students of a shard of a factorial design on a corpus."""

    levels: dict[str, int]
    """Levels of each factor but the one that shards cut."""

    @property
    def inner_levels(self) -> dict[str, int]:
        """Levels in the order of the layout."""
        return in_order(self.levels)
