"""What all stages share: typed settings, inputs by role, and outputs."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from kduq import artifacts
from kduq.artifacts import files, weights
from kduq.config.fields import StrictModel


class StageSettings(StrictModel):
    """Exactly the settings that change what a stage writes."""


class RunSettings(StageSettings):
    """Settings of a stage of one run: a family on a data set in an experiment."""

    experiment: str
    """Name of the experiment."""
    family: str
    """Name of the family."""
    dataset: str
    """Name of the data set or corpus."""
    seed: int
    """The study's seed."""

    @property
    def path(self) -> tuple[str, ...]:
        """Path of the run in the tree of seeds; see `kduq.seeds`."""
        return self.experiment, self.family, self.dataset


class ShardSettings(RunSettings):
    """Settings of a stage whose work is cut into shards of replicates."""

    start: int
    """First replicate, level of the sharded factor, or split."""
    stop: int
    """The first one after the shard."""

    @property
    def replicates(self) -> range:
        """Replicates, levels of the sharded factor, or splits, of the shard."""
        return range(self.start, self.stop)


@dataclass(frozen=True)
class Inputs:
    """Artifacts that a stage reads, by role.

    Attributes
    ----------
    paths : mapping of str to sequence of str
        Files of each role; a role has the name of the stage that wrote them unless stated.
    """

    paths: Mapping[str, Sequence[str]]

    def read(
        self,
        role: str,
        stage: str | None = None,
        without: str | None = None,
        rows: artifacts.Rows | None = None,
    ) -> artifacts.Artifact:
        """The one artifact of a role; see `kduq.artifacts.read`."""
        (path,) = self.paths[role]
        return artifacts.read(path, stage or role, without, rows)

    def read_all(
        self,
        role: str,
        stage: str | None = None,
        without: str | None = None,
        rows: artifacts.Rows | None = None,
    ) -> artifacts.Artifact:
        """All artifacts of a role, stacked; see `kduq.artifacts.read_all`."""
        return artifacts.read_all(self.paths[role], stage or role, without, rows)

    def __contains__(self, role: object) -> bool:
        return bool(self.paths.get(str(role)))


@dataclass(frozen=True)
class Outputs:
    """Files that a stage writes, and their provenance.

    Attributes
    ----------
    paths : mapping of str to str
        Files, and folders, by name.
    describe : callable
        Returns the provenance of all of them; see `kduq.artifacts.provenance`. It is called when
        the first is written, and fails if an input has been replaced since it was read.
    """

    paths: Mapping[str, str]
    describe: Callable[[], Mapping[str, Any]]
    _files: dict[str, str] = field(default_factory=dict)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Provenance of the outputs."""
        return self.describe()

    def write(self, stage: str, columns: Mapping[str, Any], name: str | None = None) -> None:
        """Write a table.

        Parameters
        ----------
        stage : str
            Stage of the table.
        columns : mapping of str to array_like
            See `kduq.artifacts.write`.
        name : str, optional
            Name of the output; the stage's if left out.
        """
        provenance = {**self.provenance, "stage": stage}
        if self._files and stage == self.provenance["stage"]:
            provenance["files"] = self._files
        artifacts.write(self.paths[name or stage], stage, columns, provenance)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file that is not a table and contains its provenance."""
        with files.atomic(self.paths[name]) as temporary:
            temporary.write_bytes(data)

    @contextmanager
    def weights(self, names: Sequence[str]) -> Iterator[Callable[[str, weights.Tensors], None]]:
        """Yield a function that writes the weights of one model, if they are an output.

        Parameters
        ----------
        names : sequence of str
            See `kduq.artifacts.weights.writer`, as for the function.
        """
        if "weights" not in self.paths:
            yield lambda *_: None
            return
        with weights.writer(self.paths["weights"], names, self.provenance) as put:
            yield put
            # Once more, since the provenance was needed before the work was done.
            self.describe()

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Yield a folder to fill; the stage's own table, written later, lists its files."""
        path = Path(self.paths[name])
        with files.atomic_folder(path) as folder:
            yield folder
        self._files.update(files.digests_below(path))


@contextmanager
def progress(total: int, unit: str) -> Iterator[Any]:
    """A progress bar in the job's log.

    Parameters
    ----------
    total : int
        Units of work.
    unit : str
        Name of the unit, in the singular.

    Yields
    ------
    callable
        Called with the number of units done since the last call.
    """
    with tqdm(total=total, unit=unit, file=sys.stderr, mininterval=5) as bar:
        yield bar.update


class Stage(Protocol):
    """What the module of a stage offers in one lane.

    Tables and text are two lanes with the same stages under the same names, for example
    ``kduq.students.tabular`` and ``kduq.students.text``. The plan says which module builds an
    artifact, and the stage's entry script calls it.

    Attributes
    ----------
    Settings : type of StageSettings
        Exactly the settings that change what the stage writes.
    """

    Settings: type[StageSettings]

    def run(self, settings: Any, inputs: Inputs, outputs: Outputs) -> None:
        """Read the inputs, do the work and write the outputs.

        Parameters
        ----------
        settings : StageSettings
            Of the module's own type.
        inputs : Inputs
            Artifacts by role.
        outputs : Outputs
            Files to write.

        Raises
        ------
        UserError
            If the user has to correct something first.
        """
        ...
