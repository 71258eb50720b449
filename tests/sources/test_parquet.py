"""Parquet comes out as JSON lines from any row on; what no field can hold is left out; bad text is one bad row."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.sources.compression import DamagedError, decompress, detect
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.parquet import json_lines
from vidatlas.sources.scan import Scan
from vidatlas.types import Reason, SeekPoint


def parquet(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def read(table: pa.Table) -> list[Any]:
    lines = b"".join(json_lines(io.BytesIO(parquet(table))))
    return [parse_line(line) for line in lines.splitlines()]


@pytest.fixture(scope="module")
def many() -> bytes:
    """Return 7,000 rows in row groups of 3,000: neither divides a batch."""
    return parquet(
        pa.table({"id": range(7_000), "title": [f"título\n{row}" for row in range(7_000)]}), row_group_size=3_000
    )


@pytest.mark.parametrize("first", [0, 1, 1_999, 2_000, 2_500, 3_000, 5_999, 6_999, 7_000])
def test_a_reader_starts_at_any_row(many: bytes, first: int) -> None:
    lines = b"".join(json_lines(io.BytesIO(many), first)).split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == [
        {"id": row, "title": f"título\n{row}"} for row in range(first, 7_000)
    ]


def test_a_scan_proves_the_file_and_finds_a_start_for_each_batch(many: bytes, tmp_path: Path) -> None:
    part = tmp_path / "videos.parquet"
    part.write_bytes(many)
    with part.open("rb") as file:
        scan = Scan(file)
        data = b"".join(scan.chunks())
        scan.finish(whole=True)
    assert (scan.compression, scan.bytes) == ("parquet", len(many))
    assert scan.sha256 == hashlib.sha256(many).hexdigest()
    assert [point.compressed for point in scan.points] == [0, 2_000, 4_000, 6_000]
    for point in scan.points:
        assert b"".join(decompress(io.BytesIO(many), "parquet", point)) == data[point.uncompressed :]


def test_what_no_field_can_hold_is_left_out_and_the_rest_is_json() -> None:
    day = datetime.datetime(2020, 1, 2, 3, 4, 5)
    table = pa.table(
        {
            "text": pa.array(["a", None], pa.large_string()),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "tags": [["p", "q"], []],
            "count": pa.array([3, None], pa.uint64()),
            "share": [0.5, float("nan")],
            "day": pa.array([day, None], pa.timestamp("ns")),
            "price": pa.array([decimal.Decimal("1.50"), None]),
            "took": pa.array([datetime.timedelta(seconds=3), None]),
            "who": pa.array([{"name": "n"}, None]),
            "thumbnail": [b"\xff", b""],
            "picture": pa.array([{"bytes": b"\xff", "path": "p"}, None]),
            "embedding": pa.array([[0.1], [0.2]], pa.list_(pa.float32(), 1)),
        }
    )
    first, second = read(table)
    assert first == {
        "text": "a", "kind": "x", "tags": ["p", "q"], "count": 3, "share": 0.5, "day": "2020-01-02 03:04:05.000000000",
        "price": "1.50", "took": first["took"], "who": {"name": "n"}, "picture": {"path": "p"},
    }  # fmt: skip
    assert isinstance(first["took"], str | int)
    assert second == dict.fromkeys(first) | {"kind": "y", "tags": []}


def test_rows_without_a_readable_column_are_still_rows() -> None:
    assert read(pa.table({"embedding": pa.array([[0.1]] * 3, pa.list_(pa.float32()))})) == [{}] * 3
    assert read(pa.table({"title": pa.array([], pa.string())})) == []


def test_a_text_that_is_no_utf8_rejects_its_row_alone() -> None:
    bad = pa.Array.from_buffers(pa.string(), 3, pa.array([b"good", b"b\xff\nd", None], pa.binary()).buffers())
    found = read(pa.table({"title": bad, "number": [1, 2, 3]}))
    assert found == [{"title": "good", "number": 1}, Reason.INVALID_UTF8, {"title": None, "number": 3}]


def test_damage_is_told_apart_from_a_sound_file() -> None:
    titles = [f"{row} {orjson.dumps(row * row).hex()}" for row in range(5_000)]
    whole = parquet(pa.table({"title": titles}), write_page_checksum=True, use_dictionary=False)
    middle = len(whole) // 2
    for damaged in (whole[:-9], whole[:middle], whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]):
        assert detect(io.BytesIO(damaged)) == "parquet"
        with pytest.raises(DamagedError, match="invalid parquet data"):
            list(decompress(io.BytesIO(damaged), "parquet", SeekPoint(0, 0)))
