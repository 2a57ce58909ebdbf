"""Bootstrap over replicates, in which all cells of a run share their weights."""

import numpy as np

#: Inputs that are resampled at once, which limits the memory for many of them.
_INPUTS = 4096


def replicate_weights(n_replicates: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Weights of a bootstrap over replicates.

    Parameters
    ----------
    n_replicates : int
        Number of replicates of a run.
    draws : int
        Number of bootstrap samples.
    generator : numpy.random.Generator
        Source of the resampling.

    Returns
    -------
    ndarray of shape (draws, n_replicates)
        How often each replicate is in each sample. One set of weights serves all cells of a run,
        so that what replicates share across cells stays together.
    """
    share = np.full(n_replicates, 1 / n_replicates)
    return generator.multinomial(n_replicates, share, size=draws).astype(np.float64)


def partners(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pairs of replicates 2i and 2i + 1.

    Parameters
    ----------
    replicates : ndarray of int of shape (R,)
        Numbers of the replicates, each once.

    Returns
    -------
    first, second : ndarray of int of shape (P,)
        Rows of the even and of the odd member of each pair, in ascending order. A replicate
        without its partner is left out.
    """
    row_of = {int(replicate): row for row, replicate in enumerate(replicates)}
    even = [r for r in sorted(row_of) if r % 2 == 0 and r + 1 in row_of]
    rows = np.array([(row_of[r], row_of[r + 1]) for r in even], np.intp).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def weighted_variance(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Variance across replicates in each bootstrap sample, averaged over inputs.

    Parameters
    ----------
    values : ndarray of shape (R, X)
        One row per replicate; rows that are not finite are excluded.
    weights : ndarray of shape (D, R)
        From `replicate_weights`.

    Returns
    -------
    ndarray of shape (D,)
        mean_x Σ_r w_r (f_rx - f̄_x)² / (Σ_r w_r - 1), times m/(m - 1) for m replicates: the
        expected variance of a bootstrap sample is (m - 1)/m times that of the sample.
    """
    good = np.isfinite(values).all(axis=1)
    values, weights = values[good], weights[:, good]
    values = values - values.mean(axis=0)
    total = weights.sum(axis=1)
    second = weights @ (values**2).mean(axis=1)
    first = np.zeros(len(weights))
    for start in range(0, values.shape[1], _INPUTS):
        first += ((weights @ values[:, start : start + _INPUTS]) ** 2).sum(axis=1)
    first /= values.shape[1]
    n = good.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return (second - first / total) / (total - 1) * n / (n - 1)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over replicates in each bootstrap sample.

    Parameters
    ----------
    values : ndarray of shape (R,)
        One value per replicate; values that are not finite are excluded.
    weights : ndarray of shape (D, R)
        From `replicate_weights`.

    Returns
    -------
    ndarray of shape (D,)
        The means.
    """
    good = np.isfinite(values)
    return weights[:, good] @ values[good] / weights[:, good].sum(axis=1)


def log_log_slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope of log y on log x.

    Parameters
    ----------
    x : ndarray of shape (C,)
        Positive abscissae.
    y : ndarray of shape (..., C)
        Positive ordinates; the slope is NaN if one of them is not positive.

    Returns
    -------
    ndarray of shape (...)
        The slopes.
    """
    log_x = np.log(x)
    centred = log_x - log_x.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(y) @ centred / (centred @ centred)
