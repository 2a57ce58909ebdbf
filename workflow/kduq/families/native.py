"""Compilation of the families' C++ sources, where a compiler is installed.

A source is compiled once per machine, into the user's cache, and all jobs share the library.
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
from pathlib import Path

_FLAGS = (
    "-O3",
    "-march=native",
    "-std=c++17",
    "-fno-math-errno",
    "-ffp-contract=fast",
    # Tuned for some processors, GCC rounds products of short sums and not those of long ones: a
    # number would depend on the rows that are computed beside it.
    "--param=avoid-fma-max-bits=0",
    "-shared",
    "-fPIC",
)
#: Header that the sources may include.
_HEADER = Path(__file__).with_suffix(".hpp")
#: Bytes of the digest at the end of a library, which the loader ignores.
_DIGEST = 32
_COMPILERS = ("c++", "g++", "clang++")


@functools.cache
def library(source: Path) -> ctypes.CDLL | None:
    """Compiled code of a source.

    Parameters
    ----------
    source : Path
        A C++ file that includes no other file of the project than native.hpp.

    Returns
    -------
    CDLL or None
        None, with one line in the log, if it cannot be compiled.
    """
    try:
        return _load(source, _file(source))
    # RuntimeError: no home directory; ValueError: an open quote in CXX.
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip().partition("\n")[0]
        sys.stderr.write(f"{source.name} is not compiled, students train more slowly: {reason}\n")
        return None


def _load(source: Path, file: Path) -> ctypes.CDLL:
    if not _is_complete(file):
        _compile(source, file)
    return ctypes.CDLL(str(file))


def _is_complete(file: Path) -> bool:
    """Whether a library ends with its digest: loading a damaged one would end the process."""
    content = file.read_bytes() if file.exists() else b""
    return content[-_DIGEST:] == hashlib.sha256(content[:-_DIGEST]).digest()


def _compiler() -> list[str]:
    cxx = os.environ.get("CXX")
    command = shlex.split(cxx) if cxx else [c for c in _COMPILERS if shutil.which(c)][:1]
    if not command or not shutil.which(command[0]):
        raise FileNotFoundError(
            f"no C++ compiler ({cxx or ', '.join(_COMPILERS)}); install one or name it in CXX"
        )
    return command


def _run(*arguments: str) -> str:
    """Standard output of the compiler."""
    command = [*_compiler(), *_FLAGS, *arguments]
    process = subprocess.run(  # noqa: S603
        command, check=True, capture_output=True, text=True, errors="replace"
    )
    return process.stdout


def _file(source: Path) -> Path:
    """Path of the library, different for each source, compiler and kind of processor.

    The compiler's predefined macros include its version and the processor's features that it would
    use. Machines that share a home directory therefore only share code that both can run.
    """
    macros = _run("-dM", "-E", "-x", "c++", os.devnull)
    sources = (part.read_text(encoding="utf-8") for part in (_HEADER, source))
    content = "\0".join([*_FLAGS, macros, *sources])
    digest = hashlib.sha256(content.encode())
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "kduq" / f"{digest.hexdigest()[:32]}.so"


def _compile(source: Path, file: Path) -> None:
    """Compile under a temporary name, then rename; concurrent processes write equal code."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".so", dir=file.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        _run(str(source), "-o", name)
        content = temporary.read_bytes()
        temporary.write_bytes(content + hashlib.sha256(content).digest())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
