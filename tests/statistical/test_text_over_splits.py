"""Estimates of language models over splits: recovered values, and coverage by simulation."""

import numpy as np
import pandas as pd
import pytest
import scipy
from kduq.conditions import Condition
from kduq.estimates import text_splits
from kduq.statistics import Estimate

SINGLE = Condition(label_source="sampled", temperature=1.0, method="single", k=1)
REMEDY = Condition(label_source="sampled", temperature=1.0, method="averaging", k=5)
SPLITS, STUDIES = 6, 800
SETTINGS = text_splits.Settings(
    experiment="replication",
    family="lm",
    dataset="made_up",
    seed=1,
    confidence=0.95,
    conditions=[SINGLE, REMEDY],
    prompts=8,
    splits=SPLITS,
)


def of_split(metric, value, error, condition):
    """Estimates of a split: one metric, and the numbers of students."""
    found = Estimate(value, error, value - 2 * error, value + 2 * error, 4)
    counts = {
        (c, "student", "diverged_count", "all"): Estimate(0.0, np.nan, np.nan, np.nan, 4)
        for c in SETTINGS.conditions
    }
    return counts | {(condition, "student", metric, "all"): found}


def pooled(metric, values, errors, condition):
    """Rows over splits, by their metric without the prefix."""
    splits = [
        of_split(metric, value, error, condition)
        for value, error in zip(values, errors, strict=True)
    ]
    table = pd.DataFrame(text_splits.estimate(SETTINGS, splits))
    rows = table[(table["group"] == "all") & table["metric"].str.startswith("replicated_")]
    return rows.set_index(rows["metric"].str.removeprefix("replicated_"))


@pytest.fixture(scope="module")
def studies():
    """Means, spreads and predictions of simulated studies, and the value on a further split."""
    rng = np.random.default_rng(7)
    mean, spread, error = 0.3, 0.1, 0.05
    found = []
    for _ in range(STUDIES):
        values = mean + spread * rng.normal(size=SPLITS) + error * rng.normal(size=SPLITS)
        # Estimated errors vary, as those from four students do.
        errors = error * np.sqrt(rng.chisquare(3, size=SPLITS) / 3)
        rows = pooled("intra_variance_ratio", values, errors, SINGLE)
        further = mean + spread * rng.normal() + error * rng.normal()
        limits = ("ci_low", "ci_high")
        found.append(
            {
                "estimate": rows.loc["intra_variance_ratio", "estimate"],
                "squared": rows.loc["intra_variance_ratio_between_split_sd", "estimate"] ** 2,
                "further": further,
            }
            | {
                f"{name}{limit}": rows.loc[f"intra_variance_ratio{suffix}", limit]
                for name, suffix in (
                    ("mean_", ""),
                    ("spread_", "_between_split_sd"),
                    ("ahead_", "_prediction"),
                )
                for limit in limits
            }
        )
    return pd.DataFrame(found)


def covered(studies, name, truth):
    return ((studies[f"{name}_ci_low"] <= truth) & (truth <= studies[f"{name}_ci_high"])).mean()


def test_mean_and_variance_between_splits_are_recovered(studies):
    # Four standard errors: of a mean 0.112/√(6·800), of a variance about 0.0079/√800.
    assert studies["estimate"].mean() == pytest.approx(0.3, abs=0.0065)
    # Cut off at zero, where it is on average a little too large.
    assert studies["squared"].mean() == pytest.approx(0.01, abs=0.0012)


def test_intervals_over_six_splits_have_their_coverage(studies):
    # Four standard errors of a share of 0.95 in 800 studies are 0.031.
    assert covered(studies, "mean", 0.3) == pytest.approx(0.95, abs=0.031)
    assert covered(studies, "ahead", studies["further"]) == pytest.approx(0.95, abs=0.031)
    assert covered(studies, "spread", 0.1) == pytest.approx(0.95, abs=0.031)


def test_rows_over_splits_have_a_closed_form():
    changes, errors = np.array([-0.5, -1.2, -0.4, -0.55, -0.3, -0.7]), np.full(6, 0.05)
    rows = pooled("inter_student_variance_change", changes, errors, REMEDY)
    row = rows.loc["inter_student_variance_change"]
    assert row["estimate"] == pytest.approx(changes.mean())
    half = scipy.stats.t.ppf(0.975, 5) * changes.std(ddof=1) / np.sqrt(6)
    assert row["ci_high"] - row["estimate"] == pytest.approx(half)
    assert row["n_students"] == 24
    ahead = rows.loc["inter_student_variance_change_prediction"]
    assert ahead["ci_high"] - ahead["estimate"] == pytest.approx(half * np.sqrt(7))
    spread = rows.loc["inter_student_variance_change_between_split_sd", "estimate"]
    assert spread == pytest.approx(np.sqrt(changes.var(ddof=1) - 0.05**2))
