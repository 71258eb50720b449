"""Placeholders are nothing wherever a recipe asks for something, but a video may be called NA."""

from __future__ import annotations

from typing import Any

import pytest

from vidatlas.sources.fields import LabelField, RecordSpec, TextField, group_of, parse_row, unnamed
from vidatlas.sources.values.missing import MISSING
from vidatlas.types import UNGROUPED, Reason, Record

BASE = RecordSpec(
    id="id",
    group="genre",
    author="channel",
    title="title",
    fields={
        "title": TextField(column="title", weight=0.5),
        "tags": TextField(column="tags", weight=0.5, separator=","),
        "about": TextField(column="about", weight=0),
    },
    fill={"about": "no text"},
    require=("year",),
    labels=LabelField(column="labels", separator="|"),
    shown=("place",),
)
ROW = {"id": "a", "title": "Castle", "year": "1999"}


def parsed(row: dict[str, Any], **changes: Any) -> Record:
    found = parse_row(ROW | row, BASE.model_copy(update=changes))
    assert isinstance(found, Record), found
    return found


@pytest.mark.parametrize("mark", [*MISSING, " NA ", ""])
def test_a_placeholder_is_nothing_in_every_column(mark: str) -> None:
    row = {name: mark for name in ("genre", "channel", "tags", "about", "labels", "place")}
    found = parsed(row)
    assert found == Record("a", UNGROUPED, "Castle", (("Castle",), (), ("no text",)), shown=("",))
    assert parse_row(ROW | {"year": mark}, BASE) is Reason.MISSING_VALUE


def test_items_of_a_list_may_be_placeholders() -> None:
    assert parsed({"tags": "a,[none],NA, b"}).texts[1] == ("a", "b")
    assert parsed({"tags": ["a", "None", None, "b"]}).texts[1] == ("a", "b")
    assert parsed({"tags": "['a', 'nan']"}).texts[1] == ("a",)
    assert parsed({"labels": "x|-|y"}).labels == ("x", "y")
    assert parsed({"genre": ["\\N", "Music"]}).group == "Music"


@pytest.mark.parametrize(("title", "kept"), [("NA", "NA"), ("-", "-"), ("None", "None"), ("[none]", ""), ("\\N", "")])
def test_a_title_may_be_a_word_or_a_dash(title: str, kept: str) -> None:
    assert parsed({"title": title, "tags": "a"}).title == kept


def test_the_id_is_what_the_row_says() -> None:
    assert parsed({"id": "NA"}).id == "NA"
    assert parsed({"id": "-"}).id == "-"
    assert parsed({"id": " \\N/a "}).id == " \\N/a "
    assert parsed({"id": "20"}, map={"id": {"20": "Gaming"}}).id == "20"


@pytest.mark.parametrize("mark", ["\\N", " <NA> ", "#N/A", "[none]"])
def test_a_placeholder_that_is_no_word_is_no_id(mark: str) -> None:
    assert parse_row(ROW | {"id": mark}, BASE) is Reason.MISSING_ID
    assert parse_row(ROW | {"id": mark}, BASE.model_copy(update={"id": ("title", "id")})) is Reason.MISSING_ID
    assert parsed({"id": mark}, missing=()).id == mark
    assert parsed({"id": mark}, fill={"id": "b", "about": ""}).id == "b"


def test_other_placeholders_can_be_named() -> None:
    own = RecordSpec.model_validate(BASE.model_dump() | {"missing": ["unknown", None, 0]})
    assert own.missing == ("unknown", "null", "0")
    found = parse_row(ROW | {"genre": "unknown", "tags": "NA,null"}, own)
    assert isinstance(found, Record)
    assert (found.group, found.texts[1]) == (UNGROUPED, ("NA",))


def test_groups_have_one_name_for_a_number_and_the_name_of_an_object() -> None:
    assert {parsed({"genre": genre}).group for genre in (24, 24.0, "24", "24.0", [24.0])} == {"24"}
    assert parsed({"genre": {"id": 20, "name": "Gaming"}}).group == "Gaming"
    assert parse_row(ROW | {"genre": {"id": 20, "label": "Gaming"}}, BASE) is Reason.INVALID_FIELD
    assert parsed({"genre": "Howto &amp; Style"}).group == "Howto & Style"


def test_values_get_their_names_and_those_without_one_stay() -> None:
    spec = RecordSpec.model_validate(
        BASE.model_dump() | {"map": {"genre": {10: "Music", 20: "Gaming"}, "tags": {"1": "one"}}}
    )
    for genre in (20, 20.0, "20", "20.0", ["20"]):
        assert group_of({"genre": genre}, spec) == "Gaming"
        assert unnamed({"genre": genre}, spec) == []
    assert group_of({"genre": "99"}, spec) == "99"
    assert unnamed({"genre": "99", "tags": "1,2, NA"}, spec) == [("genre", "99"), ("tags", "2")]
    assert unnamed({"genre": "Gaming", "tags": None}, spec) == []
    found = parse_row(ROW | {"genre": "10", "tags": "1,2"}, spec)
    assert isinstance(found, Record)
    assert (found.group, found.texts[1]) == ("Music", ("one", "2"))


def test_objects_of_a_list_are_named_by_name_or_id() -> None:
    spec = BASE.model_copy(update={"map": {"tags": {"1": "one", "zwei": "two"}}})
    tags = [{"id": 1, "name": "eins"}, {"id": 2.0, "name": "zwei"}, {"id": 1.0}, {"name": "drei", "id": 3}, {"x": 1}]
    row = ROW | {"tags": tags}
    found = parse_row(row, spec)
    assert isinstance(found, Record)
    assert found.texts[1] == ("one", "two", "one", "drei")
    assert unnamed(row, spec) == [("tags", "drei")]
    assert parse_row(ROW | {"tags": str(tags)}, spec) == found


@pytest.mark.parametrize("wanted", ["20", "20.0", "Gaming"])
def test_where_takes_a_value_or_its_name(wanted: str) -> None:
    spec = BASE.model_copy(update={"map": {"genre": {"20": "Gaming"}}, "where": {"genre": wanted}})
    assert isinstance(parse_row(ROW | {"genre": 20}, spec), Record)
    assert parse_row(ROW | {"genre": 10}, spec) is Reason.EXCLUDED


def test_where_needs_no_quotes_in_yaml() -> None:
    spec = RecordSpec.model_validate(BASE.model_dump() | {"where": {"live": False, "genre": [20, "Music"]}})
    assert spec.where == {"live": "false", "genre": ("20", "Music")}
    assert isinstance(parse_row(ROW | {"live": "False", "genre": "20.0"}, spec), Record)


def test_quotes_that_kaggle_left_in_a_cell_are_no_part_of_a_tag() -> None:
    kaggle = BASE.model_copy(
        update={"fields": {**BASE.fields, "tags": TextField(column="tags", weight=1, separator="|")}}
    )
    found = parse_row(ROW | {"tags": 'minecraft|"castle"|"a ""b"""|"'}, kaggle)
    assert isinstance(found, Record)
    assert found.texts[1] == ("minecraft", "castle", 'a ""b""', '"')
    found = parse_row(ROW | {"tags": 'say|hi "there"'}, kaggle)
    assert isinstance(found, Record)
    assert found.texts[1] == ("say", 'hi "there"')


def test_a_copy_of_a_specification_works_out_its_cells_anew() -> None:
    assert parsed({"genre": "x"}, missing=("x",)).group == UNGROUPED
    assert parsed({"genre": "x"}).group == "x"
