"""Training of one network in compiled C++ (compiled.cpp), where a compiler is installed.

Torch calls a dozen kernels per step, each of which reads all activations. Compiled code does most
of the work while they are in registers.
"""

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kduq.families import native
from kduq.families.networks import layers

#: Numbers in the longest vector that the compiled code knows.
_VECTOR = 16
_SOURCE = Path(__file__).with_suffix(".cpp")


@dataclass(frozen=True)
class Training:
    """What the students of an ensemble have in common.

    Attributes
    ----------
    x : ndarray of shape (n, width)
        Inputs, single precision; see `layers.design`.
    inputs : int
        Columns of the inputs without padding, the last of them ones.
    hidden : int
        Hidden units, 0 for none.
    outputs : int
        Outputs.
    squared : bool
        Whether the loss is half the squared error of one output; otherwise it is the cross-entropy
        of a softmax.
    steps : int
        Steps of Adam.
    learning_rate : float
        Its step size.
    record_every : int
        Steps between two recorded values of the first parameter, 0 for none.
    """

    x: np.ndarray
    inputs: int
    hidden: int
    outputs: int
    squared: bool
    steps: int
    learning_rate: float
    record_every: int

    def run(
        self,
        parameters: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        order: np.ndarray | None = None,
    ) -> np.ndarray:
        """Train one student, where code is `available`.

        Parameters
        ----------
        parameters : ndarray of shape (P,)
            Single precision, changed in place: first layer (units, inputs), then last layer
            (outputs, hidden + 1) with its bias last; a network without hidden units has one layer.
        labels : ndarray of shape (n, outputs)
            Targets.
        weights : ndarray of shape (n,)
            Weight of each row in the sum that is the loss.
        order : ndarray of shape (steps, rows per step), optional
            Rows of each step; None for all in every step.

        Returns
        -------
        ndarray of shape (1 + steps // record_every,)
            The first parameter along training, starting before the first step.
        """
        every = self.record_every
        record = np.empty(1 + (self.steps // every if every else 0), np.float32)
        labels, weights = (np.ascontiguousarray(a, np.float32) for a in (labels, weights))
        if order is not None:  # every step collects rows, whole vectors of numbers at a time
            labels = np.pad(labels, ((0, 0), (0, -self.outputs % _VECTOR)))
        rows = None if order is None else np.ascontiguousarray(order, np.int64)
        _library()(
            self.x,
            self.x.shape[1],
            self.inputs,
            labels,
            labels.shape[1],
            self.outputs,
            weights,
            None if rows is None else rows.ctypes.data,
            len(self.x) if rows is None else rows.shape[1],
            self.steps,
            self.hidden,
            self.squared,
            self.learning_rate,
            every,
            parameters,
            record,
        )
        return record


def shuffled(stream: np.random.Generator, rows: int, epochs: int) -> np.ndarray:
    """Draw permutations, in compiled code or, with equal result, in numpy.

    numpy's own take four times as long, a third of the time of a small softmax regression.

    Parameters
    ----------
    stream : Generator
        Random numbers, of which an epoch takes as many whatever the number of epochs.
    rows : int
        Number of rows, less than 2³².
    epochs : int
        Number of permutations.

    Returns
    -------
    ndarray of int64 of shape (epochs, rows)
        A row's place is uniform up to the rounding of 32 bits: rows · 2⁻³² of its probability.
    """
    of_epoch = rows + rows % 2  # a number of 64 bits is two
    drawn = stream.bit_generator.random_raw(epochs * of_epoch // 2).astype("<u8").view("<u4")
    numbers = drawn.astype(np.uint32, copy=False).reshape(epochs, of_epoch)
    library = native.library(_SOURCE)
    order = np.empty((epochs, rows), np.int64)
    if library is not None:
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (numbers, order)]
        sizes = [ctypes.c_int64(n) for n in (of_epoch, rows, epochs)]
        library.kduq_shuffle(pointers[0], *sizes, pointers[1])
        return order
    order[:] = np.arange(rows)
    every = np.arange(epochs)
    for last in range(rows - 1, 0, -1):
        other = numbers[:, last].astype(np.uint64) * np.uint64(last + 1) >> np.uint64(32)
        moved = order[every, other.astype(np.int64)]
        order[every, other.astype(np.int64)] = order[:, last]
        order[:, last] = moved
    return order


def available() -> bool:
    """Whether networks train in compiled code: on the processor, with a compiler installed."""
    return layers.device().type == "cpu" and _library() is not None


@functools.cache
def _library() -> Any:
    """The compiled function, None if it cannot be compiled."""
    library = native.library(_SOURCE)
    if library is None:
        return None
    values = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
    number, rows = ctypes.c_int64, ctypes.c_void_p
    function = library.kduq_train
    function.restype = None
    function.argtypes = [
        *(values, number, number, values, number, number, values, rows),
        *(number, number, number, ctypes.c_bool, ctypes.c_double, number, values, values),
    ]
    return function
