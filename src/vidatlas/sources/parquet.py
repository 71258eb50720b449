"""Parquet input files, read as JSON lines: one line per row.

Shards, checksums, line numbers and rejects then work as for every other input file. A row group is decoded column by
column, and only the rows from the requested one on become text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.storage.parquet import open_parquet

_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
_TEXTS = (pa.types.is_string, pa.types.is_large_string)
BATCH = 2_000
"""Rows per batch; a reader can start at each batch."""


def json_lines(file: IO[bytes], first: int = 0, on_batch: Callable[[int, int], None] | None = None) -> Iterator[bytes]:
    """Yield a Parquet file's rows as JSON lines, a batch of rows at a time.

    Bytes and vectors (lists of floating-point numbers) are skipped: no field can hold them. Dates, times and decimals
    are written as text. A row with invalid UTF-8 becomes a line with invalid UTF-8, so that it is rejected.

    Args:
        file: a seekable file.
        first: the row to start with.
        on_batch: called with (row, bytes before it) ahead of every batch.

    Raises:
        InputError: a column has an extension type; the caller adds the file.
        pyarrow.ArrowException, OSError: the file is damaged.
    """
    table = open_parquet(file)
    names = [column.name for column in table.schema_arrow if is_readable(column.type)]
    groups, row = _groups_from(table, first)
    written = 0
    for batch in table.iter_batches(BATCH, row_groups=groups, columns=names, use_threads=False):
        if row + batch.num_rows > first:
            if on_batch:
                on_batch(max(row, first), written)
            lines = batch_lines(batch.slice(max(0, first - row)))
            written += len(lines)
            yield lines
        row += batch.num_rows


def _groups_from(table: pq.ParquetFile, first: int) -> tuple[list[int], int]:
    """Return the row groups starting with the one that holds a row, and the number of their first row."""
    row = 0
    for number in range(table.num_row_groups):
        rows = table.metadata.row_group(number).num_rows
        if row + rows > first:
            return list(range(number, table.num_row_groups)), row
        row += rows
    return [], row


def is_readable(kind: pa.DataType) -> bool:
    """Tell whether a field can hold what a column of Parquet or Arrow holds: anything but bytes and vectors."""
    if any(is_bytes(kind) for is_bytes in _BYTES):
        return False
    if pa.types.is_dictionary(kind):
        return is_readable(kind.value_type)
    if isinstance(kind, pa.FixedShapeTensorType):
        return is_readable(kind.storage_type)
    children = [kind.field(at).type for at in range(kind.num_fields)]
    vector = not pa.types.is_struct(kind) and any(pa.types.is_floating(child) for child in children)
    return not vector and all(map(is_readable, children))


def batch_lines(batch: pa.RecordBatch) -> bytes:
    """Return the rows of a batch as JSON lines."""
    if not batch.num_columns:
        return b"{}\n" * int(batch.num_rows)
    columns = [_as_text(column) for column in batch.columns]
    batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:
        return b"".join(_line_of(batch.slice(at, 1)) for at in range(batch.num_rows))
    return b"".join(map(_dumped, rows))


def _as_text(column: pa.Array) -> pa.Array:
    """Return dates, times and decimals as Arrow formats them; with pandas installed, the format would differ."""
    return column.cast(pa.string()) if pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type) else column


def _dumped(row: dict[str, Any]) -> bytes:
    line: bytes = orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    return line


def _line_of(row: pa.RecordBatch) -> bytes:
    """Return a row's line; for invalid UTF-8, a line that starts with a byte that no valid text contains."""
    try:
        return _dumped(row.to_pylist()[0])
    except UnicodeDecodeError:
        columns = (column for column in row.columns if any(is_text(column.type) for is_text in _TEXTS))
        texts: list[bytes | None] = [column.cast(pa.large_binary())[0].as_py() for column in columns]
        return b"\xff" + b" ".join(filter(None, texts)).replace(b"\n", b" ") + b"\n"
