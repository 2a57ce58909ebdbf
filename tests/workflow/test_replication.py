"""A design of splits in a real run: what it builds, and what further splits add."""

import pandas as pd
import yaml
from checkouts import ROOT, TINY, merged

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
FEW = {
    "datasets": ["diabetes"],
    "families": {
        "linear": {"splits": 4, "students_per_split": 5, "shard": 2},
        "mlp": {"splits": 4, "students_per_split": 5, "shard": 4},
    },
    "classification": {
        "datasets": ["wine"],
        "families": {"softmax": {"splits": 3, "students_per_split": 5, "shard": 3}, "mlp": None},
    },
}
SPLITS = {
    "experiments": {
        "teacher_noise": None,
        "variance_aware": None,
        "replication": merged(DEFAULT["experiments"]["replication"], FEW),
    }
}


def with_splits(number):
    """The same study with more splits of linear students."""
    families = {"families": {"linear": {"splits": number}}}
    return merged(SPLITS, {"experiments": {"replication": families}})


def test_further_splits_train_their_students_alone(checkout):
    checkout.configure(TINY, SPLITS)
    checkout.run("reproduce-all")
    assert checkout.planned() == {}
    done = checkout.run("audit")
    assert "0 missing, 0 damaged, 0 stale, 0 surplus" in done.stdout + done.stderr
    results = checkout.path / "results/tiny"
    # Teachers are in the students' tables, one per split.
    assert not (results / "teachers").exists()
    folder = results / "replication/linear/diabetes"
    shards = sorted((folder / "students").glob("*.parquet"))
    students = pd.concat(map(pd.read_parquet, shards))
    teachers = students[students["label_source"] == "truth"]
    assert teachers["split_number"].tolist() == [0, 1, 2, 3]
    assert len(students) == 4 * (5 * 5 + 1)
    estimates = pd.read_parquet(results / "estimates.parquet")
    groups = estimates["group"].value_counts()
    assert {"all", "split_00", "split_03"} < set(groups.index)
    claims = pd.read_parquet(results / "claims.parquet")
    assert set(claims["claim"]) == {2, 3, 4, 7, 12}
    assert claims["statistic"].str.contains("over [34] splits").all()
    for name in ("replication", "replication_classes"):
        assert (results / f"figures/{name}.pdf").is_file()

    before = {path: path.read_bytes() for path in shards}
    checkout.configure(TINY, with_splits(6))
    wanted = {"responses": 1, "students": 1, "estimates": 1, "gather": 1, "claims": 1}
    assert checkout.planned() == wanted | {"figures": 1, "report": 1, "reproduce-all": 1}
    checkout.run("replication")
    assert {path: path.read_bytes() for path in shards} == before
    assert len(list((folder / "students").glob("*.parquet"))) == 3
