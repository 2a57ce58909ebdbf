"""The claims as the report tells them: verdicts of claims, advice, and plots of tests."""

import re

import pandas as pd
import pytest
from kduq.report import intervals, overview, reported

NAN = float("nan")


def row(verdict="supported", **changes):
    values = {
        "claim": 3,
        "section": "7",
        "statement": "averaging lowers variance_weighting",
        "family": "mlp",
        "dataset": "boston_housing",
        "statistic": "difference",
        "estimate": -0.3,
        "ci_low": -0.4,
        "ci_high": -0.2,
        "threshold": 0.0,
        "margin": 0.1,
        "relation": "below",
        "boundary_low": NAN,
        "boundary_high": -0.1,
        "kind": "claim",
        "verdict": verdict,
        "reason": None,
        "n_students": 40,
        "n_splits": NAN,
    }
    return values | changes


def claim(*rows):
    (told,) = overview.told(pd.DataFrame(rows))
    return told


@pytest.mark.parametrize(
    ("verdicts", "form"),
    [
        (["supported", "supported"], overview.HOLDS),
        (["supported", "inconclusive"], overview.WHERE_DECIDED),
        (["supported", "contradicted"], overview.NOT_EVERYWHERE),
        (["contradicted", "inconclusive"], overview.DOES_NOT),
        (["inconclusive", "inconclusive"], overview.UNDECIDED),
    ],
)
def test_the_verdict_of_a_claim_follows_from_its_rows(verdicts, form):
    against = {"ci_low": 0.2, "ci_high": 0.4, "estimate": 0.3}
    rows = [row(v, **(against if v == "contradicted" else {})) for v in verdicts]
    made = claim(*rows)
    assert made.verdict == form
    assert made.is_open == (form.look == "contradicted")


def test_no_effect_that_counts_is_a_finding_of_its_own():
    none = {"estimate": 0.01, "ci_low": -0.05, "ci_high": 0.07}
    assert claim(row("contradicted", **none)).verdict == overview.NO_DIFFERENCE
    # An interval that leaves the band is an effect in the other direction.
    worse = {"estimate": 0.2, "ci_low": 0.05, "ci_high": 0.35}
    assert claim(row("contradicted", **worse)).verdict == overview.DOES_NOT
    # On the scale of ratios the band is from 1/margin to margin.
    ratio = {"threshold": 1.0, "margin": 1.1, "boundary_high": 1 / 1.1}
    inside = {"estimate": 1.0, "ci_low": 0.95, "ci_high": 1.08}
    assert claim(row("contradicted", **ratio, **inside)).verdict == overview.NO_DIFFERENCE
    assert overview.Row("", row(**ratio)).band == pytest.approx((1 / 1.1, 1.1))
    # A claim of equality that is contradicted has an effect.
    equal = {"relation": "equal", "boundary_low": -0.1, "boundary_high": 0.1}
    assert claim(row("contradicted", **equal, **none)).verdict == overview.DOES_NOT


def test_a_claim_of_checks_alone_follows_from_algebra():
    made = claim(row(kind="check"), row(kind="check"))
    assert made.verdict == overview.ALGEBRA
    assert made.counts == "2 supported checks"
    assert overview.counted([made]) == "The only claim follows from algebra."
    assert overview.counted([made, made]) == "Of 2 claims 2 follow from algebra."
    assert overview.counted([]) == "This study tests no claim."


def test_rows_over_splits_lead_and_say_how_far_they_agree():
    over = {"statistic": "difference, over splits", "n_splits": 20, "n_splits_left_out": 0}
    over |= {"n_splits_agreeing": 19, "prediction_low": 0.1, "prediction_high": 0.3}
    made = claim(
        row("inconclusive", dataset="wine", estimate=9.0),
        row(dataset="diabetes", estimate=0.2, **over),
    )
    assert made.leading.columns["dataset"] == "diabetes"
    assert made.leading.statistic == "Difference"
    assert made.leading.size == "20 splits"
    assert made.leading.agreement == "19 of 20 agree; on a new split 0.1 to 0.3"
    assert [r.splits for r in made.rows] == [20, 0]


def test_a_contradicted_claim_is_shown_by_a_row_that_contradicts_it():
    made = claim(row(estimate=-0.5), row("contradicted", estimate=0.3, ci_low=0.2, ci_high=0.4))
    assert made.leading.columns["estimate"] == 0.3


def test_advice_is_given_only_where_its_claim_holds():
    holds, fails = claim(row()), claim(row("contradicted", ci_low=0.2, ci_high=0.4))
    assert any("Average the responses" in sentence for sentence in overview.advice([holds]))
    assert overview.advice([fails]) == []
    assert overview.advice([claim(row("inconclusive"))]) == []
    # What is advised may be the part of a claim that nothing has decided.
    other = row("inconclusive", statement="another method does so too")
    assert overview.advice([claim(row(), other)]) == []
    assert overview.advice([claim(row(), other | {"verdict": "supported"})]) != []


def test_a_study_without_claims_says_so():
    nothing = pd.DataFrame({"family": [], "dataset": []})
    assert overview.scope(nothing) == "No claim is tested by this study."
    some = pd.DataFrame({"family": ["linear"] * 2, "dataset": ["a", "b"]})
    assert overview.scope(some) == "Students: linear (2 data sets)."


def test_counts_are_one_sentence():
    several = [claim(row()), claim(row()), claim(row("inconclusive"))]
    assert overview.counted(several) == "Of 3 claims 2 hold and 1 is undecided."


def test_a_claim_that_nothing_is_told_about_has_its_statement():
    made = claim(row(claim=99))
    assert made.about.title == "Averaging lowers variance weighting"
    ((statement, statistics),) = made.statements
    assert statement == "Averaging lowers variance weighting"
    assert list(statistics) == ["Difference"]


def plotted(*rows):
    return [str(plot) for plot in intervals.plots([overview.Row("", r) for r in rows])]


def numbers(pattern, plot):
    return [float(value) for value in re.findall(pattern, plot)]


def test_a_plot_shades_where_the_claim_holds():
    (below,) = plotted(row())
    (x,), (width,) = (
        numbers(r'holds" x="([\d.]+)"', below),
        numbers(r'y="1" width="([\d.]+)"', below),
    )
    (mark,) = numbers(r'cx="([\d.]+)"', below)
    assert x == 0
    assert x < mark < x + width < 160
    band = {"relation": "equal", "boundary_low": -0.1, "boundary_high": 0.1}
    (equal,) = plotted(row(**band))
    (x,) = numbers(r'holds" x="([\d.]+)"', equal)
    assert x > numbers(r'cx="([\d.]+)"', equal)[0]
    (unequal,) = plotted(row(**band | {"relation": "unequal"}))
    assert len(numbers(r'holds" x="([\d.]+)"', unequal)) == 2


def test_plots_of_a_statistic_share_their_axis():
    near, far = plotted(row(estimate=-0.2), row(estimate=-0.4))
    thresholds = [numbers(r'threshold" d="M([\d.]+)', plot) for plot in (near, far)]
    assert thresholds[0] == thresholds[1]
    assert numbers(r'cx="([\d.]+)"', near) > numbers(r'cx="([\d.]+)"', far)


def test_an_estimate_without_an_interval_is_open_and_a_wide_interval_has_an_arrow():
    (hollow,) = plotted(row(ci_low=NAN, ci_high=NAN))
    assert "open" in hollow
    assert 'class="bar' not in hollow
    (wide,) = plotted(row(ci_low=-50.0, ci_high=60.0))
    assert wide.count('<path class="mark') == 2
    (nothing,) = plotted(row(estimate=NAN, ci_low=NAN, ci_high=NAN))
    assert "circle" not in nothing


def test_a_claim_about_ratios_over_decades_is_on_a_logarithmic_axis():
    ratio = {"threshold": 1.0, "margin": 1.1, "boundary_high": 1 / 1.1}
    rows = [row(**ratio, estimate=e, ci_low=0.9 * e, ci_high=1.1 * e) for e in (0.01, 0.1, 1.0)]
    places = [numbers(r'cx="([\d.]+)"', plot)[0] for plot in plotted(*rows)]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)


def test_the_papers_numbers_stand_beside_ours():
    columns = {"experiment": "teacher_noise", "dataset": "boston_housing", "role": "student"}
    rows = [
        columns | {"family": "mlp", "metric": "test_mse_mean", "alpha": a, "estimate": e, "se": 0.5}
        for a, e in ((0.0, 10.0), (1.0, 30.0))
    ]
    lines = reported.beside_ours(pd.DataFrame(rows))
    # Relative errors of 5 % and 1.7 %, in quadrature, times 1.96.
    low, high = 3 * 0.9019, 3 * 1.1088
    assert lines == {
        2: [
            f"test MSE at α = 1 over α = 0, networks: paper 2.60, here 3.00 [{low:.2f}, {high:.2f}]"
        ]
    }
    assert reported.beside_ours(pd.DataFrame(rows[:1])) == {}


def test_variance_over_bootstrap_samples_stands_beside_the_papers():
    columns = {"experiment": "bootstrap", "dataset": "boston_housing", "family": "mlp"}
    columns |= {"role": "student", "group": "all", "metric": "inter_student_variance"}
    variances = [("teacher", 0.5, 2.0), ("truth", 0.5, 4.0), ("truth", 1.0, 3.0)]
    rows = [columns | {"metric": "target_variance", "role": "teacher", "estimate": 80.0}]
    rows += [
        columns
        | {"label_source": source, "sample_fraction": fraction}
        | {"estimate": value, "ci_low": 0.8 * value, "ci_high": 1.2 * value}
        for source, fraction, value in variances
    ]
    # Of linear students of a linear teacher nothing is left but rounding.
    linear = [row | {"family": "linear"} for row in rows]
    linear[1] |= {"estimate": 1e-20, "ci_low": 1e-20, "ci_high": 1e-20}
    assert reported.beside_ours(pd.DataFrame(rows + linear[:2])) == {
        6: [
            "half the rows, networks, the teacher’s labels: here 0.0250 [0.0200, 0.0300] of Var(y)",
            "half the rows, networks, true labels: here 0.0500 [0.0400, 0.0600] of Var(y)",
        ]
    }
    assert reported.beside_ours(pd.DataFrame(rows[1:])) == {}


def test_one_wide_interval_does_not_hide_the_others():
    usual = [row(estimate=e, ci_low=e - 0.05, ci_high=e + 0.05) for e in (-0.3, -0.2, 0.0)]
    wide = row(estimate=13.0, ci_low=-2400.0, ci_high=2400.0)
    places = [numbers(r'cx="([\d.]+)"', plot)[0] for plot in plotted(*usual, wide)]
    assert places[2] - places[0] > 40
    assert plotted(*usual, wide)[3].count('<path class="mark') == 2
