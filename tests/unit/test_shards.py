"""The size of shards follows from what students cost."""

import numpy as np
import pandas as pd
import pytest
from configurations import checked
from kduq.conditions import Condition
from kduq.data.tables import shape_of_file
from kduq.experiments import EXPERIMENTS
from kduq.experiments.protocol import TabularRun, trainings
from kduq.families import FAMILIES, Workload
from kduq.study import run as planning
from kduq.study.run import _shard
from kduq.study.study import Study

STUDENTS = {
    "network": {"family": "mlp", "hidden": 16, "epochs": 200, "learning_rate": 0.01},
    "wide": {
        "family": "mlp",
        "hidden": 1,
        "epochs": 1,
        "learning_rate": 0.01,
        "batch_size": 512,
        "max_steps": 1,
    },
}


def shard(config, experiment, student, dataset, students):
    settings = TabularRun(teacher="any", student=student, replicates=1000)
    return _shard(config, EXPERIMENTS[experiment], FAMILIES["mlp"], dataset, settings, students)


@pytest.mark.parametrize("minutes", [0.01, 0.5, 5, 1000])
def test_a_job_takes_no_longer_than_it_should_and_keeps_no_more_than_fits(minutes):
    config = checked({"students": STUDENTS, "job_minutes": minutes})
    for students in (1, 15, 200):
        size = shard(config, "teacher_noise", "network", "boston_housing", students)
        table = Workload(404, 14, 102, config.language.prompts, config.language.draws)
        each = students * FAMILIES["mlp"].seconds(config.students["network"], table)
        assert size % 2 == 0
        assert size == 2 or size * each <= 60 * minutes
        assert size == 200 or 4 * size * each > 60 * minutes or size == 2
    size = shard(
        config.model_copy(update={"job_minutes": 1000}), "student_output", "wide", "mnist", 8
    )
    assert size * 8 * 140_000 * 24 <= 1e9


@pytest.mark.parametrize("name", ["default", "paper"])
def test_jobs_of_a_study_take_about_the_time_that_they_should(name):
    presets = [] if name == "default" else [name]
    whole = checked(*presets)
    fewer = checked(*presets, {"job_minutes": whole.job_minutes / 10})
    jobs, more = (
        sum(target.stage == "students" for target in Study(config).targets.values())
        for config in (whole, fewer)
    )
    assert 2 * jobs < more < 10 * jobs
    one_size = {"teacher_noise": {"families": {"mlp": {"shard": 10}}}}
    study = Study(checked(*presets, {"experiments": one_size}))
    assert "teacher_noise/mlp/diabetes/students/000010-000020.parquet" in study.targets


def test_more_replicates_leave_the_shards_that_are_there():
    config = checked()
    more = {}
    for experiment in EXPERIMENTS:
        if not config.runs(experiment):
            continue
        more[experiment] = {"families": {}}
        for family, run in config.runs(experiment).items():
            levels = {"levels": {"noise": 2 * run.total}}
            key = "splits" if hasattr(run, "splits") else "replicates"
            doubled = levels if hasattr(run, "levels") else {key: 2 * run.total}
            more[experiment]["families"][family] = doubled

    def shards(*overlays):
        return {path for path in Study(checked(*overlays)).targets if "/students/" in path}

    assert shards() < shards({"experiments": more})


def test_more_draws_and_a_further_method_leave_the_students_that_are_there():
    def taught(*overlays):
        stages = ("targets", "students", "losses")
        targets = Study(checked(*overlays)).targets.items()
        # In a design of splits, one job trains students and asks them.
        return {
            path: target.config
            for path, target in targets
            if "/lm/" in path and target.stage in stages and not path.startswith("replication/")
        }

    fewer = {"lm": {"method": ["single", "averaging"]}}
    few = taught({"experiments": {"variance_aware": {"families": fewer}}})
    more = taught({"language": {"draws": 2000}})
    assert len(few) < len(more)
    assert {path: more.get(path) for path in few} == few


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_shape_of_a_file_is_that_of_its_table(suffix, tmp_path):
    path = tmp_path / f"mine{suffix}"
    frame = pd.DataFrame(np.zeros((1234, 5)), columns=list("abcde"))
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    assert shape_of_file(path) == (1234, 5)
    assert shape_of_file(tmp_path / f"absent{suffix}") == (0, 0)


def test_shards_shrink_as_a_file_grows(tmp_path):
    def replicates(rows):
        path = tmp_path / f"{rows}.csv"
        pd.DataFrame(np.zeros((rows, 3)), columns=["a", "b", "y"]).to_csv(path, index=False)
        own = {"path": str(path), "target": "y", "test_fraction": 0.2}
        config = checked({"students": STUDENTS, "datasets": {"mine": own}, "job_minutes": 0.1})
        return shard(config, "teacher_noise", "network", "mine", 15)

    assert replicates(300) > replicates(30_000)


def test_responses_count_in_the_size_of_a_shard_and_the_table_in_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "_shape", lambda config, dataset: (800_000, 21, 200_000))
    config = checked({"students": STUDENTS | {"ols": {"family": "linear"}}, "job_minutes": 60})
    settings = TabularRun(teacher="any", student="ols", replicates=1000)
    common = config, EXPERIMENTS["variance_aware"], FAMILIES["linear"], "boston_housing", settings
    sizes = [_shard(*common, 2, responses) for responses in (1, 10, 50)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]
    assert sizes[-1] * 50 * 800_000 * 4 < 1e9  # in single precision
    own = {"path": str(tmp_path / "any.csv"), "target": "y", "test_fraction": 0.2}
    mine = checked({"datasets": {"mine": own}})
    assert planning.table_megabytes(mine, "mine") == 1300
    assert planning.table_megabytes(mine, "boston_housing") == 0


def test_methods_share_the_pilots_of_an_alpha_which_count_as_students():
    def number(*cells):
        return trainings(
            [Condition(alpha=a, method=m, k=k, teacher_weight=w) for a, m, k, w in cells]
        )

    assert number((1, "averaging", 50, None), (1, "single", 1, None)) == 2
    for method in ("variance_weighting", "variance_weighting_oracle", "pilot_mean"):
        assert number((1, method, 5, None), (1, method, 1, None)) == 2 + 5
        # A grid of weights at few responses needs no further ones, and comes last.
        assert number((1, method, 50, None), (1, "fixed_weight", 3, 0.5)) == 2 + 50
    assert number((1, "fixed_weight", 3, 0.5), (2, "fixed_weight", 3, 0.5)) == 2 + 6
    assert number((1, "fixed_weight", 3, 1.0)) == 1
    assert number((None, "variance_weighting", 5, None)) == 1
