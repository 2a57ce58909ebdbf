"""Files and models of the user are checked before the first job, so that faults come at once."""

import hashlib
import importlib
import json
from pathlib import Path

from kduq.errors import UserError
from kduq.runtime import user_models
from kduq.study.study import Study
from kduq.study.target import Target

#: Size in bytes of the files that are read when a study is planned, which takes seconds. Larger
#: ones are checked by the job that reads them.
_LARGEST = 100_000_000
#: Records of what has been checked, relative to the folder that Snakemake runs in.
FOLDER = Path(".snakemake/kduq/checked")


def check(study: Study) -> None:
    """Check the user's files and models that a study reads, unless checked as they are.

    What their owner may not expect is written to the terminal.

    Parameters
    ----------
    study : Study
        The study.

    Raises
    ------
    UserError
        With one line for each fault of each file.
    """
    faults = []
    for dataset in study.datasets:
        path = study.path_of(dataset)
        if path is None:
            continue
        target = study.examples_of(dataset)
        if not Path(path).exists():
            faults.append(missing(study, dataset, path))
            continue
        files = [Path(file) for file in study.data_file(dataset)]
        if sum(file.stat().st_size for file in files) > _LARGEST:
            continue
        record = FOLDER / _name(target, files)
        if record.exists():
            continue
        try:
            importlib.import_module(target.modules[0]).prepare(target.settings)
        except UserError as error:
            faults += str(error).splitlines()
        else:
            user_models.write(record)
    faults += user_models.faults(study, FOLDER)
    if faults:
        raise UserError("\n".join(faults))


def missing(study: Study, dataset: str, path: str) -> str:
    """Message about a file that does not exist."""
    return (
        f"{study.key_of(dataset)}.path: found {path!r}; there is no such file in {Path.cwd()}, "
        "where snakemake runs; correct the path"
    )


def _name(target: Target, files: list[Path]) -> str:
    """Name of the record of a check: a digest of its settings, and of the state of its files."""
    states = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    content = json.dumps([target.config, states], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]
