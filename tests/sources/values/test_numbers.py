"""Values that are written in several ways are one value; what only looks like a number is text."""

from __future__ import annotations

from typing import Any

import pytest

from vidatlas.sources.values.numbers import matches, whole


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (24.0, "24"),
        ("24.0", "24"),
        ("-3.00", "-3"),
        *((value, value) for value in ("24", 24, "24.5", 2.5, "v2.0", True, None, "a.0")),
    ],
)
def test_a_whole_number_has_one_name(value: Any, expected: Any) -> None:
    assert whole(value) == expected
    assert type(whole(value)) is type(expected)


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        (False, "false", True),
        ("False", "false", True),
        (True, "false", False),
        (True, "1", False),
        ("20.0", "20", True),
        (20, "20.0", True),
        (20.5, "20", False),
        ("2e1", "20", True),
        ("007", "7", False),
        (7_100_000_000_000_000_001, "7100000000000000000", False),
        (["Music", "Gaming"], "Gaming", True),
        (["Music"], ("Gaming", "Film"), False),
        ("['Music', 'Gaming']", "Gaming", True),
        ([20, 24], "24.0", True),
        (" Movie ", "Movie", True),
        (None, "Movie", False),
        (None, "null", True),
        ({"a": 1}, "a", False),
    ],
)
def test_where_compares_by_value_and_lists_by_membership(value: Any, wanted: Any, found: bool) -> None:
    assert matches(value, wanted) is found
