"""Training of one network in compiled C++ (compiled.cpp), where a compiler is at hand.

Torch calls a dozen kernels a step, and each passes over all activations; compiled, most of that is
done while they are in registers. The library is compiled once a machine, into the user's cache, and
shared by all jobs.
"""

import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kduq.families import network

_SOURCE = Path(__file__).with_suffix(".cpp")
_FLAGS = (
    "-O3",
    "-march=native",
    "-std=c++17",
    "-fno-math-errno",
    "-ffp-contract=fast",
    "-shared",
    "-fPIC",
)
#: Bytes of the digest behind a library, where no loader looks.
_DIGEST = 32
_COMPILERS = ("c++", "g++", "clang++")


@dataclass(frozen=True)
class Training:
    """What the students of a chunk have in common.

    Attributes
    ----------
    x : ndarray of shape (n, width)
        Inputs, single precision; see `network.design`.
    inputs : int
        Columns that count, the last of them ones.
    hidden : int
        Hidden units, 0 for none.
    outputs : int
        Outputs.
    squared : bool
        Squared loss of the one output, halved, instead of the cross-entropy of a softmax.
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
        """Train one student; `available` must have said that this can be done.

        Parameters
        ----------
        parameters : ndarray of shape (P,)
            Single precision, changed in place: first layer (units, inputs), then last layer
            (outputs, hidden + 1) with its bias last; a network without hidden units has one layer.
        labels : ndarray of shape (n, outputs)
            Targets.
        weights : ndarray of shape (n,)
            Weight of each row in the sum that is the loss.
        order : ndarray of shape (steps, rows of a step), optional
            Rows of each step; None for all in every step.

        Returns
        -------
        ndarray of shape (1 + steps // record_every,)
            The first parameter along training, starting before the first step.
        """
        every = self.record_every
        record = np.empty(1 + (self.steps // every if every else 0), np.float32)
        labels, weights = (np.ascontiguousarray(a, np.float32) for a in (labels, weights))
        rows = None if order is None else np.ascontiguousarray(order, np.int64)
        _library()(
            self.x,
            self.x.shape[1],
            self.inputs,
            labels,
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


def available() -> bool:
    """Whether networks train in compiled code: on the processor, with a compiler at hand."""
    return network.device().type == "cpu" and _library() is not None


@functools.cache
def _library() -> Any:
    """The compiled function; None, after one line in the log, where it cannot be had."""
    try:
        function = _load(_file()).kduq_train
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().partition("\n")[0]
        sys.stderr.write(f"networks train uncompiled, more slowly: {said}\n")
        return None
    values = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
    number, rows = ctypes.c_int64, ctypes.c_void_p
    function.restype = None
    function.argtypes = [
        *(values, number, number, values, number, values, rows),
        *(number, number, number, ctypes.c_bool, ctypes.c_double, number, values, values),
    ]
    return function


def _load(file: Path) -> ctypes.CDLL:
    if not _whole(file):
        _compile(file)
    return ctypes.CDLL(str(file))


def _whole(file: Path) -> bool:
    """Whether a library ends with its digest: to load a damaged one would end the process."""
    content = file.read_bytes() if file.exists() else b""
    return content[-_DIGEST:] == hashlib.sha256(content[:-_DIGEST]).digest()


def _compiler() -> list[str]:
    named = os.environ.get("CXX")
    found = shlex.split(named) if named else [c for c in _COMPILERS if shutil.which(c)][:1]
    if not found or not shutil.which(found[0]):
        raise FileNotFoundError(
            f"no C++ compiler ({named or ', '.join(_COMPILERS)}); install one or name it in CXX"
        )
    return found


def _run(*arguments: str) -> str:
    """Standard output of the compiler."""
    command = [*_compiler(), *_FLAGS, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


def _file() -> Path:
    """Where the library lies: a name for each source, compiler and kind of processor.

    The compiler's predefined macros name both its version and all that it would use of this
    processor, so that machines which share a home do not share code that only some of them can run.
    """
    macros = _run("-dM", "-E", "-x", "c++", os.devnull)
    made_from = "\0".join([*_FLAGS, macros, _SOURCE.read_text(encoding="utf-8")])
    digest = hashlib.sha256(made_from.encode())
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "kduq" / f"{digest.hexdigest()[:32]}.so"


def _compile(file: Path) -> None:
    """Compile under a name of this process and rename: whoever is last replaces equal code."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(suffix=".so", dir=file.parent)
    os.close(handle)
    try:
        _run(str(_SOURCE), "-o", made)
        content = Path(made).read_bytes()
        Path(made).write_bytes(content + hashlib.sha256(content).digest())
        Path(made).replace(file)
    finally:
        Path(made).unlink(missing_ok=True)
