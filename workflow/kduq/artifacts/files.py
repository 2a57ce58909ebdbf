"""Files that are written whole or not at all, and their digests."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil

from kduq.errors import UserError

#: Called before a file or folder gets its final name; an exception keeps it from getting it. A job
#: registers `kduq.runtime.liveness.ensure_current` here.
before_commit: list[Callable[[], None]] = []
#: Comment that holds a file's digest, by format: what precedes and what follows the digest.
_COMMENTS = {
    ".pdf": (b"% sha256 ", b"\n"),
    ".html": (b"\n<!-- sha256 ", b" -->\n"),
    ".svg": (b"<!-- sha256 ", b" -->\n"),
}
#: Errors of a file system that is full or must not be written to.
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def digest(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_below(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, keyed by its path from the folder's parent."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder.parent)): digest(p) for p in files}


def folder_digest(folder: Path | str | None) -> str | None:
    """Return one digest of the names and contents of the files directly in a folder.

    Parameters
    ----------
    folder : path, optional
        For example the folder of a pretrained model. A leading ``~`` is the user's home.

    Returns
    -------
    str or None
        SHA-256 in hexadecimal; None without a folder, or if it does not exist or has no file. A
        digest is reused while sizes and times of the files stay the same.
    """
    path = Path(folder).expanduser() if folder else None
    if path is None or not path.is_dir():
        return None
    files = sorted(file for file in path.iterdir() if file.is_file())
    stamps = tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    return _folder_digest(path, stamps) if files else None


@cache
def _folder_digest(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for name, _, _ in stamps:
        total.update(f"{name}\0{digest(folder / name)}\0".encode())
    return total.hexdigest()


def sealed(data: bytes, suffix: str) -> bytes:
    """Return data followed by their own digest, as a comment of their format.

    Parameters
    ----------
    data : bytes
        Content of a file.
    suffix : str
        Its format, ``.pdf``, ``.html`` or ``.svg``.

    Returns
    -------
    bytes
        The input of `unsealed`.
    """
    before, after = _COMMENTS[suffix]
    return data + before + hashlib.sha256(data).hexdigest().encode() + after


def unsealed(data: bytes, suffix: str) -> bytes:
    """Return data without the digest that `sealed` appended.

    Raises
    ------
    ValueError
        If there is no digest, or it is the digest of other data.
    """
    before, after = _COMMENTS[suffix]
    content = data[: -len(before) - 64 - len(after)]
    if sealed(content, suffix) != data:
        raise ValueError("not the data that were sealed")
    return content


def _check_commit() -> None:
    for check in before_commit:
        check()


def unwritable(path: Path | str, error: OSError) -> UserError:
    """Return the error to show to a user whose file system refuses a file."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return UserError(
        f"{path}: cannot be written ({reason}); make room or give write permission, "
        "then run the same command again; finished files are kept"
    )


def _sweep(path: Path, stem: str, suffix: str) -> None:
    """Remove the temporary files of processes that were killed while they wrote ``path``."""
    pattern = re.compile(rf"\.{re.escape(stem)}\.(\d+)\.[0-9a-f]{{8}}{re.escape(suffix)}")
    for file in path.parent.iterdir():
        match = pattern.fullmatch(file.name)
        if match is None or psutil.pid_exists(int(match[1])):
            continue
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` and rename it if no exception is raised.

    Parameters
    ----------
    path : path
        The folder to write; an existing one is replaced.

    Yields
    ------
    pathlib.Path
        An empty folder whose name is unique to this process.

    Raises
    ------
    UserError
        If the file system refuses, or a check of `before_commit` does; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _check_commit()
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
        _sweep(path, path.name, "")
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` and rename the file if no exception is raised.

    Parameters
    ----------
    path : path
        The file to write.

    Yields
    ------
    pathlib.Path
        A name of the same suffix, unique to this process: a job that outlived a killed run and
        the same job of the next run never write to the same file.

    Raises
    ------
    UserError
        If the file system refuses (full, read-only, no permission), or a check of `before_commit`
        does; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        _check_commit()
        os.replace(temporary, path)
        _sweep(path, path.stem, path.suffix)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
