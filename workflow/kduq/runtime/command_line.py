"""What Snakemake reads before the workflow: the files after ``--configfile``, and its cache.

The profiles call `check`, since Snakemake reads them first. It ends in a traceback where such a
file is missing, or where its cache cannot be written.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from kduq.config import files
from kduq.config.messages import suggestion
from kduq.errors import UserError

OPTIONS = ("--configfile", "--configfiles")
#: Where Snakemake keeps copies of sources and we keep compiled code, below its folder of records.
CACHE = Path(".snakemake/cache")


def config_files(arguments: Sequence[str]) -> list[Path]:
    """Files after ``--configfile`` on a command line.

    Parameters
    ----------
    arguments : sequence of str
        The command line.

    Returns
    -------
    list of Path
        As they are written, in their order.
    """
    found: list[Path] = []
    inside = False
    for argument in arguments:
        option, _, value = argument.partition("=")
        if argument.startswith("-"):
            inside = argument in OPTIONS
            if option in OPTIONS and value:
                found.append(Path(value))
        elif inside:
            found.append(Path(argument))
    return found


def check(arguments: Sequence[str]) -> None:
    """Refuse files of settings that cannot be read, and choose a cache that can be written.

    Parameters
    ----------
    arguments : sequence of str
        The command line.

    Raises
    ------
    SystemExit
        With one line that names the file, and the way to correct it.
    """
    if not _can_write(os.environ.get("XDG_CACHE_HOME") or "~/.cache"):
        os.environ["XDG_CACHE_HOME"] = str(CACHE.absolute())
    for path in config_files(arguments):
        try:
            _check_file(path)
        except UserError as error:
            raise SystemExit(f"Error: {error}") from None


def _can_write(name: str) -> bool:
    try:
        folder = Path(name).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the second where a user has no home
        return False
    return os.access(folder, os.W_OK)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(
            f"{path}: found a folder after --configfile; a file of settings is needed; name one"
        )
    if not path.is_file():
        beside = [] if not path.parent.is_dir() else sorted(path.parent.iterdir())
        names = [str(path.parent / other.name) for other in beside if other.suffix == ".yaml"]
        raise UserError(
            f"{path}: found no such file after --configfile, from the folder {Path.cwd()}; a path "
            f"from there or a whole path is needed; correct it{suggestion(str(path), names)}"
        )
    try:
        files.read(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read after --configfile ({error.strerror}); give the right to read "
            "it, or name another file"
        ) from None
