"""Read untrusted Parquet and Arrow IPC: the only reader of both, which refuses extension types that may run code.

pyarrow instantiates any extension type that a file's schema names and this process has registered, as soon as the file
is opened; Ray registers one whose values are pickles. So the names are read first, from the raw bytes of the schema,
and only then is the file opened. Nothing else in vidatlas opens either format.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.errors import InputError

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

PLAIN = frozenset({"arrow.bool8", "arrow.fixed_shape_tensor", "arrow.json", "arrow.uuid"})
"""Extension types that are allowed: Arrow's own, built by its C++ library; no Python code interprets their values."""
_NAME, _HIDDEN = b"ARROW:extension:name", b"ARROW.extension.name"
_SCHEMA, _UNREAD = b"ARROW:schema", b"ARROW.schema"
_MAGIC = b"PAR1"
_TYPES = (
    ("assignments/", "id string, group string, in_group string, subcategory int32, distance float, margin float?"),
    ("embeddings/", "id string, group string, embedding fixed_size_list<element: halffloat>["),
    ("index/", "id string, group string, in_group string, subcategory int32, distance float, title string"),
    ("index/", "author string?, image string?"),
    ("layout/labels", "level int8, name string, size int64, x float, y float, group string?"),
    ("layout/", "id string, x float, y float"),
    ("levels", "group string, level int32, node int32, parent int32?, name string, size int64, share double"),
    ("levels", "terms list<element: string>, subcategories list<element: int32>, coverage double?"),
    ("names", "key string?, group string?, subcategory int32?, name string?"),
    ("plan/", "row int64, number int32, first_row int64, offset int64?, length int64?, seek_window binary?"),
    ("reduced/", "id string, group string, row int32, components fixed_size_list<element: float>["),
    ("subcategories", "group string, subcategory int32, name string, size int64, share double, peripheral int64?"),
    ("subcategories", "terms list<element: string>, levels list<element: string>, silhouette double?"),
    ("subcategories", "exemplars list<element: string>, exemplar_titles list<element: string>, core_distance float?"),
)
"""Columns and types of an atlas's tables, by the beginning of their names; those with ? may hold nulls. An older atlas
may lack some."""
_TAIL = 8
"""Bytes after a footer: its length and the magic number."""


def open_parquet(file: IO[bytes]) -> pq.ParquetFile:
    """Open a seekable Parquet file; page checksums are verified where present.

    Raises:
        InputError: a column has an extension type; the message names column and type, the caller adds the file.
        pyarrow.ArrowException, OSError: it is not a Parquet file, or is damaged.
    """
    _refuse(_stored_schema(file))
    opened = pq.ParquetFile(file, page_checksum_verification=True)
    # What the footer's own types became: Parquet has logical types that Arrow reads as extension types.
    _refuse(opened.schema_arrow)
    return opened


def open_dataset(files: Sequence[str], filesystem: Any) -> Dataset:
    """Return Parquet files, each of which ``open_parquet`` has accepted, as one dataset; ``filesystem`` is fsspec's."""
    from pyarrow import dataset  # it loads pandas

    options = dataset.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = dataset.ParquetFileFormat(default_fragment_scan_options=options)
    return dataset.dataset(files, format=form, filesystem=filesystem)


def to_parquet(table: pa.Table, row_group_size: int = 1 << 20, **options: Any) -> bytes:
    """Return a table as the bytes of a Parquet file, however it is chunked: zstd, page checksums.

    Options are those of ``pq.ParquetWriter``.
    """
    out = io.BytesIO()
    with pq.ParquetWriter(out, table.schema, compression="zstd", write_page_checksum=True, **options) as writer:
        for at in range(0, max(len(table), 1), row_group_size):
            writer.write_table(table.slice(at, row_group_size).combine_chunks(), row_group_size)
    return out.getvalue()


def read_stream(data: pa.Buffer) -> pa.Table:
    """Return the table of an Arrow IPC stream.

    Raises:
        InputError: as ``open_parquet``.
        pyarrow.ArrowException: it is not an Arrow IPC stream.
    """
    _refuse(_bare_schema(pa.ipc.read_message(data).serialize().to_pybytes()))
    stream = pa.ipc.open_stream(data)
    _refuse(stream.schema)
    return stream.read_all()


def open_arrow(file: IO[bytes]) -> pa.RecordBatchStreamReader:
    """Open an Arrow IPC stream that starts at the current position of a seekable file.

    Raises:
        InputError: as ``open_parquet``.
        pyarrow.ArrowException, OSError: it is not an Arrow IPC stream.
    """
    start, source = file.tell(), pa.PythonFile(file, mode="r")
    _refuse(_bare_schema(pa.ipc.read_message(source).serialize().to_pybytes()))
    file.seek(start)
    stream = pa.ipc.open_stream(source)
    _refuse(stream.schema)
    return stream


def write_mapped(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables as an uncompressed Arrow IPC file, a batch each, whose rows are read where they lie."""
    with pa.ipc.new_file(str(path), schema) as writer:
        for table in tables:
            writer.write_table(table.combine_chunks())


def open_mapped(path: Path) -> pa.Table:
    """Return the table of a file that ``write_mapped`` wrote on this machine; nothing is read before it is used."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    _refuse(reader.schema)
    return reader.read_all()


def wrong_column(name: str, file: pq.ParquetFile) -> str:
    """Return what is wrong with the columns of a table of an atlas by its footer, "" where nothing is."""
    types = {field.name: str(field.type).replace("<item: ", "<element: ") for field in file.schema_arrow}
    nulls = _with_nulls(file.metadata)
    for column, expected, nullable in _columns(name):
        found = types.get(column, expected)
        if found != expected and not (expected.endswith("[") and found.startswith(expected)):
            return f"column {column!r} is {found}, not {expected.partition('[')[0]}"
        # A footer counts an empty list as a null.
        if column in nulls and not nullable and not expected.startswith("list"):
            return f"column {column!r} holds nulls, or does not say how many"
    return ""


def checked(name: str, table: pa.Table) -> pa.Table:
    """Return a table of an atlas without metadata; raise ArrowInvalid where a column holds a null and should not."""
    for column, _, nullable in _columns(name):
        if not nullable and column in table.column_names and table[column].null_count:
            raise pa.ArrowInvalid(f"column {column!r} holds nulls")
    return table.replace_schema_metadata(None)


def _columns(name: str) -> Iterator[tuple[str, str, bool]]:
    """Yield name and type of each column of a table, and whether it may hold nulls."""
    for start, columns in _TYPES:
        if name.startswith(start):
            for column, wanted in (one.split(" ", 1) for one in columns.split(", ")):
                yield column, wanted.removesuffix("?"), wanted.endswith("?")


def _with_nulls(footer: pq.FileMetaData) -> set[str]:
    """Return the columns of which a footer does not say that they hold no nulls, at any depth."""
    found: set[str] = set()
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            counts = column.statistics
            if column.num_values and not (counts and counts.has_null_count and counts.null_count == 0):
                found.add(column.path_in_schema.partition(".")[0])
    return found


def _stored_schema(file: IO[bytes]) -> pa.Schema:
    """Return the Arrow schema that the writer stored in a footer, without its extension types; empty if none."""
    footer = _footer(file)
    # With a single occurrence, replacing it leaves everything else in the footer unchanged.
    if footer.count(_SCHEMA) > 1 or _UNREAD in footer:
        raise InputError("its footer holds the stored schema twice, which no writer does. Write the file again.")
    # A file that is only a footer, under a key that pyarrow does not look for, so that it builds no type from it.
    bare = _MAGIC + footer.replace(_SCHEMA, _UNREAD)
    text = (pq.read_metadata(pa.BufferReader(bare)).metadata or {}).get(_UNREAD)
    if text is None:
        return pa.schema([])
    try:
        # Strict: pyarrow must not decode these characters to another schema than is decoded here.
        return _bare_schema(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise pa.ArrowInvalid(f"the stored schema is not valid base64: {error}") from error


def _footer(file: IO[bytes]) -> bytes:
    """Return a file's footer with its length and magic number; pyarrow reports what is wrong with it, if anything."""
    end = file.seek(0, 2)
    file.seek(max(0, end - _TAIL))
    size = struct.unpack("<I", file.read(_TAIL)[:4].ljust(4, b"\0"))[0] + _TAIL
    file.seek(max(0, end - size))
    footer = file.read()
    file.seek(0)
    return footer


def _bare_schema(message: bytes) -> pa.Schema:
    """Return the schema of an IPC message with each extension type as its storage type, its name in the metadata.

    Under another key of the same length the name is ordinary metadata: no type is looked up by it.
    """
    schema = pa.ipc.read_schema(pa.py_buffer(message.replace(_NAME, _HIDDEN)))
    named = sum(1 for column in schema for _ in _extensions(column))
    if _HIDDEN in message or message.count(_NAME) != named:
        raise InputError("its schema names an extension type in an unexpected place. Write the file again.")
    return schema


def _refuse(schema: pa.Schema) -> None:
    try:
        names = [column.name for column in schema]
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid("the name of a column is not UTF-8") from error
    for name, column in zip(names, schema, strict=True):
        for found in _extensions(column):
            if found not in PLAIN:
                raise InputError(
                    f"column {name!r} has the extension type {found}, which may run code when it is read. "
                    "Write the column as text, numbers or lists of them."
                )


def _extensions(field: pa.Field) -> Iterator[str]:
    """Yield the names of the extension types of a field and its children."""
    if _HIDDEN in (field.metadata or {}):
        yield field.metadata[_HIDDEN].decode(errors="replace")
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        yield kind.extension_name
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        yield from _extensions(pa.field("values", kind.value_type))
    for at in range(kind.num_fields):
        yield from _extensions(kind.field(at))
