"""The table of subcategories: which columns it has, in which order rows come, and what they open to."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from vidatlas.storage.manifest import PlanCounts
from vidatlas.views import table
from vidatlas.views.map_data import Drawing
from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Category, Report, Subcategory, Trend
from vidatlas.views.table import Line, band, columns_of, outline, rows_of, table_data
from vidatlas.views.videos import Videos

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\ud800"


def sub(number: int = 0, size: int = 5, **changes: Any) -> Subcategory:
    found = Subcategory(number, "guitar · piano", size, (("guitar", 0.5), ("cello", 0.4)), ("A title",), 0.31, 0.4)
    return replace(found, **changes)


def report(*categories: Category, **changes: Any) -> Report:
    counts = PlanCounts(read=10, kept=10, rejected=0, duplicates=0, rejects={})
    found = Report("r", (), counts, categories, (), (), (), "e", (), (), "", "", ())
    return replace(found, **changes)


def keys(made: Report) -> list[str]:
    return [column.key for column in columns_of(made, rows_of(made.categories))]


def unpacked(made: Report) -> dict[str, Any]:
    packed = table_data(made, rows_of(made.categories))
    return dict(json.loads(gzip.decompress(base64.b64decode(packed))))


def test_rows_come_largest_first_and_keep_the_rank_of_their_category() -> None:
    categories = (Category("a", 9, None, (sub(0, 2), sub(1, 7))), Category("b", 8, None, (sub(4, 8),)))
    assert [(row.key, row.sub.size) for row in rows_of(categories)] == [("2-4", 8), ("1-1", 7), ("1-0", 2)]


def test_rows_stand_with_those_of_their_topic_where_there_are_any() -> None:
    strings = [sub(number, size, levels=("strings",)) for number, size in ((0, 3), (2, 4))]
    categories = (Category("a", 13, None, (sub(1, 6), *strings)), Category("b", 8, None, (sub(4, 8),)))
    rows = rows_of(categories)
    assert [(row.key, row.above) for row in rows] == [
        ("1-2", "strings"),
        ("1-0", "strings"),
        ("1-1", "a"),
        ("2-4", "b"),
    ]


def test_a_title_of_the_map_is_not_stored_twice() -> None:
    videos = Videos(ids=("x", "y"), titles=("Another", "A title"))
    one = sub(
        exemplars=("A title", "A title", "Old title", "Absent"), ids=("y", "z", "x", "w"), links=("", "l", "", "")
    )
    made = report(Category("a", 5, None, (one,)), drawing=Drawing("", "", ("",), videos))
    (found,) = unpacked(made)["subs"]
    assert found["examples"] == [1, ["A title", "l"], ["Old title", ""], ["Absent", ""]]


def test_there_are_columns_only_of_what_there_is() -> None:
    one, two = Category("a", 5, 0.1, (sub(),)), Category("b", 5, 0.1, (sub(),))
    assert keys(report(one)) == ["name", "size", "quality", "terms"]
    assert keys(report(one, two)) == ["name", "group", "size", "quality", "terms"]
    assert keys(report(one, clustered=False)) == ["name", "size", "terms"]
    viewed = Category("a", 5, 0.1, (sub(trend=Trend(median_views=3, viewed=5)), sub(1)))
    assert keys(report(viewed)) == ["name", "size", "views", "quality", "terms"]
    named = Category("a", 5, 0.1, (sub(coverage=0.834),))
    assert keys(report(named)) == ["name", "size", "fits", "quality", "terms"]
    assert unpacked(report(named))["subs"][0]["fits"] == 0.834
    dated = Category("a", 5, 0.1, (sub(trend=Trend(dated=5)),))
    assert keys(report(dated)) == ["name", "size", "date", "growth", "quality", "terms"]


@pytest.mark.parametrize(
    ("silhouette", "words"),
    [
        *((0.5, "very clear"), (0.25, "clear"), (0.1, "loose"), (0.0, "overlapping"), (-0.01, "unclear")),
        *((None, "not measured"), (float("nan"), "not measured")),
    ],
)
def test_a_silhouette_has_a_word(silhouette: float | None, words: str) -> None:
    assert band(silhouette) == words


def test_a_row_opens_to_all_that_is_known_of_it_and_to_nothing_else() -> None:
    trend = Trend(0, 0, 5, 5, "2021-03", "2019-01", "2022-12", 0.0, "0z", 9)
    made = report(Category("a", 5, 0.1, (sub(trend=trend, silhouette=0.0), sub(1, 4, silhouette=None))), window=12)
    first, second = unpacked(made)["subs"]
    zeros = {"views": 0, "total": 0, "growth": 0.0, "quality": 0.0}
    assert zeros.items() <= first.items()  # a value of 0 is not a missing one
    assert {"key", "name", "size", "distance", "terms", "examples", "unlisted", "clarity"} == second.keys()


def test_hostile_texts_are_cleaned_and_only_compressed_data() -> None:
    hostile = sub(name=HOSTILE, terms=((HOSTILE, 1.0),), exemplars=(HOSTILE,))
    made = report(Category(HOSTILE, 5, 0.1, (hostile,)))
    packed = table_data(made, rows_of(made.categories))
    assert set(packed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    (found,) = unpacked(made)["subs"]
    assert found["name"] == found["examples"][0][0] == found["terms"][0][0] == "<script>alert(1)</script>\ufffd"


def counted(size: int, terms: int, kept: int) -> tuple[int, int]:
    """Return how many records of a subcategory that is named after them are listed, and how many are not."""
    words = tuple((f"word{number}", float(terms - number)) for number in range(terms))
    made = report(Category("ann", size, None, (sub(size=size, terms=words),)), members=kept, nouns=Nouns())
    (found,) = unpacked(made)["subs"]
    return len(found["terms"]), found["unlisted"]


def test_every_counted_record_is_listed_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(20, 20, 500) == (20, 0)
    assert counted(23, 20, 500) == (20, 0), "titles that repeat are listed once, and all are there"
    assert counted(2_000, 30, 30) == (30, 1_970)
    monkeypatch.setattr(table, "MOST_MEMBERS", 15)
    assert counted(20, 20, 500) == (15, 5)


def leveled(name: str, size: int, *levels: str) -> Subcategory:
    return Subcategory(0, name, size, (), (), levels=levels)


def test_without_levels_it_is_a_list_of_the_largest_first() -> None:
    subs = [leveled("b", 2), leveled("c", 9), leveled("a", 2)]
    assert list(outline(subs)) == [Line((), one.size, one, 0) for one in (subs[1], subs[2], subs[0])]


def test_a_node_comes_by_its_own_size_with_all_that_is_in_it() -> None:
    subs = [leveled("lone", 5), leveled("x", 4, "top", "low"), leveled("y", 1, "top", "low"), leveled("z", 2, "top")]
    lines = [(line.path, line.size, line.sub.name if line.sub else None, line.below) for line in outline(subs)]
    assert lines == [
        (("top",), 7, None, 3),
        (("top", "low"), 5, None, 2),
        (("top", "low"), 4, "x", 0),
        (("top", "low"), 1, "y", 0),
        (("top",), 2, "z", 0),
        ((), 5, "lone", 0),
    ]
