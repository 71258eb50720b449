"""One pass gives the bytes, and places to start again."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from vidatlas.errors import DamagedError
from vidatlas.sources.compression import decompress
from vidatlas.sources.scan import Scan

Compress = Callable[[str, bytes], bytes]


def scan_of(path: Path) -> tuple[Scan, bytes]:
    with path.open("rb") as file:
        scan = Scan(file)
        data = b"".join(scan.chunks())
    return scan, data


@pytest.fixture
def part(tmp_path: Path, compress: Compress, compression: str, big_lines: bytes) -> Path:
    path = tmp_path / "part"
    data = big_lines if compression in ("gzip", "plain") else big_lines[: 1 << 20]
    path.write_bytes(compress(compression, data))
    return path


def test_bytes_are_those_of_the_file(part: Path, compression: str, big_lines: bytes) -> None:
    scan, data = scan_of(part)
    assert big_lines.startswith(data)
    assert len(data) >= 1 << 20
    assert scan.compression == compression
    assert scan.bytes == part.stat().st_size


def test_the_last_of_many_members_is_read(tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b"".join(gzip.compress(f"{row}\n".encode() * 50_000, mtime=0) for row in range(5)))
    _, data = scan_of(part)
    assert data == gzip.decompress(part.read_bytes())


def test_seek_points_ascend_and_give_the_rest_of_the_file(part: Path, compression: str) -> None:
    scan, data = scan_of(part)
    places = [point.uncompressed for point in scan.points]
    assert places == sorted(places)
    assert len(places) >= (3 if compression == "gzip" else 0)
    with part.open("rb") as file:
        for point in scan.points:
            assert b"".join(decompress(file, compression, point)) == data[point.uncompressed :]


def test_a_scan_that_stops_early_knows_seek_points(tmp_path: Path, big_lines: bytes) -> None:
    part = tmp_path / "part"
    part.write_bytes(gzip.compress(big_lines, 6, mtime=0))
    with part.open("rb") as file:
        scan = Scan(file)
        read = 0
        with closing(scan.chunks()) as chunks:
            while read < 9 << 20:
                read += len(next(chunks))
        assert scan.bytes == part.stat().st_size
        assert len(scan.points) >= 2
        assert scan.points[0].uncompressed == 0
        assert scan.points[-1].uncompressed <= read
        for point in scan.points:
            assert b"".join(decompress(file, "gzip", point)) == big_lines[point.uncompressed :]


@pytest.mark.parametrize("zeros", [1, 4, 5, 8, 40, 3 << 20])
def test_zeros_behind_gzip_members_are_padding(tmp_path: Path, big_lines: bytes, zeros: int) -> None:
    part, lines = tmp_path / "part", big_lines[: 1 << 20]
    part.write_bytes(gzip.compress(lines, 1, mtime=0) + gzip.compress(b"", mtime=0) + bytes(zeros))
    scan, data = scan_of(part)
    assert data == lines
    assert scan.bytes == part.stat().st_size
    with part.open("rb") as file:
        for point in scan.points:
            assert b"".join(decompress(file, "gzip", point)) == data[point.uncompressed :]


def test_damage_before_padding_is_damage(tmp_path: Path, big_lines: bytes) -> None:
    packed = gzip.compress(big_lines[: 1 << 20], 1, mtime=0)
    for damaged in (packed[:-6], packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]):
        (tmp_path / "part").write_bytes(damaged + bytes(100))
        with pytest.raises(DamagedError):
            scan_of(tmp_path / "part")


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_a_cut_file_is_damaged(tmp_path: Path, compress: Compress, kind: str, make_lines: Callable[..., bytes]) -> None:
    part = tmp_path / "part"
    packed = compress(kind, make_lines(3_000))
    for cut in (len(packed) // 2, len(packed) - 4):
        part.write_bytes(packed[:cut])
        with pytest.raises(DamagedError):
            scan_of(part)
