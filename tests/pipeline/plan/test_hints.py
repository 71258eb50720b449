"""A file that a recipe cannot read is named with what it is, where it fails, and the setting that reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan.hints import csv_setting
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, plan_part
from vidatlas.recipe import load_recipe
from vidatlas.sources.jsonl import JsonLinesSpec

ROWS = [
    {
        "id": str(n),
        "snippet": {"title": f"t{n}", "tags": ["a", "b"]},
        "tags": [{"name": "x"}],
        "category": {"id": n % 2},
    }
    for n in range(30)
]
PATHS = {
    "record.id": "id",
    "record.author": None,
    "record.group": "category.id",
    "record.fields.title.column": "snippet.title",
    "record.fields.tags.column": "tags",
}


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., PartPlan]:
    """Return a function that plans a file of some text with the recipe "demo" and some changes."""

    def plan(text: str, changes: dict[str, Any] | None = None, name: str = "part") -> PartPlan:
        path, recipe = tmp_path / name, load_recipe("demo", changes or {})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return plan_part(str(path), PlanSpec(recipe.record, 10, rows=recipe.rows), lambda rows, at: None)

    return plan


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


Planned = Callable[..., PartPlan]


def test_nested_values_are_read_as_columns(planned: Planned) -> None:
    facts = planned(lines(ROWS), PATHS).facts
    assert (facts["rejects"], facts["groups"]) == ({}, {"0": 15, "1": 15})
    assert facts["examples"][0]["texts"] == {"title": ["t0"], "tags": ["x"]}


@pytest.mark.parametrize(
    ("key", "column", "said"),
    [
        ("record.fields.title.column", "snippet.titel", r"'snippet\.titel' \(did you mean 'snippet\.title'\?\)\. "
         r"The first 30 rows have: 'id', 'snippet\.title', 'snippet\.tags', 'tags\[\]\.name', 'category\.id'\."),
        ("record.group", "category.label", r"'category\.label'"),
        ("record.fields.tags.column", "tags[].title", r"'tags\[\]\.title'"),
        ("source.explode.column", "tag[].name", r"'tag\[\]\.name' \(did you mean 'tags\[\]\.name'"),
        ("record.require", ["snippet.nope"], r"'snippet\.nope'"),
        ("record.shown", ["snippet.nope"], r"'snippet\.nope'"),
        ("record.where", {"snippet.nope": "a"}, r"'snippet\.nope'"),
    ],
)  # fmt: skip
def test_a_wrong_path_is_no_column(planned: Planned, key: str, column: Any, said: str) -> None:
    with pytest.raises(UsageError, match=rf"^[^\n]*/part: no such column: {said}"):
        planned(lines(ROWS), {**PATHS, key: column})


def test_a_path_that_is_in_any_row_is_enough(planned: Planned) -> None:
    empty = [{**row, "snippet": {}, "tags": []} for row in ROWS]
    assert planned(lines(empty + ROWS), PATHS).facts["rejects"] == {"no_text": 30}


CSV = {"source.format": "csv"}
NO_HEADER = {"kind": "csv", "header": False, "columns": ["a", "b"], "quote": None}
OTHER: list[tuple[str, dict[str, Any], str]] = [
    ("id,title,tags\n" + "a,b,c\n" * 30, {}, "line 1 cannot be read: this looks like CSV: add --set source.format=csv"),
    ("a,b\n1,2\n", {}, "this looks like CSV: add --set source.format=csv"),
    ("a\tb\n1\t2\n", {}, """add --set 'source.format={kind: csv, delimiter: "\\t"}'"""),
    (lines(ROWS), CSV, "this looks like JSON lines: add --set source.format=jsonlines"),
    (lines(ROWS), {"source.format": NO_HEADER}, "line 1 cannot be read: this looks like JSON lines: add --set "
     "source.format=jsonlines"),
    ("id;title\na;b\n", CSV, """The table looks different: add --set 'source.format.delimiter=";"'"""),
    ("display_id, title\na, b\n", CSV, "The table looks different: add --set source.format.trim=true"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "changes", "said"), OTHER)
def test_a_file_of_another_format_says_what_it_is(planned: Planned, text: str, changes: Any, said: str) -> None:
    with pytest.raises(UsageError, match=rf"^[^\n]*/part: [^\n]*{re.escape(said)}$"):
        planned(text, changes)


def test_a_file_with_one_readable_row_is_what_the_recipe_says(planned: Planned) -> None:
    text = '{"display_id": "a", "title": "t", "tags": "", "categories": ""}\n' + "a,b\n" * 50
    assert planned(text).facts["rejects"] == {"invalid_json": 50}


def test_a_folder_that_names_a_column_says_so(planned: Planned) -> None:
    text = lines([{"display_id": "a", "title": "t", "tags": ""}])
    with pytest.raises(UsageError, match=r"'categories'.*add --set source\.path=hive$"):
        planned(text, name="categories=Music/part")
    facts = planned(text, {"source.path": "hive"}, "categories=Music/part").facts
    assert facts["groups"] == {"Music": 1}
    other = planned(text, {"source.path": "hive"}, "categories=Film/part").facts
    assert facts["part"] != other["part"]  # the same bytes, but not the same rows
    assert "categories" in facts["columns"]


@pytest.mark.parametrize(
    ("key", "setting"),
    [
        ("record.group", "record.group=category.label"),
        ("record.shown", "'record.shown=[category.label]'"),
        ("record.id", "record.id=category.label"),
    ],
)
def test_where_all_rows_hold_objects_the_message_names_the_setting(tmp_path: Path, key: str, setting: str) -> None:
    path = tmp_path / "part.jsonl"
    path.write_text(
        lines([{"id": str(n), "title": "t", "tags": "", "category": {"id": 20, "label": "Gaming"}} for n in range(9)])
    )
    changes = {
        "record.id": "id",
        "record.group": None,
        "record.author": None,
        key: ["category"] if key == "record.shown" else "category",
    }
    with pytest.raises(InputError) as caught:
        vidatlas.plan(
            load_recipe("demo", changes), str(path), str(tmp_path / "atlas"), vidatlas.Options(runner="serial")
        )
    assert f"The first: {path}, line 1 (invalid_" in str(caught.value)
    assert f"'category' holds objects: name a value in them, for example --set {setting}." in str(caught.value)


ABOVE = {
    "a title": ("Exported from a channel\n", 1),
    "comments": ("# one, two, three\n#\n", 2),
    "a title filled up": ("My videos,,,,\n", 1),
}


@pytest.mark.parametrize("what", ABOVE)
def test_lines_above_a_header_are_named_with_their_setting(what: str, planned: Planned) -> None:
    above, skip = ABOVE[what]
    table = "display_id,title,tags,categories,channel_id\n" + "".join(f"i{n},t,a,g,c\n" for n in range(30))
    said = rf"no such column.* The table looks different: add --set source\.format\.skip={skip}$"
    with pytest.raises(UsageError, match=said):
        planned(above + table, {"source.format": "csv"})
    facts = planned(above + table, {"source.format": {"kind": "csv", "skip": skip}}).facts
    assert (facts["rows"], facts["rejects"]) == (30, {})


def test_a_cell_that_is_called_like_one_of_several_columns_is_no_header(planned: Planned) -> None:
    with pytest.raises(UsageError, match="Choose another recipe"):
        planned("a,b\n1,2\n3,title\n", {"source.format": "csv"})


@pytest.mark.parametrize(
    ("lines", "setting"),
    [
        (["a,b", '1,"x,y"', "2,z"], "--set source.format=csv"),
        (["a\tb", "1\tx, y"], "--set 'source.format={kind: csv, delimiter: \"\\t\"}'"),
        (["a::b::c", "1::x::y"], "--set 'source.format={kind: csv, delimiter: \"::\", quote: null}'"),
        (["a,b", '1,"x', 'y"', '2,"open'], "--set source.format=csv"),
        (['{"a": 1, "b": 2', '{"a": 1, "b": 3'], ""),
        (["<html>,", "<body>,"], ""),
        (["a,b", "1"], ""),
        (["a,b"], ""),
        (["text", "more"], ""),
    ],
)
def test_csv_is_told_from_other_text(lines: list[str], setting: str) -> None:
    assert csv_setting("\n".join(lines).encode(), JsonLinesSpec()) == setting
