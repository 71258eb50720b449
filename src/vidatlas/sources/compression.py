"""Compression of input files: detect the format by magic bytes, and decompress from the start or any seek point."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import pyarrow as pa

from vidatlas.errors import DamagedError
from vidatlas.sources.content.arrow import MAGIC, STREAM, arrow_lines
from vidatlas.sources.gzip import inflater
from vidatlas.sources.parquet import json_lines
from vidatlas.types import SeekPoint

_DAMAGE = (zlib.error, lzma.LZMAError, pa.ArrowException, OSError, EOFError, MemoryError)
"""What reading damaged data raises; memory runs out where a length in it is absurd."""
CHUNK = 1 << 20
_PIECE = 16 << 10
"""Compressed bytes that are decompressed at once: of zstd, they may be half a gigabyte."""
_MAGIC = {
    "gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "parquet": b"PAR1",
    "arrow": MAGIC,
}
_ROWS: dict[str, Callable[..., Iterator[bytes]]] = {"parquet": json_lines, "arrow": arrow_lines}
_LONGEST = 16
_MOST_MEMORY = 1 << 30
"""Most bytes of memory that an xz decoder may take: its strongest preset needs 65 MiB, a file may ask for 4 GiB."""
_GZIP_TRAILER = 8


def detect(file: IO[bytes]) -> str:
    """Return a file's container ("gzip", "zstd", "bzip2", "xz", "parquet", "arrow" or "plain"), and rewind it."""
    head = file.read(_LONGEST)
    file.seek(0)
    if STREAM.match(head):
        return "arrow"
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), "plain")


def _new_member(compression: str) -> Any:
    if compression == "gzip":
        return zlib.decompressobj(wbits=31)
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
    if compression == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY)
    return bz2.BZ2Decompressor()


def _errors_of(compression: str) -> tuple[type[Exception], ...]:
    """Return the exceptions for damaged data of a library that is imported only when needed."""
    if compression != "zstd":
        return ()
    import zstandard

    return (zstandard.ZstdError,)


def decompress(
    file: IO[bytes],
    compression: str,
    seek: SeekPoint | None = None,
    on_member: Callable[[int, int], None] | None = None,
    vector: str | None = None,
) -> Iterator[bytes]:
    """Yield an input file's uncompressed bytes from a seek point (default: its start) to its end.

    Args:
        file: the compressed file, seekable.
        compression: the format that ``detect`` returned.
        seek: where to start.
        on_member: called with (compressed, uncompressed) offset at the start of every member (gzip), frame (zstd) or
            stream (bzip2, xz) after the first; with (place, uncompressed offset) at every batch of rows of a Parquet or
            Arrow file.
        vector: the column of vectors to keep of such a file.

    Raises:
        DamagedError: the data is truncated, or fails its format's own checks.
    """
    start = seek or SeekPoint(0, 0)
    if compression == "plain":
        file.seek(start.compressed)
        yield from iter(lambda: file.read(CHUNK), b"")
        return
    try:
        if compression in _ROWS:
            yield from _ROWS[compression](file, start.compressed, on_member, vector)
        else:
            yield from _members(file, compression, start, on_member)
    except (*_DAMAGE, *_errors_of(compression)) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedError(f"invalid {compression} data: {error}") from error


def _members(
    file: IO[bytes], compression: str, start: SeekPoint, on_member: Callable[[int, int], None] | None
) -> Iterator[bytes]:
    raw = compression == "gzip" and start.window is not None
    if compression == "gzip":
        member, data = inflater(start, file)
    else:
        file.seek(start.compressed)
        member, data = _new_member(compression), b""
    total = start.uncompressed
    while True:
        data = data or file.read(_PIECE)
        if not data:
            raise DamagedError(f"the {compression} data is truncated")
        out = member.decompress(data)
        data = b""
        total += len(out)
        if out:
            yield out
        if not member.eof:
            continue
        data = _after_trailer(member.unused_data, file) if raw else member.unused_data or file.read(_PIECE)
        data = _after_zeros(data, file)
        if not data:
            return
        if on_member:
            on_member(file.tell() - len(data), total)
        member, raw = _new_member(compression), False


def _after_zeros(data: bytes, file: IO[bytes]) -> bytes:
    """Skip zeros between members; return what follows, empty at the end of the file."""
    while data and not (data := data.lstrip(b"\0")):
        data = file.read(CHUNK)
    return data


def _after_trailer(data: bytes, file: IO[bytes]) -> bytes:
    """Skip the CRC and length after a raw deflate stream; return what follows, empty at the end of the file."""
    while len(data) < _GZIP_TRAILER:
        more = file.read(CHUNK)
        if not more:
            raise DamagedError("the gzip data is truncated within its trailer")
        data += more
    return data[_GZIP_TRAILER:] or file.read(CHUNK)
