"""Execution of entry scripts: log, threads, checks of code and inputs, and errors."""

import contextlib
import importlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import threadpoolctl

from kduq import artifacts
from kduq.artifacts import files
from kduq.artifacts.fingerprint import PACKAGE, fingerprint
from kduq.errors import UserError
from kduq.runtime import liveness
from kduq.stage import Inputs, Outputs, Stage
from kduq.study.paths import study_root


@dataclass(frozen=True)
class Parameters:
    """The params of a rule; see `kduq.study.target.Target.parameters`."""

    schema_version: int
    stage: str
    config: dict[str, Any]
    code: str
    entry: str
    modules: list[str]
    lineage: str
    inputs: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "Parameters":
        """Read the text that `kduq.study.target.Target.parameters` writes."""
        return cls(**json.loads(text))

    def check_code(self, output: str) -> None:
        """Refuse to build an output if the code is not the planned code."""
        if fingerprint(self.entry, *self.modules) != self.code:
            raise UserError(
                f"{output}: the code of {', '.join(self.modules)} changed after this job was "
                "planned; run the same command again"
            )


class InputDigests:
    """Digests of a job's inputs, taken before anything is read from them.

    Parameters
    ----------
    paths : iterable of str
        The files.
    """

    def __init__(self, paths: list[str]) -> None:
        self._recorded = {path: (files.digest(path), _stamp(path)) for path in paths}

    def by_name(self, root: str) -> dict[str, str]:
        """Digests by path inside the study.

        Parameters
        ----------
        root : str
            Folder of the study; files outside it keep their paths.

        Raises
        ------
        UserError
            If an input has been replaced since the job started, perhaps by a later run.
        """
        digests = {}
        for path, (digest, stamp) in self._recorded.items():
            if not Path(path).exists() or _stamp(path) != stamp:
                raise UserError(
                    f"{path}: replaced while this job read it, so nothing is written; run the "
                    "same command again"
                )
            name = os.path.relpath(path, root) if Path(path).is_relative_to(root) else path
            digests[name] = digest
        return digests


def _stamp(path: str) -> tuple[int, ...]:
    status = Path(path).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


#: The process's own standard error, while that is redirected to a job's log.
_TERMINAL: list[IO[str]] = []


def run_stage() -> None:
    """Run the stage that a rule's params name; most entry scripts do nothing else.

    The rule's params.job is the text that `Parameters` reads, and every output has the name under
    which the stage writes it. The code and the lineage of the inputs must be as planned, and
    nothing is written if an input is replaced while the job is running.
    """
    run(_run_stage)


def _run_stage(snakemake: Any) -> None:
    parameters = Parameters.parse(snakemake.params.job)
    output = str(snakemake.output[0])
    parameters.check_code(output)
    digests = InputDigests(list(snakemake.input))
    root = study_root(output)
    artifacts.check_lineage(snakemake.input, root, parameters.inputs)
    # All that computes is imported before the threads of its libraries are limited.
    modules = [importlib.import_module(name) for name in parameters.modules]
    stage: Stage = modules[0]
    inputs = Inputs({role: list(paths) for role, paths in snakemake.input.items()})

    def provenance() -> Mapping[str, Any]:
        return artifacts.provenance(
            parameters.stage,
            parameters.config,
            parameters.code,
            digests.by_name(root),
            parameters.lineage,
        )

    outputs = Outputs({name: str(path) for name, path in snakemake.output.items()}, provenance)
    with _threads(snakemake.threads):
        stage.run(stage.Settings.model_validate(parameters.config), inputs, outputs)


def run(main: Callable[[Any], None]) -> None:
    """Run an entry script's ``main(snakemake)``.

    Output and error streams go to the rule's log, and a `UserError` ends the job with one line.

    Parameters
    ----------
    main : callable
        Called with the object ``snakemake`` of the script.
    """
    # Snakemake defines this name in the script that it runs.
    snakemake = vars(sys.modules["__main__"])["snakemake"]
    files.before_commit[:] = [liveness.ensure_current]
    with _log(snakemake.log[0]) as terminal:
        _TERMINAL.append(terminal)
        try:
            main(snakemake)
        except UserError as error:
            _stop(str(error))
        except OSError as error:
            if error.errno not in files.REFUSALS:
                traceback.print_exc()
                raise
            # An error of the log itself: errors of artifacts name the artifact and are UserErrors.
            _stop(str(files.unwritable(snakemake.log[0], error)))
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            _TERMINAL.pop()


def _stop(text: str) -> NoReturn:
    """End the job with one line, on the terminal and, unless the disk is full, in its log."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    print_to_terminal(text)
    raise SystemExit(1) from None


def print_to_terminal(text: str) -> None:
    """Write lines to the terminal from which the job was started, not to its log."""
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
    """Redirect file descriptors 1 and 2 to a file; yield a stream to the former standard error."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Lines of both streams are logged in the order in which they were written.
        sys.stdout.reconfigure(line_buffering=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    try:
        with os.fdopen(os.dup(saved[1]), "w") as terminal:
            yield terminal
    finally:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            try:
                stream.flush()
            except OSError:  # a full disk, which has already been reported
                with open(os.devnull, "w") as nowhere:
                    os.dup2(nowhere.fileno(), number)
                    stream.flush()
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def share_library() -> None:
    """Let the processes that this one starts import the library of this checkout."""
    here = str(PACKAGE.parent)
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *others])
