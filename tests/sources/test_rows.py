"""Each term of a cell is a row of its own; none is lost, and rows without one are said."""

from __future__ import annotations

import pytest

from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.rows import ExplodeSpec, RowSpec
from vidatlas.types import Reason

SPEC = ExplodeSpec(column="tags", stop=("fyp",))


def test_terms_are_stripped_lowered_and_kept_in_order() -> None:
    found = SPEC.rows({"user": "u", "tags": "['#Dance', ' love ', 'FYP', 'dance', '#']"})
    assert found == [
        {"user": "u", "tags": "['#Dance', ' love ', 'FYP', 'dance', '#']", "term": "dance"},
        {"user": "u", "tags": "['#Dance', ' love ', 'FYP', 'dance', '#']", "term": "love"},
        Reason.EXCLUDED,
        {"user": "u", "tags": "['#Dance', ' love ', 'FYP', 'dance', '#']", "term": "dance"},
    ]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("[]", Reason.NO_TERMS),
        ("[none]", Reason.NO_TERMS),
        ("\\N", Reason.NO_TERMS),
        ("", Reason.NO_TERMS),
        (None, Reason.NO_TERMS),
        ("[x", None),
        ("[x]", Reason.INVALID_FIELD),
    ],
)
def test_a_row_without_terms_is_one_reject(cell: str | None, reason: Reason | None) -> None:
    found = SPEC.rows({"tags": cell})
    assert len(found) == 1
    assert (found[0] if isinstance(found[0], Reason) else None) == reason


def test_rows_that_cannot_be_read_stay_what_they_are() -> None:
    rows = RowSpec(JsonLinesSpec(), SPEC)
    assert rows.read(None, ()) == [Reason.LINE_TOO_LONG]
    assert rows.read(b"[]", ()) == [Reason.NOT_AN_OBJECT]
    assert [row["term"] for row in rows.read(b'{"tags": ["a", "b"]}', ()) if isinstance(row, dict)] == ["a", "b"]
    assert rows.required(["user", "term"]) == ["tags", "user"]
