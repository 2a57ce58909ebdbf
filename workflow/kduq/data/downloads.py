"""Data sets that scikit-learn downloads: where they lie, and how to get them."""

import gzip
import json
import os
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from kduq.errors import UserError

#: Names of the data sets.
FETCHED = ("mnist", "covtype")
#: Name and version of MNIST on OpenML.
MNIST = ("mnist_784", 1)
_VARIABLE = "SCIKIT_LEARN_DATA"


def use_cache(folder: str | None) -> None:
    """Let scikit-learn, in this process and those that it starts, keep its downloads in a folder.

    Parameters
    ----------
    folder : str, optional
        The folder; None for scikit-learn's own default.
    """
    if folder is not None:
        os.environ[_VARIABLE] = str(Path(folder).expanduser().resolve())


def cache() -> Path:
    """Folder in which scikit-learn keeps its downloads."""
    return Path(os.environ.get(_VARIABLE, "~/scikit_learn_data")).expanduser()


def cached(name: str) -> bool:
    """Whether a data set has been downloaded.

    Parameters
    ----------
    name : str
        One of `FETCHED`.

    Returns
    -------
    bool
        Whether all files that scikit-learn would otherwise ask for are there.
    """
    if name == "covtype":
        folder = cache() / "covertype"
        return all((folder / f"{part}_py3").is_file() for part in ("samples", "targets"))
    root = cache() / "openml" / "openml.org"
    title, version = MNIST
    try:
        # The way that scikit-learn goes: the name's number, its description, the file.
        listed = _json(root, f"list/data_name/{title}/limit/2/data_version/{version}")
        number = listed["data"]["dataset"][0]["did"]
        url = _json(root, str(number))["data_set_description"]["url"]
    except (OSError, EOFError, ValueError, KeyError, IndexError, zlib.error):
        return False
    return (root / f"{urlparse(url).path.lstrip('/')}.gz").is_file()


def _json(root: Path, name: str) -> Any:
    with gzip.open(root / "api/v1/json/data" / f"{name}.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def unavailable(name: str, reason: str) -> UserError:
    """The error for a data set that is neither in the cache nor can be downloaded.

    Parameters
    ----------
    name : str
        One of `FETCHED`.
    reason : str
        What went wrong.

    Returns
    -------
    UserError
        In one line, with the ways out.
    """
    return UserError(
        f"datasets.{name}: not in scikit-learn's cache {cache()}, and the download failed "
        f"({reason}); run 'snakemake fetch' where there is a network and point data_cache to the "
        f"folder, name a file (datasets.{name}.path and target), or take {name} out of the study"
    )
