"""A file of the user: JSON lines, Parquet or CSV with a question and its answers per row."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kduq.config.data import CorpusSettings
from kduq.config.messages import listed
from kduq.data.corpora.protocol import CorpusKind, Entry
from kduq.data.corpora.reading import parse_json, prompt_text, read_text, strings, with_answers
from kduq.errors import UserError


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    path = Path(str(settings.path))
    readers: dict[str, Callable[[Path], Iterator[tuple[str, dict[str, Any]]]]] = {
        ".jsonl": _jsonl,
        ".parquet": _parquet,
        ".csv": _csv,
    }
    if path.suffix not in readers:
        raise UserError(
            f"{path}: a corpus is a file ending in {' or '.join(readers)}; correct "
            f"corpora.{name}.path"
        )
    prompt, references = settings.prompt or "prompt", settings.references or "references"
    pairs = []
    for where, row in readers[path.suffix](path):
        for key, column in (("prompt", prompt), ("references", references)):
            if column not in row:
                raise UserError(
                    f"{where}: no column '{column}'; there are {listed(row) or 'none'}; correct "
                    f"corpora.{name}.{key}"
                )
        pairs.append(
            (prompt_text(row[prompt], where, prompt), strings(row[references], where, references))
        )
    # In CSV a row has one answer, so a question with several answers is repeated.
    return with_answers(str(path), pairs, "rows", repeats=path.suffix != ".csv")


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines: JSON allows Unicode's other line separators inside a text.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            row = parse_json(line, str(path), number)
            if not isinstance(row, dict):
                raise UserError(
                    f"{path}: line {number}: not a JSON object; write one object per line"
                )
            yield f"{path}: line {number}", row


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; correct the corpus's path") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: cannot be read as Parquet ({reason}); write the file again"
        ) from error
    for number, row in enumerate(table.to_pylist()):
        yield f"{path}: row {number}", row


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not pandas: it would read answers such as "None" or "NA" as missing, and 1.0 as a number.
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise UserError(
                    f"{path}: line {reader.line_num}: not as many cells as columns "
                    f"({listed(reader.fieldnames or [])}); put texts that hold a comma in quotes"
                )
            yield f"{path}: line {reader.line_num}", row
    except csv.Error as error:
        # The line after the last valid row: an open quote is noticed at the end of the file.
        raise UserError(
            f"{path}: row from line {reader.line_num + 1} on: not valid CSV ({error}); correct its "
            "quotes"
        ) from error


KIND = CorpusKind("file", "file", _read, needs="file", has_columns=True)
