"""Each term of a cell is a row of its own; none is lost, and rows without one are said."""

from __future__ import annotations

import pytest

from vidatlas.errors import UsageError
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.paths import compile_paths
from vidatlas.sources.rows import HIVE, ExplodeSpec, RowSpec, check_path, path_columns
from vidatlas.sources.values.missing import MISSING
from vidatlas.types import Reason

NOTHING = frozenset(MISSING)
SPEC = ExplodeSpec(column="tags", stop=("fyp",))


def test_terms_are_stripped_lowered_and_kept_in_order() -> None:
    found = SPEC.rows({"user": "u", "tags": "['#Dance', ' love ', 'FYP', 'dance', '#']"}, NOTHING)
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
        ("[none], NA", Reason.NO_TERMS),
        ("['None']", Reason.NO_TERMS),
        ("\\N", Reason.NO_TERMS),
        ("", Reason.NO_TERMS),
        (None, Reason.NO_TERMS),
        ("[x", None),
        ("[x]", Reason.INVALID_FIELD),
    ],
)
def test_a_row_without_terms_is_one_reject(cell: str | None, reason: Reason | None) -> None:
    found = SPEC.rows({"tags": cell}, NOTHING)
    assert len(found) == 1
    assert (found[0] if isinstance(found[0], Reason) else None) == reason


def test_rows_that_cannot_be_read_stay_what_they_are() -> None:
    rows = RowSpec(JsonLinesSpec(), SPEC)
    assert rows.read(None, ()) == [Reason.LINE_TOO_LONG]
    assert rows.read(b"[]", ()) == [Reason.NOT_AN_OBJECT]
    assert [row["term"] for row in rows.read(b'{"tags": ["a", "b"]}', ()) if isinstance(row, dict)] == ["a", "b"]
    assert rows.required(["user", "term"]) == ["tags", "user"]


def test_nested_values_and_those_of_the_path_are_columns_like_any_other() -> None:
    spec = RowSpec(JsonLinesSpec(), ExplodeSpec(column="user.tags[].name"), HIVE, compile_paths(["user.tags[].name"]))
    spec = spec.at("s3://b/lang=en/year=__HIVE_DEFAULT_PARTITION__/part.jsonl")
    rows = spec.read(b'{"user": {"tags": [{"name": "A"}, {"name": "b"}]}}', ())
    assert [(row["term"], row["lang"], row["year"]) for row in rows if isinstance(row, dict)] == [
        ("a", "en", None),
        ("b", "en", None),
    ]


@pytest.mark.parametrize(
    ("url", "pattern", "columns"),
    [
        ("/data/USvideos.csv", "{country}videos.csv", {"country": "US"}),
        (
            "/data/2024/US_a.b_videos.csv.gz",
            "{year}/{country}_{kind}_videos.csv.gz",
            {"year": "2024", "country": "US", "kind": "a.b"},
        ),
        ("in/categories=Howto%20%26%20Style/part-0.parquet", HIVE, {"categories": "Howto & Style"}),
        ("in/a=1/b=x=y/c.jsonl", HIVE, {"a": "1", "b": "x=y"}),
    ],
)
def test_a_path_gives_columns(url: str, pattern: str, columns: dict[str, str]) -> None:
    assert path_columns(url, pattern) == columns


@pytest.mark.parametrize(
    ("url", "pattern"), [("/data/videos.csv", "{country}videos.csv"), ("a/b=1.csv", HIVE), ("=/a.csv", HIVE)]
)
def test_a_path_that_does_not_fit_is_named(url: str, pattern: str) -> None:
    with pytest.raises(UsageError, match=rf"^{url}.* source\.path"):
        path_columns(url, pattern)


@pytest.mark.parametrize("pattern", ["videos.csv", "", "{}videos.csv", "{a}{a}.csv"])
def test_a_pattern_names_columns_once(pattern: str) -> None:
    with pytest.raises(ValueError, match="column"):
        check_path(pattern)


def test_a_column_of_the_path_that_is_in_the_file_too_is_refused() -> None:
    spec = RowSpec(JsonLinesSpec(), path=HIVE).at("in/lang=en/part.jsonl")
    with pytest.raises(UsageError, match=r"the column 'lang' is in the file and in source\.path"):
        spec.decode(b'{"lang": "de"}', ())


def test_the_delimiter_that_a_file_names_is_its_own() -> None:
    assert RowSpec(CsvSpec()).at("a.csv", ";").decode(b"1;2,3", ("a", "b")) == {"a": "1", "b": "2,3"}
