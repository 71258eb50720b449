"""A file that holds no rows is named in one line; a table that only looks like one is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, plan_part
from vidatlas.recipe import load_recipe
from vidatlas.sources.content.file_type import json_setting, records_under, refuse
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.rows import RowSpec

RECORD = RecordSpec.model_validate(
    {"id": "id", "group": "id", "title": "t", "fields": {"t": {"column": "id", "weight": 1}}}
)
LINES = b"".join(b'{"id": "v%d"}\n' % number for number in range(50))


def planned(path: Path, rows: RowSpec | None = None) -> PartPlan:
    return plan_part(str(path), PlanSpec(RECORD, 10, rows=rows or PlanSpec(RECORD, 1).rows), lambda rows, at: None)


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, LINES)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("videos.jsonl")
        entry.size = len(LINES)
        archive.addfile(entry, io.BytesIO(LINES))
    return out.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table videos (id text)")
    return connection.serialize()


NO_TABLES: dict[str, tuple[bytes, str]] = {
    "zip": (zipped("videos.jsonl"), "a zip archive, not a table of rows. Unpack it"),
    "xlsx": (zipped("xl/workbook.xml"), "an Excel workbook.*as CSV"),
    "tar": (tarred(), "a tar archive"),
    "tar.gz": (gzip.compress(tarred()), "a tar archive within gzip.*Unpack it"),
    "tar.xz": (lzma.compress(tarred()), "a tar archive within xz"),
    "gzip in gzip": (gzip.compress(gzip.compress(LINES)), "gzip data within gzip.*once more"),
    "xz in bzip2": (bz2.compress(lzma.compress(LINES)), "xz data within bzip2"),
    "zip in gzip": (gzip.compress(zipped("a.csv")), "a zip archive within gzip"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
    "HTML": (b"\n<!-- a --><!-- b -->\n<!DOCTYPE html>\n<html><head>", "a web page .*Download the file again"),
    "HTML in gzip": (gzip.compress(b"<html>\n<body>Quota exceeded</body></html>"), "a web page .* within gzip"),
    "XML": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "an XML document"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "SQLite": (database(), "an SQLite database"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7z archive"),
    "pickle": (pickle.dumps({"a": 1}, protocol=5), "a Python pickle, which could run code"),
    "Feather 1": (b"FEA1" + bytes(60), "Feather file of version 1"),
}


@pytest.mark.parametrize("kind", NO_TABLES)
@pytest.mark.parametrize("rows", [None, RowSpec(CsvSpec())], ids=["jsonlines", "csv"])
def test_what_is_no_table_is_named(kind: str, rows: RowSpec | None, tmp_path: Path) -> None:
    data, said = NO_TABLES[kind]
    path = tmp_path / "videos.gz"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"^{path}: this is [^\n]*{said}"):
        planned(path, rows)


@pytest.mark.parametrize(
    "head",
    [
        b"PKID,title\n",
        b"PK,path\n1,xl/a\n2,word/b\n",
        b"ORCID,id\n",
        b"BZh,id\n",
        b"ustar," * 100,
        b"<b>title</b>,id\n",
        b"FEA1,FEA2\n",
        b"%,id\n",
        b"",
    ],
)
def test_a_table_that_starts_like_something_else_is_a_table(head: bytes) -> None:
    refuse(head, "plain")


def test_many_comments_in_front_of_no_page_are_skipped_in_linear_time() -> None:
    refuse(b"<!-- -->" * 2_000 + b"id,title", "plain")


ITEMS: list[dict[str, Any]] = [{"id": f"v{number}", "tags": ["a", "b"]} for number in range(3)]
DOCUMENTS = {
    "an array": (json.dumps(ITEMS), "this is one JSON array, not one object per line: add --set source.format=json."),
    "pretty-printed": (json.dumps(ITEMS, indent=2), "one JSON array"),
    "one object per line in brackets": ("[\n" + ",\n".join(map(json.dumps, ITEMS)) + "\n]", "one JSON array"),
    "one object per line behind a bracket": ("[" + ",\n".join(map(json.dumps, ITEMS)) + "]", "one JSON array"),
    "a page": (
        json.dumps({"kind": "list", "info": {"n": 3}, "items": ITEMS}, indent=2),
        "its records are those under items, --set source.format.kind=json --set source.format.records=items.",
    ),
    "a nested page": (json.dumps({"data": {"videos": ITEMS}}, indent=1), "source.format.records=data.videos"),
    "one record": (json.dumps(ITEMS[0], indent=2), "one JSON object over several lines.*source.format=json."),
    "objects without line breaks": ("".join(map(json.dumps, ITEMS)), "objects without line breaks.*source.format=json"),
    "line ends of old Macs": ("\r".join(map(json.dumps, ITEMS)), "objects without line breaks.*source.format=json"),
    "a page on one line": (json.dumps({"items": ITEMS}), "no such column: 'id'.*source.format.records=items"),
    "pages": (2 * (json.dumps({"items": ITEMS}) + "\n"), "no such column: 'id'.*source.format.records=items"),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_read_as_lines_is_named_with_settings_that_read_it(kind: str, tmp_path: Path) -> None:
    text, said = DOCUMENTS[kind]
    path = tmp_path / "videos.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as caught:
        planned(path)
    message = str(caught.value).rstrip(".")
    words = message.rpartition("add ")[2].rpartition("--set source.format.kind")
    changes = dict(word.split("=") for word in "".join(words[1:]).split() if "=" in word)
    for before in ("jsonlines", {"kind": "csv", "delimiter": ";"}):
        # The settings work whatever the recipe says.
        recipe = load_recipe({**load_recipe("demo").model_dump(), "source": {"format": before}},
                             changes or {"source.format": "json"})  # fmt: skip
        assert planned(path, recipe.rows).facts["rows"] >= 1


@pytest.mark.parametrize(
    "text",
    [
        LINES.decode(), LINES.decode().replace("\n", "", 1),
        "[1]\n" + LINES.decode(), '{"id": "a",\n' + LINES.decode(), '{"id": "a\n' + LINES.decode(),
        "[{\n" + LINES.decode(), "\n\n" + LINES.decode(), '[{"id": "a"}]\n' + LINES.decode(), "", "[", "id,title\n",
    ],
)  # fmt: skip
def test_lines_of_which_one_is_bad_are_still_lines(text: str) -> None:
    assert json_setting(text.encode()) is None


def test_the_first_list_of_objects_is_found_even_if_the_text_is_cut() -> None:
    assert records_under(b'{"a": "items\\": [{", "n": [1, [2]], "items": [{"id": "x') == "items"
    assert records_under(b'{"a": {"b": {}}, "c": {"d": [\n {') == "c.d"
    assert records_under(b'[{"items": [{}]}]') is None
    assert records_under(b'{"a": 1}\n{"b": [{}]}') is None


def test_text_named_gz_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "videos.jsonl.gz"
    path.write_bytes(LINES)
    assert planned(path).facts["rows"] == 50
