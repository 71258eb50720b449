"""Random access to gzip files: start decompression at any bit with plain zlib.

An index of a gzip file (made by rapidgzip) lists offsets where a deflate block starts and the 32 KiB of output before
each. Such an offset is seldom on a byte boundary, and Python's zlib has no ``inflatePrime``. So the stream is *primed*:
empty deflate blocks of the right number of bits are prepended, their last byte shared with the first byte of the
real data. Formats: RFC 1951 (deflate), RFC 1952 (gzip); the index layout is gztool's,
which rapidgzip documents as ``IndexFormat.GZTOOL``.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, Any

from vidatlas.types import SeekPoint

WINDOW = 32 << 10
"""Bytes of output that a deflate block may refer back to."""

_MAGIC = b"\0" * 8 + b"gzipindx"
_POINT = struct.Struct(">QQII")

# An empty block with fixed Huffman codes, least significant bit first: BFINAL=0, BTYPE=01, end-of-block = seven zeros.
_FIXED = (0b0000000_01_0, 10)


def _dynamic() -> tuple[int, int]:
    """Return an empty block with dynamic Huffman codes: 95 bits, odd where the fixed one is even."""
    order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    lengths = {18: 1, 0: 2, 1: 2}
    fields = [(0, 1), (2, 2), (0, 5), (0, 5), (len(order) - 4, 4)]  # final, type, HLIT, HDIST, HCLEN
    fields += [(lengths.get(symbol, 0), 3) for symbol in order]
    # 256 unused literals as two runs of zeros (code 0, seven extra bits: run - 11), end-of-block of length 1 (code 11),
    # no distances (code 10). Huffman codes go most significant bit first, so "10" is written as 0b01.
    fields += [(0, 1), (138 - 11, 7), (0, 1), (118 - 11, 7), (0b11, 2), (0b01, 2), (0, 1)]
    bits = size = 0
    for value, width in fields:
        bits |= value << size
        size += width
    return bits, size


_DYNAMIC = _dynamic()


def prime(bits: int, first: int) -> bytes:
    """Return bytes that bring a gzip decompressor to the upper ``bits`` bits of the byte ``first``.

    Args:
        bits: how many bits of ``first`` belong to the data, 1 to 7.
        first: the byte in which the data starts.
    """
    skip = 8 - bits
    blocks = [_FIXED] * (skip // 2) if skip % 2 == 0 else [_DYNAMIC] + [_FIXED] * (((skip - 7) // 2) % 4)
    value = size = 0
    for block, width in blocks:
        value |= block << size
        size += width
    value |= (first >> skip) << size
    return value.to_bytes((size + bits) // 8, "little")


def inflater(point: SeekPoint, file: IO[bytes]) -> tuple[Any, bytes]:
    """Return a gzip decompressor for a seek point, and the first bytes to feed it.

    ``file`` is left at the position where reading continues.

    Raises:
        EOFError: the point lies outside the file.
    """
    if point.window is None:
        file.seek(point.compressed)
        return zlib.decompressobj(wbits=31), b""
    window = zlib.decompress(point.window) if point.window else b""
    decompressor = zlib.decompressobj(wbits=-15, zdict=window) if window else zlib.decompressobj(wbits=-15)
    if not point.bits:
        file.seek(point.compressed)
        return decompressor, b""
    file.seek(max(0, point.compressed - 1))
    first = file.read(1)
    if not first or point.compressed < 1 or point.bits > 7:
        raise EOFError("a seek point lies outside the file")
    return decompressor, prime(point.bits, first[0])


def parse_index(data: bytes) -> list[SeekPoint]:
    """Return the seek points of a gzip index in gztool's format, windows still compressed."""
    if not data.startswith(_MAGIC):
        raise ValueError("not a gztool index")
    position = len(_MAGIC) + 8
    (count,) = struct.unpack_from(">Q", data, position)
    position += 8
    points = []
    for _ in range(count):
        uncompressed, compressed, bits, size = _POINT.unpack_from(data, position)
        position += _POINT.size
        points.append(SeekPoint(compressed, uncompressed, bits, data[position : position + size]))
        position += size
    return points
