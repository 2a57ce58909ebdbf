import numpy as np
import pandas as pd
import pytest
from drawn_figures import drawn
from kduq import artifacts
from kduq.artifacts import schemas
from kduq.sample_size import planning

SETTINGS = {
    "target": "mean",
    "width": 0.5,
    "cost_student": 2.0,
    "cost_response": 0.01,
    "cost_draw": 0.1,
    "confidence": 0.95,
    "assurance": 0.9,
}
#: Estimate and upper limit with noise and without, on bootstrap samples and on all rows.
FOUND = {
    "variance_component_total": (8.0, 12.0),
    "noiseless_variance": (1.0, 2.0),
    "full_sample_variance": (5.0, 7.0),
    "noiseless_full_sample_variance": (0.5, 0.5),
}
SAMPLED = {
    "variance_component_total_effect_decoding": (5.0, 6.0),
    "variance_component_without_decoding": (3.0, 4.0),
}


def chosen(**changes):
    return planning.Settings(**(SETTINGS | changes))


def estimates(components, family="linear", dataset="made_up", alpha=0.5):
    keys = {"family": family, "dataset": dataset, "role": "student", "group": "all", "alpha": alpha}
    rows = [
        keys | {"metric": name, "estimate": value, "ci_high": high}
        for name, (value, high) in components.items()
    ]
    # What is not to be planned by.
    rows.append(keys | {"metric": "variance_share_noise", "estimate": 0.5, "ci_high": 0.6})
    rows.append(rows[0] | {"group": "test", "estimate": 1e9})
    return pd.DataFrame(rows)


def planned(components=FOUND, examples=None, **settings):
    scale = examples or {"made_up": (50, 2.0)}
    return pd.DataFrame(planning.plan(chosen(**settings), estimates(components), scale))


def test_a_variance_is_divided_by_what_makes_it_less():
    """The variance of one response less that without noise, of either kind of students."""
    assert planning.parts(FOUND, 2.0) == (7 / 4, 0, 1 / 4)
    assert planning.parts(FOUND, 1.0, resampled=False) == (4.5, 0, 0.5)
    assert planning.parts(SAMPLED, 1.0) == (0, 5, 3)
    # Unbiased estimates may be negative, or smaller with noise than without; a variance may not.
    few = FOUND | {"noiseless_variance": (-1.0, -0.5)}
    assert planning.parts(few, 1.0) == (8, 0, 0)
    assert planning.parts(FOUND | {"noiseless_variance": (9.0, 9.5)}, 1.0) == (0, 0, 9)
    assert np.isnan(
        planning.parts(FOUND | {"noiseless_variance": (1.0, np.nan)}, 1.0, assurance=0.9)[2]
    )


def test_an_upper_limit_has_the_confidence_of_the_assurance():
    # One-sided 97.5 % is the two-sided limit itself; a half is the estimate.
    assert planning.upper_limit(2.0, 5.0, 0.95, 0.975) == pytest.approx(5)
    assert planning.upper_limit(2.0, 5.0, 0.95, 0.5) == pytest.approx(2)
    # ln 5/2 is 1.96 standard errors, 90 % are 1.2816 of them.
    expected = 2 * 2.5 ** (1.281552 / 1.959964)
    assert planning.upper_limit(2.0, 5.0, 0.95, 0.9) == pytest.approx(expected)
    assert planning.upper_limit(-1.0, 3.0, 0.95, 0.9) == pytest.approx(-1 + 4 * 1.281552 / 1.959964)
    assert planning.upper_limit(3.0, 3.0, 0.95, 0.9) == 3


def test_a_plan_counts_responses_to_every_input():
    table = planned()
    assert set(table) == set(schemas.columns("plan"))
    wanted = table[(table["width"] == 0.5) & table["optimum"]]
    best = wanted.set_index(["resampled", "pilot"])
    assert len(best) == 4
    for row in best.itertuples():
        assert row.cost == pytest.approx(row.students * (2 + row.responses * 50 * 0.01))
    for resampled in (False, True):
        assert best.loc[(resampled, "upper"), "cost"] > best.loc[(resampled, "estimate"), "cost"]
    # Students on bootstrap samples vary more.
    for pilot in ("estimate", "upper"):
        assert best.loc[(True, pilot), "cost"] > best.loc[(False, pilot), "cost"]
    other = table[~table["optimum"]]
    assert set(other["width"]) == {0.5}
    least = [best.loc[key, "cost"] for key in zip(other["resampled"], other["pilot"], strict=True)]
    assert (other["cost"] >= least).all()
    assert table["draws"].isna().all()
    assert table["width"].min() == 0.125
    assert table["width"].max() == 2


def test_draws_are_planned_where_answers_are_drawn():
    table = planned(SAMPLED)
    assert table["resampled"].all()
    best = table[(table["width"] == 0.5) & table["optimum"] & (table["pilot"] == "estimate")]
    row = next(best.itertuples())
    assert row.draws > 1
    assert row.responses == 1
    each = 2 + row.responses * 50 * 0.01 + row.draws * 0.1
    assert row.cost == pytest.approx(row.students * each)
    assert "per draw 0.1" in planning.summary(chosen(), table)
    other = table[~table["optimum"] & (table["pilot"] == "estimate")]
    assert set(other["draws"]) >= {1, 2, 3} - {row.draws}
    assert row.draws not in set(other["draws"])
    assert (other["cost"] >= row.cost).all()


def test_the_variance_between_students_is_planned_without_the_pilot():
    table = planned(target="variance")
    best = table[(table["width"] == 0.5) & table["optimum"]]
    assert list(best["pilot"]) == ["theory"]
    assert list(best["responses"]) == [1]
    # 2 · 1.98 · √(2/(S - 1)) = 0.5
    assert abs(best["students"].item() - 126) <= 1


@pytest.mark.parametrize(
    ("components", "width", "missing"),
    [
        (FOUND, 0.5, 0),
        (FOUND, 1e-4, 4),
        (dict.fromkeys(FOUND, (1.0, np.nan)), 0.5, 2),
        (dict.fromkeys(FOUND, (np.nan, np.nan)), 0.5, 4),
    ],
)
def test_the_table_and_the_figure_say_where_there_is_no_plan(tmp_path, components, width, missing):
    settings = chosen(width=width)
    values = planning.plan(settings, estimates(components, alpha=np.nan), {"made_up": (50, 2.0)})
    provenance = artifacts.provenance("plan", settings.model_dump(), "", {})
    artifacts.write(tmp_path / "plan.parquet", "plan", values, provenance)
    table = artifacts.read(tmp_path / "plan.parquet", "plan").table.to_pandas()
    lines = planning.summary(settings, table).splitlines()
    runs = [line for line in lines if "made_up" in line]
    assert len(runs) == 4
    assert [line.split()[3] for line in runs] == ["all", "all", "sample", "sample"]
    assert "suffices for 90 % of pilots" in lines[-1 - bool(missing)]
    assert sum("none" in line for line in runs) == missing
    assert ("none: not with 100000 students" in lines[-1]) == bool(missing)
    wanted = settings.model_dump(exclude={"confidence"})
    png, pdf, _ = drawn("plan", table, sample_size=wanted)
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
