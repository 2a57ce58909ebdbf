"""Weights of the models of a shard: one safetensors file, written model by model.

The file has the format of the library safetensors, which can read it. Its header contains, under
``__metadata__``, the provenance (``kduq``) and the SHA-256 of the whole file, with zeros in the
place of that digest (``sha256``). It is written here, since the library needs all tensors at once.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from kduq.artifacts import files
from kduq.artifacts.canonical import canonical_json

#: Bytes of the number that precedes the header, and bytes that are read at once.
_LENGTH, _CHUNK = 8, 1 << 22
_NO_DIGEST = "0" * 64


def prefix(condition: int, replicate: int) -> str:
    """Start of the names of a student's tensors: the numbers of its condition and replicate."""
    return f"{condition}/{replicate}/"


#: Names of a model's tensors, in their order, and their values in single precision.
Tensors = Mapping[str, np.ndarray]


class _Writer:
    """Writes models of one architecture into a file, each at its place."""

    def __init__(self, file: IO[bytes], names: Sequence[str], provenance: str) -> None:
        self._file, self._names, self._provenance = file, list(names), provenance
        self._start = self._size = 0

    def put(self, name: str, tensors: Tensors) -> None:
        """Write the tensors of one of the models."""
        if not self._start:
            self._write_header(tensors)
        self._file.seek(self._start + self._names.index(name) * self._size)
        for values in tensors.values():
            self._file.write(np.ascontiguousarray(values, "<f4").data)

    def _write_header(self, tensors: Tensors) -> None:
        metadata = {"kduq": self._provenance, "sha256": _NO_DIGEST}
        header: dict[str, Any] = {"__metadata__": metadata}
        end = 0
        for model in self._names:
            for name, values in tensors.items():
                start, end = end, end + 4 * values.size
                header[f"{model}{name}"] = {
                    "dtype": "F32",
                    "shape": list(values.shape),
                    "data_offsets": [start, end],
                }
        text = canonical_json(header).encode()
        text += b" " * (-len(text) % 8)
        self._file.write(len(text).to_bytes(_LENGTH, "little") + text)
        self._start, self._size = _LENGTH + len(text), end // len(self._names)


@contextlib.contextmanager
def writer(
    path: Path | str, names: Sequence[str], provenance: Mapping[str, Any]
) -> Iterator[Callable[[str, Tensors], None]]:
    """Write models one by one; nothing is left behind if an exception is raised.

    Parameters
    ----------
    path : path
        The file to write.
    names : sequence of str
        Start of the names of each model's tensors, in the order of the file.
    provenance : mapping
        The result of `kduq.artifacts.provenance`.

    Yields
    ------
    callable
        Called once for each of the names, in any order, with the model's tensors.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    with files.atomic(path) as temporary:
        with temporary.open("wb") as file:
            yield _Writer(file, names, canonical_json(provenance)).put
        digest = _digest(temporary)
        with temporary.open("rb+") as file:
            file.seek(_place(file.read(_header_end(temporary))))
            file.write(digest.encode())


def read_header(path: Path | str) -> str:
    """Read the provenance of a file of weights, and check all its bytes.

    Parameters
    ----------
    path : path
        A file from `writer`.

    Returns
    -------
    str
        The provenance as JSON.

    Raises
    ------
    ValueError, LookupError
        If the file is damaged, or not one from `writer`.
    """
    with Path(path).open("rb") as file:
        header = file.read(_header_end(Path(path)))
    metadata = json.loads(header[_LENGTH:])["__metadata__"]
    if metadata["sha256"] != _digest(Path(path)):
        raise ValueError("damaged")
    provenance: str = metadata["kduq"]
    return provenance


def _header_end(path: Path) -> int:
    with path.open("rb") as file:
        length = _LENGTH + int.from_bytes(file.read(_LENGTH), "little")
    if length > path.stat().st_size:
        raise ValueError("incomplete")
    return length


def _place(header: bytes) -> int:
    """Position of the digest in a header; quotation marks inside the provenance are escaped."""
    key = b'"sha256":"'
    return header.index(key) + len(key)


def _digest(path: Path) -> str:
    """SHA-256 of a file, with zeros in the place of its own digest."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        header = bytearray(file.read(_header_end(path)))
        place = _place(bytes(header))
        header[place : place + len(_NO_DIGEST)] = _NO_DIGEST.encode()
        total.update(header)
        while part := file.read(_CHUNK):
            total.update(part)
    return total.hexdigest()
