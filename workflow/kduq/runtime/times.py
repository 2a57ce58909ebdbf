"""Modification times of copied results.

Snakemake runs a job again if an input is newer than an output. A copy that does not keep times
(``cp -r``, many downloads and archives) gives all files new ones, in no useful order. Their content
is still the planned one, which the audit shows; so the times alone are corrected.
"""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kduq.artifacts import files
from kduq.runtime.audit import PROBLEMS, Finding
from kduq.study.study import Study

#: Snakemake's file in a folder that is an output, with the folder's time.
TIMESTAMP = ".snakemake_timestamp"


def outputs_by_artifact(rules: Iterable[Any], study: Study, root: str) -> dict[str, list[str]]:
    """All files of the job that builds an artifact.

    Parameters
    ----------
    rules : iterable of snakemake.rules.Rule
        All rules.
    study : Study
        The plan.
    root : str
        Its folder, ``results/{study}``.

    Returns
    -------
    dict of str to list of str
        Outputs and benchmark, by path of the artifact below the folder.
    """
    found = {}
    makers = [rule for rule in rules if rule.output]
    for path in study.targets:
        rule = next(rule for rule in makers if rule.is_producer(f"{root}/{path}"))
        wildcards = rule.get_wildcards(f"{root}/{path}")
        patterns = [*rule.output, *([rule.benchmark] if rule.benchmark else [])]
        found[path] = [str(pattern.apply_wildcards(wildcards)) for pattern in patterns]
    return found


def repair(
    study: Study, root: Path, outputs: Mapping[str, list[str]], findings: Iterable[Finding]
) -> int:
    """Give all good artifacts one time, later than that of the user's files.

    An output is then not older than any input. An artifact that is not good, and the other outputs
    of its job, keep their times, and are older than their inputs.

    Parameters
    ----------
    study : Study
        The plan.
    root : Path
        Its folder.
    outputs : mapping of str to list of str
        From `outputs_by_artifact`.
    findings : iterable of Finding
        From `kduq.runtime.audit.audit`.

    Returns
    -------
    int
        Number of artifacts whose times were set.

    Raises
    ------
    UserError
        If a time cannot be set.
    """
    bad = {finding.path for finding in findings if finding.kind in PROBLEMS}
    good = {
        path: Path(root, path)
        for path in study.targets
        # A job of several artifacts is run again if one of them is bad.
        if not bad & {str(root / path), *outputs[path]}
    }
    user_files = {p for path in good for p in study.user_files(study.targets[path])}
    latest = max([time.time(), *(Path(path).stat().st_mtime for path in user_files)])
    for path in good:
        for output in map(Path, outputs[path]):
            _set_time(output, latest)
    return len(good)


def _set_time(path: Path, seconds: float) -> None:
    """Set the modification time of a file, or that which Snakemake keeps of a folder."""
    try:
        if path.is_dir() and not path.is_symlink():
            path /= TIMESTAMP
            path.touch()
        if path.exists():
            # Of a link, not of a file in the cache that studies share.
            os.utime(path, (seconds, seconds), follow_symlinks=False)
    except OSError as error:
        raise files.unwritable(path, error) from None
