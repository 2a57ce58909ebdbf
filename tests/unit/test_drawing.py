"""The visual language: what a reader needs of an axis."""

import numpy as np
import pytest
from kduq.figures import drawing


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
