"""Formats are told by their bytes, read whole, and refused where damaged."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable

import pytest
import zstandard

from vidatlas.errors import DamagedError
from vidatlas.sources.compression import decompress, detect
from vidatlas.types import SeekPoint

Compress = Callable[[str, bytes], bytes]


def read(kind: str, data: bytes, seek: SeekPoint | None = None) -> bytes:
    return b"".join(decompress(io.BytesIO(data), kind, seek))


def test_a_format_is_told_by_its_first_bytes(compress: Compress, compression: str) -> None:
    file = io.BytesIO(compress(compression, b'{"a": 1}\n'))
    assert detect(file) == compression
    assert file.tell() == 0
    assert detect(io.BytesIO(b"")) == "plain"
    assert detect(io.BytesIO(b"\x1f")) == "plain"


def test_what_was_compressed_comes_back(compress: Compress, compression: str, make_lines: Callable[..., bytes]) -> None:
    for data in (b"", b"x", make_lines(20_000)):
        assert read(compression, compress(compression, data)) == data


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_members_follow_one_another_and_each_start_is_told(compress: Compress, kind: str) -> None:
    pieces = [b"first\n" * 1_000, b"", b"second\n" * 1_000, b"third\n"]
    packed = [compress(kind, piece) for piece in pieces]
    whole, starts = b"".join(packed), []
    out = b"".join(decompress(io.BytesIO(whole), kind, None, lambda *at: starts.append(at)))
    assert out == b"".join(pieces)
    places = [(sum(map(len, packed[:count])), sum(map(len, pieces[:count]))) for count in range(1, len(pieces))]
    assert starts == places
    for compressed, uncompressed in places:
        assert read(kind, whole, SeekPoint(compressed, uncompressed)) == out[uncompressed:]


def test_plain_bytes_start_anywhere() -> None:
    assert read("plain", b"0123456789", SeekPoint(4, 4)) == b"456789"


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_cut_file_is_damaged(compress: Compress, kind: str, share: float, make_lines: Callable[..., bytes]) -> None:
    packed = compress(kind, make_lines(5_000))
    with pytest.raises(DamagedError, match=kind):
        read(kind, packed[: int(len(packed) * share)])


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_flipped_bit_is_damage(compress: Compress, kind: str, make_lines: Callable[..., bytes]) -> None:
    packed = bytearray(compress(kind, make_lines(5_000)))
    packed[len(packed) // 2] ^= 1
    with pytest.raises(DamagedError, match=f"invalid {kind} data"):
        read(kind, bytes(packed))


def test_a_flipped_bit_is_damage_to_zstd_with_a_checksum(make_lines: Callable[..., bytes]) -> None:
    packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(make_lines(5_000)))
    packed[len(packed) // 2] ^= 1
    with pytest.raises(DamagedError, match="invalid zstd data"):
        read("zstd", bytes(packed))


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_zeros_between_and_behind_members_are_padding(compress: Compress, kind: str) -> None:
    packed = compress(kind, b"first\n") + bytes(12) + compress(kind, b"second\n") + bytes(1 << 21)
    assert read(kind, packed) == b"first\nsecond\n"


@pytest.mark.parametrize("packed", [gzip.compress(b"a" * 99, mtime=0), bz2.compress(b"a" * 99)])
def test_garbage_after_the_end_is_damage(packed: bytes) -> None:
    kind = detect(io.BytesIO(packed))
    with pytest.raises(DamagedError):
        read(kind, packed + b"garbage")


def test_a_trailer_cut_off_behind_a_seek_point_is_damage() -> None:
    packed = gzip.compress(b"a" * 99, mtime=0)
    seek = SeekPoint(10, 0, 0, b"")
    assert read("gzip", packed, seek) == b"a" * 99
    with pytest.raises(DamagedError, match="within its trailer"):
        read("gzip", packed[:-3], seek)


def test_trouble_with_the_storage_is_not_taken_for_damage() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        list(decompress(Broken(), "gzip"))
