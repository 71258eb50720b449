"""No line vanishes: it is kept, or rejected with its number, its reason and a bounded, escaped copy."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidatlas.pipeline.embed.rows import RAW_CHARS, kept, read_shard, rejected, schema, texts_of
from vidatlas.pipeline.embed.vectors import embedding_table
from vidatlas.pipeline.plan.duplicates import duplicate_rows
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.lines import MAX_LINE
from vidatlas.types import Reason

GOOD = st.builds(
    lambda key, title: json.dumps({"display_id": key, "title": title, "tags": "a,b", "categories": "c"}).encode(),
    st.sampled_from("abcdef"),
    st.text(min_size=1).filter(str.strip),
)
BAD = st.sampled_from(
    [b"", b"  ", b"{", b"[1]", b"\xff", b'{"title": "t"}', b'{"display_id": [], "title": "t"}', b'{"display_id": "a"}']
)


def read(path: Path, spec: RecordSpec, shard_rows: int) -> list[pa.Table]:
    part = plan_part(str(path), PlanSpec(spec, shard_rows), lambda rows, at: None)
    repeated = duplicate_rows([part.ids])[0]
    return [read_shard(shard, spec) for shard in descriptors(part.facts, part.shards, str(path), repeated)]


def rejects_of(tables: list[pa.Table]) -> tuple[list[dict[str, Any]], Counter[str]]:
    rows, counts = [], Counter[str]()
    for table in tables:
        data, reasons = rejected(table)
        rows += [json.loads(line) for line in gzip.decompress(data).splitlines()] if data else []
        counts.update(reasons)
    return rows, counts


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(GOOD | BAD, max_size=25), shard_rows=st.integers(1, 8))
def test_kept_and_rejected_and_duplicates_are_all_lines(
    tmp_path: Path, spec: RecordSpec, lines: list[bytes], shard_rows: int
) -> None:
    # A first line with every column, so that none is missing.
    lines = [b'{"display_id": "first", "title": "t", "tags": "x", "categories": "c"}', *lines]
    path = tmp_path / "videos"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    tables = read(path, spec, shard_rows)
    records = [row for table in tables for row in kept(table).to_pylist()]
    rejects, counts = rejects_of(tables)
    numbers = sorted([row["line"] for row in records] + [row["line"] for row in rejects])
    assert numbers == list(range(1, len(lines) + 1))
    assert counts == Counter(row["reason"] for row in rejects)
    assert counts.total() + len(records) == len(lines)
    assert len({row["id"] for row in records}) == len(records)
    for row in records:
        assert json.loads(lines[row["line"] - 1])["display_id"] == row["id"]
    repeated = [row["line"] for row in rejects if row["reason"] == Reason.DUPLICATE_ID]
    first = {row["id"]: row["line"] for row in records}
    assert all(first[json.loads(lines[line - 1])["display_id"]] < line for line in repeated)


def test_every_reason_of_the_list_comes_from_a_line(tmp_path: Path, spec: RecordSpec) -> None:
    good = b'{"display_id": "a", "title": "t", "tags": ["x"], "categories": "c"}'
    cases = [
        (b"  ", Reason.BLANK_LINE),
        (b"x" * (MAX_LINE + 1), Reason.LINE_TOO_LONG),
        (b"\xff\xfe", Reason.INVALID_UTF8),
        (b"{", Reason.INVALID_JSON),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b'{"title": "t"}', Reason.MISSING_ID),
        (b'{"display_id": {}}', Reason.INVALID_ID),
        (b'{"display_id": "b", "title": []}', Reason.INVALID_FIELD),
        (b'{"display_id": "c"}', Reason.NO_TEXT),
        (good, Reason.DUPLICATE_ID),
    ]
    path = tmp_path / "videos"
    path.write_bytes(b"\n".join([good, *(line for line, _ in cases)]))
    tables = read(path, spec, 4)
    rejects, counts = rejects_of(tables)
    assert [(row["line"], row["reason"]) for row in rejects] == [
        (at, reason) for at, (_, reason) in enumerate(cases, 2)
    ]
    others = {Reason.INVALID_CSV, Reason.WRONG_WIDTH, Reason.UNREADABLE_IMAGE, Reason.INVALID_VECTOR}
    assert counts == Counter(reason for reason in Reason if reason not in others and not reason.asked_for)
    assert rejects[1]["raw"] == ""


def test_a_rejected_line_is_bounded_and_cannot_steer_a_terminal(tmp_path: Path, spec: RecordSpec) -> None:
    lines = [b"\x1b[31m\x07red \xff", "é".encode() * 900, "🎬".encode() * 900, b'<script>"\\']
    path = tmp_path / "videos"
    path.write_bytes(b"\n".join(lines))
    (table,) = read(path, spec, 100)
    data, _ = rejected(table)
    text = gzip.decompress(data)
    assert text.isascii()
    assert not any(byte < 32 and byte != 10 for byte in text)
    raw = [json.loads(line)["raw"] for line in text.splitlines()]
    assert raw == ["\x1b[31m\x07red \\xff", "é" * RAW_CHARS, "🎬" * RAW_CHARS, '<script>"\\']


def test_rejects_are_the_same_bytes_twice_and_none_where_nothing_is_rejected(tmp_path: Path, spec: RecordSpec) -> None:
    path = tmp_path / "videos"
    path.write_bytes(b"{\n[]\n")
    (table,) = read(path, spec, 100)
    assert rejected(table) == rejected(table)
    assert rejected(table.slice(0, 0)) == (b"", {})


def test_a_table_of_rows_has_one_schema_and_names_its_shard(
    tmp_path: Path, spec: RecordSpec, make_lines: Callable[..., bytes]
) -> None:
    path = tmp_path / "videos.jsonl"
    path.write_bytes(make_lines(5) + b"{\n")
    tables = read(path, spec, 3)
    assert [table.schema.remove_metadata() for table in tables] == [schema(spec)] * 2
    names = [table.schema.metadata[b"shard"].decode() for table in tables]
    assert [name.rsplit("-", 1)[1] for name in names] == ["00000", "00001"]
    assert [table.schema.metadata[b"rows"] for table in tables] == [b"3", b"3"]
    assert kept(tables[1]).column_names == ["line", "id", "group", "author", "title", "tags"]


def test_the_author_goes_with_the_record_into_the_embeddings(tmp_path: Path, spec: RecordSpec) -> None:
    path = tmp_path / "videos.jsonl"
    path.write_text(
        '{"display_id": "a", "title": "t", "tags": "x", "categories": "c", "channel_id": "UC1"}\n'
        '{"display_id": "b", "title": "t", "tags": null, "categories": "c", "channel_id": null}\n'
    )
    (rows,) = read(path, spec, 10)
    table = embedding_table(kept(rows), spec, np.zeros((2, 4), np.float32))
    assert table.column_names == ["id", "group", "author", "title", "tags", "embedding"]
    assert table["author"].to_pylist() == ["UC1", None]
    (rows,) = read(path, spec.model_copy(update={"author": None}), 10)
    assert "author" not in rows.column_names


@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_texts_of_a_field_are_one_array_without_gaps(chunks: int) -> None:
    kind = pa.list_(pa.string())
    column = pa.chunked_array([pa.array([["a"], None, []], kind)] * chunks, kind)
    found = texts_of(pa.table({"title": column}), "title")
    assert found.to_pylist() == [["a"], [], []] * chunks
    assert found.flatten().to_pylist() == ["a"] * chunks
