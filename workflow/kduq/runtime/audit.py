"""Audit: comparison of a study's artifacts with the current configuration and code."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kduq import artifacts
from kduq.artifacts import files
from kduq.artifacts.provenance import overlay_option
from kduq.errors import ArtifactError
from kduq.study.study import Study
from kduq.study.target import Target

#: Kinds of finding that are errors; surplus files and different versions are not.
PROBLEMS = ("missing", "damaged", "stale")


@dataclass(frozen=True)
class Finding:
    """A finding about one artifact.

    Attributes
    ----------
    kind : str
        missing, damaged, stale, surplus or versions.
    path : str
        The file; for versions the study's folder.
    reason : str
        Description of the finding.
    """

    kind: str
    path: str
    reason: str


def audit(study: Study, root: Path) -> list[Finding]:
    """Check every artifact of a study.

    Parameters
    ----------
    study : Study
        The plan.
    root : Path
        Its folder, ``results/{study}``.

    Returns
    -------
    list of Finding
        In the order of the stages; empty if there is nothing to report.
    """
    findings: list[Finding] = []
    digests: dict[str, str] = {}
    built_with: Counter[tuple[str, str]] = Counter()
    stale: set[str] = set()
    for target in study.targets.values():
        stale_input = next((path for path in target.sources if path in stale), None)
        own = _check(target, study, root, stale_input, digests, built_with)
        if any(finding.kind == "stale" for finding in own):
            stale.add(target.path)
        findings.extend(own)
    findings.extend(_surplus(study, root))
    findings.extend(
        Finding("versions", str(root), reason)
        for reason in differing(built_with, artifacts.versions())
    )
    return findings


def differing(built_with: Mapping[tuple[str, str], int], installed: Mapping[str, str]) -> list[str]:
    """Packages with which artifacts were built in another version than the installed one.

    Parameters
    ----------
    built_with : mapping of (package, version) to int
        Number of artifacts built with each.
    installed : mapping of str to str
        Installed versions.

    Returns
    -------
    list of str
        One sentence per package; empty if all artifacts were built with the installed versions.
    """
    sentences = []
    for name in sorted({name for name, _ in built_with}):
        counts = {version: n for (other, version), n in built_with.items() if other == name}
        if set(counts) != {installed.get(name)}:
            built = ", ".join(f"{n} built with {version}" for version, n in sorted(counts.items()))
            sentences.append(f"{name}: {built}; installed: {installed.get(name, 'none')}")
    return sentences


def _digest(path: Path, digests: dict[str, str]) -> str | None:
    if str(path) not in digests and path.is_file():
        digests[str(path)] = files.digest(path)
    return digests.get(str(path))


def _check(
    target: Target,
    study: Study,
    root: Path,
    stale_input: str | None,
    digests: dict[str, str],
    built_with: Counter[tuple[str, str]],
) -> list[Finding]:
    path = root / target.path
    if not path.is_file():
        return [Finding("missing", str(path), "not there")]
    rows = None
    try:
        if path.suffix == ".parquet":
            artifact = artifacts.read(path, target.stage)
            provenance, rows = artifact.provenance, artifact.table.num_rows
            artifacts.check_files(path, provenance)
        else:
            provenance = artifacts.read_provenance(path)
    except ArtifactError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return [Finding("damaged", str(path), reason)]
    built_with.update(provenance.get("versions", {}).items())
    # The table of claims is empty if the study has no evidence for any.
    is_empty = rows == 0 and target.stage != "claims"
    if rows is not None and (is_empty if target.rows is None else rows != target.rows):
        expected = target.rows if target.rows is not None else "at least one"
        return [Finding("damaged", str(path), f"{rows} rows where {expected} are expected")]
    reasons = _differences(provenance, target, study, root, digests)
    if not reasons and stale_input is not None:
        reasons = [f"built from {stale_input}, which is stale"]
    return [Finding("stale", str(path), "; ".join(reasons))] if reasons else []


def _differences(
    provenance: Mapping[str, Any],
    target: Target,
    study: Study,
    root: Path,
    digests: dict[str, str],
) -> list[str]:
    """Differences between an artifact's provenance and its plan."""
    reasons = []
    settings = provenance.get("config")
    if settings != target.config:
        reasons.append(f"built with different settings ({_difference(settings, target.config)})")
    if provenance.get("code") != target.code:
        reasons.append(f"built with different code of {', '.join(target.modules)}")
    planned = {path: root / path for path in target.sources}
    planned |= {path: Path(path) for path in study.user_files(target)}
    recorded = provenance.get("inputs", {})
    if set(recorded) != set(planned):
        reasons.append("built from other files")
    else:
        changed = [n for n, p in planned.items() if _digest(p, digests) != recorded[n]]
        if changed:
            reasons.append(f"its input {changed[0]} has changed since it was built")
    return reasons


def _difference(recorded: Any, planned: Any, path: str = "") -> str:
    """The first difference between recorded and planned settings, in words."""
    if isinstance(recorded, dict) and isinstance(planned, dict):
        for key in sorted(recorded.keys() | planned.keys()):
            name = f"{path}.{key}" if path else key
            if key not in recorded or key not in planned:
                then, now = (
                    _short(values[key]) if key in values else "absent"
                    for values in (recorded, planned)
                )
                return f"{name}: {then} then, {now} now"
            if recorded[key] != planned[key]:
                return _difference(recorded[key], planned[key], name)
    return f"{path or 'settings'}: {_short(recorded)} then, {_short(planned)} now"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _surplus(study: Study, root: Path) -> list[Finding]:
    planned = {str(root / path) for path in study.targets}
    # Besides tables, the weights of students; those of a teacher belong to its table.
    patterns = ("*.parquet", "students/*.safetensors")
    files_found = (p for pattern in patterns for p in root.rglob(pattern))
    existing = sorted(str(p) for p in files_found if not p.name.startswith("."))
    return [
        Finding("surplus", path, "not part of the study as it is configured; may be deleted")
        for path in existing
        if path not in planned
    ]


def summary(study: Study, root: Path, findings: list[Finding]) -> str:
    """Findings as text, one line each, followed by the numbers of each kind.

    Parameters
    ----------
    study : Study
        The plan.
    root : Path
        Its folder.
    findings : list of Finding
        From `audit`.

    Returns
    -------
    str
        Without a newline at the end.
    """
    lines = [f"{f.kind:8s} {f.path}: {f.reason}" for f in findings]
    bad = sum(f.kind in PROBLEMS for f in findings)
    counts = [f"{sum(f.kind == kind for f in findings)} {kind}" for kind in (*PROBLEMS, "surplus")]
    good = len(study.targets) - bad
    lines.append(f"{root}: {good} of {len(study.targets)} artifacts are good; {', '.join(counts)}")
    if bad:
        option = overlay_option(study.config.study)
        lines.append(
            "rebuild missing and damaged artifacts, and what depends on them, with: snakemake "
            f"reproduce-all{option}; rebuild one that snakemake does not notice with: snakemake "
            f"--force FILE{option}"
        )
    return "\n".join(lines)
