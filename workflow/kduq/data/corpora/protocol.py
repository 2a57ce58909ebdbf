"""The interface of a kind of corpus."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from kduq.config.data import CorpusSettings, Matching


@dataclass
class Entry:
    """A prompt with its supported answers.

    Attributes
    ----------
    prompt : str
        The question as typed.
    answers : list of str
        Distinct answers.
    probabilities : list of float
        Probabilities of the answers, summing to 1; empty where they are not known.
    taught : list of float
        Probabilities with which a teacher is taught the answers, in their order, summing to 1;
        empty where they are the true ones. An answer of true probability zero is a wrong one.
    question : int, optional
        Number of the question of which the prompt is a wording; None if each prompt is a question.
    held_out : bool, optional
        Whether it is a test prompt; None if the stage splits the prompts.
    """

    prompt: str
    answers: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    taught: list[float] = field(default_factory=list)
    question: int | None = None
    held_out: bool | None = None


@dataclass(frozen=True)
class CorpusKind:
    """A way to read, or to generate, a corpus.

    Attributes
    ----------
    name : str
        Name in the configuration; the default kind of a corpus of this name.
    label : str
        Name in figures.
    read : callable
        Returns the prompts, from the name of the corpus and its settings. It raises a UserError if
        the corpus cannot be read. If it sets ``held_out`` it applies ``questions`` itself.
    needs : str
        Kind of path that it needs: file, folder (which may be left out) or nothing.
    has_columns : bool
        Whether the keys prompt and references name columns.
    has_errors : bool
        Whether a teacher is taught wrong answers too, as the table errors says.
    topics : tuple of str
        Topics that the key topics selects from; none if there are no topics.
    matching : str, optional
        How answers are compared with references, if the corpus's settings do not say; None: equal
        texts where there is an answer distribution, else by embeddings.

    Examples
    --------
    >>> from kduq.config.data import CorpusSettings
    >>> def read(name: str, settings: CorpusSettings) -> list[Entry]:
    ...     capitals = {"France": "Paris", "Peru": "Lima", "Togo": "Lomé"}
    ...     return [Entry(f"What is the capital of {c}?", [a]) for c, a in capitals.items()]
    >>> kind = CorpusKind("capitals", "Capitals", read)
    >>> kind.read("capitals", CorpusSettings())[0].answers
    ['Paris']
    >>> kind.needs
    'nothing'
    """

    name: str
    label: str
    read: Callable[[str, CorpusSettings], list[Entry]]
    needs: Literal["file", "folder", "nothing"] = "nothing"
    has_columns: bool = False
    has_errors: bool = False
    topics: tuple[str, ...] = ()
    matching: Matching | None = None
