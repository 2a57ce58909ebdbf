"""A design of splits in a real run: what it builds, and what further splits add."""

import pandas as pd
import yaml
from checkouts import LANGUAGE, ROOT, TINY, merged

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
FEW = {
    "datasets": ["diabetes"],
    "families": {
        "linear": {"splits": 4, "students_per_split": 5, "shard": 2},
        "mlp": {"splits": 4, "students_per_split": 5, "shard": 4},
        "lm": None,
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
    assert claims["n_splits"].isin([3, 4]).all()
    for name in ("replication", "replication_classes"):
        assert (results / f"figures/{name}.pdf").is_file()

    before = {path: path.read_bytes() for path in shards}
    checkout.configure(TINY, with_splits(6))
    wanted = {"responses": 1, "students": 1, "estimates": 1, "gather": 1, "claims": 1}
    assert checkout.planned() == wanted | {"figures": 10, "report": 1, "reproduce-all": 1}
    checkout.run("replication")
    assert {path: path.read_bytes() for path in shards} == before
    assert len(list((folder / "students").glob("*.parquet"))) == 3


TEXT = {
    "study": "splits",
    "teachers": {"gpt_128_short": LANGUAGE["teachers"]["gpt_128"]},
    "students": {"gpt_64_short": LANGUAGE["students"]["gpt_64"]},
    "experiments": {
        "student_output": None,
        "variance_aware": None,
        "replication": {
            "datasets": ["diabetes"],
            "classification": None,
            "families": {
                "linear": None,
                "mlp": None,
                "lm": {
                    "teacher": "gpt_128_short",
                    "student": "gpt_64_short",
                    "corpora": ["ambiguous_facts"],
                    "splits": 3,
                    "questions": None,
                    "students_per_split": 3,
                    "k": 3,
                    "method": ["averaging"],
                    "shard": 3,
                },
            },
            **{key: DEFAULT["experiments"]["replication"][key] for key in ("alpha", "k", "method")},
        },
    },
}


def with_text_splits(number):
    """The same study with more splits of language models."""
    families = {"families": {"lm": {"splits": number}}}
    return merged(TEXT, {"experiments": {"replication": families}})


def test_further_splits_of_a_corpus_train_their_language_models_alone(checkout):
    checkout.configure(LANGUAGE, TEXT)
    first = {"examples": 1, "split_answers": 1, "embeddings": 1, "estimates": 1}
    last = {"gather": 1, "claims": 1, "report": 1, "reproduce-all": 1}

    def planned():
        # Figures of all language models may be among them.
        jobs = checkout.planned()
        assert jobs.pop("figures") >= 4
        return jobs

    assert planned() == first | last
    checkout.run("reproduce-all")
    assert checkout.planned() == {}
    done = checkout.run("audit")
    assert "0 missing, 0 damaged, 0 stale, 0 surplus" in done.stdout + done.stderr
    folder = checkout.path / "results/splits/replication/lm/ambiguous_facts"
    students = pd.read_parquet(folder / "students/000000-000003.parquet")
    assert students["split_number"].value_counts().to_dict() == {0: 6, 1: 6, 2: 6}
    answers = pd.read_parquet(folder / "answers/000000-000003.parquet")
    assert len(answers) == 3 * (6 + 1) * 8 * 4  # models, prompts, and draws with the greedy one
    claims = pd.read_parquet(checkout.path / "results/splits/claims.parquet")
    assert set(claims["claim"]) == {8, 9, 10, 11, 12}
    # Twenty steps teach nothing.
    assert claims["reason"].str.startswith("Only 0 of 3 splits pass the quality gate").all()

    shard = folder / "students/000000-000003.parquet"
    before = shard.read_bytes()
    checkout.configure(LANGUAGE, with_text_splits(5))
    first.pop("examples")
    assert planned() == first | last
    checkout.run("replication")
    assert shard.read_bytes() == before
    more = pd.read_parquet(folder / "students/000003-000005.parquet")
    assert sorted(set(more["split_number"])) == [3, 4]
