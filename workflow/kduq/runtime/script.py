"""How an entry script runs: its log, its threads, its fingerprint and its errors."""

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

import threadpoolctl

from kduq import artifacts
from kduq.artifacts import files
from kduq.artifacts.fingerprint import PACKAGE, fingerprint
from kduq.errors import UserError
from kduq.runtime import liveness


@dataclass(frozen=True)
class Parameters:
    """What a rule's params say; see `kduq.runtime.snapshot.RunSnapshot.parameters`."""

    stage: str
    config: dict[str, Any]
    code: str
    modules: tuple[str, ...]
    lineage: str
    inputs: dict[str, str]
    #: Of each input file its digest, and what tells whether it has been replaced since.
    read: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Parameters":
        """Read the text that `kduq.runtime.snapshot.RunSnapshot.parameters` writes."""
        values = json.loads(text)
        return cls(
            values["stage"],
            values["config"],
            values["code"],
            tuple(values["modules"]),
            values["lineage"],
            values["inputs"],
        )

    def look_at(self, inputs: Sequence[str]) -> None:
        """Take the digests of all input files, before anything is read from them."""
        self.read.update({path: (files.digest(path), _stamp(path)) for path in inputs})

    def made_by(self, inputs: Sequence[str], root: str) -> dict[str, Any]:
        """Provenance of an output, when it is made.

        Parameters
        ----------
        inputs : sequence of str
            Input files.
        root : str
            Folder of the study; inputs are named relative to it.

        Returns
        -------
        dict
            See `kduq.artifacts.provenance`.

        Raises
        ------
        UserError
            If an input has been replaced since the job began, by a run after its own perhaps.
        """
        digests = {}
        for path in inputs:
            digest, stamp = self.read[path]
            if not Path(path).exists() or _stamp(path) != stamp:
                raise UserError(
                    f"{path}: replaced while this job read it, so nothing is written; run the "
                    "same command again"
                )
            name = os.path.relpath(path, root) if Path(path).is_relative_to(root) else path
            digests[name] = digest
        return artifacts.provenance(self.stage, self.config, self.code, digests, self.lineage)


def _stamp(path: str) -> tuple[int, ...]:
    found = Path(path).stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


#: Standard error of the process while a job's log has taken its place.
_TERMINAL: list[IO[str]] = []
Main = Callable[[Any, Any, Any], None]


def run(main: Main, snakemake: Any, parse: bool = True) -> None:
    """Run an entry script's ``main(input, output, params)``.

    Output and error streams go to the rule's log, numerical libraries use the rule's threads, a
    user's mistake ends the job with one line, and code that changed since the job was planned, or
    an input made with other settings or code, ends it before anything is written.

    Parameters
    ----------
    main : callable
        The script's work.
    snakemake : object
        What Snakemake hands to a script.
    parse : bool
        Whether params.job is a `Parameters` text whose fingerprint is to be checked.
    """
    files.before_commit[:] = [liveness.ensure_current]
    with _log(snakemake.log[0]) as terminal:
        _TERMINAL.append(terminal)
        try:
            parameters = snakemake.params
            if parse:
                parameters = Parameters.parse(snakemake.params.job)
                if fingerprint(*parameters.modules) != parameters.code:
                    raise UserError(
                        f"{snakemake.output[0]}: the code of {', '.join(parameters.modules)} "
                        "changed after this job was planned; run the same command again"
                    )
                parameters.look_at(snakemake.input)
                if parameters.inputs:
                    root = study_root(snakemake.output[0])
                    artifacts.check_lineage(snakemake.input, root, parameters.inputs)
            with _threads(snakemake.threads):
                main(snakemake.input, snakemake.output, parameters)
        except UserError as error:
            _stop(str(error))
        except OSError as error:
            if error.errno not in files.REFUSALS:
                traceback.print_exc()
                raise
            # Of the log itself: what writes an artifact says so with its name.
            _stop(str(files.unwritable(snakemake.log[0], error)))
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            _TERMINAL.pop()


def _stop(text: str) -> NoReturn:
    """End the job with one line, in its log, which a full disk may refuse, and on the terminal."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    say(text)
    raise SystemExit(1) from None


def say(text: str) -> None:
    """Write lines to the terminal that the job was started from, beside its log."""
    if _TERMINAL:
        _TERMINAL[-1].write(f"{text}\n")
        _TERMINAL[-1].flush()


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(number)
    with threadpoolctl.threadpool_limits(number):
        yield


@contextlib.contextmanager
def _log(path: str) -> Iterator[IO[str]]:
    """Send file descriptors 1 and 2 to a file; yield a stream to the former standard error."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Lines of both streams stand in the log in the order in which they were written.
        sys.stdout.reconfigure(line_buffering=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    try:
        with os.fdopen(os.dup(kept[1]), "w") as terminal:
            yield terminal
    finally:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            try:
                stream.flush()
            except OSError:  # a full disk; said already, and not to be said on the terminal too
                with open(os.devnull, "w") as nowhere:
                    os.dup2(nowhere.fileno(), number)
                    stream.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def share_library() -> None:
    """Let the processes that this one starts import the library from where it lies."""
    here = str(PACKAGE.parent)
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *others])


def study_root(path: str) -> str:
    """Folder ``results/{study}`` of a path below it."""
    parts = Path(path).parts
    return str(Path(*parts[: parts.index("results") + 2]))


def language_model(teacher: str) -> tuple[Any, Any]:
    """Model and tokenizer of a language-model teacher, by its table.

    Parameters
    ----------
    teacher : str
        Path of the artifact ``teacher``, which lists the model's files.

    Returns
    -------
    model, tokenizer
        As of `kduq.families.lm.models.load`.

    Raises
    ------
    ArtifactError
        If the table or a file of the model is missing or damaged.
    """
    # Imported here: no other family needs it.
    from kduq.families.lm import models  # noqa: PLC0415

    artifacts.check_files(teacher, artifacts.read(teacher, "teacher").provenance)
    return models.load(str(Path(teacher).parent / "model"))


def run_of(path: str) -> tuple[str, str, str]:
    """Experiment, family and data set of a path below a study's folder."""
    parts = Path(path).relative_to(study_root(path)).parts
    return parts[0], parts[1], parts[2]
