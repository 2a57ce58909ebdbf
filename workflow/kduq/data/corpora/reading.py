"""What the readers of corpora share: reading of files, checks of texts, merging of duplicates."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kduq import seeds
from kduq.config.data import CorpusSettings
from kduq.data.corpora.protocol import Entry
from kduq.errors import UserError

#: Stream of the role "split" that orders questions; the split itself has another.
_ORDER = 1


def shuffle(entries: list[Entry], settings: CorpusSettings) -> list[Entry]:
    """Permute a corpus sorted by topic or letter, so that its first N are representative."""
    order = seeds.generator(settings.seed, "split", _ORDER).permutation(len(entries))
    return [entries[i] for i in order]


def read_text(path: Path) -> str:
    """Read a text file without its byte order mark, which some spreadsheets write."""
    try:
        # Line ends are not translated: one inside a quoted answer belongs to the answer.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; correct the corpus's path") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); correct its path") from error


def _merge(pairs: Iterable[tuple[str, list[str]]]) -> dict[str, Entry]:
    """Merge equal prompts, up to white space, and their answers; the first spelling stays."""
    merged: dict[str, Entry] = {}
    for prompt, answers in pairs:
        entry = merged.setdefault(" ".join(prompt.split()), Entry(prompt.strip()))
        stripped = (answer.strip() for answer in answers)
        # A dict keeps the order of first occurrence.
        entry.answers = list(dict.fromkeys([*entry.answers, *(a for a in stripped if a)]))
    return merged


def with_answers(
    source: str, pairs: list[tuple[str, list[str]]], unit: str, repeats: bool = True
) -> list[Entry]:
    """Merge duplicates, drop questions without an answer, and log the number of each.

    A question has no answer if none of its duplicates has one.
    """
    merged = _merge(pairs)
    entries = [entry for entry in merged.values() if entry.answers]
    if repeats and len(merged) < len(pairs):
        count = len(pairs) - len(merged)
        sys.stderr.write(f"{source}: {unit} merged because they repeat an earlier one: {count}\n")
    if len(entries) < len(merged):
        count = len(merged) - len(entries)
        sys.stderr.write(f"{source}: {unit} dropped because they have no answer: {count}\n")
    return entries


def strings(value: Any, where: str, key: str) -> list[str]:
    """Flatten a text, or nested lists of texts, into a list."""
    if value is None:
        return []
    if isinstance(value, str):
        return [_storable(value, where, key)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part, where, key)]
    raise UserError(
        f"{where}: '{key}' holds {_shortened(value)}; allowed are text or a list of texts; put "
        "numbers in quotes"
    )


def prompt_text(value: Any, where: str, key: str) -> str:
    """The text of a question, or an error that says where it is missing."""
    if isinstance(value, str) and value.strip():
        return _storable(value, where, key)
    content = "nothing" if value is None or value == "" else _shortened(value)
    raise UserError(
        f"{where}: '{key}' holds {content}; allowed is the text of a question; fill it in"
    )


def _storable(text: str, where: str, key: str) -> str:
    """Refuse half a surrogate pair (a cut-off emoji): JSON can spell it, no file can store it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise UserError(
            f"{where}: '{key}' holds half a surrogate pair, {half}; remove or complete it"
        ) from error
    return text


def _shortened(value: Any) -> str:
    """A value as JSON of at most 60 characters."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse_json(text: str, source: str, line: int | None = None) -> Any:
    """Parse JSON; an error names the source, line and column."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{source}: line {line or error.lineno}, column {error.colno}: not valid JSON "
            f"({error.msg}); correct this line or save the file again as JSON"
        ) from error
    except RecursionError as error:
        raise UserError(
            f"{source}: line {line or 1}: lists or objects are nested too deeply; write each row "
            "as one object of texts and lists of texts"
        ) from error
