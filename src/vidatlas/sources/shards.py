"""Read the rows of a shard from its input file, and detect a file that changed since it was planned."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import closing

from vidatlas.errors import DamagedError, InputError
from vidatlas.sources.compression import decompress
from vidatlas.sources.content.text import convert_from
from vidatlas.sources.lines import count_lines
from vidatlas.sources.rows import RowSpec
from vidatlas.storage.folder import open_input
from vidatlas.types import Shard


def shard_rows(shard: Shard, rows: RowSpec) -> Iterator[tuple[int, bytes | None]]:
    """Yield the shard's raw rows in order, each with its line number; None for a row that is too long.

    Raises:
        InputError: the input file is missing or changed since it was planned.
    """
    checksum = size = 0
    next_line = shard.first_line

    def observe(piece: bytes) -> None:
        nonlocal checksum, size, next_line
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
        next_line += count_lines(piece)

    try:
        with closing(open_input(shard.url)) as file:
            start = shard.seek.uncompressed if shard.seek else 0
            content = decompress(file, shard.compression, shard.seek, vector=rows.vector)
            chunks, start = convert_from(content, start, shard.marks, rows.format, shard.encoding)
            line = next_line
            for raw in rows.format.split(_cut(chunks, shard.offset - start, shard.length), observe):
                yield line, raw
                line = next_line
    except FileNotFoundError as error:
        raise InputError(
            f"{shard.url} was removed after it was planned. Restore it, or plan into a new atlas."
        ) from error
    except DamagedError as error:
        raise _changed(shard) from error
    except InputError as error:
        raise InputError(f"{shard.url}: {error}") from error
    if size != shard.length or checksum != shard.crc32:
        raise _changed(shard)


def _changed(shard: Shard) -> InputError:
    last = shard.first_row + shard.rows
    return InputError(
        f"{shard.url} changed since it was planned (rows {shard.first_row + 1:,} to {last:,} differ). "
        "Restore the old file, or plan the new one into a new atlas."
    )


def _cut(chunks: Iterator[bytes], skip: int, left: int) -> Iterator[bytes]:
    """Yield exactly so many bytes out of a stream, behind those to skip."""
    for chunk in chunks:
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        piece = chunk[skip : skip + left]
        skip = 0
        left -= len(piece)
        yield piece
        if not left:
            return
