"""Settings of stage ``teacher``."""

from kduq.config.data import Task
from kduq.families import AnyModelSettings
from kduq.families.lm.settings import LanguageModelSettings
from kduq.stage import StageSettings


class TeacherSettings(StageSettings):
    """What decides a teacher, whatever its lane."""

    teacher: str
    """Its name."""
    dataset: str
    """Name of the data set or corpus."""
    seed: int
    """The study's seed."""

    @property
    def path(self) -> tuple[str, str, str]:
        """Names on the way from the root of the tree of seeds; see `kduq.seeds`."""
        return "teachers", self.teacher, self.dataset


class TabularSettings(TeacherSettings):
    """What decides a teacher on a table."""

    task: Task
    """Whether it predicts a number or a class."""
    family: str
    """Name of its family."""
    model: AnyModelSettings
    """Settings of the model."""


class TextSettings(TeacherSettings):
    """What decides a language model that teaches."""

    model: LanguageModelSettings
    """Settings of the model."""
    source_files: str | None
    """Digest of what lies in the folder that the model is loaded from; None for no folder."""
