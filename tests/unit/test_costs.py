"""Block sizes follow from costs."""

import pytest
import yaml
from checkouts import ROOT, merged
from kduq import config, costs
from kduq.study import Study

NETWORK = {"family": "mlp", "hidden": 16, "epochs": 200}
ASKED = {"prompts": 60, "draws": 20}


@pytest.mark.parametrize("minutes", [0.01, 0.5, 5, 1000])
def test_a_job_takes_no_longer_than_it_should_and_keeps_no_more_than_fits(minutes):
    for students in (1, 15, 200):
        size = costs.block(NETWORK, "boston_housing", ASKED, students, minutes)
        each = students * costs.seconds(NETWORK, "boston_housing", ASKED)
        assert size % 2 == 0
        assert size == 2 or size * each <= 60 * minutes
        assert size == 200 or 4 * size * each > 60 * minutes or size == 2
    wide = {"family": "mlp", "hidden": 1, "epochs": 1, "batch_size": 512, "max_steps": 1}
    size = costs.block(wide, "mnist", ASKED, 8, 1000)
    assert size * 8 * 140_000 * 72 <= 1e9


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_jobs_of_a_study_take_about_the_time_that_they_should(preset):
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())
    if preset != "default":
        overlay = ROOT / f"workflow/presets/{preset}.yaml"
        settings = merged(settings, yaml.safe_load(overlay.read_text()))
    fewer = merged(settings, {"job_minutes": settings["job_minutes"] / 10})
    jobs, more = (
        sum(job.stage == "students" for job in Study(config.check(chosen)).jobs.values())
        for chosen in (settings, fewer)
    )
    assert 2 * jobs < more < 10 * jobs
    one_size = {"teacher_noise": {"families": {"mlp": {"block": 10}}}}
    chosen = Study(config.check(merged(settings, {"experiments": one_size})))
    assert "teacher_noise/mlp/diabetes/students/000010-000020.parquet" in chosen.jobs


def test_more_replicates_leave_the_blocks_that_are_there():
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())

    def jobs():
        return {path for path in Study(config.check(settings)).jobs if "/students/" in path}

    before = jobs()
    for grid in settings["experiments"].values():
        for run in grid["families"].values():
            if "replicates" in run:
                run["replicates"] *= 2
            else:
                run["levels"]["noise"] *= 2
    assert before < jobs()
