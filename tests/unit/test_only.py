"""The key ``only``, and studies without data sets or corpora."""

import pytest
from configurations import checked
from kduq.errors import UserError
from kduq.study.study import Study

MINE = {
    "datasets": {
        "houses": {"path": "h.csv", "target": "price"},
        "kinds": {"path": "k.csv", "target": "kind", "task": "classification"},
    },
    "corpora": {"faq": {"path": "f.jsonl"}},
}


def runs(*overlays):
    return [run.key for run in Study(checked("smoke", *overlays)).runs]


def test_experiments_that_are_named_alone_take_part():
    found = runs({"only": ["teacher_noise"]})
    assert {key.experiment for key in found} == {"teacher_noise"}
    assert found == [key for key in runs() if key.experiment == "teacher_noise"]
    # As text, and as Snakemake passes a name on the command line.
    assert runs({"only": "teacher_noise"}) == found
    two = {key.experiment for key in runs({"only": ["bootstrap", "decomposition"]})}
    assert two == {"bootstrap", "decomposition"}


@pytest.mark.parametrize(
    ("names", "datasets"),
    [
        (["houses"], {"houses"}),
        (["kinds"], {"kinds"}),
        (["faq"], {"faq"}),
        (["houses", "kinds", "faq"], {"houses", "kinds", "faq"}),
        (["teacher_noise", "houses"], {"houses"}),
        (["student_output", "kinds", "faq"], {"kinds", "faq"}),
    ],
)
def test_data_that_are_named_take_the_place_of_all_others(names, datasets):
    found = runs(MINE, {"only": names})
    assert {key.dataset for key in found} == datasets
    experiments = set(names) & {key.experiment for key in runs()}
    assert not experiments or {key.experiment for key in found} == experiments


def test_data_take_part_where_their_task_is_asked_for():
    found = runs(MINE, {"only": ["houses", "kinds", "faq"]})
    assert {key.experiment for key in found if key.dataset == "kinds"} == {
        "student_output",
        "replication",
    }
    assert "student_output" not in {key.experiment for key in found if key.dataset == "houses"}
    assert {key.family for key in found if key.dataset == "faq"} == {"lm"}


@pytest.mark.parametrize("empty", [[], None])
def test_a_study_of_corpora_or_of_tables_alone(empty):
    assert {key.family for key in runs({"datasets": empty})} == {"lm"}
    assert "lm" not in {key.family for key in runs({"corpora": empty})}
    of_one = {"experiments": {"student_output": {"datasets": []}}}
    own = {key.family for key in runs(of_one) if key.experiment == "student_output"}
    assert own == {"lm"}


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"only": ["teacher_noize"]}, "only.0: found 'teacher_noize'; .*did you mean 'teacher_no"),
        ({"only": []}, r"only: found \[\]; a list of names"),
        ({"only": [3]}, r"only: found \[3\]; a list of names"),
        ({"only": {"teacher_noise": 1}}, "only: found {'teacher_noise': 1}; a list of names"),
        (
            {"only": ["bootstrap"], "datasets": {"bootstrap": {"path": "x", "target": "y"}}},
            "only.0: found 'bootstrap', a name in experiments and in datasets; rename yours",
        ),
        (
            {"only": ["bootstrap"], "experiments": {"bootstrap": None}},
            "only.0: found 'bootstrap', but experiments.bootstrap is null",
        ),
        ({"only": ["bootstrap", "chatterbot"]}, "nothing is switched on; .*, or correct only"),
        ({"only": ["wine", "bootstrap"]}, "nothing is switched on"),
    ],
)
def test_what_only_cannot_mean_is_refused_in_one_line(overlay, message):
    with pytest.raises(UserError, match=message) as caught:
        checked("smoke", overlay)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (
            {"datasets": {"houses": {"features": ["a", False]}}},
            "features.1: found False; a text is",
        ),
        ({"datasets": {"houses": {"target": True}}}, "target: found True; .*: put it in quotes"),
        ({"corpora": {"faq": {"prompt": False}}}, "prompt: found False; .*put it in quotes"),
        ({"study": 3}, "study: found 3; a text is needed, and it is read as a number"),
        ({"datasets": {"houses": {"separator": ";;"}}}, "separator: found ';;'"),
    ],
)
def test_names_that_yaml_reads_as_something_else_are_explained(overlay, message):
    with pytest.raises(UserError, match=message) as caught:
        checked(MINE, overlay)
    assert "\n" not in str(caught.value)


def test_columns_may_have_numbers_as_names():
    config = checked(MINE, {"datasets": {"houses": {"features": [0, 1], "target": 2}}})
    assert config.datasets["houses"].features == ["0", "1"]
    assert config.datasets["houses"].target == "2"


def test_a_path_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    config = checked(MINE, {"datasets": {"houses": {"path": "~/h.csv"}}})
    assert config.datasets["houses"].path == "/somewhere/h.csv"
    config = checked(MINE, {"corpora": {"faq": {"path": "~/f.jsonl"}}})
    assert config.corpora["faq"].path == "/somewhere/f.jsonl"
