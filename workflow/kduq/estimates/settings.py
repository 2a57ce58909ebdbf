"""Settings of stage ``estimates``."""

from pydantic import Field

from kduq.conditions import Condition, in_order
from kduq.config.data import Matching, Task
from kduq.stage import RunSettings, StageSettings


class GatherSettings(StageSettings):
    """No settings: the table of all estimates depends on the runs alone."""


class EstimatesSettings(RunSettings):
    """What decides the estimates of a run, whatever its lane."""

    confidence: float
    """Coverage of every interval."""
    conditions: list[Condition]
    """What varies between students."""


class TabularSettings(EstimatesSettings):
    """What decides the estimates of a run on a table."""

    task: Task
    """regression or classification."""
    metrics: list[str] = Field(default=[])
    """Names of the registered metrics of the task."""
    pairs_start_equal: bool = False
    """Whether replicates 2i and 2i + 1 start at the same parameters."""


class TabularFactorialSettings(TabularSettings):
    """What decides the estimates of a factorial design on a table."""

    levels: dict[str, int]
    """Number of levels of each factor."""

    @property
    def levels_in_order(self) -> dict[str, int]:
        """Levels in the order of the layout."""
        return in_order(self.levels)


class TabularSplitSettings(EstimatesSettings):
    """What decides the estimates of a design of splits on a table."""

    task: Task
    """regression or classification."""
    splits: int
    """Number of splits."""


class TextFactorialSettings(EstimatesSettings):
    """What decides the estimates of a factorial design on a corpus."""

    levels: dict[str, int]
    """Number of levels of each factor."""
    prompts: int
    """Number of evaluated prompts."""

    @property
    def levels_in_order(self) -> dict[str, int]:
        """Levels in the order of the layout."""
        return in_order(self.levels)


class TextSettings(EstimatesSettings):
    """What decides the estimates of a run on a corpus."""

    metrics: list[str] = Field(default=[])
    """Names of the registered metrics of text."""
    prompts: int
    """Number of evaluated prompts."""
    matching: Matching | None = None
    """How answers are compared with references; None for the default of `References`."""
    training_steps: int | None = None
    """Steps that the teacher was trained for; 0 for a pretrained one that is used as it is."""


class TextSplitSettings(TextSettings):
    """What decides the estimates of a design of splits on a corpus."""

    splits: int
    """Number of splits."""
