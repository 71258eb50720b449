"""Parquet and Arrow IPC that anyone may have written: the one reader, which refuses every type that is more than data.

pyarrow builds whatever Python type a file's schema names, if something in this process has registered it, as soon as
the file is opened; Ray registers one whose values are pickles. So the names are read first, from the bare bytes of the
schema, and only then is the file opened. Nothing else in vidatlas opens either format.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.errors import InputError

PLAIN = frozenset({"arrow.bool8", "arrow.fixed_shape_tensor", "arrow.json", "arrow.uuid"})
"""Extension types that are read: Arrow's own, built by its C++ library, without a value that Python must interpret."""
_NAME, _HIDDEN = b"ARROW:extension:name", b"ARROW.extension.name"
_SCHEMA, _UNREAD = b"ARROW:schema", b"ARROW.schema"
_MAGIC = b"PAR1"
_TAIL = 8
"""Bytes behind a footer: its length and the magic."""


def open_parquet(file: IO[bytes]) -> pq.ParquetFile:
    """Open a Parquet file; pages are checked against their checksums where they have any.

    Args:
        file: seekable.

    Raises:
        InputError: a column has an extension type; the message names column and type, the caller adds the file.
        pyarrow.ArrowException, OSError: it is no Parquet file, or a damaged one.
    """
    _refuse(_stored_schema(file))
    opened = pq.ParquetFile(file, page_checksum_verification=True)
    # What the footer's own types became: Parquet has logical types that Arrow reads as extension types.
    _refuse(opened.schema_arrow)
    return opened


def read_stream(data: pa.Buffer) -> pa.Table:
    """Return the table of an Arrow IPC stream.

    Raises:
        InputError: as ``open_parquet``.
        pyarrow.ArrowException: it is no such stream.
    """
    _refuse(_bare_schema(pa.ipc.read_message(data).serialize().to_pybytes()))
    stream = pa.ipc.open_stream(data)
    _refuse(stream.schema)
    return stream.read_all()


def _stored_schema(file: IO[bytes]) -> pa.Schema:
    """Return the Arrow schema that the writer has left in a footer, without its extension types; empty if none."""
    footer = _footer(file)
    # Up to its only place both footers are the same bytes, and so is what they are taken for there.
    if footer.count(_SCHEMA) > 1 or _UNREAD in footer:
        raise InputError("its footer names the stored schema twice, which no writer does. Write the file anew.")
    # A file of nothing but the footer, in which pyarrow does not find that schema and so builds no type of it.
    bare = _MAGIC + footer.replace(_SCHEMA, _UNREAD)
    text = (pq.read_metadata(pa.BufferReader(bare)).metadata or {}).get(_UNREAD)
    if text is None:
        return pa.schema([])
    try:
        # Strict: pyarrow must not find another schema in these signs than is found here.
        return _bare_schema(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise pa.ArrowInvalid(f"the stored schema is no base64: {error}") from error


def _footer(file: IO[bytes]) -> bytes:
    """Return a file's footer with its length and magic; pyarrow says what is wrong with it, if anything is."""
    end = file.seek(0, 2)
    file.seek(max(0, end - _TAIL))
    size = struct.unpack("<I", file.read(_TAIL)[:4].ljust(4, b"\0"))[0] + _TAIL
    file.seek(max(0, end - size))
    footer = file.read()
    file.seek(0)
    return footer


def _bare_schema(message: bytes) -> pa.Schema:
    """Return the schema of an IPC message with each extension type as what it is stored as, its name in the metadata.

    Under another key of the same length the name is metadata like any other: no type is looked up by it.
    """
    schema = pa.ipc.read_schema(pa.py_buffer(message.replace(_NAME, _HIDDEN)))
    if _HIDDEN in message or message.count(_NAME) != sum(map(_named, schema)):
        raise InputError("its schema names an extension type where none belongs. Write the file anew.")
    return schema


def _named(field: pa.Field) -> int:
    """Return how many extension types are named in a field and all inside it."""
    return (_HIDDEN in (field.metadata or {})) + sum(map(_named, _inside(field.type)))


def _inside(kind: pa.DataType) -> list[pa.Field]:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    values = [pa.field("values", kind.value_type)] if pa.types.is_dictionary(kind) else []
    return [*values, *(kind.field(at) for at in range(kind.num_fields))]


def _refuse(schema: pa.Schema) -> None:
    for column in schema:
        for found in _extensions(column):
            if found not in PLAIN:
                raise InputError(
                    f"column {column.name!r} has the extension type {found}, which may run code when it is read. "
                    "Write the column as text, numbers or lists of them."
                )


def _extensions(field: pa.Field) -> Iterator[str]:
    """Yield the names of the extension types of a field and of all inside it."""
    if _HIDDEN in (field.metadata or {}):
        yield field.metadata[_HIDDEN].decode(errors="replace")
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        yield kind.extension_name
    for inner in _inside(kind):
        yield from _extensions(inner)
