"""The type of a column follows from all its values; a value that does not fit is empty."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.errors import UsageError
from vidatlas.recipe import load_recipe
from vidatlas.sources.values.columns import ARROW, Kind, kind_from, kind_of, typed

NOON = datetime(2023, 1, 14, 12, 30, tzinfo=UTC)
MIDNIGHT = datetime(2023, 1, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "name", "kind"),
    [
        ([1, "2", None, ""], "views", "integer"),
        ([1, 2.5, "3e4"], "score", "number"),
        ([24.0, 25.0], "age", "number"),
        ([True, "False"], "live", "boolean"),
        ([True, 1], "live", "text"),
        (["2023-01-14", None], "when", "date"),
        (["20230114", 20230115], "upload_date", "date"),
        ([20230114, 20230115], "views", "integer"),
        ([20230114, 5], "upload_date", "integer"),
        (["September 25, 2021", "25 Sep 2021", "2021-09-25"], "when", "date"),
        (["May 1, 2020", "May 32, 2020"], "when", "text"),
        (["Marchy 3, 2020"], "when", "text"),
        (["2023-01-14T12:30:00Z", "2023-01-14"], "when", "time"),
        ([1_700_000_000, "1700000001"], "create_time", "time"),
        ([1_700_000_000], "views", "integer"),
        ([20230114.0, None, "20230115.0"], "upload_date", "date"),
        ([1_700_000_000.0, "1700000001.0"], "create_time", "time"),
        ([1_700_000_000.0, 2.5], "create_time", "number"),
        (["2023-01-14 12:30:00+00", "2023-01-14 12:30:00.5-05"], "when", "time"),
        (["PT4M13S", "P0D"], "length", "duration"),
        (["PT4M13S", 3], "length", "text"),
        (["a", 1], "x", "text"),
        (["007"], "code", "text"),
        (["007", 5], "code", "text"),
        ([1 << 63], "id", "text"),
        (["7" * 25, 5], "id", "text"),
        ([["a"], "b"], "x", "text"),
        (["17.14.11"], "trending_date", "text"),
        (["2023-02-30"], "date", "text"),
        (["1e999"], "x", "text"),
        ([], "x", "text"),
        ([None, " ", []], "x", "text"),
    ],
)
def test_a_column_is_what_all_its_values_are(values: list[Any], name: str, kind: Kind) -> None:
    assert kind_from(Counter(map(kind_of, values)), (name,)) == kind


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("12", "integer", 12),
        (" 12.0 ", "integer", 12),
        ((1 << 63) - 1, "integer", (1 << 63) - 1),
        (1 << 63, "integer", None),
        (1.5, "integer", None),
        (True, "integer", None),
        ("1,234", "integer", None),
        ("1.5e3", "number", 1500.0),
        ("inf", "number", None),
        (10**400, "number", None),
        ("TRUE", "boolean", True),
        (0, "boolean", False),
        ("yes", "boolean", None),
        ("20230114", "date", date(2023, 1, 14)),
        ("2023-01-14T23:30:00-05:00", "date", date(2023, 1, 15)),
        ("January 14, 2023", "date", date(2023, 1, 14)),
        (" 14 Jan. 2023", "date", date(2023, 1, 14)),
        ("January 14, 2023", "time", MIDNIGHT),
        ("Januar 14, 2023", "date", None),
        ("2023-01-14", "time", MIDNIGHT),
        ("2023-01-14T12:30:00.000Z", "time", NOON),
        ("2023-01-14 12:30:00 UTC", "time", NOON),
        ("2023-01-14 13:30:00+0100", "time", NOON),
        ("2023-01-14T12:30", "time", NOON),
        (int(NOON.timestamp()), "time", NOON),
        (NOON.timestamp(), "time", NOON),
        (f"{NOON.timestamp()}", "time", NOON),
        ("2023-01-14 12:30:00+00", "time", NOON),
        ("2023-01-14 07:30:00.000-05", "time", NOON),
        (20230114.0, "date", date(2023, 1, 14)),
        ("20230114.0", "date", date(2023, 1, 14)),
        (20230114.0, "time", MIDNIGHT),
        (20230114.5, "date", None),
        (str(int(NOON.timestamp()) * 1000), "time", NOON),
        (12, "time", None),
        ("0001-01-01T00:00:00+23:00", "time", None),
        ("soon", "date", None),
        ("PT4M13S", "duration", 253.0),
        ("P1DT1H0.5S", "duration", 90_000.5),
        ("1:02:03", "duration", 3723.0),
        ("4:13", "duration", 253.0),
        (253, "duration", 253.0),
        ("253.5", "duration", 253.5),
        ("P", "duration", None),
        ("PT", "duration", None),
        (-1, "duration", None),
        ("<b>Tom</b> &amp; Jerry", "text", "Tom & Jerry"),
        (["a", "b", None], "text", "a, b"),
        (True, "text", "true"),
        ({"a": 1}, "text", None),
        ("  ", "text", None),
        (None, "integer", None),
    ],
)
def test_a_value_has_its_columns_type_or_is_empty(value: Any, kind: Kind, expected: Any) -> None:
    assert typed(value, kind) == expected
    assert type(typed(value, kind)) is type(expected)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str) | st.datetimes().map(str)
)


@settings(max_examples=100)
@given(st.lists(SCALARS | st.lists(SCALARS, max_size=2), max_size=6), st.sampled_from(["views", "upload_date"]))
def test_an_inferred_type_fits_every_value(values: list[Any], name: str) -> None:
    kind = kind_from(Counter(map(kind_of, values)), (name,))
    found = [typed(value, kind) for value in values]
    pa.array(found, ARROW[kind])
    if kind != "text":
        assert [value is None for value in found] == [not kind_of(value) for value in values]


@settings(max_examples=100)
@given(SCALARS, st.sampled_from(list(ARROW)))
def test_a_type_that_is_asked_for_never_fails(value: Any, kind: Kind) -> None:
    pa.array([typed(value, kind)], ARROW[kind])


def test_a_recipe_names_columns_shortly_or_in_full() -> None:
    made = load_recipe(
        "demo", {"record.columns": {"views": "view_count", "length": {"column": "d", "type": "duration"}}}
    )
    assert [(name, column.column, column.type) for name, column in made.record.columns.items()] == [
        ("views", "view_count", None),
        ("length", "d", "duration"),
    ]
    assert made.record.stored() == ["id", "group", "author", "views", "length", "title", "tags"]
    assert made.record.input_columns()[-2:] == ["view_count", "d"]
    assert made.record.typed({"views": "integer"}).columns["views"].type == "integer"


@pytest.mark.parametrize("name", ["id", "title", "tags", "embedding", "subcategory", "cosine", "url", "x", "category"])
def test_a_column_of_the_atlas_cannot_be_taken(name: str) -> None:
    with pytest.raises(UsageError, match=f"cannot be called {name}"):
        load_recipe("demo", {"record.columns": {name: "view_count"}})


def test_a_column_has_a_plain_name() -> None:
    with pytest.raises(UsageError, match="letters, digits and underscores"):
        load_recipe("demo", {"record.columns": {"a.b": "view_count"}})
    with pytest.raises(UsageError, match="integer"):
        load_recipe("demo", {"record.columns": {"a": {"column": "b", "type": "int"}}})
