"""Figures inside the page."""

import html
import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from kduq.report.pictures import Picture, _joined
from matplotlib.figure import Figure


def picture(**metadata):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1], color="#0072B2")
    axes.set_title("a < b", color="#555555")
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, **metadata})
    return Picture.from_svg(file.getvalue() + b"<!-- sha256 0 -->\n")


def drawing_of(made):
    assert '"' not in made.address
    return unquote(html.unescape(made.address).removeprefix("data:image/svg+xml,"))


def test_the_finding_is_the_description_and_the_metadata_are_left_out():
    made = picture(Description="1 < 2, and “b” > a & c", Keywords=["kduq:secret"])
    assert made.finding == "1 < 2, and “b” > a & c"
    assert "kduq:secret" not in drawing_of(made)
    assert picture().finding == ""


def test_greys_follow_the_mode_and_colours_stay():
    text = drawing_of(picture())
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    style, marks = text.split("</style>", 1)
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for grey, inverted in (("000000", "ffffff"), ("555555", "b0b0b0"), ("ffffff", "121212")):
        assert f"--g{grey[:2]}:#{grey};" in light
        assert f"--g{grey[:2]}:#{inverted};" in dark
        assert f"#{grey}" not in marks
    assert "#0072b2" in marks


def test_a_picture_is_shorter_and_its_text_is_kept():
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot(range(50), [i % 7 for i in range(50)], "o")
    axes.set_title("from 0.00125 to 123.4567")
    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = drawing_of(Picture.from_svg(file.getvalue()))
    assert len(text) < 0.75 * len(file.getvalue())
    # Places are rounded, and what is written is not.
    assert "from 0.00125 to 123.4567" in text
    root = ElementTree.fromstring(text)
    names = {e.get("id") for e in root.iter() if e.get("id")}
    used = {e.get("href") for e in root.iter()} - {None}
    used |= {f"#{name}" for name in re.findall(r"url\(#(\w+)\)", text)}
    assert {name.removeprefix("#") for name in used} == names


def test_lines_of_one_style_are_joined_and_nothing_else_changes():
    """Drawn by a browser, both would be the same marks in the same order."""
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.errorbar(range(4), [1, 3, 2, 4], yerr=0.5, fmt="s", color="#0072B2")
    axes.fill_between(range(4), 0, 1, color="#D55E00")
    axes.hlines([1.25, 2.5], 0, 3, color="#0072B2")
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    text = drawing_of(Picture.from_svg(file.getvalue()))
    whole, short = (lines_of(content) for content in (file.getvalue().decode(), text))
    assert len(re.findall("<path", text)) < len(re.findall("<path", file.getvalue().decode()))
    assert len(short) == len(whole) > 50
    assert np.allclose(np.array(short), np.array(whole), atol=0.051)


def test_only_neighbouring_open_lines_of_one_style_are_joined():
    first, second = ('<path d="M 1 2 L 3 4 " class="s0"/>', '<path d="M 5 6 L 7 8 " class="s0"/>')
    assert _joined(first + second) == '<path d="M1 2L3 4M5 6L7 8" class="s0"/>'
    apart = {
        "another style": (second.replace("s0", "s1"), 2),
        "a mark between": (f'<use href="#n0"/>{second}', 2),
        "a closed area": (second.replace("8 ", "8 z "), 2),
        "a definition": (second.replace("class", 'id="n1" class'), 2),
    }
    for name, (rest, number) in apart.items():
        assert _joined(first + rest).count("<path") == number, name


def lines_of(drawing):
    """Numbers of all paths and marks, in their order."""
    root = ElementTree.fromstring(drawing)
    texts = [
        e.get("d") or f"{e.get('x')} {e.get('y')}"
        for e in root.iter()
        if e.tag.endswith(("}path", "}use"))
    ]
    return [float(number) for text in texts for number in re.findall(r"-?[\d.]+", text)]
