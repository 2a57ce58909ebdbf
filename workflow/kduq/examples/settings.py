"""Settings of stage ``examples``; those of the configuration's tables are keys of theirs."""

from kduq.config.data import CorpusSettings, DatasetSettings, Task
from kduq.stage import StageSettings


class TabularSettings(StageSettings, DatasetSettings):
    """What decides a table of examples."""

    dataset: str
    """Name of the data set."""
    task: Task
    """Whether the target is a number or a class."""


class TextSettings(StageSettings, CorpusSettings):
    """What decides a corpus."""

    dataset: str
    """Name of the corpus."""
    files: str | None = None
    """Digest of what lies in the folder that it is read from; None for no folder."""
