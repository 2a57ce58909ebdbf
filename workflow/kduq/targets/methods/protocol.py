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

    def embedded_pilot(self) -> np.ndarray:
        """Embeddings of k answers of the pilot student to each prompt, shape (n, k, D).

        The pilot is trained on the first response to each prompt.
        """
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
    has_pilot : bool
        Whether it uses a pilot student.

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
    has_pilot: bool = False
