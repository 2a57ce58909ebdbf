"""What a reader could not read in a figure, measured from the boxes of the renderer."""

import itertools
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.text import Text
from matplotlib.transforms import Bbox

#: Largest size of a page in inches, and smallest text in points.
WIDTH, HEIGHT, SMALLEST = 7.1, 170 / 25.4, 6.5
#: Overlap, in pixels of 1/100 inch, that nobody sees: boxes have some space around letters.
_TOLERANCE = 1.5


def problems(figure: Figure) -> list[str]:
    """Everything that is wrong with the layout of a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        As it is written to files, with its note; see `kduq.figures.drawing.finished`.

    Returns
    -------
    list of str
        Two texts that overlap, a text outside the page, a text on a marker or a diamond, a text
        that is too small, and a page that is too large. Empty for a figure that can be read.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    boxes = [(text, text.get_window_extent(renderer)) for text in texts(figure)]
    boxes = [(text, box) for text, box in boxes if box.width > 0 and box.height > 0]
    return [
        *_of_the_page(figure, boxes),
        *_overlaps([(text.get_text(), box) for text, box in boxes]),
        *_on_markers(figure, boxes),
        *_on_areas(figure, boxes),
    ]


def texts(figure: Figure) -> list[Text]:
    """Texts that are visible: of axes, ticks in view, legends and the figure itself."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in figure.axes:
        if not ax.get_visible():
            continue
        legend = ax.get_legend()
        found += [*ax.texts, ax.title, ax._left_title, ax._right_title]
        found += legend.get_texts() if legend else []
        if not ax.axison:
            continue
        for axis in (ax.xaxis, ax.yaxis):
            found += [axis.label, axis.offsetText]
            low, high = sorted(axis.get_view_interval())
            margin = 1e-9 * max(abs(low), abs(high))
            places = axis.get_majorticklocs()
            for at, tick in zip(places, axis.get_major_ticks(len(places)), strict=True):
                if low - margin <= at <= high + margin:
                    found.append(tick.label1)
    unique = {id(text): text for text in found}
    return [text for text in unique.values() if text.get_visible() and text.get_text().strip()]


def _of_the_page(figure: Figure, boxes: list[tuple[Text, Bbox]]) -> Iterator[str]:
    width, height = figure.get_size_inches()
    if width > WIDTH + 1e-9 or height > HEIGHT + 1e-9:
        yield f"the page has {25.4 * width:.0f} × {25.4 * height:.0f} mm"
    page = figure.bbox
    for text, box in boxes:
        inside = (
            box.x0 >= page.x0 - 1
            and box.y0 >= page.y0 - 1
            and box.x1 <= page.x1 + 1
            and box.y1 <= page.y1 + 1
        )
        if not inside:
            yield f"{text.get_text()!r} leaves the page"
        if text.get_fontsize() < SMALLEST:
            yield f"{text.get_text()!r} has {text.get_fontsize():g} pt"


def _on_areas(figure: Figure, boxes: list[tuple[Text, Bbox]]) -> Iterator[str]:
    """Texts on polygons, as diamonds are; shaded rectangles may lie behind a text."""
    for ax in figure.axes:
        for patch in ax.patches:
            if type(patch) is Polygon:
                shape = patch.get_transform().transform_path(patch.get_path())
                for text, box in boxes:
                    if shape.intersects_bbox(box.padded(-_TOLERANCE), filled=True):
                        yield f"{text.get_text()!r} covers an area"


def _overlaps(boxes: list[tuple[str, Bbox]]) -> Iterator[str]:
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        up = min(a.y1, b.y1) - max(a.y0, b.y0)
        if min(across, up) > _TOLERANCE:
            yield f"{one!r} overlaps {other!r}"


def _on_markers(figure: Figure, boxes: list[tuple[Text, Bbox]]) -> Iterator[str]:
    inside = [(text, box) for text, box in boxes if text not in figure.texts]
    for ax in figure.axes:
        places = markers(ax)
        for text, box in inside if len(places) else ():
            hit = (
                (places[:, 0] > box.x0 + _TOLERANCE)
                & (places[:, 0] < box.x1 - _TOLERANCE)
                & (places[:, 1] > box.y0 + _TOLERANCE)
                & (places[:, 1] < box.y1 - _TOLERANCE)
            )
            if hit.any():
                yield f"{text.get_text()!r} covers {hit.sum()} markers"


def markers(ax: Axes) -> np.ndarray:
    """Corners and middles of the markers in view, in pixels, of shape (n, 2)."""
    found, point = [np.empty((0, 2))], ax.figure.dpi / 72
    view = ax.get_window_extent()
    for line in ax.lines:
        if line.get_marker() in ("", " ", "none", "None", None) or not line.get_visible():
            continue
        middles = line.get_transform().transform(np.column_stack(line.get_data()).astype(float))
        middles = middles[np.isfinite(middles).all(axis=1)]
        seen = (
            (middles[:, 0] >= view.x0 - 1)
            & (middles[:, 0] <= view.x1 + 1)
            & (middles[:, 1] >= view.y0 - 1)
            & (middles[:, 1] <= view.y1 + 1)
        )
        reach = line.get_markersize() * point / 2
        shifts = reach * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        found += [middles[seen] + shift for shift in shifts]
    return np.concatenate(found)
