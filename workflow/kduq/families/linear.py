"""Linear regression in closed form: one factorisation serves all noise draws of a run.

Students on bootstrap samples are fitted in compiled C++ (linear.cpp), where a compiler is at hand.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np
from scipy import integrate, stats

from kduq.families import Batch, Problem, Trained, native

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
        u, values, v = np.linalg.svd(self._train_x, full_matrices=False)
        self._rank = int((values > self._relative_cut * values[0]).sum())
        kept = slice(self._rank)
        self._pseudo_inverse = (v[kept].T / values[kept]) @ u[:, kept].T

    def train(self, batch: Batch) -> Trained:
        """Fit the students of one chunk; see `Family.train`."""
        if batch.counts is None:
            coefficients = batch.labels @ self._pseudo_inverse.T
            deficient = np.full(len(batch.labels), self._rank < self._train_x.shape[1])
            return Trained(*self._predictions(coefficients), deficient)
        wide = self._train_x.shape[1] > _WIDEST
        fit = self._fit if wide or _library() is None else self._fit_compiled
        return fit(batch.labels, batch.counts)

    def _predictions(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return coefficients @ self._train_x.T, coefficients @ self._test_x.T

    def _fit(self, labels: np.ndarray, counts: np.ndarray) -> Trained:
        """Fit students on bootstrap samples, by the normal equations of all at once."""
        gram = self._gram(counts)
        # What is not drawn says nothing, not even a label that is no number.
        moments = np.where(counts, counts * labels, 0) @ self._train_x
        students, p = moments.shape
        coefficients = np.empty_like(moments)
        smallest, trace = np.full((2, students), np.nan)
        held = max(1, _HELD // (2 * p * p))
        for start in range(0, students if p <= _WIDEST else 0, held):
            part = slice(start, start + held)
            found = _eliminate(gram[:, part], moments[part])
            coefficients[part], smallest[part], trace[part] = found
        unsolved = self._unsolved(smallest, trace)
        deficient = np.zeros(students, bool)
        for i in unsolved:
            coefficients[i], deficient[i] = self._minimum_norm(gram[:, i], moments[i])
        return Trained(*self._predictions(coefficients), deficient)

    def _fit_compiled(self, labels: np.ndarray, counts: np.ndarray) -> Trained:
        """The same within rounding, in compiled code."""
        counts, labels = (np.ascontiguousarray(a, np.float64) for a in (counts, labels))
        students, (n, p), m = len(labels), self._train_x.shape, len(self._test_x)
        if not counts.shape == labels.shape == (students, n):  # compiled code would not notice
            raise ValueError(f"counts {counts.shape} and labels {labels.shape} of {n} rows")
        gram, moments = np.empty((students, p * (p + 1) // 2)), np.empty((students, p))
        coefficients, (smallest, trace) = np.empty_like(moments), np.empty((2, students))
        predictions = np.empty((students, n)), np.empty((students, m))
        found = (gram, moments, coefficients, smallest, trace, *predictions)
        data = [a.ctypes.data for a in (self._train_x, self._test_x, counts, labels, *found)]
        _library()(data[0], n, p, data[1], m, data[2], data[3], students, *data[4:])
        deficient = np.zeros(students, bool)
        for i in self._unsolved(smallest, trace):
            coefficient, deficient[i] = self._minimum_norm(gram[i], moments[i])
            for prediction, one in zip(predictions, self._predictions(coefficient), strict=True):
                prediction[i] = one
        return Trained(*predictions, deficient)

    def _unsolved(self, smallest: np.ndarray, trace: np.ndarray) -> np.ndarray:
        """Students whose samples may lack rank; a bound that is no number says that they may."""
        return np.flatnonzero(~(smallest > self._relative_cut**2 * trace))

    def _minimum_norm(self, gram: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, bool]:
        """Solution of minimum norm of one student's normal equations; whether they lack rank."""
        p = len(moments)
        matrix = np.zeros((p, p))
        matrix[np.triu_indices(p)] = gram
        values, vectors = np.linalg.eigh(matrix, UPLO="U")
        kept = values > self._relative_cut**2 * values[-1]
        vectors = vectors[:, kept]
        return vectors @ (vectors.T @ moments / values[kept]), not kept.all()

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


@functools.cache
def _library() -> Any:
    """The compiled function, None where it cannot be had."""
    library = native.library(Path(__file__).with_suffix(".cpp"))
    if library is None:
        return None
    array, number = ctypes.c_void_p, ctypes.c_int64
    function = library.kduq_least_squares
    function.restype = None
    function.argtypes = [array, number, number, array, number, array, array, number, *[array] * 7]
    return function


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


def _with_intercept(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.column_stack([np.ones(len(x)), x]), np.float64)
