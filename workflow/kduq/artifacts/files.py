"""Files that appear whole or not at all, and their digests."""

import contextlib
import errno
import glob
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from kduq.errors import UserError
from kduq.runtime import liveness as run_record

#: How a digest stands in a file, by its format.
_COMMENTS = {".pdf": (b"% sha256 ", b"\n"), ".html": (b"\n<!-- sha256 ", b" -->\n")}
#: What a file system says that is full or may not be written.
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_below(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, keyed by its path from the folder's parent."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder.parent)): digest(p) for p in files}


def sealed(data: bytes, suffix: str) -> bytes:
    """Data followed by its own digest, as a comment of its format.

    Parameters
    ----------
    data : bytes
        Content of a file.
    suffix : str
        Its format, ``.pdf`` or ``.html``.

    Returns
    -------
    bytes
        What `unsealed` takes apart.
    """
    before, after = _COMMENTS[suffix]
    return data + before + hashlib.sha256(data).hexdigest().encode() + after


def unsealed(data: bytes, suffix: str) -> bytes:
    """Data without the digest that `sealed` appended.

    Raises
    ------
    ValueError
        If there is none, or it is that of other data.
    """
    before, after = _COMMENTS[suffix]
    content = data[: -len(before) - 64 - len(after)]
    if sealed(content, suffix) != data:
        raise ValueError("not the data that were sealed")
    return content


def unwritable(path: Path | str, error: OSError) -> UserError:
    """What to tell a user whose file system refuses a file."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return UserError(
        f"{path}: cannot be written ({reason}); make room or give write permission, "
        "then run the same command again: what was finished is kept"
    )


def _sweep(path: Path, stem: str, suffix: str) -> None:
    """Remove what processes that were killed while they wrote ``path`` have left beside it."""
    for left in path.parent.glob(f".{glob.escape(stem)}.*{glob.escape(suffix)}"):
        found = re.fullmatch(
            rf"\.{re.escape(stem)}\.(\d+)\.[0-9a-f]{{8}}{re.escape(suffix)}", left.name
        )
        if found is None or _alive(int(found[1])):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` and put it in its place when the block ends well.

    Parameters
    ----------
    path : path
        The folder to write; one that is there is replaced.

    Yields
    ------
    pathlib.Path
        An empty folder whose name is unique to this process.

    Raises
    ------
    UserError
        If the file system refuses, or another run has begun since that of this job was killed;
        nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        run_record.check()
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
        _sweep(path, path.name, "")
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside ``path`` and rename it when the block ends well.

    Parameters
    ----------
    path : path
        The file to write.

    Yields
    ------
    pathlib.Path
        A name of the same suffix, unique to this process, so that a late orphan of a killed run
        and its rerun never write to the same file.

    Raises
    ------
    UserError
        If the file system refuses (full, read-only, no permission), or another run has begun since
        that of this job was killed; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        run_record.check()
        os.replace(temporary, path)
        _sweep(path, path.stem, path.suffix)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
