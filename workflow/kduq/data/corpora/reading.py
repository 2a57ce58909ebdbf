"""What the readers of corpora share: parsing of JSON, checks of texts, merging of duplicates."""

import decimal
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable
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


def _merge(pairs: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[Entry, Counter[str]]]:
    """Merge equal prompts, up to white space, and count their answers; the first spelling stays."""
    merged: dict[str, tuple[Entry, Counter[str]]] = {}
    for prompt, answers in pairs:
        same = " ".join(prompt.split())
        _, counts = merged.setdefault(same, (Entry(prompt.strip()), Counter()))
        stripped = (answer.strip() for answer in answers)
        # A Counter keeps the order of first occurrence.
        counts.update(a for a in stripped if a)
    return merged


def with_answers(
    source: str,
    pairs: list[tuple[str, list[str]]],
    unit: str,
    repeats: bool = True,
    shares: bool = False,
) -> list[Entry]:
    """Merge duplicates, drop questions without an answer, and log the number of each.

    Parameters
    ----------
    source : str
        Where they are from, for the log.
    pairs : list of (str, list of str)
        Questions and answers.
    unit : str
        What a pair is, in plural, for the log.
    repeats : bool
        Whether the log has the number of questions that repeat an earlier one.
    shares : bool
        Whether answers that come several times have their shares as probabilities, in all questions
        if in one. Otherwise each counts once.

    Returns
    -------
    list of Entry
        A question has no answer if none of its duplicates has one.
    """
    merged = _merge(pairs)
    entries = []
    repeated = sum(max(counts.values(), default=0) > 1 for _, counts in merged.values())
    for entry, counts in merged.values():
        entry.answers = list(counts)
        if shares and repeated:
            entry.probabilities = [count / counts.total() for count in counts.values()]
        if entry.answers:
            entries.append(entry)
    if repeats and len(merged) < len(pairs):
        count = len(pairs) - len(merged)
        sys.stderr.write(f"{source}: {unit} merged because they repeat an earlier one: {count}\n")
    if len(entries) < len(merged):
        count = len(merged) - len(entries)
        sys.stderr.write(f"{source}: {unit} dropped because they have no answer: {count}\n")
    if shares and repeated:
        sys.stderr.write(
            f"{source}: questions with an answer that comes several times: {repeated}; the shares "
            "of the answers are taken as their probabilities, in every question\n"
        )
    return entries


def strings(value: Any, where: str, key: str) -> list[str]:
    """Flatten a text, a number or a truth value, or nested lists of them, into a list of texts."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return []
    if isinstance(value, list):
        return [text for part in value for text in strings(part, where, key)]
    text = _as_text(value)
    if text is not None:
        return [_storable(text, where, key)]
    inner = [f"{key}.{name}" for name in value] if isinstance(value, dict) else []
    remedy = f"name one of its keys, such as {inner[0]}" if inner else "write it as text"
    raise UserError(
        f"{where}: '{key}' holds {_shortened(value)}; allowed are texts, numbers, true and false, "
        f"or a list of them; {remedy}"
    )


def _as_text(value: Any) -> str | None:
    """A text, number or truth value as JSON writes it, without quotes; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return str(value) if isinstance(value, decimal.Decimal) else None


def prompt_text(value: Any, where: str, key: str) -> str:
    """The text of a question, or an error that says where it is missing."""
    text = _as_text(value)
    if text is not None and text.strip():
        return _storable(text, where, key)
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
    """Parse JSON; an error names the source, line and column.

    Numbers keep the spelling of the file, as texts.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse_constant,
        )
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
    except ValueError as error:
        where = f"{source}: line {line}" if line else source
        raise UserError(f"{where}: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ: of two equal ones Python would drop the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(key for key, count in Counter(k for k, _ in pairs).items() if count > 1)
        raise ValueError(
            f"key {_shortened(repeated)} is there twice in one object; rename or remove one"
        )
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON; write null where a value is missing")
