"""Text in any encoding gives the rows that UTF-8 gives, from any shard on; what is invalid rejects its row alone."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from vidatlas.errors import InputError
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.sources.content import text as text_of
from vidatlas.sources.content.encoding import START, detect_encoding, to_utf8
from vidatlas.sources.content.json_document import JsonSpec
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.rows import Format, RowSpec
from vidatlas.sources.shards import shard_rows
from vidatlas.types import Mark, Reason

RECORD = RecordSpec.model_validate(
    {"id": "id", "group": "id", "title": "t", "fields": {"t": {"column": "title", "weight": 1}}}
)
TITLES = ["Zoë 猫 🎸", 'a "quoted", one', "plain", "ソース\\表|示"] * 25
ROWS = [{"id": f"v{number}", "title": title} for number, title in enumerate(TITLES)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TABLE = "id,title\r\n" + "".join(f'{row["id"]},"{row["title"].replace(chr(34), chr(34) * 2)}"\r\n' for row in ROWS)
WITH_MARK = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


def read(path: Path, form: Format) -> list[Any]:
    spec = RowSpec(form)
    plan = plan_part(str(path), PlanSpec(RECORD, 7, rows=spec), lambda rows, at: None)
    found: list[Any] = []
    for shard in descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64)):
        here = spec.inside(shard.compression, shard.encoding)
        found += [here.decode(raw, shard.columns) for _, raw in shard_rows(shard, here)]
    return found


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in pieces of odd length, so that a piece may end within a character."""
    monkeypatch.setattr("vidatlas.sources.compression.CHUNK", 333)
    monkeypatch.setattr(text_of, "HEAD", 100)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", WITH_MARK)
@pytest.mark.parametrize(
    "form", [JsonLinesSpec(), CsvSpec(), CsvSpec(header=False, columns=("id", "title")), JsonSpec()]
)
def test_a_byte_order_mark_says_how_to_read(
    tmp_path: Path, form: Format, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "videos"
    text = {"jsonlines": LINES, "json": json.dumps(ROWS, indent=1), "csv": TABLE}[form.kind]
    if form.kind == "csv" and not form.header:
        text = text.partition("\r\n")[2]
    path.write_bytes(pack(WITH_MARK[encoding] + text.encode(encoding)))
    assert read(path, form) == ROWS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "shift_jis", "iso2022_jp", "gb18030", "utf-7"])
def test_any_codec_of_python_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "videos.csv"
    rows = [row for row in ROWS if "猫" not in row["title"]]
    lines = [line for line in TABLE.split("\r\n") if "猫" not in line]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    assert read(path, CsvSpec(encoding=encoding)) == rows


def test_utf16_without_a_mark_is_told_by_its_zeros() -> None:
    assert detect_encoding("id,x".encode("utf-16-le")) == "utf-16-le"
    assert detect_encoding('{"id"'.encode("utf-16-be")) == "utf-16-be"
    assert detect_encoding(b"id,title") == detect_encoding(b"") == detect_encoding(b"\0\0\0\0") == ""


@pytest.mark.parametrize("encoding", ["utf-16-le", "shift_jis", "utf-8-sig"])
def test_invalid_bytes_reject_their_row_alone(tmp_path: Path, encoding: str) -> None:
    bad = {"utf-16-le": b"\x00\xd8", "shift_jis": b"\x81\xff", "utf-8-sig": b"\xff"}[encoding]
    mark = {"utf-8-sig": codecs.BOM_UTF8}.get(encoding, b"")
    codec = encoding.removesuffix("-sig")
    data = "id,title\na,x\nb,".encode(codec) + bad + "\nc,z\n".encode(codec)
    path = tmp_path / "videos.csv"
    path.write_bytes(mark + data)
    assert read(path, CsvSpec(encoding=codec)) == [
        {"id": "a", "title": "x"}, Reason.INVALID_UTF8, {"id": "c", "title": "z"},
    ]  # fmt: skip


def test_a_reject_for_its_encoding_names_the_setting() -> None:
    assert "source.format.encoding" in Reason.INVALID_UTF8.meaning


@pytest.mark.parametrize("name", ["klingon", "hex", "rot13", "unicode\x00escape"])
def test_what_is_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="encoding"):
        CsvSpec(encoding=name)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_conversion_starts_at_every_mark(size: int) -> None:
    data = codecs.BOM_UTF16_LE + LINES[:400].encode("utf-16-le")
    marks: list[Mark] = []
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    whole = b"".join(to_utf8(chunks, "utf-16-le", START, marks.append))
    assert whole == LINES[:400].encode()
    for mark in marks:
        assert b"".join(to_utf8([data[mark.at :]], "utf-16-le", mark.state)) == whole[mark.to :]


def test_joined_files_may_have_marks_and_zeros_between_them(tmp_path: Path) -> None:
    path = tmp_path / "videos.jsonl"
    one = b'\xef\xbb\xbf{"id": "a", "title": "x"}\n'
    path.write_bytes(one + one.replace(b'"a"', b'"b"') + bytes(30) + one.replace(b'"a"', b'"c"') + bytes(500))
    assert [row["id"] for row in read(path, JsonLinesSpec())] == ["a", "b", "c"]


def test_a_shard_of_a_large_text_starts_near_it(tmp_path: Path) -> None:
    path = tmp_path / "videos.csv"
    path.write_bytes(codecs.BOM_UTF16_LE + TABLE.encode("utf-16-le"))
    plan = plan_part(str(path), PlanSpec(RECORD, 7, rows=RowSpec(CsvSpec())), lambda rows, at: None)
    assert plan.facts["encoding"] == "utf-16-le"
    last = plan.shards.to_pylist()[-1]
    assert last["seek_compressed"] == last["marks"][0]["at"] > path.stat().st_size / 2


def test_a_broken_text_of_no_rows_is_named(tmp_path: Path) -> None:
    path = tmp_path / "page.csv"
    path.write_bytes(codecs.BOM_UTF16_LE + "<!DOCTYPE html><html>".encode("utf-16-le"))
    with pytest.raises(InputError, match=r"page\.csv: this is a web page"):
        read(path, CsvSpec())
