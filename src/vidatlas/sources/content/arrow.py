"""Arrow IPC input files and streams, and so Feather of version 2, read as JSON lines: one line per row.

A file is a stream between two magic numbers with a footer behind it. It is read as the stream that it is: then one
schema is checked, and it is the one that is used.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import IO, cast

import pyarrow as pa

from vidatlas.sources.parquet import BATCH, lines_of, readable_columns
from vidatlas.storage.parquet import open_arrow

MAGIC = b"ARROW1\0\0"
STREAM = re.compile(rb"\xff{4}...\0[^\0]\0\0\0", re.DOTALL)
"""How a stream starts: a mark, the size of the schema, under 16 MiB, and where its table lies."""
_END = b"ARROW1"
_AS_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
_BATCHES = 22
"""Bits of a place that count batches of BATCH rows within a record batch; those above are its byte offset."""


def arrow_lines(
    file: IO[bytes], place: int = 0, on_batch: Callable[[int, int], None] | None = None, vector: str | None = None
) -> Iterator[bytes]:
    """Yield the rows of an Arrow file or stream as JSON lines, a batch of rows at a time; columns as ``json_lines``.

    Args:
        file: a seekable file.
        place: where to start: one that ``on_batch`` was called with, or 0.
        on_batch: called with (place, bytes before it) ahead of a batch.
        vector: the column of vectors to keep.

    Raises:
        InputError: a column has an extension type, or is there twice; the caller adds the file.
        pyarrow.ArrowException, OSError: the file is damaged.
    """
    reader, start = open_stream(file)
    at, skip = place >> _BATCHES, place & ((1 << _BATCHES) - 1)
    if at:
        reader = _moved(file, start, reader, at)
    written, fixed = 0, None
    while True:
        before = file.tell()
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        seen = reader.stats.num_dictionary_batches
        fixed = seen if fixed is None else fixed
        readable = _checked(batch).select(readable_columns(batch.schema, vector))
        for number in range(skip, -(-batch.num_rows // BATCH)):
            # Dictionaries that change on the way are found only by reading up to them.
            if on_batch and seen == fixed:
                on_batch(before << _BATCHES | number, written)
            lines = lines_of(readable.slice(number * BATCH, BATCH), vector)
            written += len(lines)
            yield lines
        skip = 0
    if start:
        _require_end(file)


def open_stream(file: IO[bytes]) -> tuple[pa.RecordBatchStreamReader, int]:
    """Return the reader of an Arrow file or stream, and where its stream starts."""
    file.seek(0)
    start = len(MAGIC) if file.read(len(MAGIC)) == MAGIC else 0
    file.seek(start)
    return open_arrow(file), start


def _moved(file: IO[bytes], start: int, reader: pa.RecordBatchStreamReader, at: int) -> pa.RecordBatchStreamReader:
    """Return a reader that goes on at a byte offset, with the schema and the dictionaries from the start."""
    if at <= file.tell():
        return reader
    coded = any(map(_has_dictionary, reader.schema.types))
    if coded:
        reader.read_next_batch()  # its dictionaries stand before it
    size = file.tell() - start
    file.seek(start)
    moved = open_arrow(cast(IO[bytes], _Joined(file.read(size), file, at)))
    if coded:
        moved.read_next_batch()
    return moved


class _Joined(io.RawIOBase):
    """Read the start of a file, and then what stands at an offset."""

    def __init__(self, head: bytes, file: IO[bytes], at: int) -> None:
        self._head, self._file, self._first, self._at = head, file, at - len(head), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        data = self._head[self._at : self._at + size]
        if not data:
            self._file.seek(self._first + self._at)
            data = self._file.read(size)
        self._at += len(data)
        return data


def _has_dictionary(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return pa.types.is_dictionary(kind) or any(_has_dictionary(kind.field(at).type) for at in range(kind.num_fields))


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch that is valid: unlike Parquet's, its bytes are used as they are, so all are checked."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        # Invalid UTF-8 in a column of texts rejects its rows alone, later; everything else is damage.
        for column in batch.columns:
            kind = _AS_BYTES.get(column.type, column.type)
            is_text = kind != column.type
            buffers = column.buffers() if is_text else []
            bare = pa.Array.from_buffers(kind, len(column), buffers, offset=column.offset) if is_text else column
            bare.validate(full=True)
    return batch


def _require_end(file: IO[bytes]) -> None:
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - len(_END)))
    if file.read() != _END:
        raise pa.ArrowInvalid("the file is cut off: its end is missing")
