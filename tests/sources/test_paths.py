"""A path finds what a plain reader finds; a key with dots in it wins; a wrong one is told from the nearest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.sources.paths import MOST_NAMES, compile_paths, nearest, nested_names, say_missing, with_nested

ROW: dict[str, Any] = {
    "_id": {"$oid": "x1"},
    "snippet": {"title": "Castle", "tags": ["a", "b"], "a.b": {"c": 1}},
    "thumbnails": [{"url": "u0"}, {"url": "u1"}],
    "tags": [{"name": "x", "ids": [{"n": 1}, {"n": 2}]}, {"name": "y", "ids": []}, {"id": 3}],
    "owner": {"name": "o"},
    "genres": "[{'id': 18, 'name': 'Drama'}, {'id': 9, 'name': 'War'}]",
    "json": '{"url": {"high": "h"}}',
    "nothing": None,
    "none": [],
}
FOUND: list[tuple[str, Any]] = [
    ("_id.$oid", "x1"),
    ("snippet.title", "Castle"),
    ("snippet.tags", ["a", "b"]),
    ("snippet.tags.1", "b"),
    ("snippet.a.b.c", 1),
    ("thumbnails.0.url", "u0"),
    ("thumbnails[].url", ["u0", "u1"]),
    ("tags[].name", ["x", "y"]),
    ("tags[].ids[].n", [1, 2]),
    ("owner[].name", ["o"]),
    ("genres[].name", ["Drama", "War"]),
    ("genres.1.name", "War"),
    ("json.url.high", "h"),
    ("none[].name", []),
]
ABSENT = [
    "snippet.titel",
    "title.x",
    "thumbnails.2.url",
    "thumbnails.-1.url",
    "tags[].nope",
    "nothing.x",
    "nothing[].x",
]
ABSENT += ["tags.name", "thumbnails." + "9" * 5_000, "owner.name.first", "[]", ".", "a..b"]


def found(row: dict[str, Any], name: str) -> Any:
    return with_nested(row, compile_paths([name])).get(name, ABSENT)


@pytest.mark.parametrize(("name", "value"), FOUND, ids=[name for name, _ in FOUND])
def test_a_path_finds_its_value(name: str, value: Any) -> None:
    assert found(ROW, name) == value


@pytest.mark.parametrize("name", ABSENT, ids=lambda name: name[:30])
def test_a_path_to_nothing_adds_no_column(name: str) -> None:
    assert found(ROW, name) is ABSENT


def test_a_key_with_dots_wins_at_every_level() -> None:
    assert found({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert found({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c") == 1
    assert found({"a.b": "text", "a": {"b": {"c": 2}}}, "a.b.c") == 2
    assert found({"tags[].name": 1, "tags": [{"name": 2}]}, "tags[].name") == 1


def test_plain_names_need_no_path_and_rows_stay_as_they_are() -> None:
    assert compile_paths(["title", "view count", "$oid"]) == ()
    row = {"a.b": 1}
    assert with_nested(row, compile_paths(["a.b", "c.d"])) is row


KEYS = st.sampled_from(["a", "b", "a.b", "c"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text("xy", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def plain(value: Any, steps: list[str]) -> list[Any]:
    """Return all values to which the steps can lead, keys with more dots first: a plain reader without ``[]``."""
    if not steps:
        return [value]
    if isinstance(value, list):
        at = int(steps[0]) if steps[0].isdigit() else len(value)
        return plain(value[at], steps[1:]) if at < len(value) else []
    if not isinstance(value, dict):
        return []
    ends = [end for end in range(len(steps), 0, -1) if ".".join(steps[:end]) in value]
    return [one for end in ends for one in plain(value[".".join(steps[:end])], steps[end:])]


@settings(max_examples=400)
@given(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.lists(st.sampled_from(["a", "b", "c", "0", "1"]), min_size=2, max_size=4),
)
def test_a_path_finds_what_a_plain_reader_finds(row: dict[str, Any], steps: list[str]) -> None:
    everything = plain(row, steps)
    assert found(row, ".".join(steps)) == (everything[0] if everything else ABSENT)


@settings(max_examples=200)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.text("ab.[]01", max_size=8))
def test_any_name_is_found_or_not_but_never_an_error(row: dict[str, Any], name: str) -> None:
    found(row, name)
    assert found({"t": json.dumps(row)}, f"t.{name}") == found({"t": row}, f"t.{name}")


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1, max_size=4))
def test_every_name_that_is_listed_leads_somewhere(row: dict[str, Any]) -> None:
    for name in nested_names(row):
        assert name in with_nested(row, compile_paths([name])), name


def test_names_are_listed_with_their_paths_and_not_without_end() -> None:
    assert nested_names({"id": 1, "snippet": {"title": "t", "tags": ["a"]}, "tags": [{"name": "x"}], "none": {}}) == [
        "id",
        "snippet.title",
        "snippet.tags",
        "tags[].name",
        "none",
    ]
    deep: Any = 1
    for _ in range(5_000):
        deep = {"a": deep}
    assert len(nested_names({"a": deep, "many": {str(key): 1 for key in range(10_000)}})) <= 300


@pytest.mark.parametrize(
    ("name", "there", "meant"),
    [
        ("snippet.titel", ["kind", "snippet.title", "snippet.tags"], "snippet.title"),
        ("title", ["kind", "snippet.title", "snippet.tags"], "snippet.title"),
        ("tilte", ["kind", "snippet.title", "snippet.tags"], "snippet.title"),
        ("tags.name", ["tags[].name", "name"], "tags[].name"),
        ("title", ["display_id", " title"], " title"),
        ("viewCount", ["statistics.view_count", "likes"], "statistics.view_count"),
        ("hashtags", ["user_name", "id", "hashtag_names"], "hashtag_names"),
        ("categories", ["display_id", "title"], None),
    ],
)
def test_the_nearest_name_is_suggested(name: str, there: list[str], meant: str | None) -> None:
    assert nearest(name, there) == meant


def test_a_message_quotes_names_and_lists_some_dozens() -> None:
    wanted, listed = say_missing(["titel", "x"], [" title", *map(str, range(1_000))])
    assert wanted == "'titel' (did you mean ' title'?), 'x'"
    assert listed.startswith("' title', '0', '1', ")
    assert listed.endswith(f" and {1_001 - MOST_NAMES:,} more")
