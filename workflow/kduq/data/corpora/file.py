"""A file of the user: JSON, JSON lines, Parquet or CSV with a question and its answers per row."""

import ast
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kduq.config.data import CorpusSettings
from kduq.config.messages import listed, suggestion
from kduq.data import user_files
from kduq.data.corpora.protocol import CorpusKind, Entry
from kduq.data.corpora.reading import parse_json, prompt_text, strings, with_answers
from kduq.errors import UserError

#: Faults of rows that are listed; further ones are counted.
_LISTED = 5
#: Columns of a conversation, whose question and answer are taken where no column is named, with the
#: keys of a turn's role and text.
_CONVERSATIONS = {"messages": ("role", "content"), "conversations": ("from", "value")}
#: Roles by their other names.
_ROLES = {"human": "user", "gpt": "assistant"}

#: Place of a row in its file, and its values by column.
Rows = Iterator[tuple[str, dict[str, Any]]]


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    path, key = Path(str(settings.path)), f"corpora.{name}"
    readers: dict[str, Callable[[Path, CorpusSettings, str], Rows]] = {
        ".jsonl": _json,
        ".ndjson": _json,
        ".json": _json,
        ".parquet": _parquet,
        ".csv": _csv,
        ".tsv": _csv,
    }
    files = user_files.require(path, tuple(readers), "a corpus", key)
    pairs, faults = [], []
    example: dict[str, Any] = {}
    for file in files:
        for where, row in readers[user_files.ending(file)](file, settings, key):
            example = example or row
            try:
                pairs.append(_pair(row, where, settings, key))
            except _NoColumnError as error:
                raise UserError(str(error)) from None
            except UserError as error:
                faults.append(str(error))
    more = len(faults) - _LISTED
    if more > 0:
        rows = "row" if more == 1 else "rows"
        faults[_LISTED:] = [f"{path}: and {more} more {rows} with such a fault; correct them too"]
    if faults:
        raise UserError("\n".join(faults))
    if pairs and not any(answers for _, answers in pairs):
        name = settings.references or "references"
        raise UserError(
            f"{path}: no row has an answer in '{name}'; correct {key}.references"
            f"{_paths_beside(example, name)}"
        )
    # In CSV a row has one answer, so a question with several answers is repeated.
    separate = user_files.ending(path) in (".csv", ".tsv")
    return with_answers(str(path), pairs, "rows", repeats=not separate, shares=True)


def _paths_beside(row: dict[str, Any], path: str) -> str:
    """Keys that a row has where a path of keys leads to nothing, and the most similar path."""
    first, *_ = path.split(".")
    own = row.get(first)
    if path in row or not isinstance(own, dict):
        return ""
    paths = [f"{first}.{name}" for name in own]
    return f" ('{first}' has the keys {listed(own)}){suggestion(path, paths)}"


class _NoColumnError(UserError):
    """A column that no row of the file has, which is told once."""


def _pair(
    row: dict[str, Any], where: str, settings: CorpusSettings, key: str
) -> tuple[str, list[str]]:
    """The question of a row and its answers."""
    unnamed = settings.prompt is None and settings.references is None
    if unnamed and not {"prompt", "references"} & set(row):
        for column in _CONVERSATIONS:
            if column in row:
                return _of_conversation(row[column], where, column)
    prompt, references = settings.prompt or "prompt", settings.references or "references"
    for role, column in (("prompt", prompt), ("references", references)):
        if not _has(row, column):
            raise _NoColumnError(
                f"{where}: no column '{column}'; there are {listed(row) or 'none'}; correct "
                f"{key}.{role}"
            )
    question = prompt_text(_value(row, prompt), where, prompt)
    return question, strings(_value(row, references), where, references)


def _has(row: dict[str, Any], column: str) -> bool:
    """Whether a row has a column, or the object with which a path of keys begins."""
    first = column.split(".", 1)[0]
    return column in row or (first in row and "." in column)


def _value(value: Any, column: str) -> Any:
    """The value of a column, or at a path of keys joined by dots; None where there is none.

    In a list, a number is a place and a key that of all its objects.
    """
    if isinstance(value, dict):
        if column in value:
            return value[column]
        first, _, rest = column.partition(".")
        return _value(value[first], rest) if rest and first in value else None
    if isinstance(value, list):
        first, _, rest = column.partition(".")
        if not first.isdecimal():
            return [_value(part, column) for part in value]
        if int(first) >= len(value):
            return None
        return _value(value[int(first)], rest) if rest else value[int(first)]
    return None


def _of_conversation(turns: Any, where: str, column: str) -> tuple[str, list[str]]:
    """The question and the answer of a conversation of one turn."""
    role, content = _CONVERSATIONS[column]
    valid = isinstance(turns, list) and all(
        isinstance(turn, dict) and {role, content} <= set(turn) for turn in turns
    )
    roles = [_ROLES.get(str(turn[role]), str(turn[role])) for turn in turns] if valid else []
    if [name for name in roles if name != "system"] != ["user", "assistant"]:
        found = f"the turns {', '.join(roles)}" if valid else "something else"
        raise UserError(
            f"{where}: '{column}' holds {found}; allowed is a list of objects with {role} and "
            f"{content}: one question of the user and one answer of the assistant (a message of "
            "the system is left out); split longer conversations"
        )
    contents = dict(zip(roles, (_joined(turn[content]) for turn in turns), strict=True))
    question = prompt_text(contents["user"], where, f"{column}.{content}")
    return question, strings(contents["assistant"], where, f"{column}.{content}")


def _joined(content: Any) -> Any:
    """The text of a message whose content is a list of parts of text; else the content."""
    parts = content if isinstance(content, list) else []
    if parts and all(isinstance(p, dict) and isinstance(p.get("text"), str) for p in parts):
        return "".join(part["text"] for part in parts)
    return content


def _json(path: Path, settings: CorpusSettings, key: str) -> Rows:
    text = user_files.read_text(path, key, settings.encoding)
    if text.lstrip().startswith("["):
        for number, row in enumerate(parse_json(text, str(path))):
            yield _object(row, f"{path}: row {number}")
        return
    # Not splitlines: JSON allows Unicode's other line separators inside a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _object(parse_json(line, str(path), number), f"{path}: line {number}")


def _object(row: Any, where: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(row, dict):
        raise UserError(
            f"{where}: not a JSON object; write one object per line, or one list of objects"
        )
    return where, row


def _parquet(path: Path, settings: CorpusSettings, key: str) -> Rows:
    del settings
    try:
        table = pq.read_table(path, partitioning=None)
        _refuse_repeated(table.column_names, path)
        rows = table.to_pylist()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; correct {key}.path") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: cannot be read as Parquet ({reason}); write the file again"
        ) from error
    for number, row in enumerate(rows):
        yield f"{path}: row {number}", row


def _refuse_repeated(columns: list[str], path: Path) -> None:
    """Refuse columns of one name, of which Python would keep the last."""
    repeated = dict.fromkeys(column for column in columns if columns.count(column) > 1)
    if repeated:
        raise UserError(
            f"{path}: column {listed(repeated)} is named more than once; rename or remove one"
        )


def _csv(path: Path, settings: CorpusSettings, key: str) -> Rows:
    text = user_files.read_text(path, key, settings.encoding)
    separator, marked = user_files.separator_of(path, text, settings.separator)
    text, skipped = text[marked:], 1 if marked else 0
    # An answer may be long: the default limit is 131,072 characters.
    limit = csv.field_size_limit(2**31 - 1)
    try:
        # Not pandas: it would read answers such as "None" or "NA" as missing, and 1.0 as a number.
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
        names = list(reader.fieldnames or [])
        _refuse_repeated(names, path)
        user_files.refuse_one_name(path, names, separator, key)
        for row in reader:
            where = f"{path}: line {reader.line_num + skipped}"
            if None in row or None in row.values():
                raise UserError(
                    f"{where}: not as many cells as columns ({listed(names)}); put texts that "
                    "hold the separator in quotes"
                )
            yield where, {column: _cell(cell, where, column) for column, cell in row.items()}
    except csv.Error as error:
        # The line after the last valid row: an open quote is noticed at the end of the file.
        raise UserError(
            f"{path}: row from line {reader.line_num + 1 + skipped} on: not valid CSV ({error}); "
            "correct its quotes"
        ) from error
    finally:
        csv.field_size_limit(limit)


def _cell(cell: str, where: str, column: str) -> Any:
    """A cell, as a list if it is one of texts and numbers as Python or JSON writes it."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return cell
    try:
        return _of_scalars(json.loads(text, parse_int=str, parse_float=str), cell)
    except (ValueError, RecursionError):
        pass
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        found = cell
    quoted = re.match(r"\[\s*['\"]", text)
    # Python reads ['a' 'b'], which numpy writes, as one text.
    if isinstance(found, list) and (not quoted or _spelt_alike(text, repr(found))):
        return _of_scalars(found, cell)
    if quoted:
        raise UserError(
            f"{where}: '{column}' holds {text[:60]}, which looks like a list but cannot be read as "
            "one; write one row per answer, or save the table as JSON lines or Parquet"
        )
    return cell


def _of_scalars(found: Any, cell: str) -> Any:
    """A list without lists or objects in it; the cell for anything else."""
    plain = all(part is None or isinstance(part, str | bool | int | float) for part in found)
    return found if plain else cell


def _spelt_alike(text: str, other: str) -> bool:
    return re.sub(r"\s", "", text) == re.sub(r"\s", "", other)


KIND = CorpusKind("file", "file", _read, needs="file", has_columns=True)
