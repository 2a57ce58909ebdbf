"""A table of many rows of a user: cost and memory grow with the rows, not with their square."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from checkouts import TINY
from pyarrow import csv

ROWS = 200_000
RUNS = {
    "datasets": {"large": {"path": "large.csv", "target": "y"}},
    "students": {"mlp_16": {"epochs": 20}},
    "teachers": {"mlp_16": {"epochs": 20}},
    "experiments": {
        "teacher_noise": {
            "datasets": ["large"],
            "families": {
                "linear": {"replicates": 20, "shard": None},
                "mlp": {"teacher": "mlp_16", "student": "mlp_16", "replicates": 4},
            },
        },
        "variance_aware": {
            "datasets": ["large"],
            "families": {
                "linear": {"teacher": "ols", "student": "ols", "replicates": 20},
                "mlp": {"replicates": 4, "shard": None},
            },
        },
    },
}


@pytest.mark.thorough
def test_two_hundred_thousand_rows_need_no_job_above_four_gigabytes(checkout):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 20)).astype(np.float32)
    y = x @ rng.normal(size=20) + rng.normal(size=ROWS)
    columns = {f"x{i}": x[:, i] for i in range(20)} | {"y": y}
    csv.write_csv(pa.table(columns), checkout.path / "large.csv")
    checkout.configure(TINY, RUNS)
    checkout.run("teacher-noise", "variance-aware")
    root = checkout.path / "results/tiny"
    measured = [pd.read_csv(file, sep="\t") for file in (root / "benchmarks").rglob("*.tsv")]
    peaks = pd.to_numeric(pd.concat(measured)["max_rss"], errors="coerce")
    assert 300 < peaks.max() < 1800
    estimates = pd.read_parquet(root / "teacher_noise/linear/large/estimates.parquet")
    noisy = estimates[(estimates["alpha"] == 1) & (estimates["role"] == "student")]
    value = noisy.set_index("metric")["estimate"]
    # The closed form: s² p/n where test rows are distributed as training rows.
    assert value["theory_inter_student_variance"] == pytest.approx(
        y.var() * 21 / (0.8 * ROWS), rel=0.02
    )
    assert value["inter_student_variance"] == pytest.approx(
        value["theory_inter_student_variance"], rel=0.3
    )
