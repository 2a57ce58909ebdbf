"""Figures can be read: no text on another, on a marker or off the page, whatever the study."""

import figure_tables
import layout
import numpy as np
import pandas as pd
import pytest
from configurations import checked
from drawn_figures import OneTable, settings_of
from kduq.figures import FIGURES, claims, drawing
from made_estimates import at_temperatures, of_remedies, of_splits, of_variances
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

MARGINS = checked().claims.model_dump()
WANTED = checked().sample_size.model_dump()


def drawn_from(name, table):
    """A figure with its note, as it is written to files."""
    settings = settings_of(
        name,
        margins=MARGINS,
        sample_size=WANTED if FIGURES[name].uses_sample_size else None,
        hidden_units={"mlp": (16, 128)},
    )
    with drawing.in_style(settings):
        return drawing.finished(FIGURES[name].prepare(settings, OneTable(table)))


@pytest.mark.parametrize("number", [1, 2, 8])
@pytest.mark.parametrize("name", figure_tables.TABLES)
def test_figures_of_any_number_of_data_sets_can_be_read(name, number):
    table = figure_tables.TABLES[name](figure_tables.names(number))
    assert layout.problems(drawn_from(name, table)) == []


@pytest.mark.parametrize("name", figure_tables.TABLES)
def test_figures_of_one_family_without_intervals_can_be_read(name):
    table = figure_tables.TABLES[name](figure_tables.names(1), has_intervals=False)
    for family in table["family"].unique():
        figure = drawn_from(name, table[table["family"] == family])
        assert layout.problems(figure) == []


@pytest.mark.parametrize("name", sorted(set(figure_tables.TABLES) - {"plan", "bootstrap"}))
def test_estimates_without_an_interval_are_open_and_have_no_length(name):
    table = figure_tables.TABLES[name](figure_tables.names(1), has_intervals=False)
    figure = drawn_from(name, table)
    markers = [
        line
        for ax in figure.axes
        for line in ax.lines
        if line.get_marker() not in ("", "None", None) and len(line.get_xdata())
    ]
    is_open = [line for line in markers if line.get_markerfacecolor() == "#ffffff"]
    assert is_open
    bars = [c for ax in figure.axes for c in ax.collections]
    lengths = [np.ptp(path.vertices, axis=0).max() for c in bars for path in c.get_paths()]
    # The factor between two families is the one line that is no interval.
    assert name == "teacher_noise" or not any(length > 0 for length in lengths)


def test_a_figure_of_more_data_sets_than_fit_says_so():
    table = figure_tables.student_init(figure_tables.names(11))
    figure = drawn_from("student_init", table)
    assert "The first 8 of 11 data sets" in figure.texts[-1].get_text().replace("\n", " ")
    assert layout.problems(figure) == []


def test_a_claim_with_more_rows_than_fit_says_so():
    table = figure_tables.claims(figure_tables.names(60))
    figure = drawn_from("claim_04", table)
    note = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "of 360 tests; claims.parquet has all" in note
    assert layout.problems(figure) == []


#: Functions that make the table of a figure of language models from the names of corpora.
OF_TEXT = {
    "language_methods": of_remedies,
    "remedies": of_remedies,
    "language_uncertainty": of_variances,
}
SPLITS = [
    ("replication", "regression", ("linear", "mlp")),
    ("replication_classes", "classification", ("softmax", "mlp")),
    *((name, "text", ("lm",)) for name in FIGURES if name.startswith("replication_text_")),
]


@pytest.mark.parametrize("number", [1, 2, 8])
@pytest.mark.parametrize("name", OF_TEXT)
def test_figures_of_any_number_of_corpora_can_be_read(name, number):
    table = OF_TEXT[name](figure_tables.names(number))
    assert layout.problems(drawn_from(name, table)) == []


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("name", ["language_methods", "remedies"])
def test_figures_of_several_temperatures_can_be_read(name, number):
    corpora = ("ambiguous_facts", "erring_facts", "mixed_facts")[:number]
    table = at_temperatures(of_remedies(corpora), "ambiguous_facts", (1.5, 2.0))
    assert layout.problems(drawn_from(name, table)) == []


@pytest.mark.parametrize("number", [1, 2, 8])
@pytest.mark.parametrize(("name", "task", "families"), SPLITS)
def test_forest_plots_of_any_number_of_data_sets_can_be_read(name, task, families, number):
    table = of_splits(task, figure_tables.names(number), families)
    assert layout.problems(drawn_from(name, table)) == []


@pytest.mark.parametrize(("name", "task", "families"), SPLITS)
def test_forest_plots_of_one_family_and_many_splits_can_be_read(name, task, families):
    table = of_splits(task, figure_tables.names(1), families[-1:], splits=20)
    assert layout.problems(drawn_from(name, table)) == []
    without = of_splits(task, figure_tables.names(1), families[-1:], has_intervals=False)
    assert layout.problems(drawn_from(name, without)) == []


def panel(**texts):
    figure = Figure(figsize=(4, 2))
    ax = figure.add_axes((0.2, 0.2, 0.7, 0.7))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(NullLocator())
    for text, place in texts.items():
        ax.text(*place, text, fontsize=8)
    return figure, ax


@pytest.mark.parametrize("number", [1, 3])
def test_every_test_of_a_claim_has_a_row_of_its_own(number):
    alike = [f"a_data_set_whose_name_is_so_long_that_it_is_cut_{i}" for i in range(number)]
    table = figure_tables.claims(alike)
    bands, _, shown = claims._laid_out(table)
    assert shown == len(table)
    panels = [panel for band in bands for panel in band.panels]
    assert sum(len(panel.rows) for panel in panels) == shown
    for band in bands:
        for panel in band.panels:
            assert len(set(panel.names)) == len(panel.rows)
            assert set(panel.names) <= set(band.names)


def test_a_statistic_is_told_by_the_axis_and_the_name_of_the_row():
    def parts(statistic, n_splits=np.nan):
        return claims._parts(pd.Series({"statistic": statistic, "n_splits": n_splits}))

    assert parts("mean ratio, over alpha and k, of error to averaging's") == (
        "ratio of error to averaging's",
        ["mean over α and k"],
    )
    assert parts("slope of x, held-out wordings, over splits", 6) == (
        "slope of x",
        ["held out", "6 splits"],
    )
    assert parts("variance less that at alpha = 0, alpha = 0.5, k = 3") == (
        "variance less that at α = 0",
        ["α = 0.5", "k = 3"],
    )


def test_a_symbol_at_the_start_of_a_label_stays_as_it_is():
    assert claims._wrapped("k times the variance", 40) == "k times the variance"
    assert claims._wrapped("slope of x", 40) == "Slope of x"


def test_rows_of_a_claim_are_told_apart_by_what_differs():
    told_apart = claims._told_apart
    assert told_apart(["ratio of a", "ratio of a"]) == ("ratio of a", ["", ""])
    assert told_apart(["slope, alpha = 1", "slope, alpha = 0.5"]) == (
        "slope",
        ["alpha = 1", "alpha = 0.5"],
    )
    assert told_apart(["change of error at s", "change of variance at s"]) == (
        "change of … at s",
        ["error", "variance"],
    )
    assert told_apart(["mean ratio", "least ratio"]) == ("ratio", ["mean", "least"])


def test_the_measure_finds_what_cannot_be_read():
    figure, ax = panel(one=(0.2, 0.5), other=(0.6, 0.5))
    assert layout.problems(figure) == []
    figure, ax = panel(one=(0.2, 0.5), other=(0.22, 0.52))
    assert layout.problems(figure) == ["'one' overlaps 'other'"]
    figure, ax = panel(further_to_the_right=(0.99, 0.5))
    assert layout.problems(figure) == ["'further_to_the_right' leaves the page"]
    figure, ax = panel(one=(0.2, 0.5))
    ax.plot([0.22], [0.53], "o")
    (found,) = layout.problems(figure)
    assert found.startswith("'one' covers")
    figure, ax = panel()
    ax.text(0.2, 0.5, "small", fontsize=6)
    assert layout.problems(figure) == ["'small' has 6 pt"]
    figure, ax = panel()
    figure.set_size_inches(7.1, 6.8)
    assert layout.problems(figure) == ["the page has 180 × 173 mm"]


def test_ticks_out_of_view_are_no_text_of_a_figure():
    figure, ax = panel()
    ax.set_xticks([0.5, 3], ["seen", "unseen"])
    ax.set_xlim(0, 1)
    assert [text.get_text() for text in layout.texts(figure)] == ["seen"]


def test_labels_of_curves_are_moved_apart_within_their_panel():
    figure = Figure(figsize=(4, 2), layout="constrained")
    ax = figure.subplots()
    for number in range(5):
        drawing.name_end(ax, 1, 1 - 0.01 * number, f"curve {number}", "#000000")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    assert layout.problems(figure)
    drawing._move_apart(figure)
    assert layout.problems(figure) == []
    # Their order is that of the curves.
    heights = [text.xyann[1] - 0.01 * number for number, text in enumerate(ax.texts)]
    assert heights == sorted(heights, reverse=True)


def test_labels_of_equal_curves_do_not_touch():
    table = figure_tables.student_init(figure_tables.names(1), change=1e-6)
    assert layout.problems(drawn_from("student_init", table)) == []


def test_places_are_spread_as_little_as_possible():
    np.testing.assert_allclose(drawing._spread(np.array([5.0, 1]), 1, 0, 10), [5, 1])
    np.testing.assert_allclose(drawing._spread(np.array([5.0, 5]), 1, 0, 10), [4.5, 5.5])
    np.testing.assert_allclose(drawing._spread(np.array([9.9, 9.8, 2]), 1, 0, 10), [9.5, 8.5, 2])


def test_names_are_cut_where_they_are_too_long():
    assert drawing.title("boston_housing") == "Boston Housing"
    assert drawing.title("a" * 30) == "a" * 21 + "…"
    assert drawing.shortened("one two", 5) == "one…"
