"""Settings of stage ``examples``, with the keys of the configuration's tables."""

from kduq.config.data import CorpusSettings, DatasetSettings, Task
from kduq.stage import StageSettings


class TabularSettings(StageSettings, DatasetSettings):
    """What decides a table of examples."""

    dataset: str
    """Name of the data set."""
    task: Task
    """regression or classification."""


class TextSettings(StageSettings, CorpusSettings):
    """What decides a corpus."""

    dataset: str
    """Name of the corpus."""
    files: str | None = None
    """Digest of the files in the folder from which it is read; None for no folder."""
