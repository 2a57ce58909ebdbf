"""Which runs of Snakemake still live, so that what a killed one has left running does no harm.

Of a run that is killed some jobs go on: processes on this machine, tasks that wait in a cluster's
queue. Once another run has begun, with other settings perhaps, they must neither write nor have
files that are there removed for them. A run therefore records itself when it starts, and says that
recorded runs whose process is gone have ended. Jobs of a run that was said to have ended stop.
"""

import json
import os
import platform
import uuid
from pathlib import Path

import psutil

from kduq.errors import UserError

#: The environment variable that tells a job the name of its run.
VARIABLE = "KDUQ_RUN"
#: Where records lie, from the folder that Snakemake runs in.
FOLDER = Path(".snakemake/kduq")


def new_name() -> str:
    """A name for a run that no other has."""
    return uuid.uuid4().hex


def begin(name: str) -> None:
    """Record the one run of this process, and say that those have ended whose process is gone.

    A run that was started on another machine is left alone: its process cannot be seen from here.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    for record in FOLDER.glob("*.json"):
        if not _lives(record):
            record.replace(record.with_suffix(".ended"))
    process = psutil.Process()
    values = {"host": platform.node(), "pid": process.pid, "command": process.cmdline()}
    temporary = FOLDER / f"{name}.new"
    temporary.write_text(json.dumps(values), encoding="utf-8")
    temporary.replace(FOLDER / f"{name}.json")


def end(name: str) -> None:
    """Remove the record of a run whose jobs have all ended."""
    (FOLDER / f"{name}.json").unlink(missing_ok=True)


def check() -> None:
    """Stop a job whose run was said to have ended.

    Raises
    ------
    UserError
        If it was.
    """
    name = os.environ.get(VARIABLE)
    if name and (FOLDER / f"{name}.ended").exists():
        raise UserError(
            "the run that started this job was killed, and another has begun since: nothing is "
            "written; what is missing is made by: the same command again"
        )


def _lives(record: Path) -> bool:
    """Whether a recorded run may go on; a record that cannot be read says nothing."""
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        if values["host"] != platform.node():
            return True
        # Not the time it was started at, which shifts when a clock is set.
        same = psutil.Process(values["pid"]).cmdline() == values["command"]
        return same and values["pid"] != os.getpid()
    except psutil.NoSuchProcess:
        return False
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return True
