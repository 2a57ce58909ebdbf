"""Linear regression in closed form: one factorisation serves all noise draws of a run."""

from typing import Any

import numpy as np
from scipy import integrate, stats

from kduq.families import Batch, Problem, Trained


class Linear:
    """Ordinary least squares with an intercept.

    Where a sample leaves coefficients undetermined the solution of minimum norm is taken, as
    `numpy.linalg.lstsq` does.

    Parameters
    ----------
    problem : Problem
        Inputs and truth.
    settings : dict
        Settings of the model; least squares has none.
    """

    chunk = 100

    def __init__(self, problem: Problem, settings: dict[str, Any]) -> None:
        del settings
        self._train_x = _with_intercept(problem.train_x)
        self._test_x = _with_intercept(problem.test_x)
        n, p = self._train_x.shape
        self._pseudo_inverse = np.linalg.pinv(self._train_x)
        self._rank = int(np.linalg.matrix_rank(self._train_x))
        self._products = np.einsum("ip,iq->ipq", self._train_x, self._train_x).reshape(n, p * p)

    def train(self, batch: Batch) -> Trained:
        """Fit the students of one chunk; see `Family.train`."""
        if batch.counts is None:
            coefficients = batch.labels @ self._pseudo_inverse.T
            deficient = np.full(len(batch.labels), self._rank < self._train_x.shape[1])
        else:
            coefficients, deficient = self._weighted(batch.labels, batch.counts)
        return Trained(coefficients @ self._train_x.T, coefficients @ self._test_x.T, deficient)

    def _weighted(self, labels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least squares on bootstrap samples, by the normal equations of all at once."""
        p = self._train_x.shape[1]
        gram = (counts @ self._products).reshape(-1, p, p)
        moments = (counts * labels) @ self._train_x
        values, vectors = np.linalg.eigh(gram)
        # An eigenvalue of a Gram matrix is a squared singular value: rounding leaves those of a
        # rank-deficient sample near eps times the largest, so the cut lies well above that.
        cut = values[:, -1:] * p * 100 * np.finfo(float).eps
        kept = values > cut
        inverse = np.where(kept, 1 / np.where(kept, values, 1), 0)
        projected = np.einsum("bpe,bp->be", vectors, moments) * inverse
        return np.einsum("bpe,be->bp", vectors, projected), ~kept.all(axis=1)

    @classmethod
    def theory_inter_student_variance(
        cls, problem: Problem, method: str, noise_variance: float, k: int
    ) -> float | None:
        """Inter-student variance averaged over test rows, in closed form.

        Parameters
        ----------
        problem : Problem
            Inputs of both splits.
        method : str
            How the k responses are combined.
        noise_variance : float
            Variance s² of the noise of one response.
        k : int
            Responses per input.

        Returns
        -------
        float
            s²/k · mean diag Z(XᵀX)⁻¹Zᵀ. Variance weighting equals averaging, since projecting
            twice changes nothing. The oracle's target is f·(mean of k) + (1 - f)·(noiseless
            mean) with f = v_S/(v_T + v_S); v_S is s²/(nk(k-1)) times a chi-square with p(k-1)
            degrees of freedom and, for Gaussian noise, independent of the mean, so the variance
            is E[f²] times that of averaging.
        """
        model = cls(problem, {})
        averaging = (
            noise_variance
            / k
            * float(((model._test_x @ model._pseudo_inverse) ** 2).sum(axis=1).mean())
        )
        if method != "variance_weighting_oracle" or k == 1 or noise_variance == 0:
            return averaging
        n = len(model._train_x)
        freedom = model._rank * (k - 1)
        chi_square = stats.chi2(freedom)

        def integrand(value: float) -> float:
            ratio = value / (n * (k - 1))  # v_S / v_T
            return float((ratio / (1 + ratio)) ** 2 * chi_square.pdf(value))

        spread = 12 * np.sqrt(2 * freedom)
        low, high = max(0.0, freedom - spread), freedom + spread + 50
        return averaging * integrate.quad(integrand, low, high, limit=200)[0]


def _with_intercept(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x.astype(np.float64)])
