"""What the readers of corpora share: files, texts of questions and answers, and their merging."""

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
    """Mix a corpus that comes sorted by topic or letter, so that the first N are a fair sample."""
    order = seeds.generator(settings.seed, "split", _ORDER).permutation(len(entries))
    return [entries[i] for i in order]


def listed(names: Iterable[Any]) -> str:
    """Names in quotes, in a row."""
    return ", ".join(f"'{name}'" for name in names)


def read_text(path: Path) -> str:
    """Read a text file; a byte order mark, which some spreadsheets write, is no part of it."""
    try:
        # Line ends are kept as they are: one inside a quoted answer belongs to the answer.
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
    """Unite the answers of equal prompts, which may differ in whitespace; the first form stays."""
    merged: dict[str, Entry] = {}
    for prompt, answers in pairs:
        entry = merged.setdefault(" ".join(prompt.split()), Entry(prompt.strip()))
        stripped = (answer.strip() for answer in answers)
        # A dict keeps the order in which answers were first met.
        entry.answers = list(dict.fromkeys([*entry.answers, *(a for a in stripped if a)]))
    return merged


def with_answers(
    source: str, pairs: list[tuple[str, list[str]]], unit: str, repeats: bool = True
) -> list[Entry]:
    """Merge duplicates, drop questions without an answer, and say how many of each there were.

    A question counts as unanswered if none of its duplicates has an answer.
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
    """Flatten text, or lists of text however deep, into a list."""
    if value is None:
        return []
    if isinstance(value, str):
        return [_storable(value, where, key)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part, where, key)]
    raise UserError(
        f"{where}: '{key}' holds {_shown(value)}; allowed are text or a list of texts; put "
        "numbers in quotes"
    )


def prompt_text(value: Any, where: str, key: str) -> str:
    """The text of a question; a place without one is named."""
    if isinstance(value, str) and value.strip():
        return _storable(value, where, key)
    found = "nothing" if value is None or value == "" else _shown(value)
    raise UserError(
        f"{where}: '{key}' holds {found}; allowed is the text of a question; fill it in"
    )


def _storable(text: str, where: str, key: str) -> str:
    """Refuse half a character: JSON can spell it (a cut-off emoji), no file can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise UserError(
            f"{where}: '{key}' holds half a surrogate pair, {half}; remove or complete it"
        ) from error
    return text


def _shown(value: Any) -> str:
    """Show a value on one line of moderate length."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse_json(text: str, source: str, line: int | None = None) -> Any:
    """Parse JSON; an error names the source and the place in it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{source}: line {line or error.lineno}, column {error.colno}: not valid JSON "
            f"({error.msg}); correct this place or save the file again as JSON"
        ) from error
    except RecursionError as error:
        raise UserError(
            f"{source}: line {line or 1}: lists or objects are nested too deeply; a row is one "
            "object of texts and lists of texts"
        ) from error
