"""The visual language: what a reader needs of an axis."""

import figure_tables
import numpy as np
import pandas as pd
import pytest
from kduq.figures import drawing, variance_aware
from matplotlib.figure import Figure


@pytest.mark.parametrize(
    ("low", "high"), [(770, 1450), (0.6, 1.05), (1, 43), (0.5, 3), (3, 9e3), (1e-6, 0.02)]
)
@pytest.mark.parametrize("name", ["x", "y"])
def test_a_logarithmic_axis_has_a_few_ticks_with_plain_numbers(low, high, name):
    figure, axes = drawing.grid(1, 2, 1.4)
    ax, values = axes[0, 0], np.geomspace(low, high, 5)
    ax.plot(values, values)
    drawing.log_scale(ax, name)
    figure.canvas.draw()
    axis = getattr(ax, f"{name}axis")
    least, most = axis.get_view_interval()
    places = [place for place in axis.get_majorticklocs() if least <= place <= most]
    assert 3 <= len(places) <= 10
    assert all("^" not in label.get_text() for label in axis.get_majorticklabels())


def test_data_sets_share_a_panel_and_linear_students_have_one():
    figure = variance_aware._draw(figure_tables.variance_aware(names := ["a", "b"]), names, 1.1)
    *ratios, line = figure.axes
    assert len(ratios) == 2 * 4
    for ax in ratios:
        styles = {mark.get_linestyle() for mark in ax.lines if mark.get_marker() == "s"}
        assert {"-", "--"} <= styles
    # All alphas coincide: 1/k, and nothing else of averaging.
    for mark in (mark for mark in line.lines if mark.get_marker() == "o"):
        np.testing.assert_allclose(np.prod(mark.get_data(), axis=0), 1)


def test_of_many_noise_levels_a_few_with_both_ends_are_shown():
    alphas = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0]
    table = figure_tables.variance_aware(["a"], ("mlp",), alphas=alphas)
    titles = [ax.get_title() for ax in variance_aware._draw(table, ["a"], 1.1).axes]
    assert [title[3:] for title in titles if "α" in title] == [
        f"α = {alpha:g}" for alpha in (0.1, 0.3, 0.5, 0.7, 1.0)
    ]


def test_an_interval_that_is_not_known_is_no_line():
    ax = Figure().subplots()
    part = pd.DataFrame({"x": [1, 2], "estimate": [1.0, 2], "ci_low": [0.5, np.nan]})
    drawing.curve(ax, part.assign(ci_high=part["ci_low"] + 1), "x", ("name", "#0072B2", "o"))
    (bars,) = ax.collections
    (bar,) = bars.get_segments()
    np.testing.assert_allclose(bar, [[1, 0.5], [1, 1.5]])
    _, is_open = ax.lines
    assert (list(is_open.get_xdata()), is_open.get_markerfacecolor()) == ([2], "#ffffff")
