"""Tables of examples: built-in data sets, and CSV and Parquet files of the user."""

import functools
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kduq.config.data import DatasetSettings
from kduq.config.messages import listed, suggestion
from kduq.data import downloads, numbers, user_files
from kduq.data.datasets import DATASETS
from kduq.data.datasets.protocol import TARGET
from kduq.errors import UserError

#: Share of equal values from which a column is nearly constant.
_NEARLY = 0.99
#: Number of distinct integers up to which a target may be classes.
_FEW = 10


@dataclass
class Loaded:
    """A data set as it was read.

    Attributes
    ----------
    features : pandas.DataFrame of shape (rows, d)
        Inputs, without the columns that have a fault.
    target : pandas.Series of shape (rows,), optional
        Target in the unit of the file; classes by number from 0, in ascending order of their
        labels. None if it has a fault.
    faults : list of str
        What is wrong with the file, one line each.
    notes : list of str
        What its owner may not expect, one line each.
    """

    features: pd.DataFrame
    target: pd.Series | None
    faults: list[str]
    notes: list[str]


def load(name: str, settings: DatasetSettings) -> Loaded:
    """Read a data set and look for every fault of its columns.

    Parameters
    ----------
    name : str
        A built-in data set, or any other name with a ``path`` in its settings.
    settings : DatasetSettings
        Its keys task, path (None for a built-in), separator, decimal, thousands, encoding, target
        and features (column names; None for all but the target) are used.

    Returns
    -------
    Loaded
        Its columns and their faults: columns that do not exist, that are not numeric, or that have
        missing or infinite values.

    Raises
    ------
    UserError
        If the file cannot be read, if its columns cannot be told apart, or if a data set cannot be
        downloaded.
    """
    if settings.path is None:
        table, target, source = built_in(name), TARGET, name
    else:
        source, target = settings.path, str(settings.target)
        table = _read(Path(source), settings, name)
    features = settings.features or [c for c in table.columns if c != target]
    faults = []
    missing = [c for c in [*features, target] if c not in table.columns]
    if missing:
        key = "target" if settings.features is None else "target or datasets.{name}.features"
        similar = suggestion(str(missing[0]), table.columns) if len(missing) == 1 else ""
        faults.append(
            f"{source}: no column {listed(missing)}; the file has {_shortened(table.columns)}; "
            f"correct datasets.{name}.{key.format(name=name)}{similar}"
        )
    if not features or target in features:
        problem = "no column beside the target" if not features else f"the target '{target}'"
        raise UserError(
            f"{source}: found {problem} to predict from; correct datasets.{name}.features"
        )
    inputs = table[[c for c in features if c in table.columns]]
    faults += _faults_of(inputs, settings, source, name)
    sound = [c for c in inputs if _is_sound(inputs[c])]
    notes = []
    if settings.path is not None and settings.features is None:
        notes.append(
            f"{source}: '{target}' is predicted from all other columns: {_shortened(features)} "
            f"(datasets.{name}.features chooses among them)"
        )
        notes += _suspicions(inputs[sound], source, name)
    if settings.path is not None and user_files.ending(Path(source)) != ".parquet":
        read = [c for c in (*sound, target) if c in table.columns and _is_sound(table[c])]
        grouped = [c for c in read if numbers.seem_grouped(_as_floats(table[c]).to_numpy())]
        if grouped:
            notes.append(
                f"{source}: column {listed(grouped)} has integers, and numbers with exactly three "
                f"decimals; if these are thousands, name datasets.{name}.thousands"
            )
    values = None
    if target in table.columns:
        try:
            values = _target(table[target], settings, source, name, notes)
        except UserError as error:
            faults.append(str(error))
    return Loaded(inputs[sound], values, faults, notes)


def _target(
    column: pd.Series, settings: DatasetSettings, source: str, name: str, notes: list[str]
) -> pd.Series:
    """The target as numbers, or an error with its fault."""
    if settings.task == "classification":
        return pd.Series(_classes(column, source, name, notes), column.index, np.float64)
    if pd.api.types.is_bool_dtype(column):
        raise UserError(
            f"{source}: the target {listed([column.name])} holds truth values, which are classes; "
            f"set datasets.{name}.task: classification"
        )
    if not pd.api.types.is_numeric_dtype(column):
        raise UserError(
            f"{source}: the target {listed([column.name])} is not numeric"
            f"{_example(column, settings, name)}; encode it as numbers, or set "
            f"datasets.{name}.task: classification"
        )
    if faults := _faults_of(column.to_frame(), settings, source, name):
        raise UserError(faults[0])
    values = _as_floats(column)
    distinct = values.unique()
    if (
        settings.path is not None
        and len(distinct) <= min(_FEW, len(values) // 2)
        and (distinct == np.round(distinct)).all()
    ):
        notes.append(
            f"{source}: the target {listed([column.name])} has {len(distinct)} values, all "
            "integers, and is predicted as a number; if they are classes, set "
            f"datasets.{name}.task: classification"
        )
    return values


def shape_of_file(path: Path, separator: str | None = None) -> tuple[int, int]:
    """Rows and columns of a user's file, without reading its values.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet file, or a folder of Parquet files.
    separator : str, optional
        Between the cells of a text file; None for that of its ending.

    Returns
    -------
    rows, columns : int
        Of Parquet as its footer says; of CSV the lines after the first and the cells of the first.
        Zero for a file that is missing or cannot be read, which is reported where it is.
    """
    try:
        status = [part.stat() for part in user_files.parts(path)]
    except OSError:
        return 0, 0
    times = tuple((s.st_size, s.st_mtime_ns) for s in status)
    return _shape_of_file(path, separator or user_files.default_separator(path), times)


@functools.cache
def _shape_of_file(path: Path, separator: str, _times: tuple[Any, ...]) -> tuple[int, int]:
    try:
        if user_files.ending(path) == ".parquet":
            metadata = [pq.read_metadata(part) for part in user_files.parts(path)]
            return sum(m.num_rows for m in metadata), max(m.num_columns for m in metadata)
        with user_files.opened(path) as file:
            columns = file.readline().count(separator.encode()) + 1
            return sum(
                block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")
            ), columns
    except (OSError, EOFError, ValueError, pa.ArrowException):
        return 0, 0


def built_in(name: str) -> pd.DataFrame:
    """Read a built-in data set; a download stays in the cache.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    pandas.DataFrame
        The last column is the target.

    Raises
    ------
    UserError
        If it cannot be downloaded.
    """
    try:
        with warnings.catch_warnings():
            # A failed download is reported once, below, instead of at every attempt.
            warnings.simplefilter("ignore")
            return DATASETS[name].load()
    except (OSError, ValueError) as error:
        if DATASETS[name].download is None:
            raise
        raise downloads.unavailable(name, str(error).splitlines()[0]) from error


def _classes(labels: pd.Series, source: str, name: str, notes: list[str]) -> np.ndarray:
    """Numbers of the classes."""
    column = listed([labels.name])
    if labels.isna().any():
        raise UserError(
            f"{source}: missing values in {column} ({int(labels.isna().sum())}); fill "
            "them in or remove the rows (in a text file a class called NA, None or null reads as "
            "missing: rename it)"
        )
    texts = pd.api.types.is_string_dtype(labels)
    values = _numbers_of_texts(labels, source, notes) if texts else labels.to_numpy()
    try:
        classes, numbers = np.unique(values, return_inverse=True)
    except (TypeError, ValueError) as error:
        kinds = sorted({type(value).__name__ for value in values})
        raise UserError(
            f"{source}: {column} holds labels of type {' and '.join(kinds)}, which have no "
            "order; write them as text or as numbers"
        ) from error
    if not 2 <= len(classes) <= max(2, len(labels) // 2):
        raise UserError(
            f"{source}: {column} has {len(classes)} classes in {len(labels)} rows; allowed "
            f"are 2 to half the rows; correct datasets.{name}.target or datasets.{name}.task"
        )
    return numbers


def _numbers_of_texts(labels: pd.Series, source: str, notes: list[str]) -> np.ndarray:
    """Labels as numbers, for their order, if equal numbers are equal texts; else the texts.

    Texts such as 01 and 1 may be different classes.
    """
    distinct = pd.Series(labels.unique(), dtype=object)
    numbers = pd.to_numeric(distinct, errors="coerce")
    if not np.isfinite(numbers.to_numpy(np.float64, na_value=np.nan)).all():
        alike = distinct.str.strip().str.casefold().duplicated(keep=False)
        if alike.any():
            notes.append(
                f"{source}: labels {_shortened(distinct[alike].sort_values())} of "
                f"{listed([labels.name])} are different classes, though they differ in spaces or "
                "capitals alone; write equal classes alike"
            )
        return labels.to_numpy(object)
    if numbers.duplicated().any():
        same = distinct[numbers.duplicated(keep=False)].sort_values()
        notes.append(
            f"{source}: labels {_shortened(same)} of {listed([labels.name])} are different "
            "classes, since their texts differ, though they are equal as numbers; write equal "
            "classes alike"
        )
        return labels.to_numpy(object)
    return labels.map(dict(zip(distinct, numbers, strict=True))).to_numpy(np.float64)


def _read(path: Path, settings: DatasetSettings, name: str) -> pd.DataFrame:
    """A user's table, with its column names as text."""
    key = f"datasets.{name}"
    files = user_files.require(path, (".csv", ".tsv", ".parquet"), "a data set", key)
    try:
        if user_files.ending(path) == ".parquet":
            table = _read_parquet(files)
        else:
            table = _read_csv(path, settings, key)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; correct {key}.path") from error
    except (ValueError, OSError, EOFError, OverflowError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: cannot be read as {user_files.ending(path)[1:]} ({reason}); save the file "
            "again"
        ) from error
    table.columns = pd.Index([str(column) for column in table.columns])
    if table.empty:
        raise UserError(f"{path}: the table has no rows; correct the file or {key}.path")
    if table.columns.has_duplicates:
        repeated = table.columns[table.columns.duplicated()].unique()
        raise UserError(
            f"{path}: column {listed(repeated)} is named more than once; rename or remove one"
        )
    return table


def _read_parquet(files: list[Path]) -> pd.DataFrame:
    """The rows of one file, or of all files of a folder, which have the same columns."""
    for file in files:
        names = pd.Series(pq.read_schema(file).names)
        if names.duplicated().any():
            raise UserError(
                f"{file}: column {listed(names[names.duplicated()].unique())} is named more than "
                "once; rename or remove one"
            )
    # Names of folders, such as year=2020, are no columns. A named index of pandas is a column of
    # the file; one without a name is not.
    tables = [
        pq.read_table(file, partitioning=None)
        .to_pandas(ignore_metadata=True)
        .filter(regex=r"^(?!__index_level_\d+__$)")
        for file in files
    ]
    for file, table in zip(files, tables, strict=True):
        if list(table.columns) != list(tables[0].columns):
            raise UserError(
                f"{file}: its columns {_shortened(table.columns)} differ from those of "
                f"{files[0].name}, {_shortened(tables[0].columns)}; give all parts the same columns"
            )
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)


def _read_csv(path: Path, settings: DatasetSettings, key: str) -> pd.DataFrame:
    """A text file with the column names of the file: pandas would rename those named twice."""
    with user_files.opened(path) as file:
        begin = file.read(1 << 16)
    # A character at the end of the block may be cut: lines before it are enough.
    complete = begin if len(begin) < 1 << 16 else begin[: begin.rindex(b"\n") + 1 or None]
    if (settings.encoding or "").lower().replace("-", "").startswith("utf16"):
        complete = begin[: len(begin) // 2 * 2]
    text = user_files.decoded(complete, path, key, settings.encoding)
    separator, marked = user_files.separator_of(path, text, settings.separator)
    common: dict[str, Any] = {
        "sep": separator,
        "encoding": settings.encoding or "utf-8-sig",
        "skiprows": 1 if marked else 0,
        "compression": "infer" if path.suffix == path.suffix.lower() else _compression(path),
    }
    header = pd.read_csv(
        path, header=None, nrows=1, dtype=str, keep_default_na=False, **common
    ).iloc[0]
    unnamed = header.isna() | (header.str.strip() == "")
    if unnamed.any():
        number = 1 + int(np.argmax(unnamed))
        raise UserError(
            f"{path}: column {number} has no name; name it or remove it (pandas writes its index "
            "so: use to_csv with index=False)"
        )
    if header.duplicated().any():
        raise UserError(
            f"{path}: column {listed(header[header.duplicated()])} is named more than once; rename "
            "or remove one"
        )
    user_files.refuse_one_name(path, list(header), separator, key)
    # Labels as they are written: 01 and 1 may be different classes.
    labels = {settings.target: str} if settings.task == "classification" else None
    with warnings.catch_warnings():
        # Rows with more cells than there are names.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            table = pd.read_csv(
                path,
                index_col=False,
                dtype=labels if settings.thousands is None else str,
                decimal=settings.decimal,
                # The type of a column follows from all its rows.
                low_memory=False,
                **common,
            )
        except pd.errors.ParserWarning as error:
            raise UserError(
                f"{path}: rows have more cells than the first line has names; correct that line"
            ) from error
        except UnicodeError as error:
            raise UserError(
                f"{path}: {error}; name its encoding in {key}.encoding, or save it as UTF-8"
            ) from error
    if settings.thousands is not None:
        for column in table.columns.drop([settings.target] if labels else []):
            table[column] = numbers.parsed(table[column], settings.decimal, settings.thousands)
    return table


def _compression(path: Path) -> str | None:
    return "gzip" if path.suffix.lower() == ".gz" else None


def _as_floats(column: pd.Series) -> pd.Series:
    return pd.Series(column.to_numpy(np.float64, na_value=np.nan), column.index, name=column.name)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)


def _is_sound(column: pd.Series) -> bool:
    return _is_number(column) and bool(np.isfinite(_as_floats(column)).all())


def _faults_of(table: pd.DataFrame, settings: DatasetSettings, source: str, name: str) -> list[str]:
    """Columns that cannot be standardised; nothing is imputed or silently dropped."""
    faults = []
    text = [c for c in table if not _is_number(table[c])]
    if text:
        example = _example(table[text[0]], settings, name)
        one = len(text) == 1
        is_not = f"column {listed(text)} is" if one else f"columns {listed(text)} are"
        way = "leave it out of" if settings.features is not None else "name the others in"
        if not one:
            way = way.replace(" it ", " them ")
        faults.append(
            f"{source}: {is_not} not numeric{example}; encode {'it' if one else 'them'} as "
            f"numbers or {way} datasets.{name}.features"
        )
    counts = {c: int((~np.isfinite(_as_floats(table[c]))).sum()) for c in table if c not in text}
    bad = ", ".join(f"{listed([c])} ({n})" for c, n in counts.items() if n)
    if bad:
        faults.append(
            f"{source}: missing or infinite values in {bad}; fill them in or remove the rows"
        )
    return faults


def _example(column: pd.Series, settings: DatasetSettings, name: str) -> str:
    """The first value that is no number, and keys that make all values numbers if there are any."""
    texts = column.astype(object)[column.notna()]
    if texts.empty or not texts.map(lambda value: isinstance(value, str)).all():
        return ""
    if settings.path is None or user_files.ending(Path(settings.path)) == ".parquet":
        return " (it is stored as text)"
    place = numbers.first_other(texts, settings.decimal, settings.thousands)
    value = texts.iloc[place or 0]
    row = int(np.argmax(column.index == texts.index[place or 0])) + 1
    found = f"row {row} has {value[:40]!r}"
    marks = numbers.likely_format(list(texts), settings.decimal, settings.thousands)
    if marks is not None:
        keys = {"decimal": marks[0], "thousands": marks[1]}
        present = {"decimal": settings.decimal, "thousands": settings.thousands}
        changed = [
            f"datasets.{name}.{key}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in keys.items()
            if value != present[key]
        ]
        found += f"; {' and '.join(changed)} reads the column"
    return f" ({found})"


def _shortened(names: Any) -> str:
    """Names in quotes, at most twenty of them."""
    names = list(names)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{listed(names[:20])}{more}"


def _suspicions(table: pd.DataFrame, source: str, name: str) -> list[str]:
    """Columns that seem to be no features, though their values can be standardised."""
    reasons: dict[str, list[str]] = {}
    for column in map(str, table):
        values = _as_floats(table[column]).to_numpy()
        distinct, counts = np.unique(values, return_counts=True)
        whole = bool((values == np.floor(values)).all())
        if whole and len(distinct) == len(values) > 2:
            reasons.setdefault("all values are different integers, as in an identifier", []).append(
                column
            )
        elif whole and _are_dates(distinct):
            reasons.setdefault("the values look like dates (year, month, day)", []).append(column)
        elif len(distinct) > 1 and counts.max() >= _NEARLY * len(values):
            reasons.setdefault("nearly all values are equal", []).append(column)
    return [
        f"{source}: column {listed(columns)} is used as a feature, but {reason}; leave it out of "
        f"datasets.{name}.features if it is none"
        for reason, columns in reasons.items()
    ]


def _are_dates(values: np.ndarray) -> bool:
    """Whether integers are dates such as 20240131."""
    if not ((values > 18_000_000) & (values < 21_010_000)).all():
        return False
    texts = pd.Series(values.astype(np.int64).astype(str))
    return bool(pd.to_datetime(texts, format="%Y%m%d", errors="coerce").notna().all())
