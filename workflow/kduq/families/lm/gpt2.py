"""A GPT-2 in compiled C++ (gpt2.cpp), where a compiler is installed.

Torch calls some hundred kernels per step. For a model that is 64 units wide, most of their time is
not arithmetic.
"""

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kduq.families import native
from kduq.families.lm import forward
from kduq.families.lm.packing import Row
from kduq.families.lm.text import Model

#: Largest width of a model in compiled code. Wider ones are faster in torch, whose matrix products
#: divide large matrices into blocks for the caches.
WIDEST = 256
#: Steps whose rows are packed at once, and steps between two reports of a training's progress.
_PACKED, _REPORTED = 200, 20


class _Shape(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("layers", "width", "heads", "inner")),
        *((name, ctypes.c_int64) for name in ("vocabulary", "positions")),
        ("epsilon", ctypes.c_double),
    ]


class _Rows(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            *("token_from", "prediction_from", "visible_from"),
            *("token", "position", "visible", "first", "query", "target", "weight"),
        )
    ]


def _address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def _parameters(model: Model) -> list[torch.Tensor]:
    """The parameters in the order of the compiled code."""
    return list(model.parameters())


def runs(model: Model) -> bool:
    """Whether compiled code can compute a model.

    Parameters
    ----------
    model : transformers causal language model
        Any model.

    Returns
    -------
    bool
        True for a GPT-2 up to `WIDEST` that takes trees (`kduq.families.lm.forward.takes_trees`),
        with tied embeddings and in single precision, on the processor, if a compiler is installed.
    """
    return bool(
        forward.takes_trees(model)
        and model.config.n_embd <= WIDEST
        and model.lm_head.weight is model.transformer.wte.weight
        and all(
            p.dtype == torch.float32 and p.device.type == "cpu" and p.requires_grad
            for p in _parameters(model)
        )
        and _library() is not None
    )


def _shape(model: Model) -> _Shape:
    config, body = model.config, model.transformer
    return _Shape(
        layers=len(body.h),
        width=config.n_embd,
        heads=config.n_head,
        inner=body.h[0].mlp.c_fc.weight.shape[1],
        vocabulary=body.wte.weight.shape[0],
        positions=body.wpe.weight.shape[0],
        epsilon=config.layer_norm_epsilon,
    )


def _flat(model: Model) -> np.ndarray:
    parts = [p.detach().numpy().ravel() for p in _parameters(model)]
    return np.ascontiguousarray(np.concatenate(parts), np.float32)


@dataclass(frozen=True)
class Optimiser:
    """Settings of AdamW.

    Attributes
    ----------
    learning_rates : ndarray of float64 of shape (steps,)
        Learning rate of every step.
    weight_decay : float
        Weight decay of the matrices.
    betas : tuple of float
        Decays of the gradient's moments.
    clip : float
        Largest norm of a batch's gradient.
    """

    learning_rates: np.ndarray
    weight_decay: float
    betas: tuple[float, float]
    clip: float


def train(
    model: Model,
    batches: Iterator[list[Row]],
    optimiser: Optimiser,
    tokens_per_microbatch: int,
    progress: Callable[[int], object],
) -> np.ndarray:
    """Train a model in place.

    Parameters
    ----------
    model : transformers causal language model
        One that `runs`.
    batches : iterator of list of Row
        The batches, all of the same number of rows. Rows that occur again are the same objects.
    optimiser : Optimiser
        Steps and settings of AdamW.
    tokens_per_microbatch : int
        Tokens computed at once.
    progress : callable
        Called with the number of steps done since the last call.

    Returns
    -------
    ndarray of float64 of shape (steps,)
        The batches' losses.
    """
    parameters = _flat(model)
    moments = np.zeros((2, len(parameters)), np.float32)
    rates = np.ascontiguousarray(optimiser.learning_rates, np.float64)
    betas, losses = np.array(optimiser.betas), np.zeros(len(rates))
    shape = _shape(model)
    for start in range(0, len(rates), _REPORTED):
        if start % _PACKED == 0:
            steps = min(_PACKED, len(rates) - start)
            packed, order = _pool([next(batches) for _ in range(steps)])
        part = order[start % _PACKED :][:_REPORTED]
        _library().kduq_gpt2_train(
            ctypes.byref(shape),
            _address(parameters),
            _address(moments),
            ctypes.byref(packed.rows),
            _address(part),
            *part.shape,
            tokens_per_microbatch,
            start,
            _address(rates[start:]),
            optimiser.weight_decay,
            optimiser.clip,
            _address(betas),
            _address(losses[start:]),
        )
        progress(len(part))
    ends = np.cumsum([p.numel() for p in _parameters(model)])
    with torch.no_grad():
        for parameter, end in zip(_parameters(model), ends, strict=True):
            own = torch.from_numpy(parameters[end - parameter.numel() : end])
            parameter.copy_(own.view_as(parameter))
    return losses


@dataclass(frozen=True)
class _Packed:
    """Rows as compiled code reads them, and the arrays in which they lie."""

    rows: _Rows
    arrays: dict[str, np.ndarray]


def _pool(batches: Sequence[Sequence[Row]]) -> tuple[_Packed, np.ndarray]:
    """The distinct rows of batches, and the number of each batch's rows, shape (steps, size)."""
    rows = {id(row): row for batch in batches for row in batch}
    number = {key: i for i, key in enumerate(rows)}
    order = np.array([[number[id(row)] for row in batch] for batch in batches], np.int32)
    return _packed(list(rows.values())), order


def _packed(rows: Sequence[Row]) -> _Packed:
    seen = [np.nonzero(row.visible) for row in rows]
    counts = [
        np.bincount(own[0], minlength=len(row.tokens)) for own, row in zip(seen, rows, strict=True)
    ]
    arrays = {
        "token_from": _offsets([len(row.tokens) for row in rows]),
        "prediction_from": _offsets([len(row.targets) for row in rows]),
        "visible_from": _offsets(np.concatenate(counts)),
        "token": _joined([row.tokens for row in rows]),
        "position": _joined([row.positions for row in rows]),
        "visible": _joined([own[1] for own in seen]),
        "first": np.array([row.first for row in rows], np.int32),
        "query": _joined([row.queries for row in rows]),
        "target": _joined([row.targets for row in rows]),
        "weight": np.concatenate([row.weights for row in rows]).astype(np.float32),
    }
    return _Packed(_Rows(**{name: _address(array) for name, array in arrays.items()}), arrays)


def _offsets(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.int32)


class Context:
    """A model with the keys and values of the tokens that it has read.

    Parameters
    ----------
    model : transformers causal language model
        One that `runs`.
    capacity : int
        Largest number of tokens.
    """

    def __init__(self, model: Model, capacity: int) -> None:
        self._shape, self._weights = _shape(model), _flat(model)
        self._keys = np.empty((self._shape.layers, capacity, self._shape.width), np.float32)
        self._values = np.empty_like(self._keys)
        self._capacity, self.size = capacity, 0

    def extend(
        self,
        tokens: np.ndarray,
        positions: np.ndarray,
        counts: np.ndarray,
        visible: np.ndarray,
        queries: np.ndarray,
    ) -> np.ndarray:
        """Read new tokens.

        Parameters
        ----------
        tokens, positions : ndarray of shape (T,)
            The new tokens, which get the numbers from ``size`` on.
        counts : ndarray of shape (T,)
            For each, how many tokens it sees.
        visible : ndarray of shape (sum of counts,)
            Their numbers, those of the first token first. A token's own number is among them.
        queries : ndarray of shape (K,)
            Those of the new tokens, from 0 on, whose predictions are wanted.

        Returns
        -------
        ndarray of float32 of shape (K, vocabulary)
            Logits of the token after each query.
        """
        count = len(tokens)
        assert self.size + count <= self._capacity
        logits = np.empty((len(queries), self._shape.vocabulary), np.float32)
        offsets = _offsets(counts)
        token, position, seen, query = (
            np.ascontiguousarray(a, np.int32) for a in (tokens, positions, visible, queries)
        )
        _library().kduq_gpt2_extend(
            ctypes.byref(self._shape),
            _address(self._weights),
            count,
            self.size,
            _address(token),
            _address(position),
            _address(offsets),
            _address(seen),
            len(query),
            _address(query),
            _address(self._keys),
            _address(self._values),
            self._capacity,
            _address(logits),
        )
        self.size += count
        return logits


def target_log_probabilities(model: Model, rows: Sequence[Row]) -> torch.Tensor:
    """Log-probabilities of the targets of rows; see `kduq.families.lm.forward`.

    Parameters
    ----------
    model : transformers causal language model
        One that `runs`.
    rows : sequence of Row
        Rows, of any lengths.

    Returns
    -------
    Tensor of shape (K,)
        In nats, single precision.
    """
    packed = _packed(rows)
    arrays, starts = packed.arrays, packed.arrays["token_from"]
    sizes = np.diff(arrays["visible_from"])
    own_row = np.repeat(starts[:-1], np.diff(starts))
    queries = [
        np.arange(start + row.first, start + len(row.tokens))
        for start, row in zip(starts, rows, strict=False)
    ]
    logits = Context(model, int(starts[-1])).extend(
        arrays["token"],
        arrays["position"],
        sizes,
        arrays["visible"] + np.repeat(own_row, sizes),
        np.concatenate(queries),
    )
    counts = _offsets([len(own) for own in queries])
    query = np.concatenate(
        [n + row.queries - row.first for n, row in zip(counts, rows, strict=False)]
    )
    target = arrays["target"].astype(np.int64)
    scores = torch.from_numpy(logits)
    return scores[query, target] - torch.logsumexp(scores, 1)[query]


@functools.cache
def _library() -> Any:
    """The compiled functions, None if they cannot be compiled."""
    library = native.library(Path(__file__).with_suffix(".cpp"))
    if library is None:
        return None
    pointer, number, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    library.kduq_gpt2_train.restype = None
    library.kduq_gpt2_train.argtypes = [
        *(pointer, pointer, pointer, pointer, pointer, number, number, number, number),
        *(pointer, real, real, pointer, pointer),
    ]
    library.kduq_gpt2_extend.restype = None
    library.kduq_gpt2_extend.argtypes = [
        *(pointer, pointer, number, number, pointer, pointer, pointer, pointer),
        *(number, pointer, pointer, pointer, number, pointer),
    ]
    return library
