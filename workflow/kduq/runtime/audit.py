"""Check of a study's artifacts against today's configuration and code."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kduq import artifacts
from kduq.artifacts import files
from kduq.errors import ArtifactError
from kduq.study.study import Study
from kduq.study.target import Target

#: Stages whose artifacts are Parquet files.
_TABLES = (
    "examples",
    "teacher",
    "answers",
    "responses",
    "students",
    "losses",
    "estimates",
    "plan",
    "claims",
)
#: Kinds of finding that are errors; a surplus, and versions that differ, are not.
PROBLEMS = ("missing", "damaged", "stale")


@dataclass(frozen=True)
class Finding:
    """Something to know about one artifact.

    Attributes
    ----------
    kind : str
        missing, damaged, stale, surplus or versions.
    path : str
        The file; of versions the study's folder.
    reason : str
        What was found.
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
        In the order of the road; empty if all is as it should be.
    """
    findings: list[Finding] = []
    digests: dict[str, str] = {}
    made_with: Counter[tuple[str, str]] = Counter()
    stale: set[str] = set()
    for target in study.targets.values():
        source = next((n for names in target.inputs.values() for n in names if n in stale), None)
        found = _check(target, study, root, source, digests, made_with)
        if any(finding.kind == "stale" for finding in found):
            stale.add(target.path)
        findings.extend(found)
    findings.extend(_surplus(study, root))
    findings.extend(
        Finding("versions", str(root), reason)
        for reason in differing(made_with, artifacts.versions())
    )
    return findings


def differing(made_with: Mapping[tuple[str, str], int], here: Mapping[str, str]) -> list[str]:
    """Packages of which artifacts were made with another version than is installed.

    Parameters
    ----------
    made_with : mapping of (package, version) to int
        Artifacts made with each.
    here : mapping of str to str
        Installed versions.

    Returns
    -------
    list of str
        A sentence a package; none if all artifacts were made with what is installed.
    """
    found = []
    for name in sorted({name for name, _ in made_with}):
        counts = {version: n for (own, version), n in made_with.items() if own == name}
        if set(counts) != {here.get(name)}:
            made = ", ".join(f"{n} made with {version}" for version, n in sorted(counts.items()))
            found.append(f"{name}: {made}; here is {here.get(name, 'none')}")
    return found


def _digest(path: Path, digests: dict[str, str]) -> str | None:
    if str(path) not in digests and path.is_file():
        digests[str(path)] = files.digest(path)
    return digests.get(str(path))


def _check(
    target: Target,
    study: Study,
    root: Path,
    stale: str | None,
    digests: dict[str, str],
    made_with: Counter[tuple[str, str]],
) -> list[Finding]:
    path = root / target.path
    if not path.is_file():
        return [Finding("missing", str(path), "not there")]
    rows = None
    try:
        if target.stage in _TABLES:
            artifact = artifacts.read(path, target.stage)
            made_by, rows = artifact.provenance, artifact.table.num_rows
            artifacts.check_files(path, made_by)
        else:
            made_by = artifacts.read_provenance(path)
    except ArtifactError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return [Finding("damaged", str(path), reason)]
    made_with.update(made_by.get("versions", {}).items())
    # A study without evidence for any claim has no rows of them.
    some = rows == 0 and target.stage != "claims"
    if rows is not None and (some if target.rows is None else rows != target.rows):
        wanted = target.rows if target.rows is not None else "at least one"
        return [Finding("damaged", str(path), f"{rows} rows where {wanted} are expected")]
    reasons = _departures(made_by, target, study, root, digests)
    if not reasons and stale is not None:
        reasons = [f"made from {stale}, which is stale"]
    return [Finding("stale", str(path), "; ".join(reasons))] if reasons else []


def _departures(
    made_by: Mapping[str, Any], target: Target, study: Study, root: Path, digests: dict[str, str]
) -> list[str]:
    """Where an artifact's own provenance is not what is planned."""
    reasons = []
    expected = target.config
    if made_by.get("config") != expected:
        reasons.append(f"made with other settings ({_difference(made_by.get('config'), expected)})")
    if made_by.get("code") != target.code:
        reasons.append(f"made by other code of {', '.join(target.modules)}")
    planned = {name: root / name for names in target.inputs.values() for name in names}
    planned |= {name: Path(name) for name in study.user_files(target)}
    recorded = made_by.get("inputs", {})
    if set(recorded) != set(planned):
        reasons.append("made from other files")
    else:
        changed = [n for n, p in planned.items() if _digest(p, digests) != recorded[n]]
        if changed:
            reasons.append(f"its input {changed[0]} is no longer the one it was made from")
    return reasons


def _difference(found: Any, expected: Any, path: str = "") -> str:
    """First place where two settings differ, in words."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            if found.get(key) != expected.get(key):
                name = f"{path}.{key}" if path else key
                return _difference(found.get(key), expected.get(key), name)
    return f"{path or 'settings'}: {_short(found)} then, {_short(expected)} now"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _surplus(study: Study, root: Path) -> list[Finding]:
    planned = {str(root / path) for path in study.targets}
    there = sorted(str(p) for p in root.rglob("*.parquet") if not p.name.startswith("."))
    return [
        Finding("surplus", path, "not part of the study as it is configured; may be deleted")
        for path in there
        if path not in planned
    ]


def summary(study: Study, root: Path, findings: list[Finding]) -> str:
    """Findings as text, a line each, ending with a count.

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
        Ends without a newline.
    """
    lines = [f"{f.kind:8s} {f.path}: {f.reason}" for f in findings]
    bad = sum(f.kind in PROBLEMS for f in findings)
    counts = [f"{sum(f.kind == kind for f in findings)} {kind}" for kind in (*PROBLEMS, "surplus")]
    good = len(study.targets) - bad
    lines.append(f"{root}: {good} of {len(study.targets)} artifacts are good; {', '.join(counts)}")
    if bad:
        lines.append(
            "rebuild missing and damaged ones, and their dependants, with snakemake; one that "
            "snakemake does not notice with: snakemake --force FILE"
        )
    return "\n".join(lines)
