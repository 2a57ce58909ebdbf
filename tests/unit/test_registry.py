"""The registries, where each kind of thing is picked by its name."""

import re
from types import SimpleNamespace

import pytest
from configurations import checked
from kduq.claims import CLAIMS
from kduq.errors import UserError
from kduq.estimates.metrics import METRICS
from kduq.registry import Registry, require_known
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


def test_responses_have_noise_where_conditions_have_alpha_or_drawn_labels():
    targets = Study(checked()).targets.values()
    noisy = {
        target.settings.experiment: target.settings.noisy
        for target in targets
        if target.stage == "responses" and hasattr(target.settings, "noisy")
    }
    assert noisy == {
        "teacher_noise": True,
        "student_init": False,
        "bootstrap": False,
        "student_output": True,
        "predictive_distribution": True,
        "variance_aware": True,
        "fixed_initialisation": True,
        "decomposition": True,
        "study_variance": True,
    }


def test_a_value_that_nothing_handles_is_refused():
    require_known("method", "single", (None, "single"))
    require_known("method", None, (None, "single"))
    with pytest.raises(UserError) as caught:
        require_known("method", "singel", ("single", "averaging"))
    assert str(caught.value) == (
        "method: found 'singel'; allowed: single, averaging; did you mean 'single'?"
    )


def test_what_stands_in_a_registry_changes_what_is_made_from_it(monkeypatch):
    before = Study(checked()).targets
    # Others of the same file stay: their code is the same.
    monkeypatch.delitem(METRICS._entries, "classification/brier_score")
    monkeypatch.delitem(CLAIMS._entries, "averaging")
    after = Study(checked()).targets
    changed = {name for name, target in before.items() if target.config != after[name].config}
    classified = {
        name for name in before if re.match(r"student_output/(mlp|soft).*/estimates", name)
    }
    assert changed == {"claims.parquet", *classified}
