"""JSON documents give the rows that Python's json gives, for any chunks and shards, or say where they are broken."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.errors import DamagedError, InputError, UsageError
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.sources.content import json_document
from vidatlas.sources.content.json_document import JsonSpec, record_lines
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.rows import RowSpec
from vidatlas.sources.shards import shard_rows
from vidatlas.types import Mark, Reason

RECORD = RecordSpec.model_validate(
    {"id": "id", "group": "id", "title": "t", "fields": {"t": {"column": "id", "weight": 1}}}
)


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def rows(data: bytes, records: str = "", size: int = 1 << 20) -> list[Any]:
    lines = b"".join(record_lines(chunked(data, size), records, "")).splitlines()
    return [parse_line(line) for line in lines]


def planned(path: Path, spec: JsonSpec, shard_rows: int = 100) -> PartPlan:
    return plan_part(str(path), PlanSpec(RECORD, shard_rows, rows=RowSpec(spec)), lambda rows, at: None)


def shards_of(path: Path, spec: JsonSpec, count: int = 100) -> list[list[Any]]:
    plan = planned(path, spec, count)
    shards = descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64))
    return [[RowSpec(spec).decode(raw, ()) for _, raw in shard_rows(shard, RowSpec(spec))] for shard in shards]


RECORDS = [{"id": f"é{number}", "t": 'a\n"]},{[\\', "n": {"x": [number, {}]}} for number in range(7)]
PLACES: dict[str, tuple[str, bytes]] = {
    "an array": ("", json.dumps(RECORDS).encode()),
    "pretty-printed": ("", json.dumps(RECORDS, indent=4, ensure_ascii=False).encode()),
    "one object per line in brackets": ("", b"[\n" + b",\n".join(json.dumps(row).encode() for row in RECORDS) + b"]"),
    "one object per line": ("", b"".join(json.dumps(row).encode() + b"\r\r\n\n" for row in RECORDS)),
    "an object": ("items", json.dumps({"kind": "list", "n": [1], "items": RECORDS, "items2": []}).encode()),
    "a nested key": ("a.b", json.dumps({"b": [1], "a": {"c": {"b": [2]}, "b": RECORDS}}).encode()),
    "pages": ("items", b"\n".join(json.dumps({"items": page}).encode() for page in (RECORDS[:3], [], RECORDS[3:]))),
    "an array of pages": ("items", json.dumps([{"items": RECORDS[:3]}, {"items": RECORDS[3:]}]).encode()),
    "an empty list written as null": ("items", json.dumps([{"items": None}, {"items": RECORDS}]).encode()),
    "an object under a key": ("items", b"".join(json.dumps({"items": row}).encode() for row in RECORDS)),
    "zeros and marks around": ("", b"\xef\xbb\xbf" + json.dumps(RECORDS).encode() + bytes(9)),
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("place", PLACES)
def test_records_are_found_wherever_they_are(place: str, size: int) -> None:
    records, data = PLACES[place]
    assert rows(data, records, size) == RECORDS


@pytest.mark.parametrize("place", PLACES)
def test_a_reader_starts_at_every_mark(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_document, "MARK_EVERY", 1)
    monkeypatch.setattr(json_document, "_BATCH", 1)
    records, data = PLACES[place]
    marks: list[Mark] = []
    whole = b"".join(record_lines([data], records, "", marks.append))
    assert len(marks) == len(RECORDS)
    for mark in marks:
        assert b"".join(record_lines([data[mark.at :]], records, mark.state)) == whole[mark.to :]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def expected(row: Any) -> Any:
    """Return what JSON lines makes of a value that Python's json has written."""
    return parse_line(json.dumps(row).encode())


@settings(max_examples=60)
@given(
    items=st.lists(JSON.filter(lambda value: not isinstance(value, list)), max_size=12),
    indent=st.none() | st.integers(0, 3),
    escaped=st.booleans(),
    key=st.sampled_from(["", "items", "a.b"]),
    size=st.integers(1, 200),
    count=st.integers(1, 5),
    packed=st.booleans(),
)  # fmt: skip
def test_any_document_has_the_rows_that_python_reads(
    items: list[Any], indent: int | None, escaped: bool, key: str, size: int, count: int, packed: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    document: Any = items
    for name in reversed(key.split(".") if key else []):
        document = {"z": [1, {name: 2}], name: document, "y": {name: [3]}}
    text = json.dumps(document, indent=indent, ensure_ascii=escaped)
    data = text.encode("utf-8", "surrogatepass")
    wanted = [expected(row) for row in items]
    found = rows(data, key, size)
    assert [row if isinstance(row, dict) else "reject" for row in found] == [
        row if isinstance(row, dict) else "reject" for row in wanted
    ]
    path = tmp_path_factory.mktemp("json") / "document.json"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_document, "MARK_EVERY", 1)
        patch.setattr(json_document, "_BATCH", size)
        try:
            by_shard = shards_of(path, JsonSpec(records=key), count)
        except UsageError as error:
            assert "no such column" in str(error)
            return
    assert all(len(shard) == count for shard in by_shard[:-1])
    assert [repr(row) for shard in by_shard for row in shard] == [repr(row) for row in found]


@settings(max_examples=200)
@given(data=st.data(), size=st.integers(1, 50))
def test_a_changed_document_is_refused_or_has_as_many_rows_as_python_reads(data: st.DataObject, size: int) -> None:
    text = json.dumps([{"id": "a", "t": ["b", {"c": None}]}, {"id": 1.5}, {"id": 'ü\\"'}], ensure_ascii=False)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from(["", "]", "{", '"', ",", "\\", "\n", "1"])) + text[at + 1 :]
    try:
        python = json.loads(changed, strict=False)
    except json.JSONDecodeError:
        python = None
    try:
        found = rows(changed.encode(), size=size)
    except DamagedError as error:
        assert python is None
        assert "byte" in str(error) or "cut off" in str(error)
        return
    if python is None:
        # Several documents one behind the other, which json.loads does not take.
        decoder, position, python = json.JSONDecoder(strict=False), 0, []
        while position < len(changed.rstrip()):
            try:
                value, position = decoder.raw_decode(changed, position)
            except json.JSONDecodeError:
                assert any(isinstance(row, Reason) for row in found)
                return
            position += len(changed[position:]) - len(changed[position:].lstrip())
            python.append(value)
    flat = python if isinstance(python, list) else [python]
    while any(isinstance(row, list) for row in flat):
        flat = [inner for row in flat for inner in (row if isinstance(row, list) else [row])]
    assert len(found) == len(flat)


BROKEN = {
    b'[{"id": "a"}, {"id": "b"': "cut off within the value at byte 14",
    b'[{"id": "a"}, ': "cut off",
    b'[{"id": "a"}': "cut off",
    b'[{"id": "a"} {"id": "b"}]': "byte 13: a comma or closing bracket expected",
    b'[{"id": "a"},]': "byte 13: a value expected",
    b'[{"id": "a"}}': "byte 12: a comma",
    b"[" * 100: "nested too deeply",
    b'{"a": ' * 5_000 + b"1": "cut off within the value at byte 0",
    b"id,title": "byte 0: an object or an array expected",
}


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_broken_document_is_refused_with_its_place(data: bytes, size: int) -> None:
    with pytest.raises(DamagedError, match=BROKEN[data]):
        rows(data, size=size)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ('{"é": 1, "items" [{}]}', "byte 18: ':' expected behind a key"),
        ('{"\\x": 1}', "byte 5: the key before: Invalid"),
        ('{"' + "k" * (2 << 20), "a key is too long"),
        ('{"k": 1, items: 2}', "byte 9: a key in quotes expected"),
    ],
    ids=range(4),
)
def test_a_broken_key_is_refused_with_its_place(data: str, why: str) -> None:
    with pytest.raises(DamagedError, match=why):
        rows(data.encode(), "items")


def test_what_is_wrong_with_one_record_rejects_it_alone() -> None:
    data = b'[{"id": "a"}, {"id": NaN}, 7, {"id": "\xff"}, {"id": "x\ny"}, {"id": "\\ud800"}, null, {"id" "b"}, '
    data += b'{id: 1}, nul, {"id": "b"}]'
    assert rows(data) == [
        {"id": "a"}, {"id": None}, Reason.NOT_AN_OBJECT, Reason.INVALID_UTF8, Reason.INVALID_JSON,
        Reason.INVALID_JSON, Reason.EXCLUDED, *[Reason.INVALID_JSON] * 3, {"id": "b"},
    ]  # fmt: skip


def test_an_object_without_the_key_is_a_reject_that_says_so() -> None:
    data = b'{"items": [{"id": "a"}]}\n{"error": {"code": 403}}\n{"items": [{"id": "b"}]}'
    assert rows(data, "items") == [{"id": "a"}, Reason.NOT_AN_OBJECT, {"id": "b"}]
    assert b"no key 'items' in this object" in b"".join(record_lines([data], "items", ""))


def test_a_key_that_is_nowhere_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_bytes(b'{"kind": "list", "items": [{"id": "a"}]}')
    with pytest.raises(InputError, match=f"^{path}: no records under 'videos': .* has the keys kind, items"):
        planned(path, JsonSpec(records="videos"))
    path.write_bytes(b'{"kind": "list", "items": []}')
    assert planned(path, JsonSpec(records="items")).facts["rows"] == 0


LONG = [
    {"id": "long", "t": 'q"\\]}[{' * 900, "more": [{"a": ["]"]}, "x" * 5_000]},
    {"id": "é" * 3_000, "t": "\\" * 3_000},
    "a text" * 500,
    [["x" * 3_000]],
]


@pytest.mark.parametrize("size", [1, 7, 100, 4_096])
@pytest.mark.parametrize("long", LONG, ids=["object", "escapes", "text", "list"])
def test_a_long_value_is_passed_on_in_pieces(long: Any, size: int) -> None:
    data = json.dumps({"skipped": long, "items": [{"id": "a"}, {"in": long}, {"id": "b"}], "also": long}).encode()
    assert rows(data, "items", size=size) == [{"id": "a"}, {"in": long}, {"id": "b"}]
    with pytest.raises(DamagedError, match="cut off within the value at byte"):
        rows(data[: data.index(b'"in"') + 2_500], "items", size=size)


def test_a_value_beyond_all_limits_is_a_reject() -> None:
    chunk = b"x" * (4 << 20)

    def chunks() -> Iterator[bytes]:
        yield b'[{"id": "a"}, {"id": "'
        yield from repeat(chunk, 20)
        yield b'"}, {"id": "b"}]'

    form = JsonSpec()
    found = [raw if raw is None else form.decode(raw, ()) for raw in form.split(record_lines(chunks(), "", ""), len)]
    assert found == [{"id": "a"}, None, {"id": "b"}]


def test_a_reader_of_a_shard_begins_near_it(tmp_path: Path) -> None:
    """Reading all shards reads the document about once, not once per shard."""
    path = tmp_path / "array.json"
    path.write_text(json.dumps([{"id": str(number), "t": "x" * 900} for number in range(4_000)]), encoding="utf-8")
    table = planned(path, JsonSpec(), 500).shards.to_pylist()
    size = path.stat().st_size
    for row in table:
        (mark,) = row["marks"]
        assert row["seek_compressed"] == mark["at"]
        assert 0 <= row["offset"] - mark["to"] < size / 8
    assert table[-1]["seek_compressed"] > size * 3 / 4


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_document_that_is_cut_off_is_refused_and_nothing_kept(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "array.json"
    path.write_bytes(pack(json.dumps([{"id": str(number)} for number in range(500)]).encode()[:-5]))
    with pytest.raises(InputError, match=f"^{path} is damaged after line 499 .*cut off"):
        planned(path, JsonSpec())
