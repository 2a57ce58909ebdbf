"""What figures say is true of the table that they are drawn from, whatever it shows."""

import figure_tables
import numpy as np
import pandas as pd
import pytest
from configurations import checked
from drawn_figures import OneTable, settings_of
from kduq.figures import FIGURES, words
from kduq.figures.words import Number

MARGINS = checked().claims.model_dump()
WANTED = checked().sample_size.model_dump()
ONE, TWO = figure_tables.names(1), figure_tables.names(2)


def said(name, table):
    wanted = WANTED if FIGURES[name].uses_sample_size else None
    settings = settings_of(name, margins=MARGINS, sample_size=wanted)
    return FIGURES[name].prepare(settings, OneTable(table)).finding


@pytest.mark.parametrize("factor", [7.0, 0.5])
def test_networks_may_vary_more_or_less_than_linear_students(factor):
    text = said("teacher_noise", figure_tables.teacher_noise(TWO, factor=factor))
    # Without noise networks vary too: by a twentieth of what noise of α = 1 adds.
    ratio = words.plain(1.05 * factor)
    assert text.startswith(f"At α = 1 network students have {ratio} [")
    assert "(Boston Housing) and" in text
    assert "times the inter-student variance of linear students." in text


def test_the_interval_of_a_ratio_of_independent_estimates_is_by_hand():
    rows = [pd.Series({"estimate": v, "se": s}) for v, s in ((6.0, 0.6), (2.0, 0.1))]
    found = words.ratio(*rows, confidence=0.95)
    half = 1.959964 * np.hypot(0.1, 0.05)
    assert found == pytest.approx((3, 3 * np.exp(-half), 3 * np.exp(half)))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (0.05, "changes by less than 25 %: 5 [3, 7] %"),
        (0.8, "changes upwards by more than 25 %: 80 [78, 82] %"),
        (-0.6, "changes downwards by more than 25 %: −60 [−62, −58] %"),
        (0.26, "changes: 26 [24, 28] %"),
    ],
)
def test_changes_are_signed_and_compared_with_the_margin(change, verdict):
    text = said("student_init", figure_tables.student_init(ONE, change=change))
    assert f"inter-student variance {verdict} (Boston Housing)" in text


@pytest.mark.parametrize(
    ("ratio", "place"),
    [(0.6, "smaller in 5"), (1.0, "equal in 5"), (1.5, "larger in 5"), (1.1, "undecided in 5")],
)
def test_teacher_labels_may_give_less_or_more_variance(ratio, place):
    text = said("bootstrap", figure_tables.bootstrap(ONE, ("mlp",), ratio=ratio))
    assert f"{place} of 5 sample sizes and data sets" in text
    assert "do not vary" not in text


@pytest.mark.parametrize(
    ("ratio", "phrase"),
    [
        (1.0, "keep their teacher's entropy in 4 of 4 runs"),
        (0.6, "are more certain than it in 4 of 4 runs"),
        (1.6, "are less certain than it in 4 of 4 runs"),
        (1.25, "are undecided in 4 of 4 runs"),
    ],
)
def test_entropy_may_be_kept_lost_or_gained(ratio, phrase):
    assert phrase in said("student_output", figure_tables.student_output(TWO, ratio=ratio))


def test_entropy_where_wrong_may_be_smaller():
    table = figure_tables.student_output(ONE, ratio=0.2)
    assert "that where they are right: smaller in 2 of 2 runs" in said("student_output", table)


def test_mutual_information_may_fall_less_than_responses_grow():
    table = figure_tables.student_output(ONE, ("mlp",))
    text = said("student_output_responses", table)
    assert "Averaging 50 sampled labels divides the mutual information" in text
    assert "by 50 (Boston Housing, network)" in text
    few = (table["metric"] == "mutual_information") & (table["k"] == 50)
    slow = table.assign(estimate=table["estimate"].where(~few, 0.05))
    assert "by 4 (Boston Housing, network)" in said("student_output_responses", slow)


@pytest.mark.parametrize(("ratio", "count"), [(0.8, 0), (1.0, 2), (1.6, 0)])
def test_variance_may_be_kept_or_not(ratio, count):
    table = figure_tables.predictive_distribution(ONE, ratio=ratio)
    text = said("predictive_distribution", table)
    assert f"Students of one response predict {words.plain(ratio)} [" in text
    assert f"as much as a response in {count} of 2 cases" in text


@pytest.mark.parametrize(
    ("ratio", "phrase"),
    [
        (0.75, "0.75 times the inter-student variance (smaller in 20 of 20 cells)"),
        (1.5, "1.5 times the inter-student variance (larger in 20 of 20 cells)"),
        (1.0, "1 times the inter-student variance (clearly different in 0 of 20 cells)"),
    ],
)
def test_weighting_may_be_better_or_worse_than_averaging(ratio, phrase):
    table = figure_tables.variance_aware(ONE, ("mlp",), ratio=ratio)
    text = said("variance_aware", table)
    assert f"Plug-in weighting has {phrase}" in text
    assert "1/k" not in text


def test_averaging_may_not_divide_by_k():
    table = figure_tables.variance_aware(ONE, ("linear",))
    assert said("variance_aware", table) == (
        "Averaging leaves linear students 1 times 1/k of the variance."
    )
    averaging = (table["metric"] == "variance_ratio_to_single") & (table["method"] == "averaging")
    worse = table.assign(estimate=table["estimate"].where(~averaging, 3 * table["estimate"]))
    assert "3 times 1/k" in said("variance_aware", worse)


@pytest.mark.parametrize(
    ("main", "name"), [("noise", "teacher's noise"), ("bootstrap", "bootstrap sample")]
)
def test_the_largest_source_is_named(main, name):
    text = said("decomposition", figure_tables.decomposition(ONE, ("mlp",), main=main))
    assert text.startswith(f"Largest single term (network): {name}, 60 [52, 68] %")


@pytest.mark.parametrize("between", [0.2, 0.6])
def test_what_one_study_sees_of_the_variance_is_said(between):
    table = figure_tables.study_variance(ONE, between_splits=between)
    splits, linear, network = (
        words.Number(100 * v, 100 * v - 8, 100 * v + 8).text(" %")
        for v in (between, 1 - between, 0.9 - between)
    )
    assert said("study_variance", table) == (
        f"Of the variance between studies (linear): {splits} (Boston Housing) between splits; "
        f"{linear} (Boston Housing) between students of one teacher. Of the variance between "
        f"studies (network): {splits} (Boston Housing) between splits; 10 [2, 18] % (Boston "
        f"Housing) between teachers of one split; {network} (Boston Housing) between students of "
        "one teacher."
    )


def test_the_cheapest_design_is_named():
    text = said("plan", figure_tables.plan(ONE, ("mlp",), best=5))
    assert "costs least with S = 160, k = 5 (Boston Housing, network)" in text
    # 1 + log(5)²/2
    assert "One response per input costs 2.3 times as much" in text


@pytest.mark.parametrize("verdict", ["supported", "contradicted"])
def test_a_claim_may_hold_or_not(verdict):
    text = said("claim_04", figure_tables.claims(ONE, verdict=verdict))
    assert text.startswith(f"Of 6 tests of claim 4: 6 {verdict}. {verdict.capitalize()}, for")
    other = figure_tables.claims(ONE, number=5)
    assert said("claim_04", other) == "This study has no evidence for claim 4."


@pytest.mark.parametrize("name", figure_tables.TABLES)
def test_without_intervals_nothing_is_decided(name):
    table = figure_tables.TABLES[name](ONE, has_intervals=False)
    family = table["family"].unique()[-1]
    text = said(name, table[table["family"] == family])
    assert text
    assert "nan" not in text.lower()
    decided = ("smaller in", "larger in", "keep their", "by less than", "supported", "costs least")
    assert not any(word in text for word in decided)


def test_numbers_are_plain():
    assert [words.plain(v) for v in (0, 0.034, 1.234, 12.34, 1234.5, -0.5)] == [
        "0",
        "0.034",
        "1.2",
        "12.3",
        "1,234",
        "−0.5",
    ]
    assert str(Number(1.0)) == "1 (no interval)"
    assert words.side(Number(1.0, 0.9, 1.05), 0.8, 1.25) == "within"
    assert words.side(Number(0.7, 0.6, 0.75), 0.8, 1.25) == "below"
    assert words.side(Number(0.7, 0.6, 0.85), 0.8, 1.25) == "undecided"
