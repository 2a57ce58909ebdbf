"""Pretrained models of a study are read and probed once, before anything is trained.

The file is also the program that does so, in a process of its own: neither transformers nor a model
stays in Snakemake's process, and no GPU is taken.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kduq.errors import UserError
from kduq.families.lm.settings import LanguageModelSettings
from kduq.study.study import Study

#: Size in bytes of the weights that are read when a study is planned, which takes seconds. Of
#: larger ones only the configuration is.
_LARGEST = 1_000_000_000


def faults(study: Study, folder: Path) -> list[str]:
    """Check the pretrained models that a study uses, unless checked as they are.

    Parameters
    ----------
    study : Study
        The study.
    folder : Path
        Where records of what has been checked are.

    Returns
    -------
    list of str
        A line for each model that would be refused by the job that loads it.
    """
    models = {
        settings.model_dump_json(): str(settings.source)
        for run in study.runs_of(lane="text")
        for settings in (
            study.config.teachers[run.settings.teacher],
            study.config.students[run.settings.student],
        )
        if isinstance(settings, LanguageModelSettings) and settings.source
    }
    if not models:
        return []
    records = {text: folder / _name(text, source) for text, source in models.items()}
    unchecked = [text for text, record in records.items() if not record.exists()]
    found = _checked(unchecked) if unchecked else []
    for text, fault in zip(unchecked, found, strict=True):
        if fault is None:
            write(records[text])
    return list(dict.fromkeys(fault for fault in found if fault is not None))


def write(record: Path) -> None:
    """Leave a record; in a folder without write permission the check is repeated."""
    with contextlib.suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()


def _name(settings: str, source: str) -> str:
    """Name of the record of a check: a digest of the settings, and of the state of the files."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        # Half a second, which studies of models in folders do not pay.
        from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415
        from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

        with contextlib.suppress(HFValidationError):
            file = try_to_load_from_cache(source, "config.json")
            folder = Path(file).parent if isinstance(file, str) else folder
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    content = json.dumps([settings, str(folder.resolve()), states])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _checked(models: Sequence[str]) -> list[str | None]:
    """Messages about models, from a process that reads them."""
    sys.stderr.write("Pretrained models are read and probed; this is done once.\n")
    library = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": library, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, __file__, *models]
    done = subprocess.run(  # noqa: S603 (this file)
        command, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode < 0:  # without memory, for example: the job that loads the model decides
        return [None] * len(models)
    done.check_returncode()
    found: list[str | None] = json.loads(done.stdout)
    return found


def _fault(text: str) -> str | None:
    """Message about one model, from its weights if they are read in seconds."""
    from kduq.families.lm import models, sources  # noqa: PLC0415

    settings = LanguageModelSettings.model_validate_json(text)
    source = str(settings.source)
    try:
        sources.check(source)
        folder = sources.folder_of(source)
        weights = [] if folder is None else list(folder.glob("*.safetensors"))
        if weights and sum(file.stat().st_size for file in weights) <= _LARGEST:
            models.load_or_create(settings, (), 0)
    except UserError as error:
        return str(error)
    return None


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        faults_of_models = [_fault(text) for text in sys.argv[1:]]
    json.dump(faults_of_models, sys.stdout)
