"""Comparison of answers with right ones: equal texts, or texts that contain one."""

import re
import unicodedata
from collections.abc import Callable, Collection

#: Words that are ignored.
_ARTICLES = {"a", "an", "the"}
#: Letters that Unicode does not decompose into a letter and an accent.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe"})
#: Signs that are used as apostrophes.
_APOSTROPHES = re.compile("['’‘ʻʼ`´]")
_POSSESSIVE = re.compile(r"['’]s\b")
#: What separates words.
_OTHER = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """A text with single spaces for white space, and none at its ends."""
    return " ".join(text.split())


def words(text: str) -> tuple[str, ...]:
    """Words of a text, without what does not change its meaning.

    Parameters
    ----------
    text : str
        An answer or a reference.

    Returns
    -------
    tuple of str
        Without case, accents, articles, punctuation, apostrophes and the possessive 's.

    Examples
    --------
    >>> words("The capital of Chad is N’Djaména.")
    ('capital', 'of', 'chad', 'is', 'ndjamena')
    """
    # Letters of compatibility, such as those of full width, are taken apart too.
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    joined = _APOSTROPHES.sub("", _POSSESSIVE.sub("", plain.translate(_LETTERS)))
    return tuple(word for word in _OTHER.sub(" ", joined).split() if word not in _ARTICLES)


def contains(answer: tuple[str, ...], reference: tuple[str, ...]) -> bool:
    """Whether a reference is contained in an answer as whole, successive words.

    Parameters
    ----------
    answer, reference : tuple of str
        From `words`. A reference without words is contained in no answer.

    Returns
    -------
    bool
        An answer that names several things contains each of them.
    """
    size = len(reference)
    starts = range(len(answer) - size + 1) if size else ()
    return any(answer[start : start + size] == reference for start in starts)


def matcher(right: Collection[str], contained: bool) -> Callable[[str], bool]:
    """Tell right answers from wrong ones.

    Parameters
    ----------
    right : collection of str
        Right answers, from `plain`.
    contained : bool
        Whether an answer is right if it contains one of them; else if it equals one.

    Returns
    -------
    callable
        Whether a text is right.
    """
    if not contained:
        return lambda text: plain(text) in right
    references = [words(text) for text in right]

    def contains_one(text: str) -> bool:
        answer = words(text)
        return any(contains(answer, reference) for reference in references)

    return contains_one
