"""Stage ``claims``: statements of the paper, judged by intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kduq import artifacts
from kduq.artifacts import schemas
from kduq.claims import CLAIMS, hypothesis
from kduq.claims.evidence import Evidence
from kduq.claims.settings import ClaimsSettings as Settings
from kduq.stage import Inputs, Outputs
from kduq.study.paths import RunKey, run_of

__all__ = ["Settings", "judge", "run"]

#: Columns of students that claims are judged from, besides their predictions.
_COLUMNS = ("replicate", "diverged", "rank_deficient", "test_mse")


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the verdicts; see `kduq.stage.Stage`."""
    estimates = inputs.read("estimates").table.to_pandas()
    examples = {Path(path).stem: path for path in inputs.paths.get("examples", ())}
    files = _by_run(inputs.paths.get("students", ()))

    def students(key: RunKey) -> tuple[pd.DataFrame, dict[str, Any]]:
        table = artifacts.read_all(files[key], "students", without="prediction")
        columns: dict[str, Any] = {name: table.column(name) for name in _COLUMNS}
        columns["prediction"] = artifacts.WideColumn(files[key], "prediction")
        truth = artifacts.read(examples[key.dataset], "examples")
        columns["classes"] = truth.column("y")[truth.column("split") == "test"]
        return table.table.select(list(schemas.CONDITION)).to_pandas(), columns

    losses = {
        key: artifacts.read_all(paths, "losses").table.to_pandas()
        for key, paths in _by_run(inputs.paths.get("losses", ())).items()
    }
    evidence = Evidence(settings, estimates, list(files), students, losses)
    outputs.write("claims", judge(evidence, settings.confidence))


def _by_run(paths: Sequence[str]) -> dict[RunKey, list[str]]:
    files: dict[RunKey, list[str]] = {}
    for path in paths:
        files.setdefault(run_of(path), []).append(path)
    return files


def judge(evidence: Evidence, confidence: float) -> dict[str, list[Any]]:
    """Judge every claim for which the study has evidence.

    Parameters
    ----------
    evidence : Evidence
        Students and estimates of the study.
    confidence : float
        Family-wise coverage of the intervals of a claim.

    Returns
    -------
    dict of str to list
        The columns of the artifact.
    """
    tests = [test for claim in CLAIMS.values() for test in claim.tests(evidence)]
    rows = hypothesis.judge(tests, confidence)
    return {name: [row[name] for row in rows] for name in schemas.columns("claims")}
