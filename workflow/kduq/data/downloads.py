"""The folder of the data sets that scikit-learn downloads, and the error if one is missing."""

import os
from pathlib import Path

from kduq.errors import UserError

_VARIABLE = "SCIKIT_LEARN_DATA"


def use_cache(folder: str | None) -> None:
    """Set the folder of scikit-learn's downloads, for this process and those that it starts.

    Parameters
    ----------
    folder : str, optional
        The folder; None for scikit-learn's own default.
    """
    if folder is not None:
        try:
            os.environ[_VARIABLE] = str(Path(folder).expanduser().resolve())
        except RuntimeError:
            raise UserError(
                f"data_cache: found '{folder}', but there is no home directory; name a whole path, "
                "or set HOME"
            ) from None


def cache() -> Path:
    """Folder in which scikit-learn keeps its downloads."""
    # As scikit-learn does: without a home directory the sign ~ stays.
    return Path(os.path.expanduser(os.environ.get(_VARIABLE, "~/scikit_learn_data")))  # noqa: PTH111


def unavailable(name: str, reason: str) -> UserError:
    """The error for a data set that is neither in the cache nor can be downloaded.

    Parameters
    ----------
    name : str
        Name of the data set.
    reason : str
        What went wrong.

    Returns
    -------
    UserError
        With one line that lists the possible remedies.
    """
    return UserError(
        f"datasets.{name}: not in scikit-learn's cache {cache()}, and the download failed "
        f"({reason}); run 'snakemake fetch' where there is a network and point data_cache to the "
        f"folder, name a file (datasets.{name}.path and target), or take {name} out of the study"
    )
