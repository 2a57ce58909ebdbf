"""Settings of stage ``students``."""

from kduq.conditions import Condition, in_order
from kduq.config.data import Task
from kduq.families import AnyModelSettings
from kduq.families.lm.settings import LanguageModelSettings
from kduq.stage import ShardSettings


class TabularSettings(ShardSettings):
    """What decides the students of a shard on a table."""

    task: Task
    """regression or classification."""
    model: AnyModelSettings
    """Settings of the student."""
    conditions: list[Condition]
    """What varies between students."""
    divergence_factor: float
    """In regression, the training error, over Var(y_train), above which a student has diverged."""


class TabularFactorialSettings(TabularSettings):
    """What decides the students of a shard of a factorial design on a table."""

    levels: dict[str, int]
    """Levels of all factors but the sharded one: a shard does not depend on their number there."""

    @property
    def inner_levels(self) -> dict[str, int]:
        """Levels in the order of the layout."""
        return in_order(self.levels)


class TabularStudySettings(TabularFactorialSettings):
    """What decides the students of a shard of a design of studies on a table."""

    teacher: AnyModelSettings
    """Settings of the teachers, one per level of split and teacher."""


class TabularSplitSettings(TabularSettings):
    """What decides the students of a shard of splits of a table."""

    teacher: AnyModelSettings
    """Settings of the teachers, one of which is trained on each split."""
    students_per_split: int
    """Students per condition and split."""
    rescaled: bool
    """Whether inputs are standardised on the training rows of each split; images are not."""


class TextSettings(ShardSettings):
    """What decides the students of a shard on a corpus."""

    model: LanguageModelSettings
    """Settings of the student."""
    source_files: str | None
    """Digest of the files in the folder of a pretrained model; None for no folder."""
    conditions: list[Condition]
    """What varies between students."""


class TextFactorialSettings(TextSettings):
    """What decides the students of a shard of a factorial design on a corpus."""

    levels: dict[str, int]
    """Number of levels of the trained factors except the sharded one."""

    @property
    def inner_levels(self) -> dict[str, int]:
        """Levels in the order of the layout."""
        return in_order(self.levels)
