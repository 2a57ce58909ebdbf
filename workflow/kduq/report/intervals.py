"""Small plots of a test: its interval, the threshold, and where the claim holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from kduq.report.overview import Row

#: Size of a plot, its margin on both sides, and the height of its axis, in pixels.
_WIDTH, _HEIGHT, _PAD, _MIDDLE = 160, 20, 7, 10
#: Ratio of the ends of an axis of positive values from which it is logarithmic.
_LOGARITHMIC = 4
#: An interval this many times as wide as the median one does not decide the axis.
_WIDE = 20
#: An axis extends beyond its estimates and limits of the claim by at most their distance.
_MOST = 1.0


def plots(rows: Sequence[Row]) -> list[Markup]:
    """One plot per row, all on the same axis.

    Parameters
    ----------
    rows : sequence of Row
        Tests of one statistic.

    Returns
    -------
    list of Markup
        SVG without identifiers, coloured by classes of the page. An interval that ends beyond the
        axis has an arrow head; an estimate without an interval is an open circle.
    """
    place = _axis(rows)
    return [_plot(row, place) for row in rows]


def _axis(rows: Sequence[Row]) -> Callable[[float], float]:
    """Returns the horizontal place of a value, between the margins of a plot, or beyond them."""
    shown = [row for row in rows if not _is_wide(row, rows)]
    core = [v for row in rows for v in _limits(row)]
    core += [e for e in (row.columns["estimate"] for row in shown) if math.isfinite(e)]
    ends = [v for row in shown if row.has_interval for v in _interval(row)]
    positive = min([*core, *ends], default=0.0) > 0
    wide = positive and max([*core, *ends]) > _LOGARITHMIC * min([*core, *ends])
    scale: Callable[[float], float] = math.log if wide else float
    scaled = [scale(value) for value in core] or [0.0]
    low, high = min(scaled), max(scaled)
    reach = _MOST * ((high - low) or 1.0)
    low = max(low - reach, min([low, *(scale(v) for v in ends)]))
    high = min(high + reach, max([high, *(scale(v) for v in ends)]))
    span = (high - low) or 1.0

    def place(value: float) -> float:
        if math.isinf(value) or (wide and value <= 0):
            return -1.0 if value <= 0 else _WIDTH + 1.0
        return _PAD + (scale(value) - low) / span * (_WIDTH - 2 * _PAD)

    return place


def _is_wide(row: Row, rows: Sequence[Row]) -> bool:
    """Whether an interval is so wide that its axis would hide the others."""
    widths = sorted(high - low for low, high in (_interval(r) for r in rows if r.has_interval))
    if not row.has_interval or not widths:
        return False
    low, high = _interval(row)
    return high - low > _WIDE * widths[len(widths) // 2]


def _plot(row: Row, place: Callable[[float], float]) -> Markup:
    left, right = _shaded(row, place)
    parts = [
        f'<rect class="holds" x="{x:.1f}" y="1" width="{width:.1f}" height="{_HEIGHT - 2}"/>'
        for x, width in _rectangles(row, left, right)
    ]
    threshold = place(row.columns["threshold"])
    parts.append(f'<path class="threshold" d="M{threshold:.1f} 1V{_HEIGHT - 1}"/>')
    look = row.columns["verdict"]
    estimate = row.columns["estimate"]
    if row.has_interval:
        start, end = (place(value) for value in _interval(row))
        parts.append(_line(max(start, 1.0), min(end, _WIDTH - 1.0), look))
        parts += [_arrow(end_x, look) for end_x in (start, end) if not 0 <= end_x <= _WIDTH]
    if math.isfinite(estimate):
        kind = look if row.has_interval else f"{look} open"
        x = min(max(place(estimate), 3.0), _WIDTH - 3.0)
        parts.append(f'<circle class="mark {kind}" cx="{x:.1f}" cy="{_MIDDLE}" r="3"/>')
    return Markup(  # noqa: S704 (numbers and names of classes alone)
        f'<svg class="interval-plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _line(start: float, end: float, look: str) -> str:
    return f'<path class="bar {look}" d="M{start:.1f} {_MIDDLE}H{end:.1f}"/>'


def _arrow(place: float, look: str) -> str:
    tip, base = (1, 6) if place < 0 else (_WIDTH - 1, _WIDTH - 6)
    points = f"M{tip} {_MIDDLE}L{base} {_MIDDLE - 3}V{_MIDDLE + 3}Z"
    return f'<path class="mark {look}" d="{points}"/>'


def _shaded(row: Row, place: Callable[[float], float]) -> tuple[float, float]:
    """Places of the limits of the claim, at the edges of the plot where it has none."""
    low, high = row.columns["boundary_low"], row.columns["boundary_high"]
    return (
        0.0 if not _known(low) else min(max(place(low), 0.0), _WIDTH),
        float(_WIDTH) if not _known(high) else min(max(place(high), 0.0), _WIDTH),
    )


def _rectangles(row: Row, left: float, right: float) -> list[tuple[float, float]]:
    if row.columns["relation"] == "unequal":
        return [(0.0, left), (right, _WIDTH - right)]
    return [(left, max(right - left, 0.0))]


def _limits(row: Row) -> list[float]:
    edges = [row.columns["boundary_low"], row.columns["boundary_high"], row.columns["threshold"]]
    return [edge for edge in edges if _known(edge)]


def _interval(row: Row) -> tuple[float, float]:
    return row.columns["ci_low"], row.columns["ci_high"]


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
