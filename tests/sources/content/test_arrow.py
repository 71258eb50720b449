"""Arrow files, streams and Feather give the lines that Parquet gives, from any place on; nothing in them is run."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from vidatlas.errors import DamagedError, InputError
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.sources import compression
from vidatlas.sources.compression import decompress, detect
from vidatlas.sources.content.arrow import arrow_lines
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.parquet import json_lines
from vidatlas.sources.rows import JSON_LINES
from vidatlas.sources.shards import shard_rows
from vidatlas.types import Reason, SeekPoint

BUILT: list[str] = []


class Loaded(pa.ExtensionType):  # type: ignore[misc]
    """Write down that it was built."""

    def __init__(self) -> None:
        super().__init__(pa.large_binary(), "tests.arrow")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Loaded:
        BUILT.append("tests.arrow")
        return cls()


@pytest.fixture
def registered() -> Iterator[None]:
    BUILT.clear()
    pa.register_extension_type(Loaded())
    yield
    pa.unregister_extension_type("tests.arrow")


def written(batches: list[pa.RecordBatch], kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with new(out, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return out.getvalue()


def batches_of(count: int, rows: int, coded: bool = True) -> list[pa.RecordBatch]:
    titles = [f"título\n{row}" for row in range(rows)]
    kind = pa.array([f"k{row % 3}" for row in range(rows)])
    columns = {"id": range(rows), "title": titles, "kind": kind.dictionary_encode() if coded else kind}
    return list(pa.table(columns).to_batches(max_chunksize=-(-rows // count)))


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("options", [{}, {"compression": "lz4"}, {"compression": "zstd"}], ids=str)
@pytest.mark.parametrize("coded", [True, False], ids=["dictionary", "plain"])
def test_its_rows_are_those_of_parquet_from_every_place_on(kind: str, options: dict[str, Any], coded: bool) -> None:
    batches, places = batches_of(3, 13_000, coded), []
    data, out = written(batches, kind, **options), io.BytesIO()
    pq.write_table(pa.Table.from_batches(batches), out)
    assert detect(io.BytesIO(data)) == "arrow"
    whole = b"".join(decompress(io.BytesIO(data), "arrow", None, lambda *at: places.append(at)))
    assert whole == b"".join(json_lines(out))
    assert len(places) == 9
    assert places == sorted(places)
    for place, offset in places:
        assert b"".join(decompress(io.BytesIO(data), "arrow", SeekPoint(place, offset))) == whole[offset:]


def test_dictionaries_that_change_on_the_way_are_followed() -> None:
    first = pa.record_batch({"kind": pa.array(["a", "b"] * 1_500).dictionary_encode()})
    second = pa.record_batch({"kind": pa.array(["b", "c"] * 1_500).dictionary_encode()})
    data, places = written([first, second, first], "stream"), []
    whole = b"".join(arrow_lines(io.BytesIO(data), 0, lambda *at: places.append(at)))
    assert whole.splitlines()[2_999:3_002] == [b'{"kind":"b"}', b'{"kind":"b"}', b'{"kind":"c"}']
    for place, offset in places:
        assert b"".join(arrow_lines(io.BytesIO(data), place)) == whole[offset:]


@pytest.mark.parametrize("compression", ["lz4", "uncompressed"])
def test_feather_is_planned_and_read_in_shards(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "helper.feather"
    table = pa.table({"display_id": [f"v{row}" for row in range(5_000)], "title": ["a b"] * 5_000})
    pyarrow.feather.write_feather(table, str(path), compression=compression, chunksize=1_700)
    spec = {"id": "display_id", "group": "title", "title": "t", "fields": {"t": {"column": "title", "weight": 1}}}
    plan = plan_part(str(path), PlanSpec(RecordSpec.model_validate(spec), 700), lambda rows, at: None)
    assert (plan.facts["rows"], plan.facts["compression"], plan.facts["rejects"]) == (5_000, "arrow", {})
    shards = descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64))
    rows = [parse_line(raw or b"") for shard in shards for _, raw in shard_rows(shard, JSON_LINES)]
    assert rows == table.to_pylist()
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(InputError, match="is damaged"):
        plan_part(str(path), PlanSpec(RecordSpec.model_validate(spec), 700), lambda rows, at: None)


def test_a_text_that_is_no_utf8_rejects_its_row_alone() -> None:
    bad = pa.Array.from_buffers(pa.string(), 3, pa.array([b"good", b"b\xff\nd", None], pa.binary()).buffers())
    data = written([pa.record_batch({"title": bad, "number": pa.array([1, 2, 3])})], "file")
    lines = b"".join(arrow_lines(io.BytesIO(data))).splitlines()
    assert list(map(parse_line, lines)) == [
        {"title": "good", "number": 1}, Reason.INVALID_UTF8, {"title": None, "number": 3},
    ]  # fmt: skip


def test_offsets_that_lead_out_of_a_batch_are_damage() -> None:
    """Arrow uses them as they are: unchecked, they would show memory that belongs to something else."""
    data = written([pa.record_batch({"title": pa.array(["aaaa", "bbbb", "cccc"])})], "stream")
    offsets = struct.pack("<4i", 0, 4, 8, 12)
    assert data.count(offsets) == 1
    for wrong in ((0, 400_000, 8, 12), (0, -4, 8, 12), (0, 4, 8, 1 << 30)):
        with pytest.raises(DamagedError, match="invalid arrow data"):
            list(decompress(io.BytesIO(data.replace(offsets, struct.pack("<4i", *wrong))), "arrow"))


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("inside", ["itself", "a list", "a dictionary"])
@pytest.mark.usefixtures("registered")
def test_a_named_type_is_refused_and_never_built(kind: str, inside: str) -> None:
    named = {"ARROW:extension:name": "tests.arrow", "ARROW:extension:metadata": ""}
    field = pa.field("title", pa.large_binary(), metadata=named)
    if inside == "a list":
        field = pa.field("title", pa.list_(field))
    if inside == "a dictionary":
        field = pa.field("title", pa.dictionary(pa.int8(), pa.large_string()), metadata=named)
    schema = pa.schema([field])
    data = written([pa.RecordBatch.from_arrays([pa.nulls(0, field.type)], schema=schema)], kind)
    BUILT.clear()
    with pytest.raises(InputError, match=r"has the extension type tests\.arrow"):
        list(arrow_lines(io.BytesIO(data)))
    assert BUILT == []


@pytest.mark.usefixtures("registered")
def test_a_footer_that_names_another_schema_is_not_read() -> None:
    """The stream in front is used, and it alone is checked; the footer's schema is never built."""
    plain = written([pa.record_batch({"title": pa.array([b"x"], pa.large_binary())})], "file")
    field = pa.field("title", pa.large_binary(), metadata={"ARROW:extension:name": "tests.arrow", "ARROW:extension:metadata": ""})  # fmt: skip  # noqa: E501
    evil = written([pa.RecordBatch.from_pylist([], schema=pa.schema([field]))], "file")
    size = struct.unpack("<i", evil[-10:-6])[0]
    keep = struct.unpack("<i", plain[-10:-6])[0]
    mixed = plain[: -10 - keep] + evil[-10 - size :]
    BUILT.clear()
    assert b"".join(arrow_lines(io.BytesIO(mixed))) == b"{}\n"
    assert BUILT == []
    pa.ipc.open_file(io.BytesIO(mixed))
    assert BUILT, "opened as a file, the same bytes have the type built: this test can fail"


@pytest.mark.parametrize("cut", [10, 300, -6, -1])
def test_a_cut_file_is_damage(cut: int) -> None:
    data = written(batches_of(2, 100), "file")
    with pytest.raises(DamagedError):
        list(decompress(io.BytesIO(data[:cut]), "arrow"))


def test_a_column_whose_name_is_not_utf_8_is_damage() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("title", pa.string())])) as writer:
        writer.write_table(pa.table({"title": ["a"]}))
    data = bytes(sink.getvalue())
    assert data.count(b"title") == 1
    with pytest.raises(DamagedError, match="not UTF-8"):
        list(decompress(io.BytesIO(data.replace(b"title", b"\xe3itle")), "arrow"))


def test_a_batch_that_asks_for_more_memory_than_there_is_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a changed length does, found by fuzzing: Arrow then fails to allocate it."""

    def refused(*_: Any) -> Iterator[bytes]:
        raise MemoryError("malloc of size 9223372036854775872 failed")

    monkeypatch.setitem(compression._ROWS, "arrow", refused)
    with pytest.raises(DamagedError, match="malloc of size"):
        list(decompress(io.BytesIO(b""), "arrow"))
