"""Folders in which Snakemake cannot run this workflow."""

import os
import shutil
from pathlib import Path

from kduq.config.messages import alternatives
from kduq.errors import UserError

#: Snakemake takes these in the path of a conda environment's file for a wildcard, even without
#: conda. All other characters are quoted where a shell reads them.
BRACES = "{}"
#: Snakemake's folder of records, relative to the folder in which it runs.
RECORDS = Path(".snakemake")
#: Bytes without which no run starts: a job's script and records take some ten thousand.
ROOM = 2**20


def check_folder(folder: str) -> None:
    """Refuse a checkout whose path Snakemake cannot handle, before any job runs.

    Parameters
    ----------
    folder : str
        The folder of the workflow's rules.

    Raises
    ------
    UserError
        Naming the path and the characters.
    """
    found = [repr(character) for character in BRACES if character in folder]
    if found:
        raise UserError(
            f"{folder}: found {alternatives(found)} in the path of the checkout, which Snakemake "
            "takes for a wildcard; every other character is allowed; rename or move the folder"
        )


def check_records() -> None:
    """Refuse to run where Snakemake's records cannot be written, before any job runs.

    Raises
    ------
    UserError
        Naming the folder, and what it lacks.
    """
    place = RECORDS if RECORDS.exists() else Path()
    if not os.access(place, os.W_OK):
        raise UserError(
            f"{place.absolute()}: found a folder that cannot be written, where Snakemake keeps its "
            "records; give write permission, or run with --directory FOLDER (docs/running.md)"
        )
    free = shutil.disk_usage(place).free
    if free < ROOM:
        raise UserError(
            f"{place.absolute()}: found {free} bytes of free space, where Snakemake keeps its "
            f"records; at least {ROOM} are needed; make room, then run the same command again"
        )
