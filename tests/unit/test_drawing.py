"""The visual language: what a reader needs of an axis."""

import numpy as np
import pandas as pd
import pytest
from kduq.figures import drawing, variance_aware


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


def test_the_level_without_noise_is_a_line_and_no_panel_of_its_own():
    metrics = ("inter_student_variance", "test_mse_mean")
    cells = [(0.0, "single", 1), (0.5, "single", 1), (0.5, "averaging", 3)]
    rows = [
        {"family": family, "dataset": "diabetes", "role": "student", "metric": metric}
        | {"alpha": alpha, "method": method, "k": k}
        | {"estimate": 1 + alpha, "ci_low": 0.9 + alpha, "ci_high": 1.1 + alpha}
        for family in ("linear", "mlp")
        for metric in metrics
        for alpha, method, k in cells
    ]
    axes = variance_aware._draw(pd.DataFrame(rows)).axes
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == ["α = 0.5", "", "", ""]
    # Least squares have no variance without noise, and no line.
    labelled = [[text.get_text() for text in ax.texts] for ax in axes]
    assert labelled == [[], [], ["α = 0"], ["α = 0"]]
    levels = [[line for line in ax.lines if line.get_linestyle() == ":"] for ax in axes]
    assert [[line.get_ydata()[0] for line in lines] for lines in levels] == [[], [], [1], [1]]
