"""Calibration of class probabilities, as implemented by scikit-learn and torchmetrics."""

import numpy as np
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error

#: Number of confidence bins of equal width.
_BINS = 15


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
    """Mean distance of accuracy from confidence over 15 confidence bins (Guo et al. 2017, eq. 3).

    Parameters
    ----------
    probabilities : ndarray of shape (m, C)
        Rows that sum to one.
    classes : ndarray of shape (m,)
        Numbers of the true classes.

    Returns
    -------
    float
        Between 0 and 1, lower is better.
    """
    error = multiclass_calibration_error(
        torch.from_numpy(probabilities),
        torch.from_numpy(classes),
        num_classes=probabilities.shape[1],
        n_bins=_BINS,
        norm="l1",
    )
    return float(error)
