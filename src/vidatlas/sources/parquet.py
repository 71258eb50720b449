"""Parquet input files, read as JSON lines: one line per row.

Shards, checksums, line numbers and rejects then work as for every other input file. A row group is decoded column by
column, and only the rows from the requested one on become text.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vidatlas.errors import InputError
from vidatlas.sources.lines import MAX_LINE
from vidatlas.storage.parquet import open_parquet

_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
_TEXTS = (pa.types.is_string, pa.types.is_large_string)
_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
BATCH = 2_000
"""Most rows per batch; a reader can start at each batch."""
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_MOST_VALUES, _MOST_BYTES = 4 << 20, 64 << 20
"""Of a batch: some kilobytes of Parquet can hold gigabytes of equal values."""


def json_lines(
    file: IO[bytes], first: int = 0, on_batch: Callable[[int, int], None] | None = None, vector: str | None = None
) -> Iterator[bytes]:
    """Yield a Parquet file's rows as JSON lines, a batch of rows at a time.

    Bytes, vectors (lists of floating-point numbers) and intervals of months and days are skipped, in structs too: no
    field can hold them. Dates, times and decimals are written as text, durations as seconds. A row with invalid UTF-8
    becomes such a line, so that it is rejected.

    Args:
        file: a seekable file.
        first: the row to start with.
        on_batch: called with (row, bytes before it) ahead of every batch.
        vector: the column of vectors to keep.

    Raises:
        InputError: a column has an extension type or is there twice, or ``vector`` holds no vectors; the caller adds
            the file.
        pyarrow.ArrowException, OSError: the file is damaged.
    """
    table = open_parquet(file)
    names = readable_columns(table.schema_arrow, vector, nested=True)
    groups, row = _groups_from(table, first)
    written = 0
    for batch in table.iter_batches(_rows_at_once(table, groups), row_groups=groups, columns=names, use_threads=False):
        if row + batch.num_rows > first:
            if on_batch:
                on_batch(max(row, first), written)
            for lines in _pieces(batch.slice(max(0, first - row)), vector):
                written += len(lines)
                yield lines
        row += batch.num_rows


def _rows_at_once(table: pq.ParquetFile, groups: list[int]) -> int:
    """Return the rows of a batch: fewer where rows are long, by what the footer says of each row group."""
    most = BATCH
    for group in (table.metadata.row_group(number) for number in groups):
        values = max((group.column(at).num_values for at in range(group.num_columns)), default=0)
        long = max(values / _MOST_VALUES, group.total_byte_size / _MOST_BYTES)
        most = min(most, max(1, int(group.num_rows / long))) if long else most
    return most


def _pieces(batch: pa.RecordBatch, vector: str | None) -> Iterator[bytes]:
    """Yield the lines of a batch, in pieces of bounded size; one for a row that is too long is blank and as long."""
    size = sum(map(_size, batch.columns))
    if size <= _MOST_BYTES:
        yield lines_of(batch, vector)
    elif batch.num_rows == 1:
        yield b" " * (MAX_LINE + 1) + b"\n"
    else:
        half = batch.num_rows // 2
        yield from _pieces(batch.slice(0, half), vector)
        yield from _pieces(batch.slice(half), vector)


def _size(column: pa.Array) -> int:
    """Return about how many bytes the values of a column take as text."""
    kind = column.type
    if pa.types.is_dictionary(kind) and any(is_text(kind.value_type) for is_text in _TEXTS):
        return int(pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0)
    if any(is_text(kind) for is_text in _TEXTS):
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    if any(is_list(kind) for is_list in _LISTS):
        return _size(column.flatten())
    if pa.types.is_struct(kind):
        return sum(map(_size, column.flatten()))
    return 8 * len(column)


def _groups_from(table: pq.ParquetFile, first: int) -> tuple[list[int], int]:
    """Return the row groups starting with the one that holds a row, and the number of their first row."""
    row = 0
    for number in range(table.num_row_groups):
        rows = table.metadata.row_group(number).num_rows
        if row + rows > first:
            return list(range(number, table.num_row_groups)), row
        row += rows
    return [], row


def readable_columns(schema: pa.Schema, vector: str | None = None, nested: bool = False) -> list[str]:
    """Return the columns of an Arrow schema that JSON lines hold: without bytes, and of vectors only the one named.

    With ``nested``, what can be read of a struct that holds bytes or vectors is there as paths.

    Raises:
        InputError: the one named holds neither lists of numbers nor text, or a column is there twice.
    """
    twice = _repeated(list(schema))
    if twice is not None:
        raise InputError(f"the table lists the column {twice!r} twice. Give each column a name of its own.")
    for column in schema:
        if column.name == vector and not (_is_vector(column.type) or _is_readable(column.type)):
            raise InputError(
                f"column {vector!r} has type {column.type}, which holds no vectors. "
                "Write each vector as a list of numbers."
            )
    return [
        name
        for column in schema
        for name in ([column.name] if column.name == vector else _readable(column.name, column.type))
        if nested or "." not in name or name == column.name
    ]


def _repeated(fields: list[pa.Field]) -> str | None:
    """Return the name that two columns share, or two values of one struct; None if none do."""
    name, count = next(iter(Counter(field.name for field in fields).most_common(1)), ("", 0))
    if count > 1:
        return str(name)
    within = (_repeated([field.type.field(at) for at in range(field.type.num_fields)]) for field in fields)
    return next((found for found in within if found is not None), None)


def vector_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of an Arrow schema that hold lists of floating-point numbers."""
    return [column.name for column in schema if _is_vector(column.type) and not _is_readable(column.type)]


def _is_vector(kind: pa.DataType) -> bool:
    kind = kind.storage_type if isinstance(kind, pa.FixedShapeTensorType) else kind
    return any(is_list(kind) for is_list in _LISTS) and (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    )


def _readable(name: str, kind: pa.DataType) -> list[str]:
    """Return the name of a column that can be read; of a struct with bytes or vectors, those of its other values."""
    if _is_readable(kind):
        return [name]
    inside = [kind.field(at) for at in range(kind.num_fields)] if pa.types.is_struct(kind) else []
    return [found for child in inside for found in _readable(f"{name}.{child.name}", child.type)]


def _is_readable(kind: pa.DataType) -> bool:
    if pa.types.is_interval(kind) or any(is_bytes(kind) for is_bytes in _BYTES):
        return False
    if pa.types.is_dictionary(kind):
        return _is_readable(kind.value_type)
    if isinstance(kind, pa.FixedShapeTensorType):
        return _is_readable(kind.storage_type)
    children = [kind.field(at).type for at in range(kind.num_fields)]
    vector = not pa.types.is_struct(kind) and any(pa.types.is_floating(child) for child in children)
    return not vector and all(map(_is_readable, children))


def lines_of(batch: pa.RecordBatch, vector: str | None = None) -> bytes:
    """Return the rows of a record batch as JSON lines.

    Dates, times and decimals are written as text, durations as seconds, vectors as base64 of float32, little-endian. A
    row with invalid UTF-8 becomes a line with invalid UTF-8, so that it is rejected.
    """
    if not batch.num_columns:
        return b"{}\n" * int(batch.num_rows)
    columns = [
        _as_base64(column) if name == vector and _is_vector(column.type) else _as_plain(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:
        return b"".join(_line_of(batch.slice(at, 1)) for at in range(batch.num_rows))
    return b"".join(map(_dumped, rows))


def _as_plain(column: pa.Array) -> pa.Array:
    """Return durations as seconds; dates, times and decimals as Arrow formats them: pandas would do so otherwise."""
    if pa.types.is_duration(column.type):
        return pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), _PER_SECOND[column.type.unit])
    return column.cast(pa.string()) if pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type) else column


def _as_base64(column: pa.Array) -> pa.Array:
    """Return vectors of any numeric type as base64 of float32; a number that is null becomes NaN."""
    lists = column.storage if isinstance(column, pa.ExtensionArray) else column
    ends = np.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False))
    with np.errstate(over="ignore"):
        numbers = lists.flatten().to_numpy(zero_copy_only=False).astype("<f4")
    rows = np.split(numbers, ends[:-1])
    texts = [base64.b64encode(row.tobytes()).decode() for row in rows]
    return pa.array(texts, pa.string(), mask=lists.is_null().to_numpy(zero_copy_only=False))


def plain(value: Any) -> Any:
    """Return a value that JSON has not as one that it has: a duration as seconds, anything else as text."""
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _dumped(row: dict[str, Any]) -> bytes:
    line: bytes = orjson.dumps(row, default=plain, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    return line


def _line_of(row: pa.RecordBatch) -> bytes:
    """Return a row's line; for invalid UTF-8, a line that starts with a byte that no valid text contains."""
    try:
        return _dumped(row.to_pylist()[0])
    except UnicodeDecodeError:
        columns = (column for column in row.columns if any(is_text(column.type) for is_text in _TEXTS))
        texts: list[bytes | None] = [column.cast(pa.large_binary())[0].as_py() for column in columns]
        return b"\xff" + b" ".join(filter(None, texts)).replace(b"\n", b" ") + b"\n"
