"""Linear regression in closed form: one factorisation serves all noise draws of a run."""

from typing import Any

import numpy as np
from scipy import integrate, stats

from kduq.families import Batch, Problem, Trained

#: Numbers held at once in a table of products or of normal equations.
_HELD = 1 << 20
#: Beyond so many coefficients LAPACK is faster, one student at a time.
_WIDEST = 100


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
        # A column that others determine, but for the rounding of inputs in single precision, lacks
        # rank; by the normal equations no finer cut can be made. The cut on singular values.
        self._relative_cut = np.sqrt(self._train_x.shape[1] * 100 * np.finfo(float).eps)
        self._pseudo_inverse = np.linalg.pinv(self._train_x, rcond=self._relative_cut)
        values = np.linalg.svd(self._train_x, compute_uv=False)
        self._rank = int((values > self._relative_cut * values[0]).sum())

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
        gram = self._gram(counts)
        moments = (counts * labels) @ self._train_x
        p = moments.shape[1]
        relative_cut = self._relative_cut**2
        coefficients, solved = np.empty_like(moments), np.zeros(len(labels), bool)
        held = max(1, _HELD // (2 * p * p))
        for start in range(0, len(labels) if p <= _WIDEST else 0, held):
            part = slice(start, start + held)
            coefficients[part], smallest, trace = _eliminate(gram[:, part], moments[part])
            solved[part] = smallest > relative_cut * trace
        deficient = np.zeros(len(labels), bool)
        for i in np.flatnonzero(~solved):
            coefficients[i], deficient[i] = _minimum_norm(gram[:, i], moments[i], relative_cut)
        return coefficients, deficient

    def _gram(self, counts: np.ndarray) -> np.ndarray:
        """Upper triangles, row after row, of XᵀCX: (p(p+1)/2, students)."""
        columns = np.ascontiguousarray(self._train_x.T)
        i, j = np.triu_indices(len(columns))
        gram = np.zeros((len(i), len(counts)))
        rows = max(1, _HELD // len(i))
        for start in range(0, len(self._train_x), rows):
            part = slice(start, start + rows)
            gram += (columns[i, part] * columns[j, part]) @ counts[:, part].T
        return gram

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


def _eliminate(gram: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solutions of normal equations; least eigenvalues, bounded from below; traces.

    Cholesky's elimination of [G, m, 1], every operation for all students: G = UᵀU leaves
    [U, U⁻ᵀm, U⁻ᵀ]. The least eigenvalue of G is 1/|G⁻¹|, and |G⁻¹| at most the squared Frobenius
    norm of U⁻¹. A matrix that is not positive definite has no number for it.
    """
    p, students = moments.shape[1], len(moments)
    table = np.zeros((p, 2 * p + 1, students))
    table[np.triu_indices(p)] = gram
    trace = np.einsum("iis->s", table[:, :p])
    table[:, p] = moments.T
    table[np.arange(p), np.arange(p + 1, 2 * p + 1)] = 1
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for pivot in range(p):
            end = p + 2 + pivot  # beyond it are zeros
            row = table[pivot, pivot:end]
            row /= np.sqrt(row[0])
            table[pivot + 1 :, pivot + 1 : end] -= row[1 : p - pivot, None] * row[1:]
        inverse = table[:, p + 1 :]
        solution = np.einsum("jis,js->si", inverse, table[:, p])
        return solution, 1 / np.einsum("jis,jis->s", inverse, inverse), trace


def _minimum_norm(
    gram: np.ndarray, moments: np.ndarray, relative_cut: float
) -> tuple[np.ndarray, bool]:
    """Solution of minimum norm of one student's normal equations; whether they lack rank."""
    p = len(moments)
    matrix = np.zeros((p, p))
    matrix[np.triu_indices(p)] = gram
    values, vectors = np.linalg.eigh(matrix, UPLO="U")
    kept = values > relative_cut * values[-1]
    vectors = vectors[:, kept]
    return vectors @ (vectors.T @ moments / values[kept]), not kept.all()


def _with_intercept(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x.astype(np.float64)])
