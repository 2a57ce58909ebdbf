"""Settings of stage ``answers``."""

from kduq import seeds
from kduq.config.fields import StrictModel
from kduq.examples.settings import TextSettings as CorpusSettings
from kduq.families.lm.settings import Decoding
from kduq.responses.settings import TextSettings as ResponsesSettings
from kduq.stage import ShardSettings
from kduq.students.settings import TextSettings as StudentSettings
from kduq.targets.settings import TextSettings as TargetsSettings
from kduq.teacher.settings import TeacherSettings
from kduq.teacher.settings import TextSettings as TextTeacherSettings


class Evaluation(StrictModel):
    """How a language model answers the evaluated prompts."""

    prompts: int
    """Number of evaluated prompts."""
    draws: int
    """Answers that it samples per prompt."""
    decoding: Decoding
    """How answers are sampled."""
    max_length: int
    """Tokens of a prompt and its answer together."""


class TextSettings(TeacherSettings):
    """What decides a teacher's own answers."""

    evaluation: Evaluation
    """How it answers the evaluated prompts."""


class StudentsSettings(ShardSettings):
    """What decides the answers of the students of a shard."""

    evaluation: Evaluation
    """How they answer the evaluated prompts."""


class TextSplitSettings(ShardSettings):
    """What decides the models of a shard of splits of a corpus, and their answers.

    Settings of the stages on the way are those of a run on one corpus with one teacher, and name
    the corpus; each split puts its own name there (see `named`).
    """

    corpus: CorpusSettings
    """The corpus, whose seed each split replaces by its own."""
    teacher: TextTeacherSettings
    """The teachers, one of which is trained on each split."""
    own: Evaluation
    """How a teacher answers the evaluated prompts."""
    responses: ResponsesSettings
    """The teacher's answers that the students of a split learn from."""
    targets: TargetsSettings
    """What they are taught."""
    students: StudentSettings
    """How they are trained."""
    evaluation: Evaluation
    """How they answer the evaluated prompts."""

    def named(self, number: int) -> "TextSplitSettings":
        """Settings of one split.

        Parameters
        ----------
        number : int
            Number of the split.

        Returns
        -------
        TextSplitSettings
            Its corpus has the seed of the split. Its teacher and all later stages have the name of
            the split in place of the corpus's, so that all their random numbers are its own.
        """
        name = {"dataset": "/".join(seeds.path_of_split((self.dataset,), number))}
        seed = seeds.split_seed(self.seed, self.experiment, self.dataset, number)
        return self.model_copy(
            update={
                "corpus": self.corpus.model_copy(update={"seed": seed}),
                "teacher": self.teacher.model_copy(update=name),
                "responses": self.responses.model_copy(update=name),
                "targets": self.targets.model_copy(update=name),
                "students": self.students.model_copy(update=name),
            }
        )
