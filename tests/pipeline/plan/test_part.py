"""One pass finds damage before anything is kept of it, and cuts a part into shards that add up."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.encoders.given import GivenVectors
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan.duplicates import duplicate_rows
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, divisible, plan_part
from vidatlas.pipeline.plan.survey import IDS
from vidatlas.recipe import load_recipe
from vidatlas.runners.serial import SerialRunner
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec, TextField
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.lines import split_lines
from vidatlas.sources.rows import ExplodeSpec, RowSpec
from vidatlas.storage.parquet import to_parquet
from vidatlas.storage.store import to_json
from vidatlas.types import Reason

Lines = Callable[..., bytes]
Compress = Callable[[str, bytes], bytes]


def plan(path: Path, spec: RecordSpec, shard_rows: int = 100, limit: int | None = None) -> PartPlan:
    return plan_part(str(path), PlanSpec(spec, shard_rows, limit), lambda rows, at: None)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SOUND: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "one member": (packed, 1),
    "two members": (lambda data: packed(data) + packed(data), 2),
    "an empty member before": (lambda data: packed(b"") + packed(data), 1),
    "an empty member behind": (lambda data: packed(data) + packed(b""), 1),
    "an empty member alone": (lambda data: packed(b""), 0),
    "a file without a byte": (lambda data: b"", 0),
    "plain text": (bytes, 1),
    "two zstd frames": (lambda data: 2 * zstandard.ZstdCompressor().compress(data), 2),
    "two bzip2 streams": (lambda data: 2 * bz2.compress(data), 2),
}
DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda data: packed(data)[: len(packed(data)) // 2],
    "cut in its trailer": lambda data: packed(data)[:-3],
    "cut in its header": lambda data: packed(data)[:6],
    "a flipped bit": lambda data: flipped(packed(data), len(packed(data)) // 2),
    "a damaged crc": lambda data: flipped(packed(data), -8 + len(packed(data))),
    "a damaged second member": lambda data: packed(data) + flipped(packed(data), len(packed(data)) // 2),
    "a cut second member": lambda data: packed(data) + packed(data)[:-20],
    "a cut zstd frame": lambda data: zstandard.ZstdCompressor().compress(data)[:-20],
    "a cut bzip2 stream": lambda data: bz2.compress(data)[:-20],
    "a flipped bit in bzip2": lambda data: flipped(bz2.compress(data), len(bz2.compress(data)) // 2),
}


@pytest.mark.parametrize("case", SOUND)
def test_sound_files_give_their_rows_whatever_their_name(
    case: str, tmp_path: Path, make_lines: Lines, spec: RecordSpec, read_back: Callable[..., list[bytes | None]]
) -> None:
    change, times = SOUND[case]
    data = make_lines(500)
    path = tmp_path / "videos.jsonl.gz"
    path.write_bytes(change(data))
    assert plan(path, spec).facts["rows"] == 500 * times
    assert read_back(path, PlanSpec(spec, 100)) == data.splitlines() * times


@pytest.mark.parametrize(
    ("change", "settings", "expected"),
    [
        (bytes, {}, True),
        (packed, {}, True),
        (lambda data: packed(data) + bytes(100), {}, False),
        (zstandard.ZstdCompressor().compress, {}, False),
        (packed, {"rows": RowSpec(CsvSpec())}, False),
        (packed, {"rows": RowSpec(JsonLinesSpec(), ExplodeSpec(column="tags"))}, False),
        (packed, {"given": GivenVectors("vector")}, False),
        (packed, {"limit": 10}, False),
    ],
)
def test_a_part_is_divided_where_rows_stand_alone_and_readers_can_start_anywhere(
    change: Callable[[bytes], bytes], settings: dict[str, Any], expected: bool, tmp_path: Path, spec: RecordSpec
) -> None:
    path = tmp_path / "videos"
    path.write_bytes(change(b'{"display_id": "a", "title": "t", "categories": "c", "tags": "x"}\n' * 20))
    assert divisible(str(path), PlanSpec(spec, 100, **settings)) == expected


class NoTasks(SerialRunner):
    """A runner that nothing may use."""

    def map(self, function: Any, items: Any, gpus: bool = False) -> Any:
        raise AssertionError("a task began before the end of the file was reached")


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused_by_name(case: str, tmp_path: Path, make_lines: Lines, spec: RecordSpec) -> None:
    path = tmp_path / "videos.jsonl.gz"
    path.write_bytes(DAMAGED[case](make_lines(20_000)))
    said = rf"^{path} is damaged after line [\d,]+ \([^\n]+\)\. Nothing was kept of it"
    with pytest.raises(InputError, match=said):
        plan(path, spec)
    with pytest.raises(InputError, match=said):
        plan_part(str(path), PlanSpec(spec, 100), lambda *event: None, NoTasks())


@pytest.mark.parametrize("garbage", [b"garbage", b"\0" * 512])
def test_garbage_behind_a_gzip_is_refused_or_harmless(
    garbage: bytes, tmp_path: Path, make_lines: Lines, spec: RecordSpec
) -> None:
    path = tmp_path / "videos.jsonl.gz"
    path.write_bytes(packed(make_lines(500)) + garbage)
    try:
        assert plan(path, spec).facts["rows"] == 500
    except InputError as error:
        assert str(error).startswith(f"{path} is damaged")


def test_absent_files_and_folders_are_named(tmp_path: Path, spec: RecordSpec) -> None:
    with pytest.raises(InputError, match=f"no such file: {tmp_path}/none"):
        plan(tmp_path / "none", spec)
    with pytest.raises(InputError, match=f"^{tmp_path} is a folder"):
        plan(tmp_path, spec)


@pytest.mark.parametrize(("shard_rows", "limit"), [(1, None), (7, None), (100, None), (500, None), (7, 100), (7, 105)])
def test_shards_read_in_any_order_give_the_lines_of_the_file(
    tmp_path: Path,
    compression: str,
    compress: Compress,
    make_lines: Lines,
    spec: RecordSpec,
    read_back: Callable[..., list[bytes | None]],
    shard_rows: int,
    limit: int | None,
) -> None:
    data = make_lines(200) + b"\n\xff\n" + b'{"last": "without newline"}'
    path = tmp_path / "videos"
    path.write_bytes(compress(compression, data))

    def shuffled(shards: Any) -> Any:
        return Random(1).sample(shards, len(shards))

    assert read_back(path, PlanSpec(spec, shard_rows, limit), shuffled) == data.split(b"\n")[:limit]


@pytest.mark.parametrize("limit", [None, 9_000])
def test_shards_of_a_large_gzip_are_read_in_its_middle(
    tmp_path: Path, big_lines: bytes, read_back: Callable[..., list[bytes | None]], limit: int | None
) -> None:
    path = tmp_path / "videos.jsonl.gz"
    path.write_bytes(gzip.compress(big_lines, 6, mtime=0))
    spec = RecordSpec(id="display_id", title="title", fields={"title": TextField(column="title", weight=1)})
    found = plan(path, spec, 500, limit)
    assert found.facts["complete"] == (limit is None)
    assert len(set(found.shards["seek_compressed"].to_pylist())) >= 3
    assert read_back(path, PlanSpec(spec, 500, limit), reversed) == big_lines.splitlines()[:limit]


def test_the_shard_table_adds_up(tmp_path: Path, make_lines: Lines, spec: RecordSpec) -> None:
    data = make_lines(250)
    path = tmp_path / "videos"
    path.write_bytes(data)
    table = plan(path, spec).shards.to_pydict()
    assert table["number"] == [0, 1, 2]
    assert table["first_row"] == [0, 100, 200]
    assert table["rows"] == [100, 100, 50]
    ends = [len(b"".join(data.splitlines(keepends=True)[:rows])) for rows in (0, 100, 200, 250)]
    assert table["offset"] == ends[:3]
    assert table["length"] == np.diff(ends).tolist()


def test_facts_count_what_is_there(tmp_path: Path, compress: Compress, compression: str, spec: RecordSpec) -> None:
    rows = [
        {"display_id": "a", "categories": "Music", "title": "one", "tags": "x,yy"},
        {"display_id": "b", "categories": "Music", "title": "two"},
        {"display_id": "c", "tags": "z", "title": None, "categories": None},
        {"display_id": "d"},
    ]
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b"{\n"
    path = tmp_path / "My videos!.jsonl"
    path.write_bytes(compress(compression, data))
    facts = plan(path, spec).facts
    content = hashlib.sha256(data).hexdigest()
    assert facts["part"] == f"My_videos-{content[:8]}"
    assert (facts["content_sha256"], facts["rows"]) == (content, 5)
    assert (facts["compression"], facts["bytes"]) == (compression, path.stat().st_size)
    assert facts["rejects"] == {Reason.NO_TEXT: 1, Reason.INVALID_JSON: 1}
    assert facts["groups"] == {"Music": 2, "(none)": 1}
    assert facts["fields"]["title"] == {"present": 2, "texts": 2, "chars": 6}
    assert facts["fields"]["tags"] == {"present": 2, "texts": 3, "chars": 4}
    assert [example["id"] for example in facts["examples"]] == ["a"]


def test_a_part_is_known_by_its_content_alone(
    tmp_path: Path, compress: Compress, make_lines: Lines, spec: RecordSpec
) -> None:
    keys = set()
    for kind in ("plain", "gzip", "zstd", "bzip2"):
        path = tmp_path / kind / f"videos.jsonl.{kind}"
        path.parent.mkdir()
        path.write_bytes(compress(kind, make_lines(50)))
        keys.add(plan(path, spec).part)
    path.write_bytes(make_lines(51))
    assert len(keys) == 1
    assert plan(path, spec).part not in keys


@pytest.mark.parametrize(
    ("name", "stem"), [("../a b/c.d.jsonl", "c"), ("видео.gz", "part"), ("x" * 200, "x" * 60), ("-.-", "part")]
)
def test_a_key_is_safe_as_a_file_name(tmp_path: Path, spec: RecordSpec, name: str, stem: str) -> None:
    path = tmp_path / Path(name).name
    path.write_bytes(b"")
    assert plan(path, spec).part.rsplit("-", 1)[0] == stem


def test_a_missing_column_stops_with_those_that_are_there(tmp_path: Path, spec: RecordSpec) -> None:
    path = tmp_path / "videos"
    line = b'{"video_id": "a", "title": "t", "categories": "c", "tags": null}\n'
    for rows in (1, 5_000):
        path.write_bytes(line * rows)
        with pytest.raises(
            UsageError, match=r"no such column: 'display_id'\. .* 'video_id', 'title', 'categories', 'tags'\."
        ):
            plan(path, spec)


def test_a_column_that_some_row_has_is_enough(tmp_path: Path, spec: RecordSpec) -> None:
    path = tmp_path / "videos"
    path.write_bytes(b'{"display_id": "a", "title": "t"}\n{"categories": "c", "tags": "x"}\n')
    assert plan(path, spec).facts["rows"] == 2


def test_a_part_of_bad_lines_alone_is_counted_not_refused(tmp_path: Path, spec: RecordSpec) -> None:
    path = tmp_path / "videos"
    path.write_bytes(b"\n[1]\n")
    assert plan(path, spec).facts["rejects"] == {Reason.BLANK_LINE: 1, Reason.NOT_AN_OBJECT: 1}


def tables(parts: list[list[str]]) -> list[pa.Table]:
    found = []
    for ids in parts:
        digests = [hashlib.blake2b(key.encode(), digest_size=16).digest() for key in ids]
        high = [int.from_bytes(digest[:8], "big") for digest in digests]
        low = [int.from_bytes(digest[8:], "big") for digest in digests]
        found.append(pa.table([range(len(ids)), high, low], schema=IDS))
    return found


@settings(max_examples=25)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=4))
def test_duplicates_are_those_a_dictionary_finds(parts: list[list[str]]) -> None:
    seen: Counter[str] = Counter()
    expected = []
    for ids in parts:
        expected.append([])
        for row, key in enumerate(ids):
            expected[-1] += [row] if seen[key] else []
            seen[key] += 1
    assert [rows.tolist() for rows in duplicate_rows(tables(parts))] == expected


def test_ids_of_a_part_are_digests_of_its_records(tmp_path: Path, spec: RecordSpec) -> None:
    path = tmp_path / "videos"
    rows = [{"display_id": "a"}, {"display_id": "a", "title": "t"}, {"display_id": "b", "title": "t"}]
    more = [{"display_id": "a", "title": "again", "categories": "", "tags": ""}]
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows + more))
    ids = plan(path, spec).ids
    expected = tables([["a", "b", "a"]])[0]
    assert ids["row"].to_pylist() == [1, 2, 3]
    assert ids.select(["high", "low"]) == expected.select(["high", "low"])
    assert [rows.tolist() for rows in duplicate_rows([ids])] == [[3]]


YOUNIVERSE = load_recipe("youniverse", {"record.count": "shown_on", "record.map": {"categories": {"Music": "music"}}})
"""A recipe that surveys all there is: typed columns, names, and the uses of an id."""


def varied(count: int, first: int = 0) -> list[bytes]:
    """Return lines of videos: rejects of every kind, values that do not fit, names that are missing."""
    lines = []
    for number in range(first, first + count):
        row: dict[str, Any] = {
            "display_id": f"v{number % 1_400}",
            "categories": f"Kind {number % 7}" if number % 3 else "Music",
            "title": f"Title {number % 1_250}",
            "tags": "a,b," + "c" * (number % 90) if number % 5 else "",
            "view_count": number if number % 211 else {"count": number},
            "upload_date": "2019-10-31 20:19:26.270363",
            "shown_on": f"page {number % 17}" if number % 4 else None,
        }
        lines.append(json.dumps(row).encode())
        if not number % 97:
            lines += [b"", b"not json", b"[1]", b"null", b"\xff", b'{"title": "no id"}', b"\xef\xbb\xbf" + lines[-1]]
            lines.append(json.dumps({**row, "title": {"text": "an object"}, "display_id": "w"}).encode())
    return lines


LONG = b'{"title": "' + 150_000 * b"x" + b'"}'
LATE = b'{"display_id": "late", "title": "t", "categories": "c", "tags": "x"}'


def without(lines: list[bytes], name: bytes) -> list[bytes]:
    """Return lines of which none has a column of that name."""
    return [line.replace(b'"' + name + b'"', b'"other"') for line in lines]


SPLIT: dict[str, bytes] = {
    "rejects and blanks": b"\n".join(varied(1_500)) + b"\n",
    "no newline at the end": b"\n".join(varied(1_500)),
    "zeros at the end": b"\n".join(varied(1_500)) + b"\n" + bytes(120_000),
    "zeros behind the last line": b"\n".join(varied(1_500)) + bytes(120_000),
    "carriage returns": b"\r\n".join(varied(1_500)) + b"\r\n",
    "a byte-order mark": b"\xef\xbb\xbf" + b"\n".join(varied(1_500)),
    "a line that is too long": b"\n".join([*varied(1_300), LONG, b"", *varied(200)]),
    "a last line that is too long": b"\n".join([*varied(1_300), LONG]),
    "zeros for a line": b"\n".join([*varied(1_300), bytes(60_000), *varied(200)]),
    "late columns": b"\n".join([*without(without(varied(1_100), b"tags"), b"categories"), *500 * [b"{}"], LATE]),
    "a late column that no row has": b"\n".join(without(varied(1_500), b"tags")),
    "rows that are usable late": b"\n".join([*2_000 * [b"[1]"], *varied(1_500)]),
    "few rows": b"\n".join(varied(50)),
}


def both(path: Path, spec: PlanSpec, told: list[tuple[Any, ...]]) -> tuple[list[bytes] | str, list[bytes] | str]:
    """Return the files of a plan whose rows were parsed as they came, and of one by tasks; or what was wrong."""
    found: list[list[bytes] | str] = []
    for runner in (None, SerialRunner()):
        told.clear()
        try:
            made = plan_part(str(path), spec, lambda *event: told.append(event), runner)
        except (InputError, UsageError) as error:
            found.append(f"{type(error).__name__}: {error}")
        else:
            found.append([to_json(made.facts), to_parquet(made.shards), to_parquet(made.ids)])
    return found[0], found[1]


@pytest.mark.parametrize("kind", ["plain", "gzip"])
@pytest.mark.parametrize("case", SPLIT)
def test_a_plan_by_tasks_is_the_same_bytes(
    case: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidatlas.pipeline.plan.part.SEGMENT_BYTES", 60_000)
    for module in ("scan", "compression"):
        monkeypatch.setattr(f"vidatlas.sources.{module}.CHUNK", 50_000)
    monkeypatch.setattr(split_lines, "__defaults__", (100_000,))  # the longest line: 16 MiB would be slow
    path, told = tmp_path / "videos", list[tuple[Any, ...]]()
    path.write_bytes(gzip.compress(SPLIT[case], 1, mtime=0) if kind == "gzip" else SPLIT[case])
    shard_rows, alone = (37, True) if kind == "plain" else (400, False)
    spec = PlanSpec(YOUNIVERSE.record, shard_rows, rows=YOUNIVERSE.rows, alone=alone)
    one, many = both(path, spec, told)
    assert one == many
    if "no row has" in case and alone:
        assert "no such column: 'tags'" in many
    else:
        assert len(many) == 3
        assert any(len(event) == 3 for event in told) == (case not in ("few rows", "a byte-order mark"))
