"""Calibration of class probabilities, and how well they tell wrong answers from right ones."""

import numpy as np
import scipy
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error

#: Number of confidence bins of equal width.
_BINS = 15
#: Logarithms of the least and largest temperature of `tempered`.
_TEMPERATURES = (-3.0, 3.0)


def brier_score(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Mean over rows of Σ_c (p_c - [c is true])², between 0 and 2 (Brier 1950).

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    float
        Lower is better.
    """
    labels = np.arange(probabilities.shape[1])
    # Of two classes scikit-learn takes the probability of the second alone.
    scores = probabilities[:, 1] if len(labels) == 2 else probabilities
    return float(metrics.brier_score_loss(classes, scores, labels=labels, scale_by_half=False))


def negative_log_likelihood(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Mean over rows of -log p of the true class, in nats.

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one; a probability of 0 is replaced by the smallest positive double.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    float
        Lower is better.
    """
    return float(metrics.log_loss(classes, probabilities, labels=np.arange(probabilities.shape[1])))


def expected_calibration_error(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Distance of accuracy from confidence over 15 bins, above that of a calibrated model.

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    float
        Mean distance of accuracy from confidence over 15 confidence bins of equal width (Guo et al.
        2017, eq. 3), minus its expectation for a perfectly calibrated model with the same
        confidences, which is positive since shares vary (Bröcker & Smith 2007, Weather and
        Forecasting 22, 651-661; Vaicenavicius et al. 2019). Lower is better: on average it is 0 for
        a calibrated model, so it may be negative. For others it is a little low: at most by the
        expectation, which is subtracted although an error that is larger than the variation of
        shares is not raised by it.

    Notes
    -----
    The right answers among the n rows of a bin with mean confidence p are taken as binomial, whose
    mean absolute deviation is 2 v C(n, v) p^v (1 - p)^(n - v + 1), v = ⌊np⌋ + 1 (De Moivre 1730;
    Diaconis & Zabell 1991, Statistical Science 6, 284-302). Within a bin confidences differ by less
    than 1/15, so that this is 2 % too large at most.
    """
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * _BINS).astype(np.intp), _BINS - 1)
    number = np.bincount(bins, minlength=_BINS)
    used = number > 0
    n = number[used]
    p = np.minimum(np.bincount(bins, confidence, minlength=_BINS)[used] / n, 1.0)
    expected = float(_mean_absolute_deviation(n, p).sum()) / len(confidence)
    return _plain_calibration_error(probabilities, classes) - expected


def _mean_absolute_deviation(n: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Mean distance of a binomial number from its expectation."""
    v = np.minimum(np.floor(n * p) + 1, n)
    # By the library's probabilities, since factorials of many rows overflow.
    deviation: np.ndarray = 2 * v * (1 - p) * scipy.stats.binom.pmf(v, n, p)
    return deviation


def _plain_calibration_error(probabilities: np.ndarray, classes: np.ndarray) -> float:
    error = multiclass_calibration_error(
        torch.from_numpy(probabilities),
        torch.from_numpy(classes),
        num_classes=probabilities.shape[1],
        n_bins=_BINS,
        norm="l1",
    )
    return float(error)


def tempered(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Probabilities after one temperature, which is fitted on half of the rows and used on others.

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    ndarray of shape (m, C)
        p^(1/T), normalised (Guo et al. 2017, section 4.2). T of even rows has the largest
        likelihood on odd ones, and the reverse, so that no row is used to fit its own T; it is
        between e^-3 and e^3. Rows are as they are if there are fewer than two.
    """
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    result = probabilities.copy()
    halves = np.arange(len(logs)) % 2 == 0
    for fitted in (halves, ~halves) if len(logs) > 1 else ():
        inverse = _inverse_temperature(logs[fitted], classes[fitted])
        result[~fitted] = scipy.special.softmax(inverse * logs[~fitted], axis=1)
    return result


def _inverse_temperature(logs: np.ndarray, classes: np.ndarray) -> float:
    """1/T of the largest likelihood, whose logarithm is concave in 1/T."""
    mean_true = logs[np.arange(len(logs)), classes].mean()

    def slope(log_inverse: float) -> float:
        weights = scipy.special.softmax(np.exp(log_inverse) * logs, axis=1)
        return float((weights * logs).sum(axis=1).mean() - mean_true)

    low, high = _TEMPERATURES
    if slope(low) >= 0:
        return float(np.exp(low))
    if slope(high) <= 0:
        return float(np.exp(high))
    return float(np.exp(scipy.optimize.brentq(slope, low, high, xtol=1e-6)))


def expected_calibration_error_after_temperature(
    probabilities: np.ndarray, classes: np.ndarray
) -> float:
    """`expected_calibration_error` of the probabilities of `tempered`.

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    float
        What of the error is not a matter of one temperature.
    """
    return expected_calibration_error(tempered(probabilities, classes), classes)


def aurc(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Area under the risk-coverage curve (Geifman & El-Yaniv 2017; Geifman et al. 2019).

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    float
        Mean over k = 1 … m of the share wrong among the k rows with the largest probability of
        their class; rows with equal confidence are in random order, of which this is the
        expectation. Lower is better; without any relation it is the share wrong.
    """
    confidence = probabilities.max(axis=1)
    _, group = np.unique(-confidence, return_inverse=True)
    wrong = probabilities.argmax(axis=1) != classes
    number = np.bincount(group)
    expected = np.repeat(np.bincount(group, wrong) / number, number)
    return float((expected.cumsum() / np.arange(1, len(wrong) + 1)).mean())


def error_auroc(probabilities: np.ndarray, classes: np.ndarray) -> float:
    """Probability that a wrong answer has less confidence than a right one.

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    float
        Area under the receiver operating characteristic of wrong answers by 1 - max p, a half for
        equal confidences (Mann & Whitney 1947; Hendrycks & Gimpel 2017). NaN if all answers are
        right, or all wrong.
    """
    wrong = probabilities.argmax(axis=1) != classes
    n_wrong = int(wrong.sum())
    n_right = len(wrong) - n_wrong
    if not n_wrong or not n_right:
        return float("nan")
    ranks = scipy.stats.rankdata(-probabilities.max(axis=1))
    return float((ranks[wrong].sum() - n_wrong * (n_wrong + 1) / 2) / (n_wrong * n_right))
