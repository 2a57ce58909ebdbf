"""Tables: one writer and one reader.

Every table is a Parquet file with an explicit schema (`kduq.artifacts.schemas`), compressed by
zstd, with a checksum per page. It is written under a temporary name and then renamed. Its schema
metadata contain its provenance; see `kduq.artifacts.provenance`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kduq.artifacts import files, schemas
from kduq.artifacts.canonical import canonical_json
from kduq.artifacts.provenance import METADATA_KEY, broken, first_line, open_table, rebuild_command
from kduq.artifacts.schemas import CONDITION
from kduq.errors import ArtifactError

#: Rows of at least so many bytes are written in groups of about the second number of bytes, each of
#: which can be read alone.
_WIDE, _GROUP = 1 << 16, 1 << 20
#: A wide column of fewer bytes is read as a whole.
_WHOLE = 1 << 28


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        if isinstance(values, list) and all(value is None for value in values):
            return pa.nulls(len(values), kind)
        matrix = np.ascontiguousarray(values, dtype=np.float32)
        flat = pa.array(matrix.reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        # In these tables NaN always means that there is no value.
        return pa.array(values, type=kind, from_pandas=True)
    return pa.array(values, type=kind)


def write(
    path: Path | str, stage: str, values: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    """Write a table.

    Parameters
    ----------
    path : path
        The file to write.
    stage : str
        Its stage, which fixes the schema.
    values : mapping of str to array_like
        One entry for each column of the schema: one-dimensional, or of shape (rows, width) for a
        fixed-size list, or a list of arrays for a list.
    provenance : mapping
        The result of `kduq.artifacts.provenance`.

    Raises
    ------
    ValueError
        If the columns are not those of the schema.
    UserError
        If the file cannot be written.
    """
    fitting = [known for known in schemas.of(stage) if set(known) == set(values)]
    if not fitting:
        raise ValueError(f"{stage}: columns {sorted(values)} are not those of its schema")
    schema = fitting[0]
    arrays = [_array(values[name], kind) for name, kind in schema.items()]
    fields = [pa.field(name, array.type) for name, array in zip(schema, arrays, strict=True)]
    metadata = {METADATA_KEY: canonical_json(provenance).encode()}
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    wide = max((_bytes_per_row(field.type) for field in fields), default=0)
    group: int | None = None
    narrow: bool | list[str] = True
    if wide >= _WIDE:
        group = max(1, _GROUP // wide)
        # A dictionary of numbers that are all different takes time and is then given up.
        narrow = [field.name for field in fields if not _bytes_per_row(field.type)]
    with files.atomic(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            write_page_checksum=True,
            row_group_size=group,
            use_dictionary=narrow,
        )


def _bytes_per_row(kind: pa.DataType) -> int:
    """Bytes of a row of a fixed-size list; 0 for other columns, which are narrow."""
    return 4 * kind.list_size if pa.types.is_fixed_size_list(kind) else 0


@dataclass(frozen=True)
class Artifact:
    """A table with its provenance.

    Attributes
    ----------
    table : pyarrow.Table
        The rows.
    provenance : dict
        See `kduq.artifacts.provenance`.
    """

    table: pa.Table
    provenance: dict[str, Any]

    def column(self, name: str) -> np.ndarray:
        """Return a column as an array.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        ndarray of shape (rows,) or, for a fixed-size list, (rows, width)
            A null in a column of numbers is NaN, in a column of strings None, and a column of
            fixed-size lists that has no value at all is NaN of width one. The array may not be
            writable.
        """
        chunked = self.table.column(name)
        kind = chunked.type
        if pa.types.is_fixed_size_list(kind):
            if chunked.null_count:
                return np.full((len(chunked), kind.list_size), np.nan, np.float32)
            parts = [np.asarray(chunk.flatten()) for chunk in chunked.chunks]
            # One chunk is not copied: it may be the largest array of a job.
            flat = (
                parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.float32), *parts])
            )
            return flat.reshape(-1, kind.list_size)
        if pa.types.is_string(kind):
            return np.array(chunked.to_pylist(), dtype=object)
        return chunked.to_numpy()

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """Return several columns by name.

        Parameters
        ----------
        names : sequence of str
            The columns.

        Returns
        -------
        dict of str to ndarray or list
            As `column`; a list column of free length is a list of lists.
        """
        kinds = {name: self.table.schema.field(name).type for name in names}
        return {
            name: self.table.column(name).to_pylist()
            if pa.types.is_list(kind)
            else self.column(name)
            for name, kind in kinds.items()
        }

    def rows_of(self, conditions: Sequence[object]) -> list[np.ndarray]:
        """Return the row numbers of each condition, in the order of the table.

        Parameters
        ----------
        conditions : sequence of object or mapping
            Each with an attribute, or a key, for every column of `schemas.CONDITION`; None where a
            column does not apply.

        Returns
        -------
        list of ndarray
            One array of row numbers for each condition.
        """
        columns = self.table.select(list(CONDITION)).to_pydict()
        rows: dict[tuple[Any, ...], list[int]] = {}
        for row, key in enumerate(zip(*columns.values(), strict=True)):
            rows.setdefault(key, []).append(row)
        return [np.array(rows.get(_key(c), []), dtype=np.intp) for c in conditions]


#: Which rows of a table are read: a pyarrow.compute.Expression of its columns.
Rows: TypeAlias = Any


def rows_where(**values: Any) -> Rows:
    """The rows in which columns have given values.

    Parameters
    ----------
    **values
        Values by column; None where a column is null, and a list, tuple, range or set for any of
        several values.

    Returns
    -------
    pyarrow.compute.Expression
        For `read`; expressions are combined by ``&`` and ``|`` and inverted by ``~``.
    """
    expression = pc.scalar(True)
    for name, value in values.items():
        column = pc.field(name)
        if value is None:
            own = column.is_null()
        elif isinstance(value, list | tuple | range | set):
            own = column.isin(sorted(value))
        else:
            own = column == value
        expression &= own
    return expression


def rows_of_condition(condition: object) -> Rows:
    """The rows of a condition; see `Artifact.rows_of`."""
    return rows_where(**dict(zip(CONDITION, _key(condition), strict=True)))


def _key(condition: object) -> tuple[Any, ...]:
    """Values of a condition in the order of its columns."""
    if isinstance(condition, Mapping):
        return tuple(condition[name] for name in CONDITION)
    return tuple(getattr(condition, name) for name in CONDITION)


class WideColumn:
    """A list column of several tables: rows of one that fills the memory are read when used.

    Parameters
    ----------
    paths : sequence of path
        Tables that were written by `write` and checked by `read`.
    name : str
        Their column, a fixed-size list of one length.
    """

    def __init__(self, paths: Sequence[Path | str], name: str) -> None:
        self._paths, self._name = paths, name
        # For each group of rows its file and its number there; then the first row of each.
        self._groups: list[tuple[Path | str, int]] = []
        sizes = []
        for path in paths:
            metadata = pq.read_metadata(path)
            for group in range(metadata.num_row_groups):
                self._groups.append((path, group))
                sizes.append(metadata.row_group(group).num_rows)
        self._starts = np.cumsum([0, *sizes])
        width = pq.read_schema(paths[0]).field(name).type.list_size
        self.shape = int(self._starts[-1]), width
        self._whole = self._read(np.arange(len(self))) if self.bytes <= _WHOLE else None

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def bytes(self) -> int:
        """Bytes of all rows in single precision."""
        return 4 * self.shape[0] * self.shape[1]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Rows by their numbers, or by a mask, as a new array.

        Parameters
        ----------
        rows : ndarray of int or bool
            Rows of the stacked tables.

        Returns
        -------
        ndarray of float32 of shape (rows, width)
            In the order of the numbers.
        """
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        return self._read(numbers) if self._whole is None else self._whole[numbers]

    def _read(self, rows: np.ndarray) -> np.ndarray:
        values = np.empty((len(rows), self.shape[1]), np.float32)
        group_of = np.searchsorted(self._starts, rows, side="right") - 1
        opened: tuple[Path | str, Any] = ("", None)
        for group in np.unique(group_of):
            path, number = self._groups[group]
            try:
                if path != opened[0]:
                    opened = path, pq.ParquetFile(path, page_checksum_verification=True)
                table = opened[1].read_row_group(number, columns=[self._name])
            except (pa.ArrowException, OSError) as error:
                raise broken(path, f"its pages are damaged ({first_line(error)})") from error
            (wanted,) = np.nonzero(group_of == group)
            own = Artifact(table, {}).column(self._name)
            values[wanted] = own[rows[wanted] - self._starts[group]]
        return values


def read(
    path: Path | str, stage: str, without: str | None = None, rows: Rows | None = None
) -> Artifact:
    """Read a table and check it: the only way any part of the project reads one.

    Parameters
    ----------
    path : path
        The file.
    stage : str
        The stage that should have written it.
    without : str, optional
        A column that is checked but not read; see `WideColumn`.
    rows : pyarrow.compute.Expression, optional
        The rows to read, for example from `rows_where`; None for all.

    Returns
    -------
    Artifact
        Its rows and its provenance.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged (page checksums are verified), not of this project, of
        another stage or of another schema. The message names the file, the fault and the command
        that rebuilds it.
    """
    schema, provenance = open_table(path)
    if provenance.get("stage") != stage:
        raise broken(path, f"made by stage '{provenance.get('stage')}' where '{stage}' is expected")
    known = schemas.of(stage)
    fitting = [expected for expected in known if tuple(schema.names) == tuple(expected)]
    if not fitting:
        allowed = " or ".join(str(list(expected)) for expected in known)
        raise broken(path, f"columns {schema.names} where {allowed} are expected")
    expected = fitting[0]
    for field in schema:
        kind = expected[field.name]
        same = field.type == kind or (
            kind == schemas.VECTOR
            and pa.types.is_fixed_size_list(field.type)
            and field.type.value_type == pa.float32()
        )
        if not same:
            raise broken(path, f"column '{field.name}' is {field.type} where {kind} is expected")
    try:
        names = [name for name in schema.names if name != without] if without else None
        table = pq.read_table(path, columns=names, filters=rows, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise broken(path, f"its pages are damaged ({first_line(error)})") from error
    return Artifact(table, provenance)


def read_all(
    paths: Sequence[Path | str],
    stage: str,
    without: str | None = None,
    rows: Rows | None = None,
) -> Artifact:
    """Read several tables of a stage and stack their rows in the order of ``paths``.

    Parameters
    ----------
    paths : sequence of path
        At least one file.
    stage : str
        Their stage.
    without, rows
        As in `read`.

    Returns
    -------
    Artifact
        All rows, with the provenance of the first file.

    Raises
    ------
    ArtifactError
        As `read`; also if a list column of one file has another width than in the first.
    """
    parts = [read(path, stage, without, rows) for path in paths]
    schemas_of_files = [open_table(path)[0] for path in paths]
    first = schemas_of_files[0]
    for path, schema in zip(paths, schemas_of_files, strict=True):
        if not schema.equals(first):
            raise ArtifactError(
                f"{path}: its list columns have another width than those of {paths[0]}; "
                f"rebuild it with: {rebuild_command(path)}"
            )
    table = pa.concat_tables([part.table for part in parts])
    return Artifact(table.combine_chunks(), parts[0].provenance)
