"""Provenance of artifacts that are no tables: figures and pages."""

import base64
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from kduq.artifacts import files
from kduq.errors import ArtifactError


def provenance(path: Path) -> dict[str, Any]:
    """Provenance in a PNG, a PDF or an HTML page.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged or holds none.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: the file is missing")
    data = path.read_bytes()
    reader = {".png": _from_png, ".pdf": _from_pdf, ".html": _from_html}[path.suffix]
    try:
        text = reader(data)
        made_by: dict[str, Any] = json.loads(text)
    except (ValueError, AttributeError, zlib.error, struct.error) as error:
        raise ArtifactError(f"{path}: damaged, or not made by this project") from error
    return made_by


def _from_png(data: bytes) -> str:
    """Text chunk ``kduq``; every chunk's checksum is verified on the way."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("not a PNG")
    place, found, ended = 8, None, False
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        if zlib.crc32(kind + body) != checksum:
            raise ValueError("checksum")
        if kind == b"tEXt" and body.startswith(b"kduq\0"):
            found = body[5:].decode()
        ended = kind == b"IEND"
        place += 12 + length
    if found is None or not ended:
        raise ValueError("incomplete")
    return base64.b64decode(found).decode()


def _from_pdf(data: bytes) -> str:
    data = files.unsealed(data, ".pdf")
    match = re.search(rb"/Keywords \(kduq:([A-Za-z0-9+/=]*)\)", data)
    return base64.b64decode(match.group(1)).decode()  # type: ignore[union-attr]


def _from_html(data: bytes) -> str:
    data = files.unsealed(data, ".html")
    match = re.search(rb'<script type="application/json" id="kduq">(.*?)</script>', data, re.S)
    return match.group(1).decode()  # type: ignore[union-attr]
