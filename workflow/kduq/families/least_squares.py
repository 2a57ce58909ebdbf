"""Linear regression in closed form, with one factorisation for all noise draws of a run.

Compiled C++ (least_squares.cpp) fits students on bootstrap samples, where a compiler is installed.
"""

import ctypes
import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy import integrate, stats

from kduq.families import native
from kduq.families.linear import LinearSettings
from kduq.families.protocol import Batch, Model, Problem, Trained

#: Largest number of elements of a table of products or of normal equations.
_TABLE = 1 << 20
#: Approximate number of elements of a table of products for compiled code, half of a core's cache.
_PANEL = 1 << 17
#: With more coefficients LAPACK is faster, one student at a time.
_WIDEST = 100
#: Rows per tile and numbers per row of the table (least_squares.cpp): whole vectors in either
#: precision.
_TILE, _VECTOR = 64, 16
#: Limit of tr(G)·|U⁻¹|² over p² up to which single precision is enough; it is 1 where all
#: eigenvalues are equal. Below the limit the ratio of the largest eigenvalue to the least is below
#: (0.42p + 2)², a bound that is approached where all others are the geometric mean of these two.
_EVEN = 2.0


#: Students that are fitted at once, and labels that they have together at most.
_ENSEMBLE, _VALUES = 200, 5_000_000


class Linear(Model):
    """Ordinary least squares with an intercept.

    Where a sample does not determine all coefficients, the solution of minimum norm is taken, as by
    `numpy.linalg.lstsq`.

    Parameters
    ----------
    problem : Problem
        Inputs and truth.
    settings : LinearSettings, optional
        Unused: least squares has no keys of its own.
    """

    ensemble = _ENSEMBLE

    def __init__(self, problem: Problem, settings: LinearSettings | None = None) -> None:
        del settings
        # Even, and fewer where there are many rows, so that labels and predictions fit in memory.
        self.ensemble = max(2, min(_ENSEMBLE, _VALUES // len(problem.train_x) // 2 * 2))
        self._train_x = _with_intercept(problem.train_x)
        self._test_x = _with_intercept(problem.test_x)
        # Cut-off of singular values. A column that is determined by others, up to rounding of the
        # inputs in single precision, lacks rank. The normal equations allow no smaller cut-off.
        self._relative_cut = np.sqrt(self._train_x.shape[1] * 100 * np.finfo(float).eps)
        u, values, v = np.linalg.svd(self._train_x, full_matrices=False)
        self._rank = int((values > self._relative_cut * values[0]).sum())
        nonzero = slice(self._rank)
        to_orthonormal = v[nonzero].T / values[nonzero]
        self._to_orthonormal = to_orthonormal
        self._pseudo_inverse = to_orthonormal @ u[:, nonzero].T
        self._location, self._scale = problem.train_y.mean(), problem.train_y.std() or 1.0
        # For bootstrap samples, at full rank, the columns are made orthogonal over all training
        # rows, each of mean square 1. The normal equations then are well conditioned.
        self._inputs = self._train_x, self._test_x
        self._single = self._rank == self._train_x.shape[1]
        if self._single:
            turn = to_orthonormal * np.sqrt(len(self._train_x))
            self._inputs = self._train_x @ turn, self._test_x @ turn
            # No training row is longer than this; longer test rows would amplify rounding.
            lengths = (self._inputs[1] ** 2).sum(axis=1)
            self._single = bool((lengths <= len(self._train_x)).all())

    def fit(self, batch: Batch) -> Trained:
        """Fit students; see `Model.fit`."""
        if batch.counts is None:
            coefficients = batch.labels @ self._pseudo_inverse.T
            deficient = np.full(len(batch.labels), self._rank < self._train_x.shape[1])
            return Trained(*self._predictions(coefficients), deficient)
        labels = np.ascontiguousarray(batch.labels, np.float64)
        counts = np.ascontiguousarray(batch.counts, np.uint16)
        if not counts.shape == labels.shape == (len(labels), len(self._train_x)):
            raise ValueError(
                f"counts {counts.shape} and labels {labels.shape} of {len(self._train_x)} rows"
            )
        if counts is not batch.counts and (counts != batch.counts).any():
            raise ValueError("counts are whole numbers from 0 to 65,535")
        wide = self._train_x.shape[1] > _WIDEST
        fit = self._fit if wide or _library() is None else self._fit_compiled
        return fit(labels, counts)

    def _predictions(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return coefficients @ self._train_x.T, coefficients @ self._test_x.T

    def _fit(self, labels: np.ndarray, counts: np.ndarray) -> Trained:
        """Fit students on bootstrap samples, by the normal equations of all at once."""
        (x, test_x), students = self._inputs, len(labels)
        p = x.shape[1]
        coefficients = np.zeros((students, p))
        smallest, trace = np.full((2, students), np.nan)
        if p <= _WIDEST:
            gram = self._gram(counts)
            # A row that is not drawn has no weight, even if its label is NaN.
            moments = (counts * np.where(counts, labels, 0)) @ x
            size = max(1, _TABLE // (2 * p * p))
            for start in range(0, students, size):
                part = slice(start, start + size)
                solutions = _eliminate(gram[:, part], moments[part])
                coefficients[part], smallest[part], trace[part] = solutions
        coefficients[self._unsolved(smallest, trace)] = 0  # they may be NaN
        train, test = coefficients @ x.T, coefficients @ test_x.T
        deficient = self._solve_rest(labels, counts, smallest, trace, train, test)
        return Trained(train, test, deficient)

    def _fit_compiled(self, labels: np.ndarray, counts: np.ndarray) -> Trained:
        """Fit as `_fit` does, in compiled code and within rounding of single precision.

        Samples with uneven eigenvalues are fitted again in double precision. All predictions are in
        single precision, in which they are stored.
        """
        students, p = len(labels), self._train_x.shape[1]
        if self._single:
            (smallest, trace), train, test = self._in_single.fit(labels, counts)
            uneven = ~(trace <= _EVEN * p**2 * smallest)
        else:
            train, test = (np.empty((students, len(x)), np.float32) for x in self._inputs)
            uneven = np.ones(students, bool)
        deficient = np.zeros(students, bool)
        if uneven.any():
            labels, counts = labels[uneven], counts[uneven]
            bounds, *again = self._in_double.fit(labels, counts)
            deficient[uneven] = self._solve_rest(labels, counts, *bounds, *again)
            train[uneven], test[uneven] = again
        return Trained(train, test, deficient)

    @functools.cached_property
    def _in_single(self) -> "_Design":
        return _Design("single", *self._inputs, self._location, self._scale)

    @functools.cached_property
    def _in_double(self) -> "_Design":
        return _Design("double", *self._inputs, self._location, self._scale)

    def _solve_rest(
        self,
        labels: np.ndarray,
        counts: np.ndarray,
        smallest: np.ndarray,
        trace: np.ndarray,
        train: np.ndarray,
        test: np.ndarray,
    ) -> np.ndarray:
        """Predict again where samples may lack rank; return whether each sample does, (S,)."""
        deficient = np.zeros(len(labels), bool)
        for i in self._unsolved(smallest, trace):
            coefficients, deficient[i] = self._minimum_norm(labels[i], counts[i])
            train[i], test[i] = self._predictions(coefficients)
        return deficient

    def _unsolved(self, smallest: np.ndarray, trace: np.ndarray) -> np.ndarray:
        """Students whose samples may lack rank, or whose bound is NaN."""
        return np.flatnonzero(~(smallest > self._relative_cut**2 * trace))

    def _minimum_norm(self, labels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, bool]:
        """Solution of minimum norm of one student's normal equations; whether they lack rank."""
        drawn = np.flatnonzero(counts)
        x = self._train_x[drawn]
        weighted = x * counts[drawn, None]
        values, vectors = np.linalg.eigh(weighted.T @ x)
        nonzero = values > self._relative_cut**2 * values[-1]
        vectors = vectors[:, nonzero]
        moments = labels[drawn] @ weighted
        return vectors @ (vectors.T @ moments / values[nonzero]), not nonzero.all()

    def _gram(self, counts: np.ndarray) -> np.ndarray:
        """Upper triangles, row after row, of XᵀCX: (p(p+1)/2, students)."""
        columns = np.ascontiguousarray(self._inputs[0].T)
        i, j = np.triu_indices(len(columns))
        gram = np.zeros((len(i), len(counts)))
        rows = max(1, _TABLE // len(i))
        for start in range(0, columns.shape[1], rows):
            part = slice(start, start + rows)
            gram += (columns[i, part] * columns[j, part]) @ counts[:, part].T
        return gram

    @classmethod
    def theoretical_variance(
        cls, problem: Problem, method: str | None, noise_variance: float, k: int
    ) -> float | None:
        """Inter-student variance in closed form, averaged over test rows.

        Parameters
        ----------
        problem : Problem
            Inputs of both splits.
        method : str, optional
            How the k responses are combined.
        noise_variance : float
            Variance s² of the noise of one response.
        k : int
            Responses per input.

        Returns
        -------
        float
            s²/k · mean diag Z(XᵀX)⁻¹Zᵀ. The pilots' mean, and any mix of it with the mean of the
            responses, equal averaging, since projecting twice changes nothing. The oracle's target
            is f·(mean of k) + (1 - f)·(noiseless mean) with f = v_S/(v_T + v_S); v_S is
            s²/(nk(k-1)) times a chi-square with p(k-1) degrees of freedom and, for Gaussian noise,
            independent of the mean, so the variance is E[f²] times that of averaging.
        """
        model = cls(problem)
        # The rows of Z V/σ have the norms of those of Z X⁺, and are as short as there are columns.
        leverage = ((model._test_x @ model._to_orthonormal) ** 2).sum(axis=1)
        averaging = noise_variance / k * float(leverage.mean())
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


class _Design:
    """Inputs in the layout of the compiled code, which computes in their precision.

    Parameters
    ----------
    precision : {"single", "double"}
        Precision of all numbers except labels and sums over panels of rows.
    train_x, test_x : ndarray of shape (n, p) and (m, p)
        Inputs of both splits, including the intercept.
    location, scale : float
        Location and scale by which labels are standardised.
    """

    def __init__(
        self,
        precision: str,
        train_x: np.ndarray,
        test_x: np.ndarray,
        location: float,
        scale: float,
    ) -> None:
        dtype = {"single": np.float32, "double": np.float64}[precision]
        self._train_x = np.ascontiguousarray(train_x, dtype)
        self._tiles, self._test_tiles = (_tiled(x.astype(dtype)) for x in (train_x, test_x))
        self._n, self._m, self._p = len(train_x), len(test_x), train_x.shape[1]
        self._tiles_at = self._tiles.ctypes.data, self._n, self._test_tiles.ctypes.data, self._m
        self._unit = location, scale
        self._function = _function(precision)
        pairs = self._p * (self._p + 1) // 2
        self._stride = -(-pairs // _VECTOR) * _VECTOR
        self._panel = max(1, _PANEL // (self._stride * _TILE)) * _TILE
        self._whole = self._products(0) if self._n <= self._panel else None

    def fit(
        self, labels: np.ndarray, counts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fit S students on bootstrap samples.

        Parameters
        ----------
        labels, counts : ndarray of shape (S, n), float64 and uint16
            Labels and counts of each student, contiguous in memory.

        Returns
        -------
        tuple of ndarray
            A lower bound of the least eigenvalue of XᵀCX and its trace, (2, S), and predictions for
            both splits, (S, n) and (S, m), in the precision of the inputs.
        """
        students, p, stride = len(labels), self._p, self._stride
        sums, bounds = np.empty((students, stride + p)), np.empty((2, students))
        train, test = (np.empty((students, k), self._tiles.dtype) for k in (self._n, self._m))
        samples = counts.ctypes.data, labels.ctypes.data, *self._unit, students
        results = [a.ctypes.data for a in (sums, bounds, train, test)]
        for start in range(0, self._n, self._panel):
            table = self._products(start) if self._whole is None else self._whole
            panel = table.ctypes.data, stride, start, len(table), p
            self._function(*panel, *self._tiles_at, *samples, *results)
        return bounds, train, test

    def _products(self, start: int) -> np.ndarray:
        """Pairwise products of a panel's inputs, the upper triangle row by row."""
        x = self._train_x[start : start + self._panel]
        i, j = np.triu_indices(self._p)
        table = _aligned((len(x), self._stride), x.dtype)
        table[:, : len(i)] = x[:, i] * x[:, j]
        return table


def _tiled(x: np.ndarray) -> np.ndarray:
    """Rows in tiles, with the rows of a tile as the last axis: (tiles, p, rows per tile)."""
    tiles = -(-len(x) // _TILE)
    padded = np.zeros((tiles * _TILE, x.shape[1]), x.dtype)
    padded[: len(x)] = x
    tiled = _aligned((tiles, x.shape[1], _TILE), x.dtype)
    tiled[:] = padded.reshape(tiles, _TILE, x.shape[1]).swapaxes(1, 2)
    return tiled


def _aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros that start at a cache line, since vectors across two lines are read slowly."""
    line, size = 64, math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.zeros(size + line, np.uint8)
    start = -buffer.ctypes.data % line
    return buffer[start : start + size].view(dtype).reshape(shape)


@functools.cache
def _library() -> ctypes.CDLL | None:
    return native.library(Path(__file__).with_suffix(".cpp"))


@functools.cache
def _function(precision: str) -> Any:
    """The compiled function of a precision, if the library could be compiled."""
    array, whole, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    panel = (array, whole, whole, whole, whole)  # table, stride, first, rows, p
    tiles = (array, whole, array, whole)  # tiles, n, test tiles, m
    samples = (array, array, real, real, whole)  # counts, labels, location, scale, students
    results = (array, array, array, array)  # sums, bounds, train, test
    function = getattr(_library(), f"kduq_least_squares_{precision}")
    function.restype = None
    function.argtypes = [*panel, *tiles, *samples, *results]
    return function


def _eliminate(gram: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solutions of normal equations; least eigenvalues, bounded from below; traces.

    Cholesky's elimination of [G, m, 1], every operation for all students at once: G = UᵀU gives
    [U, U⁻ᵀm, U⁻ᵀ]. The least eigenvalue of G is 1/|G⁻¹|, and |G⁻¹| is at most the squared Frobenius
    norm of U⁻¹. For a matrix that is not positive definite the bound is NaN.
    """
    p, students = moments.shape[1], len(moments)
    table = np.zeros((p, 2 * p + 1, students))
    table[np.triu_indices(p)] = gram
    trace = np.einsum("iis->s", table[:, :p])
    table[:, p] = moments.T
    table[np.arange(p), np.arange(p + 1, 2 * p + 1)] = 1
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for pivot in range(p):
            end = p + 2 + pivot  # all later columns are zero
            row = table[pivot, pivot:end]
            row /= np.sqrt(row[0])
            table[pivot + 1 :, pivot + 1 : end] -= row[1 : p - pivot, None] * row[1:]
        inverse = table[:, p + 1 :]
        solution = np.einsum("jis,js->si", inverse, table[:, p])
        return solution, 1 / np.einsum("jis,jis->s", inverse, inverse), trace


def _with_intercept(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.column_stack([np.ones(len(x)), x]), np.float64)
