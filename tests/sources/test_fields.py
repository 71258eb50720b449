"""A line becomes a record or a reason, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vidatlas.sources.fields import LabelField, RecordSpec, TextField, parse_row
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.values.markup import MAX_TEXT_CHARS
from vidatlas.sources.values.texts import MAX_ID_CHARS
from vidatlas.types import UNGROUPED, Reason, Record

SPEC = RecordSpec(
    id="id",
    group="category",
    title="title",
    fields={
        "title": TextField(column="title", weight=0.6),
        "tags": TextField(column="tags", weight=0.4, separator=","),
    },
)
REASONS = [
    (b"", Reason.BLANK_LINE),
    (b" \t\r", Reason.BLANK_LINE),
    (b'{"id": "a", "title": "\xff"}', Reason.INVALID_UTF8),
    (b'{"id": "a", "title": "\xed\xa0\x80"}', Reason.INVALID_UTF8),
    (b'{"id": "a", "title": "cut o', Reason.INVALID_JSON),
    (b'{"id": "a", "title": NaN}', Reason.NO_TEXT),
    (b'{"id": "a", "title": NaN} x', Reason.INVALID_JSON),
    (rb'{"id": "a", "title": "\ud800"}', Reason.INVALID_JSON),
    (b"[" * 100_000, Reason.INVALID_JSON),
    (b"\0\0\0", Reason.INVALID_JSON),
    (b"{} {}", Reason.INVALID_JSON),
    (b"[1, 2]", Reason.NOT_AN_OBJECT),
    (b"3", Reason.NOT_AN_OBJECT),
    (b'"text"', Reason.NOT_AN_OBJECT),
    (b"null", Reason.EXCLUDED),
    (b'{"title": "t"}', Reason.MISSING_ID),
    (b'{"id": null, "title": "t"}', Reason.MISSING_ID),
    (b'{"id": "", "title": "t"}', Reason.MISSING_ID),
    (b'{"id": " \\t ", "title": "t"}', Reason.MISSING_ID),
    (b'{"id": "a\\nb", "title": "t"}', Reason.INVALID_ID),
    (b'{"id": "a\\u0000", "title": "t"}', Reason.INVALID_ID),
    (b'{"id": ["a"], "title": "t"}', Reason.INVALID_ID),
    (b'{"id": true, "title": "t"}', Reason.INVALID_ID),
    (b'{"id": 1.5, "title": "t"}', Reason.INVALID_ID),
    (b'{"id": "' + b"x" * (MAX_ID_CHARS + 1) + b'", "title": "t"}', Reason.INVALID_ID),
    (b'{"id": "a", "title": {"en": "t"}}', Reason.INVALID_FIELD),
    (b'{"id": "a", "title": ["t"]}', Reason.INVALID_FIELD),
    (b'{"id": "a", "title": true}', Reason.INVALID_FIELD),
    (b'{"id": "a", "title": "t", "tags": {"x": 1}}', Reason.INVALID_FIELD),
    (b'{"id": "a", "title": "t", "tags": [["x"]]}', Reason.INVALID_FIELD),
    (b'{"id": "a"}', Reason.NO_TEXT),
    (b'{"id": "a", "title": null, "tags": []}', Reason.NO_TEXT),
    (b'{"id": "a", "title": " \\t ", "tags": " , ,"}', Reason.NO_TEXT),
]


def parse(row: dict[str, Any]) -> Record | Reason:
    return parse_row(row, SPEC)


def texts_of(**row: Any) -> tuple[tuple[str, ...], ...]:
    found = parse({"id": "a", **row})
    assert isinstance(found, Record)
    return found.texts


@pytest.mark.parametrize(("line", "reason"), REASONS, ids=lambda value: repr(value)[:40])
def test_a_bad_line_gets_its_reason(line: bytes, reason: Reason) -> None:
    found = parse_line(line)
    assert (found if isinstance(found, Reason) else parse(found)) == reason


def test_every_reason_explains_itself_and_all_others_come_from_a_line_of_json() -> None:
    tables = {Reason.INVALID_CSV, Reason.WRONG_WIDTH}
    asked = {reason for reason in Reason if reason.asked_for}
    assert asked == {Reason.EXCLUDED, Reason.MISSING_VALUE, Reason.NO_TERMS}
    assert {reason for _, reason in REASONS} - {Reason.EXCLUDED} == set(Reason) - {
        Reason.LINE_TOO_LONG,
        Reason.DUPLICATE_ID,
        Reason.UNREADABLE_IMAGE,
        Reason.INVALID_VECTOR,
    } - tables - asked
    assert len({reason.meaning for reason in Reason}) == len(Reason)


@pytest.mark.parametrize(
    ("value", "key"),
    [("a", "a"), (0, "0"), (-12, "-12"), (1 << 62, str(1 << 62)), ("../a/b", "../a/b"), ("ключ 🎬", "ключ 🎬")],
)
def test_an_id_is_text_or_a_whole_number(value: Any, key: str) -> None:
    found = parse({"id": value, "title": "t"})
    assert isinstance(found, Record)
    assert found.id == key


def test_ids_of_several_columns_differ_where_a_value_does() -> None:
    spec = SPEC.model_copy(update={"id": ("id", "by")})
    pairs = [("x/y", "z"), ("x", "y/z"), ("x\\", "y/z"), ("x\\/y", "z"), ("x", 1)]
    found = [parse_row({"id": first, "by": second, "title": "t"}, spec) for first, second in pairs]
    keys = [record.id for record in found if isinstance(record, Record)]
    assert keys == ["x\\/y/z", "x/y\\/z", "x\\\\/y\\/z", "x\\\\\\/y/z", "x/1"]
    assert len(set(keys)) == len(pairs)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("a,b", ("a", "b")),
        (" two words , b ,, ", ("two words", "b")),
        ("a|b", ("a|b",)),
        (["a ", " b c ", "", None, 3], ("a", "b c", "3")),
        ([None, 3], ("3",)),
        (7, ("7",)),
        ('["a","b"]', ("a", "b")),
        ([], ()),
        (None, ()),
        ("", ()),
    ],
)
def test_tags_become_a_tuple_of_texts(tags: Any, expected: tuple[str, ...]) -> None:
    assert texts_of(title="t", tags=tags) == (("t",), expected)


def test_five_thousand_tags_are_kept() -> None:
    tags = [f"tag {number}" for number in range(5_000)]
    assert texts_of(tags=",".join(tags)) == ((), tuple(tags))


def test_a_title_may_be_a_number_and_is_cut_where_no_encoder_reads_on() -> None:
    assert texts_of(title=1984) == (("1984",), ())
    assert texts_of(title="é" * 10_000) == (("é" * MAX_TEXT_CHARS,), ())
    assert texts_of(tags=["x" * 10_000]) == ((), ("x" * MAX_TEXT_CHARS,))


def test_control_characters_in_a_text_do_not_lose_the_row() -> None:
    line = json.dumps({"id": "a", "title": "one\x00two\x1b[31m", "tags": "a\nb"}).encode()
    row = parse_line(line)
    assert isinstance(row, dict)
    found = parse(row)
    assert isinstance(found, Record)
    assert "one" in found.texts[0][0]
    assert "two" in found.texts[0][0]


@pytest.mark.parametrize(
    ("value", "group"),
    [("Music", "Music"), (" Music ", "Music"), (["Music", "Film"], "Music"), (10, "10")]
    + [(empty, UNGROUPED) for empty in (None, "", "  ", [], [None])],
)
def test_a_group_is_one_name_and_never_empty(value: Any, group: str) -> None:
    found = parse({"id": "a", "title": "t", "category": value})
    assert isinstance(found, Record)
    assert found.group == group


@pytest.mark.parametrize(
    ("value", "author"),
    [("UC1", "UC1"), (" UC1 ", "UC1"), (17, "17"), (["UC1", "UC2"], "UC1"), ("U\x00C", "U C"), ("x" * 600, "x" * 512)]
    + [(empty, "") for empty in (None, "", " ", [])],
)
def test_an_author_is_one_name_or_unknown(value: Any, author: str) -> None:
    found = parse_row({"id": "a", "title": "t", "channel": value}, SPEC.model_copy(update={"author": "channel"}))
    assert isinstance(found, Record)
    assert found.author == author


def test_the_title_shown_is_the_title_field_or_nothing() -> None:
    assert parse({"id": "a", "title": "t", "tags": "x"}) == Record("a", UNGROUPED, "t", (("t",), ("x",)))
    assert parse({"id": "a", "tags": "x"}) == Record("a", UNGROUPED, "", ((), ("x",)))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
ROWS = st.dictionaries(st.sampled_from(["id", "category", "title", "tags", "other"]), VALUES)


@settings(max_examples=100)
@given(ROWS | ROWS.map(lambda row: {**row, "id": "a"}))
def test_any_row_gives_exactly_a_record_or_a_reason(row: dict[str, Any]) -> None:
    found = parse(row)
    if isinstance(found, Reason):
        return
    assert isinstance(found, Record)
    assert 0 < len(found.id) <= MAX_ID_CHARS
    assert found.group.strip()
    assert any(found.texts)
    assert all(0 < len(text) <= MAX_TEXT_CHARS and text.strip() for texts in found.texts for text in texts)


@settings(max_examples=100)
@given(st.binary() | ROWS.map(lambda row: json.dumps(row).encode()).flatmap(lambda line: st.just(line[1:])) | st.text())
def test_any_bytes_give_an_object_or_a_reason(line: bytes | str) -> None:
    found = parse_line(line if isinstance(line, bytes) else line.encode("utf-8", "surrogatepass"))
    assert isinstance(found, Reason | dict)


def test_a_specification_that_contradicts_itself_is_refused() -> None:
    field = TextField(column="title", weight=1)
    with pytest.raises(ValidationError, match="title names the field 'name'"):
        RecordSpec(id="id", title="name", fields={"title": field})
    with pytest.raises(ValidationError, match="cannot be called embedding"):
        RecordSpec(id="id", title="title", fields={"title": field, "embedding": field})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        TextField(column="title", weight=-1)


def test_the_author_may_be_absent_from_the_input_and_is_stored_where_it_is_named() -> None:
    named = SPEC.model_copy(update={"author": "channel"})
    assert named.input_columns() == SPEC.input_columns()
    assert named.stored() == ["id", "group", "author", "title", "tags"]
    assert SPEC.stored() == ["id", "group", "title", "tags"]
    with pytest.raises(ValidationError, match="cannot be called author"):
        RecordSpec(id="id", title="author", fields={"author": TextField(column="title", weight=1)})


def test_a_row_without_an_id_that_is_nested_too_deeply_to_be_hashed_is_rejected() -> None:
    row = parse_line(b'{"title": "t", "more": ' + b"[" * 300 + b"]" * 300 + b"}")
    assert isinstance(row, dict)
    assert parse_row(row, SPEC.model_copy(update={"id": None})) is Reason.INVALID_JSON


def test_columns_are_named_once() -> None:
    assert SPEC.input_columns() == ["id", "category", "title", "tags"]
    assert RecordSpec(id="id", title="t", fields={"t": TextField(column="id", weight=1)}).input_columns() == ["id"]


FILMS = RecordSpec(
    id=("kind", "key"),
    title="title",
    fields={
        "title": TextField(column="name", weight=0),
        "text": TextField(column=("name", "director"), weight=1),
        "tags": TextField(column="tags", weight=1, separator=","),
        "flags": TextField(column=("comedy", "drama"), weight=1, separator=",", flags=True),
    },
    where={"kind": ("Movie", "Short")},
    fill={"director": "No Data"},
    require=("director", "cast"),
    labels=LabelField(column="genres", separator=", "),
    shown=("year",),
)
FILM = {
    "kind": "Movie",
    "key": "1",
    "name": "Up",
    "cast": "Ed",
    "genres": "Kids, Air, Kids",
    "year": 2009,
    "drama": "1",
}


def test_a_recipe_joins_cleans_and_labels() -> None:
    found = parse_row(FILM | {"tags": "['a', 'b, c']", "comedy": "0"}, FILMS)
    assert found == Record(
        "Movie/1",
        UNGROUPED,
        "Up",
        (("Up",), ("Up No Data",), ("a", "b, c"), ("drama",)),
        labels=("Kids", "Air"),
        shown=("2009",),
    )


@pytest.mark.parametrize("value", [1, 1.0, True, "1", "1.0", "True", "true"])
def test_a_flag_is_set_however_it_is_written(value: Any) -> None:
    found = parse_row(FILM | {"comedy": value, "drama": 0.0}, FILMS)
    assert isinstance(found, Record)
    assert found.texts[3] == ("comedy",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "Show"}, Reason.EXCLUDED),
        ({"kind": None}, Reason.EXCLUDED),
        ({"cast": " "}, Reason.MISSING_VALUE),
        ({"cast": None}, Reason.MISSING_VALUE),
        ({"tags": "['a'"}, None),
        ({"tags": "[a"}, None),
        ({"tags": "[a b]"}, None),
        ({"tags": "[{'id': 1}]"}, Reason.INVALID_FIELD),
        ({"tags": "[['a']]"}, Reason.INVALID_FIELD),
        ({"key": ""}, Reason.MISSING_ID),
        ({"key": "x" * 600}, Reason.INVALID_ID),
        ({"name": "", "drama": "", "director": " "}, None),
    ],
)
def test_a_recipe_leaves_rows_out_with_a_reason(changes: dict[str, Any], reason: Reason | None) -> None:
    found = parse_row(FILM | changes, FILMS)
    assert (found if isinstance(found, Reason) else None) == reason


def test_a_field_that_weighs_nothing_is_no_text_to_embed() -> None:
    spec = RecordSpec(
        id="id",
        title="title",
        fields={"title": TextField(column="t", weight=0), "text": TextField(column="x", weight=1)},
    )
    assert parse_row({"id": "a", "t": "shown"}, spec) is Reason.NO_TEXT
    assert list(spec.embedded()) == ["text"]


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"title": {"column": "t", "weight": 1, "flags": True}}},
        {"fields": {"title": {"column": "t", "weight": 1}, "count": {"column": "t", "weight": 1}}},
        {"shown": ["title"]},
    ],
)
def test_a_record_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RecordSpec.model_validate(
            {"id": "i", "title": "title", "fields": {"title": {"column": "t", "weight": 1}}} | changes
        )


NAMED = RecordSpec(
    id="id",
    group="category",
    author="channel",
    title="title",
    fields={"title": TextField(column="title", weight=1), "tags": TextField(column="tags", weight=0, separator=",")},
    labels=LabelField(column="labels", separator=","),
    shown=("kind",),
    count="user.id",
)
OBJECT = {"id": 20, "label": "Gaming"}


@pytest.mark.parametrize("column", ["category", "channel", "kind", "labels", "tags", "title"])
@pytest.mark.parametrize("value", [OBJECT, [OBJECT], [["a"]], "{'id': 20, 'label': 'Gaming'}"], ids=str)
def test_an_object_never_becomes_a_name(column: str, value: Any) -> None:
    found = parse_row({"id": "a", "title": "t", column: value}, NAMED)
    if isinstance(value, str) and column in ("title", "tags", "labels"):
        assert isinstance(found, Record)
    else:
        assert found == Reason.INVALID_FIELD


def test_a_list_of_objects_gives_their_names() -> None:
    tags = [{"name": "x", "id": 1}, {"name": "y"}, {"id": 3}, "z"]
    found = parse_row({"id": "a", "title": "t", "tags": tags, "labels": tags, "category": ["g", "h"]}, NAMED)
    assert isinstance(found, Record)
    assert (found.texts[1], found.labels, found.group) == (("x", "y", "z"), ("x", "y", "z"), "g")


def test_every_column_that_a_key_names_is_known() -> None:
    assert NAMED.named() == ["id", "category", "title", "tags", "labels", "kind", "channel", "user.id"]
