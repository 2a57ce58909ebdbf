"""Folds of prompts, for pilots that must not learn what they answer."""

import numpy as np


def folds(questions: np.ndarray, number: int) -> np.ndarray:
    """Folds of prompts in which the wordings of a question are apart, as far as there are folds.

    Parameters
    ----------
    questions : ndarray of int of shape (n,)
        Question of each prompt.
    number : int
        Number of folds.

    Returns
    -------
    ndarray of int of shape (n,)
        Wordings of a question are dealt to the folds in turn; consecutive questions begin at
        consecutive folds, so that folds are equally large also where questions have one wording.
    """
    _, inverse = np.unique(questions, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    first = np.searchsorted(inverse[order], np.arange(inverse.max(initial=-1) + 1))
    position = np.empty(len(questions), np.intp)
    position[order] = np.arange(len(questions)) - first[inverse[order]]
    dealt: np.ndarray = (position + inverse) % number
    return dealt
