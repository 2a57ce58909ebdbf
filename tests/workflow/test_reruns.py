"""What reruns when: real dry runs after a real run."""

import pandas as pd
from checkouts import ROOT, TINY

DOWNSTREAM = {"gather": 1, "claims": 1, "figures": 2, "report": 1, "reproduce-all": 1}


def test_each_change_reruns_what_it_must_and_no_more(checkout):
    everything = checkout.planned()
    assert everything == DOWNSTREAM | {
        "examples": 1,
        "teacher": 2,
        "responses": 4,
        "students": 4,
        "estimates": 2,
    }
    checkout.run("reproduce-all")
    assert checkout.planned() == {}

    checkout.configure(TINY, {"figures": {"dpi": 90}})
    assert checkout.planned() == {"figures": 2, "report": 1, "reproduce-all": 1}

    checkout.configure(TINY, {"claims": {"ratio_margin": 1.3}})
    assert checkout.planned() == {"claims": 1, "report": 1, "reproduce-all": 1}

    checkout.configure(TINY, {"students": {"mlp_16": {"learning_rate": 0.02}}})
    one_figure = DOWNSTREAM | {"figures": 1}
    assert checkout.planned() == one_figure | {"students": 2, "estimates": 1}

    more = {"experiments": {"teacher_noise": {"families": {"linear": {"replicates": 16}}}}}
    checkout.configure(TINY, more)
    assert checkout.planned() == one_figure | {"responses": 2, "students": 2, "estimates": 1}

    checkout.configure(TINY)
    assert checkout.planned() == {}
    checkout.edit("workflow/kduq/students.py", "def _stack(", "# A comment.\n\n\ndef _stack(")
    assert checkout.planned() == {}

    checkout.edit("workflow/kduq/statistics.py", "n_draws > 1 else", "n_draws > 1.5 else")
    assert checkout.planned() == DOWNSTREAM | {"estimates": 2}
    checkout.edit("workflow/kduq/statistics.py", "n_draws > 1.5 else", "n_draws > 1 else")

    checkout.edit("workflow/kduq/families/linear.py", "p * 100 * np", "p * 101 * np")
    assert checkout.planned() == one_figure | {"teacher": 1, "students": 2, "estimates": 1}


def test_the_paper_study_stays_under_two_thousand_jobs(checkout):
    (checkout.path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    counts = checkout.planned("--configfile", "workflow/presets/paper.yaml")
    assert sum(counts.values()) < 2000
    networks_and_lines = 2 * (1 + 5 + 50 + 1 + 5 + 2 + 25)
    crossed = 2 * (1 + 4)
    assert counts["students"] == networks_and_lines + 2 * 4 * 5 + crossed


CROSSED = {
    "experiments": {
        "teacher_noise": None,
        "variance_aware": None,
        "decomposition": {
            "datasets": ["boston_housing"],
            "alpha": 0.5,
            "families": {
                "linear": {
                    "teacher": "ols",
                    "student": "ols",
                    "levels": {"noise": 4, "bootstrap": 3},
                    "block": 2,
                },
                "mlp": {
                    "teacher": "mlp_16",
                    "student": "mlp_16",
                    "levels": {"noise": 3, "initialisation": 3, "bootstrap": 3},
                    "block": 2,
                },
            },
        },
    },
}


def test_more_noise_levels_train_their_students_alone(checkout):
    checkout.configure(TINY, CROSSED)
    checkout.run("reproduce-all")
    assert checkout.planned() == {}
    done = checkout.run("audit")
    assert "0 missing, 0 damaged, 0 stale, 0 surplus" in done.stdout + done.stderr
    folder = checkout.path / "results/tiny/decomposition"
    students = pd.read_parquet(folder / "mlp/boston_housing/students/000002-000003.parquet")
    assert (
        students[["noise_level", "init_level", "bootstrap_level"]].drop_duplicates().shape[0] == 9
    )
    assert set(students["noise_level"]) == {2}
    assert students[["alpha", "seed", "method"]].isna().all(axis=None)
    estimates = pd.read_parquet(folder.parent / "estimates.parquet")
    metrics = set(estimates[estimates["family"] == "mlp"]["metric"])
    assert {"variance_component_noise_initialisation", "variance_share_residual"} <= metrics
    assert set(estimates["alpha"]) == {0.5}

    more = {"families": {"linear": {"levels": {"noise": 6}}}}
    checkout.configure(TINY, CROSSED, {"experiments": {"decomposition": more}})
    wanted = {"responses": 1, "students": 1, "estimates": 1, "gather": 1, "claims": 1}
    wanted |= {"plan_table": 1, "figures": 2, "report": 1, "reproduce-all": 1}
    assert checkout.planned() == wanted
    more = {"families": {"linear": {"levels": {"bootstrap": 4}}}}
    checkout.configure(TINY, CROSSED, {"experiments": {"decomposition": more}})
    assert checkout.planned()["students"] == 2
    checkout.configure(TINY, CROSSED, {"experiments": {"decomposition": {"alpha": 0.1}}})
    planned = checkout.planned()
    assert "responses" not in planned
    assert planned["students"] == 4
