"""The registries, where each kind of thing is picked by its name."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from configurations import checked
from kduq.claims import CLAIMS
from kduq.errors import UserError
from kduq.estimates.metrics import METRICS
from kduq.experiments import EXPERIMENTS
from kduq.registry import Registry
from kduq.study.study import Study

FRUIT = Registry("fruit", [SimpleNamespace(name=name) for name in ("pear", "apple", "fig")])


def test_things_are_listed_in_their_order():
    assert list(FRUIT) == ["pear", "apple", "fig"]
    assert len(FRUIT) == 3
    assert FRUIT["fig"].name == "fig"
    assert "fig" in FRUIT
    assert "plum" not in FRUIT


def test_an_unknown_name_is_told_those_that_are_known_and_the_nearest():
    with pytest.raises(UserError) as caught:
        FRUIT["aple"]
    assert str(caught.value) == (
        "'aple' is not a known fruit; allowed: pear, apple, fig; did you mean 'apple'?"
    )


def test_an_unknown_name_can_be_asked_for_with_a_default():
    assert FRUIT.get("fig").name == "fig"
    assert FRUIT.get("plum") is None
    assert FRUIT.get("plum", 3) == 3


def test_no_two_things_share_a_name():
    with pytest.raises(ValueError, match="of kind fruit are named 'fig'"):
        Registry("fruit", [*FRUIT.values(), SimpleNamespace(name="fig")])


def test_noise_in_the_conditions_of_an_experiment_without_it_is_refused():
    table = checked().experiment("teacher_noise")
    run = table.families.linear
    experiment = EXPERIMENTS["teacher_noise"]
    assert experiment.cells(table, run)
    with pytest.raises(UserError, match=r"teacher_noise: .* set noisy=True"):
        replace(experiment, noisy=False).cells(table, run)


def test_what_stands_in_a_registry_changes_what_is_made_from_it(monkeypatch):
    before = Study(checked()).targets
    # Others of the same file stay: their code is the same.
    monkeypatch.delitem(METRICS._entries, "brier_score")
    monkeypatch.delitem(CLAIMS._entries, "averaging")
    after = Study(checked()).targets
    changed = {name for name, target in before.items() if target.config != after[name].config}
    classified = {
        name for name in before if re.match(r"student_output/(mlp|soft).*/estimates", name)
    }
    assert changed == {"claims.parquet", *classified}
