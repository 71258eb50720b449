"""Decompression starts at any bit of a gzip file and gives what the gzip module gives."""

from __future__ import annotations

import gzip
import io
import zlib
from random import Random

import pytest
import rapidgzip

from vidatlas.sources.compression import decompress
from vidatlas.sources.gzip import inflater, parse_index, prime
from vidatlas.types import SeekPoint


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(6, wbits=-15)
    return packer.compress(data) + packer.flush()


def index_of(packed: bytes) -> list[SeekPoint]:
    out = io.BytesIO()
    with rapidgzip.open(io.BytesIO(packed), parallelization=2) as reader:
        while reader.read(1 << 20):
            pass
        reader.export_index(out, rapidgzip.IndexFormat.GZTOOL)
    return parse_index(out.getvalue())


@pytest.mark.parametrize("bits", range(1, 8))
@pytest.mark.parametrize("junk", [0, 0xFF, 0xA5])
def test_a_primed_inflater_goes_on_at_any_bit(bits: int, junk: int) -> None:
    data = b"Never gonna give you up, never gonna let you down. " * 50
    packed = raw_deflate(data)
    skip = 8 - bits
    shifted = (int.from_bytes(packed, "little") << skip) | (junk & ((1 << skip) - 1))
    stream = shifted.to_bytes(len(packed) + 1, "little")
    inflate = zlib.decompressobj(wbits=-15)
    assert inflate.decompress(prime(bits, stream[0]) + stream[1:]) == data
    assert inflate.eof


@pytest.mark.parametrize("bits", range(1, 8))
def test_priming_keeps_the_window(bits: int) -> None:
    window = Random(3).randbytes(32 << 10)
    packer = zlib.compressobj(9, wbits=-15, zdict=window)
    packed = packer.compress(window[5_000:20_000]) + packer.flush()
    stream = (int.from_bytes(packed, "little") << (8 - bits)).to_bytes(len(packed) + 1, "little")
    file = io.BytesIO(b"header" + stream)
    inflate, first = inflater(SeekPoint(7, 0, bits, zlib.compress(window)), file)
    assert inflate.decompress(first + file.read()) == window[5_000:20_000]


@pytest.mark.parametrize("members", [1, 3])
def test_every_seek_point_gives_what_the_gzip_module_gives(big_lines: bytes, members: int) -> None:
    size = -(-len(big_lines) // members)
    packed = b"".join(gzip.compress(big_lines[at : at + size], 6, mtime=0) for at in range(0, len(big_lines), size))
    whole = gzip.decompress(packed)
    points = index_of(packed)
    assert len(points) >= 3
    assert len({point.bits for point in points}) > 1
    for point in points:
        assert b"".join(decompress(io.BytesIO(packed), "gzip", point)) == whole[point.uncompressed :]


def test_what_is_no_index_is_refused() -> None:
    with pytest.raises(ValueError, match="not a gztool index"):
        parse_index(b"GZIDX" + b"\0" * 100)
