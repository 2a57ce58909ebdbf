"""Statistics that compare cells of a run: ratios, their mean, and what noise adds."""

from collections.abc import Iterator, Sequence

import numpy as np

#: Responses per input at which remedies are judged, or the nearest number in the grid.
_K = 5


def log_pair(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of a statistic and of its bootstrap draws; NaN for negative values."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(pair[0]), np.log(pair[1])


def nearest_to_five(ks: Sequence[float]) -> float | None:
    """The number of responses nearest to five, at which remedies are judged; None if empty."""
    return min(ks, key=lambda k: abs(k - _K), default=None)


def worst_and_mean(
    pair: tuple[np.ndarray, np.ndarray], worst: str = "largest"
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Logarithms of the ratios of several cells, all of them and their mean, each with a word.

    The most extreme of many estimates is biased away from the others; their mean is not.
    """
    points, draws = pair
    yield "mean", (points.mean(keepdims=True), draws.mean(axis=1, keepdims=True))
    if len(points) > 1:
        yield worst, pair


def excess_by_k(
    ks: Sequence[int],
    averaged: Sequence[tuple[float, np.ndarray]],
    single: tuple[float, np.ndarray],
    without: tuple[float, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Variance due to noise, relative to that of one response, compared with 1/k.

    Parameters
    ----------
    ks : sequence of int
        Numbers of responses, larger than one.
    averaged : sequence of (float, ndarray)
        Variance V_k of averages of k responses, and its bootstrap draws.
    single, without : (float, ndarray)
        The same of one response, V_1, and without noise, V_0.

    Returns
    -------
    ndarray of shape (1,)
        Least-squares slope of (V_k - V_0)/(V_1 - V_0) on 1/k through the origin: the mean of
        k (V_k - V_0)/(V_1 - V_0) with weights 1/k². It is 1 if noise falls as 1/k, and needs no
        logarithm of a difference that may be negative.
    ndarray of shape (D, 1)
        Its bootstrap draws.
    """
    inverse = 1 / np.asarray(ks, dtype=float)
    weights = inverse / (inverse**2).sum()
    point = np.array([value for value, _ in averaged]) - without[0]
    draws = np.column_stack([draw for _, draw in averaged]) - without[1][:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            np.array([point @ weights / (single[0] - without[0])]),
            (draws @ weights / (single[1] - without[1]))[:, None],
        )
