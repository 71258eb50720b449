"""Parquet comes out as JSON lines from any row on; what no field can hold is left out; bad text is one bad row."""

from __future__ import annotations

import datetime
import decimal
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.encoders.given import read_vector
from vidatlas.errors import DamagedError, InputError
from vidatlas.sources.compression import decompress, detect
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.parquet import json_lines, lines_of, readable_columns
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
    assert (scan.compression, scan.bytes) == ("parquet", len(many))
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
        "price": "1.50", "took": 3, "who": {"name": "n"}, "picture": {"path": "p"},
    }  # fmt: skip
    assert second == dict.fromkeys(first) | {"kind": "y", "tags": []}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_duration_is_its_seconds_in_any_unit_and_at_any_depth(unit: str) -> None:
    three = datetime.timedelta(minutes=3)
    kind = pa.duration(unit)
    table = pa.table(
        {
            "long": pa.array([three, None], kind),
            "each": pa.array([[three], []], pa.list_(kind)),
            "of": pa.array([{"it": three}, None], pa.struct([("it", kind)])),
        }
    )
    assert read(table) == [
        {"long": 180, "each": [180], "of": {"it": 180}},
        {"long": None, "each": [], "of": None},
    ]
    half = pa.record_batch({"long": pa.array([500 if unit == "ms" else 0], kind)})
    assert orjson.loads(lines_of(half)) == {"long": 0.5 if unit == "ms" else 0}


def test_an_interval_of_months_and_days_is_left_out() -> None:
    period = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    batch = pa.record_batch({"id": ["a"], "period": period, "in": pa.StructArray.from_arrays([period], ["period"])})
    assert readable_columns(batch.schema) == ["id"]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.struct([("v", pa.string())])], ids=str)
def test_a_column_or_a_value_of_a_struct_that_is_there_twice_is_refused(kind: pa.DataType) -> None:
    twice = [("v", kind), ("v", kind)]
    for schema in (pa.schema(twice), pa.schema([("id", pa.string()), ("in", pa.list_(pa.struct(twice)))])):
        with pytest.raises(InputError, match="lists the column 'v' twice"):
            read(schema.empty_table())


def test_rows_without_a_readable_column_are_still_rows() -> None:
    assert read(pa.table({"embedding": pa.array([[0.1]] * 3, pa.list_(pa.float32()))})) == [{}] * 3
    assert read(pa.table({"title": pa.array([], pa.string())})) == []


def tensors(rows: list[list[float] | None]) -> pa.Array:
    storage = pa.array(rows, pa.list_(pa.float32(), 2))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [2]), storage)


ROWS = [[1.0, -2.0], None, [0.5, 3.0]]
VECTORS = {
    "list": pa.array(ROWS, pa.list_(pa.float64())),
    "large": pa.array(ROWS, pa.large_list(pa.float32())),
    "half": pa.array([row and np.array(row, np.float16) for row in ROWS], pa.list_(pa.float16())),
    "fixed": pa.array(ROWS, pa.list_(pa.float32(), 2)),
    "tensor": tensors(ROWS),
}


@pytest.mark.parametrize("kind", sorted(VECTORS))
def test_the_column_of_vectors_that_is_named_is_kept_as_float32(kind: str) -> None:
    table = pa.table({"id": ["a", "b", "c"], "embedding": VECTORS[kind], "other": VECTORS["list"]})
    try:
        data = parquet(table)
    except pa.ArrowNotImplementedError:
        pytest.skip("pyarrow before 26 writes no list of fixed length that is null; `make test` installs one that does")
    lines = b"".join(json_lines(io.BytesIO(data), vector="embedding")).splitlines()
    rows = [json.loads(line) for line in lines]
    assert [list(row) for row in rows] == [["id", "embedding"]] * 3
    assert rows[1] == {"id": "b", "embedding": None}
    for row, numbers in ((rows[0], ROWS[0]), (rows[2], ROWS[2])):
        found = read_vector(row["embedding"])
        assert found is not None
        assert found.tolist() == numbers


def test_whole_numbers_are_vectors_too_and_a_null_in_one_is_nan() -> None:
    table = pa.table({"v": pa.array([[1, -128], [3, None], []], pa.list_(pa.int8()))})
    lines = b"".join(json_lines(io.BytesIO(parquet(table)), vector="v")).splitlines()
    found = [np.asarray(read_vector(json.loads(line)["v"])) for line in lines]
    assert found[0].tolist() == [1, -128]
    assert np.isnan(found[1]).tolist() == [False, True]
    assert found[2].tolist() == []


@pytest.mark.parametrize("first", [0, 1_999, 2_000, 4_321])
def test_vectors_are_those_of_their_rows_from_any_row_on(first: int) -> None:
    data = parquet(pa.table({"v": [[float(row)] for row in range(5_000)]}), row_group_size=3_000)
    lines = b"".join(json_lines(io.BytesIO(data), first, vector="v")).splitlines()
    found = [read_vector(json.loads(line)["v"]) for line in lines]
    assert [row.tolist() for row in found if row is not None] == [[row] for row in range(first, 5_000)]


def test_a_column_that_holds_no_vectors_is_named_with_its_type() -> None:
    table = pa.table({"v": [b"x"], "nested": [[[0.5]]]})
    for name, kind in (("v", "binary"), ("nested", "list<")):
        with pytest.raises(InputError, match=f"column '{name}' has type {kind}.* holds no vectors"):
            list(json_lines(io.BytesIO(parquet(table)), vector=name))


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
