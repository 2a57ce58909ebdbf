"""Records of running Snakemake processes, so that jobs of a killed run do no harm.

When Snakemake is killed some of its jobs continue: processes on this machine, or jobs in a
cluster's queue. Once another run has started, perhaps with other settings, they must not write
files, and Snakemake must not delete existing files for them. A run therefore registers when it
starts, and marks every registered run as ended whose process no longer exists. A job stops if its
own run is marked as ended.
"""

import json
import os
import platform
import uuid
from pathlib import Path

import psutil

from kduq.errors import UserError

#: The environment variable with the name of a job's run.
VARIABLE = "KDUQ_RUN"
#: Folder of the registered runs, relative to the folder that Snakemake runs in.
FOLDER = Path(".snakemake/kduq")


def new_name() -> str:
    """Return a unique name for a run."""
    return uuid.uuid4().hex


def register(name: str) -> None:
    """Register the run of this process, and mark runs whose process no longer exists as ended.

    A run that was started on another machine is ignored, since its process is not visible here.

    Parameters
    ----------
    name : str
        Name of the run, from `new_name`.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for record in FOLDER.glob("*.json"):
        if not _is_alive(record):
            record.replace(record.with_suffix(".ended"))
    process = psutil.Process()
    values = {"host": platform.node(), "pid": process.pid, "command": process.cmdline()}
    temporary = FOLDER / f"{name}.new"
    temporary.write_text(json.dumps(values), encoding="utf-8")
    temporary.replace(FOLDER / f"{name}.json")


def unregister(name: str) -> None:
    """Remove the record of a run whose jobs have all ended.

    Parameters
    ----------
    name : str
        Name of the run.
    """
    (FOLDER / f"{name}.json").unlink(missing_ok=True)


def ensure_current() -> None:
    """Stop a job whose run is marked as ended.

    Raises
    ------
    UserError
        If its run was killed and another run has started since.
    """
    name = os.environ.get(VARIABLE)
    if name and (FOLDER / f"{name}.ended").exists():
        raise UserError(
            "the run that started this job was killed, and another run has started since: this job "
            "writes nothing; run the same command again to build what is missing"
        )


def _is_alive(record: Path) -> bool:
    """Whether a registered run may still be running; also true if its record cannot be read."""
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        if values["host"] != platform.node():
            return True
        # The command, not the starting time, which changes when the clock is set.
        same_command = psutil.Process(values["pid"]).cmdline() == values["command"]
        return same_command and values["pid"] != os.getpid()
    except psutil.NoSuchProcess:
        return False
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return True
