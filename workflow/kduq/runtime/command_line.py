"""What Snakemake reads before the workflow: the files after ``--configfile``, and its cache.

The profiles call `check`, since Snakemake reads them first. It ends in a traceback where such a
file is missing, or where its cache cannot be written.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from kduq.config import files
from kduq.config.messages import suggestion
from kduq.errors import UserError

#: Where Snakemake keeps copies of sources and we keep compiled code, below its folder of records.
CACHE = Path(".snakemake/cache")
#: Folders of the cache that must be writable: Snakemake's, its copies of sources, and ours.
_CACHES = ("snakemake", "snakemake/snakemake", "kduq")


def check(arguments: Sequence[str]) -> None:
    """Refuse files of settings that cannot be read, and choose a cache that can be written.

    Parameters
    ----------
    arguments : sequence of str
        The command line, without the name of the program.

    Raises
    ------
    SystemExit
        With one line that names the file, and the way to correct it.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="extend", default=[])
    parser.add_argument("-d", "--directory", default=".")
    options, _ = parser.parse_known_args(arguments)
    if not _can_write(os.environ.get("XDG_CACHE_HOME") or "~/.cache"):
        os.environ["XDG_CACHE_HOME"] = str(Path(options.directory, CACHE).absolute())
    for name in options.configfile:
        try:
            _check_file(Path(name))
        except UserError as error:
            raise SystemExit(f"Error: {error}") from None


def _can_write(name: str) -> bool:
    try:
        folder = Path(name).expanduser()
        for own in _CACHES:
            (folder / own).mkdir(parents=True, exist_ok=True)
            if not os.access(folder / own, os.W_OK):
                return False
    except (OSError, RuntimeError):  # the second where a user has no home
        return False
    return True


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise UserError(f"{path}: found a folder after --configfile; name a file of settings")
        if path.is_file():
            files.read(path)
            return
        if path.exists():
            raise UserError(
                f"{path}: found a pipe or a device after --configfile, which Snakemake reads more "
                "than once; name a file of settings"
            )
        if path.is_symlink():
            raise UserError(
                f"{path}: found a link to nothing after --configfile; name a file of settings"
            )
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        names = sorted(str(path.parent / other.name) for other in beside if other.is_file())
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read after --configfile ({error.strerror}); give the right to read "
            "it, or name another file"
        ) from None
    right = suggestion(str(path), [name for name in names if name.endswith((".yaml", ".yml"))])
    raise UserError(
        f"{path}: found no such file after --configfile, from the folder {Path.cwd()}; a path from "
        f"there or a whole path is needed; correct it{right}"
    )
