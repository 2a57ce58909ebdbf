"""The sample size of a tiny pilot, planned for real."""

import numpy as np
import pandas as pd
from checkouts import FACTORIAL, TINY, merged

PILOT = merged(FACTORIAL, {"experiments": {"decomposition": {"families": {"mlp": None}}}})


def test_a_plan_is_made_shown_and_remade_alone(checkout):
    checkout.configure(TINY, PILOT)
    done = checkout.run("plan")
    table = "linear boston_housing estimate"
    assert table in done.stderr
    assert "95 % interval of the mean prediction, 0.1 standard deviations" in done.stderr
    root = checkout.path / "results/tiny"
    first = pd.read_parquet(root / "plan.parquet")
    assert (root / "figures/plan.png").is_file()
    assert (root / "figures/plan.pdf").is_file()
    assert not (root / "report.html").exists()
    # Shown again, not built again.
    modified = (root / "plan.parquet").stat().st_mtime_ns
    done = checkout.run("plan")
    assert table in done.stderr
    assert (root / "plan.parquet").stat().st_mtime_ns == modified
    checkout.run("reproduce-all")
    assert 'id="plan"' in (root / "report.html").read_text()
    assert checkout.planned() == {}

    # A part of the configuration's table is enough, and trains no student.
    dearer = ("--config", "sample_size={cost_student: 50, width: 0.2}")
    wanted = {"sample_size_table": 1, "figures": 1, "report": 1, "reproduce-all": 1}
    assert checkout.planned(*dearer) == wanted
    done = checkout.run("plan", *dearer)
    assert "0.2 standard deviations of the target wide" in done.stderr
    assert "per student 50, per response 0.001" in done.stderr
    second = pd.read_parquet(root / "plan.parquet")
    best = second[second["optimum"] & (second["width"] == 0.2)]
    each = 50 + best["responses"] * 405 * 0.001
    np.testing.assert_allclose(best["cost"], best["students"] * each)
    assert best["resampled"].value_counts().to_dict() == {False: 2, True: 2}
    cheap = first[first["optimum"] & (first["width"] == 0.1)].reset_index()
    assert (best.reset_index()["responses"] > cheap["responses"]).all()

    more = {"families": {"linear": {"levels": {"noise": 6}}}}
    checkout.configure(TINY, PILOT, {"experiments": {"decomposition": more}})
    planned = checkout.planned(*dearer)
    assert planned["students"] == planned["sample_size_table"] == 1


def test_a_plan_that_cannot_be_made_says_why(checkout):
    done = checkout.snakemake("plan")
    assert done.returncode != 0
    assert "experiments.decomposition: found null" in done.stderr
    done = checkout.snakemake("plan", "--config", "sample_size={width: 0}")
    assert done.returncode != 0
    assert "sample_size.width: found 0; input should be greater than 0" in done.stderr
    assert "Traceback" not in done.stderr
    assert "sample_size_table" not in checkout.planned()
