"""Files of the user: their endings, folders of parts, compression and encoding."""

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from kduq.errors import UserError

#: Text whose encoding is known from its first bytes.
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def ending(path: Path) -> str:
    """What the name of a file ends in, in lower case and without ``.gz``.

    Parameters
    ----------
    path : Path
        A file, or a folder of Parquet files.

    Returns
    -------
    str
        For example ``.csv``; ``.parquet`` for a folder.
    """
    if path.is_dir():
        return ".parquet"
    return Path(path.name.lower().removesuffix(".gz")).suffix


def parts(path: Path) -> list[Path]:
    """The files behind a path.

    Parameters
    ----------
    path : Path
        A file, or a folder of Parquet files.

    Returns
    -------
    list of Path
        The file, whether it exists or not; or the Parquet files of the folder by name, without
        those that begin with a dot or an underscore, which other programs leave there.
    """
    if not path.is_dir():
        return [path]
    return sorted(
        part
        for part in path.iterdir()
        if part.suffix.lower() == ".parquet" and part.name[0] not in "._" and part.is_file()
    )


def require(path: Path, endings: tuple[str, ...], what: str, key: str) -> list[Path]:
    """The files behind a path, or an error that says which endings are read.

    Parameters
    ----------
    path : Path
        A file, or a folder of Parquet files.
    endings : tuple of str
        Those that are read.
    what : str
        What the file is, with its article, for the message.
    key : str
        Key of the configuration that names it, for the message.

    Returns
    -------
    list of Path
        As `parts`; at least one.

    Raises
    ------
    UserError
        If the file has another ending, or the folder has no Parquet file.
    """
    if ending(path) not in endings:
        *first, last = endings
        raise UserError(
            f"{path}: {what} is a file ending in {', '.join(first)} or {last} (.gz too, but for "
            f".parquet), or a folder of .parquet files; correct {key}.path"
        )
    files = parts(path)
    if not files:
        raise UserError(
            f"{path}: this folder has no file ending in .parquet; name a file, or a folder with "
            f"such files directly in it, in {key}.path"
        )
    return files


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, decompressed if its name ends in ``.gz``."""
    if path.name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def read_text(path: Path, key: str, encoding: str | None = None) -> str:
    """Read a text file.

    Parameters
    ----------
    path : Path
        The file, which may be compressed.
    key : str
        Key of the configuration that names it, for messages.
    encoding : str, optional
        Its encoding; UTF-8 if left out.

    Returns
    -------
    str
        Without the byte order mark, which some spreadsheets write. Line ends are not translated:
        one inside a quoted answer belongs to the answer.

    Raises
    ------
    UserError
        If the file cannot be read, or is not in that encoding.
    """
    try:
        with opened(path) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; correct {key}.path") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({reason}); correct {key}.path") from error
    return decoded(content, path, key, encoding)


def decoded(content: bytes, path: Path, key: str, encoding: str | None) -> str:
    """Text of the bytes of a file; see `read_text`."""
    try:
        return content.decode(encoding or "utf-8-sig").removeprefix("\ufeff")
    except LookupError as error:
        raise UserError(
            f"{key}.encoding: found '{encoding}'; allowed are Python's names of encodings, such as "
            "utf-8, utf-16, latin-1 or cp1252"
        ) from error
    except UnicodeError as error:
        likely = _MARKS.get(content[:2], "cp1252" if encoding is None else "utf-8")
        place = f"byte {error.start} is" if isinstance(error, UnicodeDecodeError) else "it is"
        raise UserError(
            f"{path}: {place} not {(encoding or 'utf-8').upper()}; name its encoding, as in "
            f"{key}.encoding: {likely}, or save the file as UTF-8"
        ) from error


def default_separator(path: Path) -> str:
    """What separates the cells of a text file if nothing else is said."""
    return "\t" if ending(path) == ".tsv" else ","


def separator_of(path: Path, text: str, given: str | None) -> tuple[str, int]:
    """What separates the cells of a text file.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        Its first characters.
    given : str, optional
        The separator that the configuration names.

    Returns
    -------
    separator : str
        The given one; else that of a first line such as ``sep=;``, which Excel writes and reads
        before the names of columns; else that of the ending.
    length : int
        Characters of that line; 0 if there is none.
    """
    marked = re.match(r"sep=(.)\r?\n", text)
    if marked is None:
        return given or default_separator(path), 0
    return given or marked[1], marked.end()


def refuse_one_name(path: Path, names: Sequence[str], separator: str, key: str) -> None:
    """Refuse a first line with one name, if it holds another separator.

    Raises
    ------
    UserError
        That names the key with the likely separator.
    """
    likely = [mark for mark in ";\t|," if mark != separator and mark in names[0]] if names else []
    if len(names) == 1 and likely:
        raise UserError(
            f"{path}: the first line has one name, {names[0][:60]!r}; if its cells are separated "
            f"by {likely[0]!r}, set {key}.separator: {json.dumps(likely[0])}"
        )
