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
}
FOUND = {"total_effect_noise": (7.0, 9.0), "without_noise": (1.0, 2.0)}


def chosen(**changes):
    return planning.Settings(**(SETTINGS | changes))


def estimates(components, family="linear", dataset="made_up", alpha=0.5):
    keys = {"family": family, "dataset": dataset, "role": "student", "group": "all", "alpha": alpha}
    rows = [
        keys | {"metric": f"variance_component_{name}", "estimate": value, "ci_high": high}
        for name, (value, high) in components.items()
    ]
    rows.append(keys | {"metric": "variance_component_total", "estimate": 8.0, "ci_high": 12.0})
    # What is not to be planned by.
    rows.append(keys | {"metric": "variance_share_noise", "estimate": 0.5, "ci_high": 0.6})
    rows.append(rows[0] | {"group": "test", "estimate": 1e9})
    return pd.DataFrame(rows)


def planned(components=FOUND, examples=None, **settings):
    scale = examples or {"made_up": (50, 2.0)}
    return pd.DataFrame(planning.plan(chosen(**settings), estimates(components), scale))


def test_components_are_summed_by_what_makes_them_less():
    assert planning.parts(FOUND, False, 2.0) == (7 / 4, 0, 1 / 4)
    assert planning.parts(FOUND, True, 1.0) == (9, 0, 2)
    sampled = {"total_effect_decoding": (4.0, 5.0), "without_decoding": (2.0, 3.0)}
    assert planning.parts(FOUND | sampled, True, 1.0) == (0, 5, 3)
    # Unbiased estimates may be negative; a variance may not.
    assert planning.parts(FOUND | {"without_noise": (-1.0, -0.5)}, True, 1.0).rest == 0
    assert np.isnan(planning.parts(FOUND | {"without_noise": (1.0, np.nan)}, True, 1.0).rest)


def test_a_plan_counts_responses_to_every_input():
    table = planned()
    assert set(table) == set(schemas.columns("plan"))
    best = table[(table["width"] == 0.5) & table["optimum"]].set_index("pilot")
    for row in best.itertuples():
        assert row.cost == pytest.approx(row.students * (2 + row.responses * 50 * 0.01))
    assert best.loc["upper", "cost"] > best.loc["estimate", "cost"]
    other = table[~table["optimum"]]
    assert set(other["width"]) == {0.5}
    assert (other["cost"] >= other["pilot"].map(best["cost"])).all()
    assert table["draws"].isna().all()
    assert table["width"].min() == 0.125
    assert table["width"].max() == 2


def test_draws_are_planned_where_answers_are_drawn():
    sampled = {"total_effect_decoding": (5.0, 6.0), "without_decoding": (3.0, 4.0)}
    table = planned(FOUND | sampled)
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
        (FOUND, 1e-4, 2),
        (dict.fromkeys(FOUND, (1.0, np.nan)), 0.5, 1),
        (dict.fromkeys(FOUND, (np.nan, np.nan)), 0.5, 2),
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
    assert len(runs) == 2
    assert sum("none" in line for line in runs) == missing
    assert ("none: not with 100000 students" in lines[-1]) == bool(missing)
    wanted = settings.model_dump(exclude={"confidence"})
    png, pdf = drawn("plan", table, sample_size=wanted)
    assert png.startswith(b"\x89PNG")
    assert pdf.startswith(b"%PDF")
