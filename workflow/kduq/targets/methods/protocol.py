"""The interface of a method on text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Answers(Protocol):
    """The teacher's answers from which a method selects, of one replicate and temperature."""

    @property
    def texts(self) -> Sequence[Sequence[str]]:
        """The k answers to each of n prompts, by number of the response."""
        ...

    def embedded(self) -> np.ndarray:
        """Unit-norm embeddings of the answers, shape (n, k, D)."""
        ...

    @property
    def equal_by_text(self) -> bool:
        """Whether answers that mean the same have equal texts: on corpora that list all answers."""
        ...

    def embedded_pilots(self) -> np.ndarray:
        """Embeddings of answers of pilot students to each prompt, shape (n, J, D).

        Each pilot is trained on the first response to the prompts of the other folds, in which the
        wordings of a question are apart, and answers those of its own fold.
        """
        ...

    def embedded_prior(self) -> np.ndarray:
        """Embeddings of k answers of the untrained student to each prompt, shape (n, k, D)."""
        ...

    def permutation(self) -> np.ndarray:
        """A random permutation of the prompts, shape (n,)."""
        ...


@dataclass(frozen=True)
class Method:
    """A method that selects what a student is taught of the responses to a prompt.

    Attributes
    ----------
    name : str
        Value of the condition column method.
    select : callable
        Returns the selected texts of each prompt, from `Answers` with k at least 2; equal texts as
        often as they count. With one response per prompt every method selects that one.
    embeds : bool
        Whether it uses embeddings.
    pilots : int
        Pilot students that are trained per replicate, whatever k.
    has_prior : bool
        Whether it uses the untrained student.

    Examples
    --------
    The last response to every prompt:

    >>> last = Method("last", lambda answers: [[texts[-1]] for texts in answers.texts])
    >>> class Two:
    ...     texts = [["red", "blue"], ["wet", "dry"]]
    >>> last.select(Two())
    [['blue'], ['dry']]
    """

    name: str
    select: Callable[[Answers], Sequence[Sequence[str]]]
    embeds: bool = False
    pilots: int = 0
    has_prior: bool = False
