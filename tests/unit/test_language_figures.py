"""Figures of language models: what they say and what they show, from estimates made by hand."""

import numpy as np
import pandas as pd
import pytest
from drawn_figures import drawn
from kduq.figures import language_gallery, language_methods, language_uncertainty, remedies
from kduq.figures.protocol import STYLE
from made_estimates import METHODS, at_temperatures, of_remedies
from matplotlib import style

MARGINS = {"answer_margin": 0.02, "ratio_margin": 1.1}
NO_BETTER = dict.fromkeys(METHODS, 0.1)


def test_the_finding_names_the_remedy_with_fewest_wrong_answers():
    changes = NO_BETTER | {"averaging": -0.2, "majority": -0.15}
    text = language_methods.finding(
        of_remedies(("erring_facts",), hallucination_rate_difference=changes)
    )
    assert text.startswith(
        "Erring facts: on taught prompts averaging leaves fewest wrong answers, 20 [18, 22] points"
    )
    assert "on held-out wordings averaging leaves fewest wrong answers, 20 [18, 22]" in text


def test_the_finding_says_where_no_remedy_helps():
    table = of_remedies(("mixed_facts",), hallucination_rate_difference=NO_BETTER)
    text = language_methods.finding(table)
    assert text.count("no remedy visibly lowers the share of wrong answers") == 2
    # A decrease whose interval includes zero is not visible either.
    small = NO_BETTER | {"averaging": -0.01}
    table = of_remedies(("mixed_facts",), hallucination_rate_difference=small)
    assert "averaging" not in language_methods.finding(table)


def test_low_temperature_is_a_row_and_many_responses_are_one_number():
    labels = [label for *_, label in language_methods._conditions(of_remedies(("erring_facts",)))]
    assert labels[0] == "one answer, temperature 0.5"
    assert labels[1:] == ["all k answers", "averaging", "majority", "denoised", "shuffled"]
    several = of_remedies(("erring_facts",), ks=(3.0, 5.0, 10.0))
    assert len(language_methods._conditions(several)) == 1 + 5 * 3
    many = of_remedies(("erring_facts", "mixed_facts", "ambiguous_facts"), ks=(3.0, 5.0, 10.0))
    kept = {k for method, k, *_ in language_methods._conditions(many) if method != "single"}
    assert kept == {5.0}


def test_every_method_has_a_mark_in_every_panel():
    figure = language_methods.draw(of_remedies(), MARGINS)
    assert len(figure.axes) == 4 * 4
    marks = [
        [line for line in ax.lines if line.get_marker() not in ("", "None")] for ax in figure.axes
    ]
    assert {len(found) for found in marks} == {6}


def test_an_estimate_without_an_interval_is_hollow():
    table = of_remedies(("erring_facts",), groups=("all",))
    table.loc[table["method"] == "majority", ["ci_low", "ci_high"]] = np.nan
    figure = language_methods.draw(table, MARGINS)
    faces = [
        line.get_markerfacecolor()
        for line in figure.axes[0].lines
        if line.get_marker() not in ("", "None")
    ]
    assert faces.count("#ffffff") == 1


def test_the_trade_off_is_in_percent_of_what_is_wrong_and_what_is_kept():
    table = of_remedies(
        ("mixed_facts",),
        groups=("train",),
        hallucination_rate={"averaging": 0.1, "multi_response": 0.3},
        total_variation_among_right={"averaging": 0.6, "multi_response": 0.05},
    )
    points = remedies._points(table).set_index("method")
    assert points.loc["averaging", ["x", "y"]].tolist() == pytest.approx([40, 10])
    assert points.loc["multi_response", ["x_low", "x_high"]].tolist() == pytest.approx([93, 97])
    assert points.loc["", "role"] == "teacher"


def test_the_trade_off_says_what_removes_errors_and_what_keeps_ambiguity():
    worst = dict.fromkeys((*METHODS, "teacher"), 0.5)
    table = of_remedies(
        ("mixed_facts",),
        groups=("train",),
        hallucination_rate=worst | {"averaging": 0.1, "multi_response": 0.3},
        total_variation_among_right=worst | {"averaging": 0.6, "multi_response": 0.05},
    )
    assert remedies.finding(table) == (
        "Mixed facts, taught prompts: fewest wrong answers with averaging (10 %, of the right "
        "answers’ distribution 40 % kept); most is kept with all k answers (95 %, wrong 30 %)."
    )
    both = of_remedies(
        ("mixed_facts",),
        groups=("train",),
        hallucination_rate=worst | {"denoised": 0.1},
        total_variation_among_right=worst | {"denoised": 0.05},
    )
    assert remedies.finding(both).endswith(
        "denoised (10 %, of the right answers’ distribution 95 % kept), which also keeps most."
    )
    none = table[table["metric"] != "total_variation_among_right"]
    assert (
        remedies.finding(none) == "No corpus of this study knows the distribution of its answers."
    )


def suppression(within, between, experiment="student_output", dataset="ambiguous_facts"):
    values = {"intra_variance_ratio": within, "inter_variance_ratio": between}
    rows = [
        {"experiment": experiment, "dataset": dataset, "group": group, "role": "student"}
        | {"method": "single", "label_source": source, "k": 1.0, "temperature": np.nan}
        | {"init_noise": np.nan, "metric": metric, "estimate": value}
        | {"ci_low": value - 0.02, "ci_high": value + 0.02}
        for group in ("train", "test")
        for source in ("greedy", "sampled")
        for metric, value in values.items()
    ]
    return pd.DataFrame(rows)


def test_variances_are_shown_for_taught_and_for_held_out_prompts():
    table = suppression(0.02, 1.01)
    figure = language_uncertainty.draw(table, MARGINS)
    assert [ax.get_ylabel().split(":")[0] for ax in figure.axes] == [
        "Ambiguous facts,\ntaught prompts",
        "Ambiguous facts,\nheld-out wordings",
    ]
    assert "have 2 % [0, 4] of the teacher’s variance within" in language_uncertainty.finding(table)
    other = language_uncertainty.finding(suppression(0.9, 0.1))
    assert "have 90 % [88, 92] of the teacher’s variance within a student, and 10 %" in other


def test_corpora_with_remedies_alone_are_left_to_the_figure_of_remedies():
    remedied = suppression(0.1, 0.1, "variance_aware", "erring_facts")
    both = pd.concat([suppression(0.02, 1.0), remedied])
    assert {name for name, _ in language_uncertainty._blocks(both)} == {"ambiguous_facts"}
    assert {name for name, _ in language_uncertainty._blocks(remedied)} == {"erring_facts"}


def prompts(students):
    return [
        ("Taught prompts", [
            {"prompt": "What is shown at the museum?", "answers": ["coins", "boxes"]}
            | {"truth": [0.6, 0.4], "teacher": [0.58, 0.41], "students": np.array(students)}
        ])
    ]  # fmt: skip


def test_the_gallery_says_how_sure_one_student_is_and_how_sure_all_are():
    certain = language_gallery.finding(prompts([[1.0, 0.0], [0.0, 1.0]]))
    assert (
        "a student gives its most probable answer 100 % probability, all students together 50 %"
        in certain
    )
    unsure = language_gallery.finding(prompts([[0.6, 0.4], [0.6, 0.4]]))
    assert "answer 60 % probability, all students together 60 %, and the teacher 58 %" in unsure


def test_the_gallery_has_a_column_per_student_ordered_by_favourite():
    ordered = language_gallery._ordered(np.array([[0.1, 0.9], [0.7, 0.3], [0.9, 0.1]]))
    assert ordered[:, 0].tolist() == [0.9, 0.7, 0.1]
    with style.context(STYLE):
        figure = language_gallery.draw_gallery(prompts([[1.0, 0.0], [0.0, 1.0]]))
    columns = {round(bar.get_x() + 0.45, 1) for bar in figure.axes[0].patches}
    assert columns == {0.0, 1.0, 2.0, 3.6, 4.6}


@pytest.mark.parametrize("name", ["language_methods", "remedies"])
def test_figures_of_a_study_without_remedies_are_drawn(name):
    table = of_remedies(("faq",), groups=("all",))
    table = table[table["method"].isna() | (table["method"] == "single")]
    table = table[table["metric"] != "total_variation_among_right"]
    assert drawn(name, table, margins=MARGINS)[0].startswith(b"\x89PNG")


def test_the_trade_off_tells_low_temperature_from_one_answer():
    worst = dict.fromkeys((*METHODS, "teacher"), 0.5)
    table = of_remedies(
        ("mixed_facts",),
        groups=("train",),
        hallucination_rate=worst,
        total_variation_among_right=worst | {"multi_response": 0.05},
    )
    low = (table["temperature"] == 0.5) & (table["metric"] == "hallucination_rate")
    table.loc[low, ["estimate", "ci_low", "ci_high"]] = [0.1, 0.08, 0.12]
    assert "fewest wrong answers with one answer, temperature 0.5 (10 %" in remedies.finding(table)


def test_remedies_at_further_temperatures_have_panels_of_their_own():
    corpora = ("ambiguous_facts", "erring_facts", "mixed_facts")
    table = at_temperatures(of_remedies(corpora), "ambiguous_facts", (1.5, 2.0))
    panels = remedies._panels(table)
    assert [p.name for p in panels[:5]] == [
        *("Ambiguous facts", "Erring facts", "Mixed facts"),
        *("Ambiguous facts, temperature 1.5", "Ambiguous facts, temperature 2"),
    ]
    assert {p.group for p in panels[:5]} == {"train"}
    shown = [set(p.cells(table)["temperature"].dropna()) for p in panels[:5]]
    assert shown == [{1.0, 0.5}, {1.0, 0.5}, {1.0, 0.5}, {1.5}, {2.0}]
    assert len(remedies.draw(table).axes) == 10
    # Of the other figure there is room for one temperature, which its note names.
    labels = [label for *_, label in language_methods._conditions(table)]
    assert labels[1] == "all k answers"
    one = at_temperatures(of_remedies(("erring_facts",)), "erring_facts", (2.0,))
    labels = [label for *_, label in language_methods._conditions(one)]
    assert labels[1:3] == ["all k answers, temperature 1", "all k answers, temperature 2"]
