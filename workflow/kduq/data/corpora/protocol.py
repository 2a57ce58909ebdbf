"""What a kind of corpus says of itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from kduq.config.data import CorpusSettings


@dataclass
class Entry:
    """A prompt with its supported answers.

    Attributes
    ----------
    prompt : str
        As typed.
    answers : list of str
        Distinct.
    probabilities : list of float
        Of the answers, summing to 1; empty where they are not known.
    question : int, optional
        Number of the question that the prompt words; None where each prompt is its own.
    held_out : bool, optional
        Whether it is a test prompt; None where the stage is to split the prompts.
    """

    prompt: str
    answers: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    question: int | None = None
    held_out: bool | None = None


@dataclass(frozen=True)
class CorpusKind:
    """A way to read, or to generate, a corpus.

    Attributes
    ----------
    name : str
        What the configuration calls it; a corpus of this name is read so without saying.
    label : str
        What figures call it.
    read : callable
        Gives the prompts, by the name of the corpus and its settings. It raises a UserError for
        what cannot be read. If it sets ``held_out`` it heeds ``questions`` itself.
    needs : str
        The path it needs: a file, a folder (which may be left out), or nothing.
    has_columns : bool
        Whether the keys prompt and references name columns.

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
