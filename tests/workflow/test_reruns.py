"""What reruns when: real dry runs after a real run."""

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
    assert counts["students"] == networks_and_lines + 2 * 4 * 5
