"""Settings of stage ``teacher``."""

from kduq.config.data import Task
from kduq.families import AnyModelSettings
from kduq.families.lm.settings import LanguageModelSettings
from kduq.stage import StageSettings


class TeacherSettings(StageSettings):
    """What decides a teacher, whatever its lane."""

    teacher: str
    """Name of the teacher."""
    dataset: str
    """Name of the data set or corpus."""
    seed: int
    """The study's seed."""

    @property
    def path(self) -> tuple[str, str, str]:
        """Path of the teacher in the tree of seeds; see `kduq.seeds`."""
        return "teachers", self.teacher, self.dataset


class TabularSettings(TeacherSettings):
    """What decides a teacher on a table."""

    task: Task
    """regression or classification."""
    family: str
    """Name of its family."""
    model: AnyModelSettings
    """Settings of the model."""


class TextSettings(TeacherSettings):
    """What decides a language model that teaches."""

    model: LanguageModelSettings
    """Settings of the model."""
    source_files: str | None
    """Digest of the files in the folder of a pretrained model; None for no folder."""
