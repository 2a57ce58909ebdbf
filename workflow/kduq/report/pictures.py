"""Figures inside the page: SVG without metadata, with colours for light and dark pages."""

import html
import re
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

#: A value that can be in single quotes.
_QUOTED = re.compile('="([^"\']*)"')
#: Numbers below this, as of markers and line widths, keep two decimals.
_FINE = 4
_COMMENT, _SPACE = re.compile(r"<!--.*?-->", re.DOTALL), re.compile(r">\s+<")
_NUMBER, _REFERENCE = re.compile(r"-?\d+\.\d+"), re.compile(r"(?<=href=\"#|..url\(#)([\w.-]+)")
_TAG = re.compile(r"<[^>]+>")
_NAME, _STYLE = re.compile(r' id="([\w.-]+)"'), re.compile(r'style="([^"]*)"')
#: A turn by no angle.
_UNTURNED = re.compile(r' transform="rotate\(-?0 [^"]*\)"')
#: A group without attributes that has no groups in it.
_GROUP = re.compile(r"<g>((?:(?!</?g\b).)*)</g>|<g/>|<g></g>")
_COMMAND = re.compile(r" ?([A-Za-z]) ?")
_PATH = re.compile(r'<path d="([^"]*)"([^>]*)/>')
#: Lightness of the dark page, from 0 to 255.
_DARK = 0x12
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_PROLOG = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_GREY = re.compile(r"#(?P<level>[0-9a-f]{2})(?P=level)(?P=level)\b")
_DESCRIPTION = re.compile(r"<dc:description>(.*?)</dc:description>", re.DOTALL)


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes
    ----------
    finding : str
        What is seen, from the file's description; empty if it has none.
    address : str
        Its data, as the address of an image, in HTML.
    """

    finding: str
    address: Markup

    @classmethod
    def from_svg(cls, data: bytes) -> "Picture":
        """Read an SVG of stage ``figures``; see `kduq.figures.drawing.render`.

        Parameters
        ----------
        data : bytes
            The file.

        Returns
        -------
        Picture
            Without metadata. Black, white and greys become light on dark where the reader's system
            is dark; other colours stay.
        """
        text = data.decode()
        description = _DESCRIPTION.search(text)
        drawing = _METADATA.sub("", _PROLOG.sub("", text))
        drawing = drawing[: drawing.rindex("</svg>") + len("</svg>")]
        return cls(
            html.unescape(description[1]) if description else "",
            _address(_with_both_modes(_shortened(drawing))),
        )


def _address(drawing: str) -> Markup:
    """A drawing as an address inside double quotes, with as few escapes as browsers need."""
    drawing = _QUOTED.sub("='\\1'", drawing)
    for letter in '%#"':
        drawing = drawing.replace(letter, quote(letter))
    return Markup(f"data:image/svg+xml,{drawing.replace('&', '&amp;')}")  # noqa: S704 (no quote is left)


def _shortened(drawing: str) -> str:
    """A drawing without what does not show: a third shorter, or more."""
    drawing = _SPACE.sub("><", _COMMENT.sub("", drawing))
    # A tenth of a point, of which 72 are an inch, is finer than a screen.
    drawing = _TAG.sub(lambda tag: _NUMBER.sub(_rounded, tag[0]), drawing)
    drawing = _UNTURNED.sub("", drawing.replace("xlink:href", "href"))
    used = {name: f"n{number}" for number, name in enumerate(_REFERENCE.findall(drawing))}
    drawing = _NAME.sub(
        lambda match: f' id="{used[match[1]]}"' if match[1] in used else "", drawing
    )
    drawing = _REFERENCE.sub(lambda match: used[match[1]], drawing)
    styles = dict.fromkeys(_STYLE.findall(drawing))
    names = {style: f"s{number}" for number, style in enumerate(styles)}
    drawing = _STYLE.sub(lambda match: f'class="{names[match[1]]}"', drawing)
    drawing = _joined(_ungrouped(drawing))
    rules = "".join(f".{name}{{{style.replace(': ', ':')}}}" for style, name in names.items())
    end = drawing.index(">") + 1
    return " ".join(f"{drawing[:end]}<style>{rules}</style>{drawing[end:]}".split())


def _ungrouped(drawing: str) -> str:
    """A drawing without groups that group nothing."""
    while (inner := _GROUP.sub(lambda match: match[1] or "", drawing)) != drawing:
        drawing = inner
    return drawing


def _joined(drawing: str) -> str:
    """A drawing in which successive open lines of one style are one path."""
    parts: list[str] = []
    line = last = ""
    end = 0
    for match in _PATH.finditer(drawing):
        between, (line_of, style) = drawing[end : match.start()], match.groups()
        line_of = _COMMAND.sub(r"\1", line_of).strip()
        is_open = "z" not in line_of and "id=" not in style
        if between or style != last or not is_open or not line:
            parts += [_path(line, last), between]
            line = ""
        if is_open:
            line, last = line + line_of, style
        else:
            parts.append(_path(line_of, style))
        end = match.end()
    return "".join([*parts, _path(line, last), drawing[end:]])


def _path(line: str, style: str) -> str:
    return f'<path d="{line}"{style}/>' if line else ""


def _rounded(match: re.Match[str]) -> str:
    value = float(match[0])
    text = f"{value:.1f}" if abs(value) >= _FINE else f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def _with_both_modes(drawing: str) -> str:
    """A drawing whose greys follow the reader's preference for light or dark."""
    levels = sorted({match["level"] for match in _GREY.finditer(drawing)} | {"00"})
    light = "".join(f"--g{level}:#{3 * level};" for level in levels)
    dark = "".join(f"--g{level}:#{3 * _inverted(level)};" for level in levels)
    style = (
        f"<style>:root{{{light}}}text{{fill:var(--g00)}}"
        f"@media (prefers-color-scheme: dark){{:root{{{dark}}}}}</style>"
    )
    drawing = _GREY.sub(lambda match: f"var(--g{match['level']})", drawing)
    end = drawing.index(">") + 1
    return f"{drawing[:end]}{style}{drawing[end:]}"


def _inverted(level: str) -> str:
    lightness = 255 - int(level, 16)
    return f"{round(_DARK + lightness * (255 - _DARK) / 255):02x}"
