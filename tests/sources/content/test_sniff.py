"""The format of a text is found from its start: JSON or which dialect of CSV, with or without a header."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from vidatlas.sources.content.file_type import records_key
from vidatlas.sources.content.sniff import detect_csv, detect_json

JSON: list[tuple[bytes, dict[str, Any] | None]] = [
    (b'{"a": 1}\n{"a": 2}\n', {"kind": "jsonlines"}),
    (b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n', {"kind": "jsonlines"}),
    (b'{"a": 1}', {"kind": "json"}),
    (b'{\n "a": 1\n}', {"kind": "json"}),
    (b'[{"a": 1},\n{"a": 2}]', {"kind": "json"}),
    (b'{"a": 1}{"a": 2}', {"kind": "json"}),
    (b"a,b\n1,2\n", None),
    (b"", None),
]


@pytest.mark.parametrize(("head", "wanted"), JSON)
def test_json_is_told_from_other_text(head: bytes, wanted: dict[str, Any] | None) -> None:
    assert detect_json(head) == wanted


NO_HEADER = {"header": False}
TABLES: list[tuple[str, dict[str, Any]]] = [
    ("id,title\n1,One\n2,Two\n", {}),
    ("id;title;a\n1;One, two;3\n2;Two, three;4\n", {"delimiter": ";"}),
    ("id|tags\n1|a,b,c\n2|a,b,c\n", {"delimiter": "|"}),
    ('id,tags\n1,"x"|"y"\n2,"x"|"y"\n', {}),
    ("1::One\n2::Two\n", NO_HEADER | {"delimiter": "::", "quote": None, "columns": ["column_1", "column_2"]}),
    ("1,One\n2,Two\n", NO_HEADER | {"columns": ["column_1", "column_2"]}),
    ("id,2019,2020\n1,5,6\n2,7,8\n", {}),
    ("name,link\nOne,https://x.example\nTwo,https://y.example\n", {}),
    ("a,b,\n1,2,\n3,4,\n", {}),
    ("title,tags,,\nOne,a,,\nTwo,b,,\n", {}),
    ("From X\n\nid,title,views\n1,One,3\n2,Two,4\n", {"skip": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), TABLES)
def test_a_dialect_is_the_one_that_gives_rows_of_one_width(text: str, wanted: dict[str, Any]) -> None:
    assert detect_csv(text.encode(), {}) == {"kind": "csv", **wanted}


def test_what_the_user_names_stays() -> None:
    given = {"kind": "csv", "delimiter": ";", "header": False, "columns": ["a", "b"]}
    assert detect_csv(b"id;title\n1;One\n", given) == given


@pytest.mark.parametrize("text", ["Some words.\nAnd some more, here.\n", "", "one\ntwo\nthree\n"])
def test_prose_is_no_table(text: str) -> None:
    assert detect_csv(text.encode(), {}) is None


def test_a_text_cut_within_a_character_is_utf_8() -> None:
    text = "id,title\n" + "1,Säule\n" * 20
    assert detect_csv(text.encode()[:-4], {}) == {"kind": "csv"}


def test_records_lie_under_the_first_key_that_holds_any() -> None:
    def named(row: dict[str, Any]) -> bool:
        return "title" in row

    assert records_key({"kind": "x", "tags": [{"n": 1}], "items": [{"title": "a"}]}, named) == "items"
    assert records_key({"data": {"videos": [{"title": "a"}]}}, named) == "data.videos"
    assert records_key({"title": "a", "formats": [{"url": "b"}]}, named) is None
    assert records_key(orjson.loads('{"a":' * 300 + '{"items": [{"title": "b"}]}' + "}" * 300), named) is None
