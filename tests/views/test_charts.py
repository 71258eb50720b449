"""The grid of what was told counts right, says of every bar what it is, and keeps data text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vidatlas.storage.manifest import PlanCounts
from vidatlas.views.charts import MOST_BARS, MOST_GROUPS, Bars, Grid, Label, grid_of
from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Report
from vidatlas.views.report import render

TOLD = [("b", ["10 x", "2 y"]), ("a", ["2 y", "3"]), ("b", ["2 y"]), ("b", [])]
Told = Sequence[tuple[str, Sequence[str]]]


def page_of(grid: Grid | None) -> str:
    """Return a page that shows nothing but a grid."""
    counts = PlanCounts(read=1, kept=1, rejected=0, duplicates=0, rejects={})
    nouns = Nouns(record=("review", "reviews"), group=("film", "films"))
    made = ("e", (), (("Weights", "none"),), "name: r", "0" * 64, ())
    return render(Report("r", ("i",), counts, (), (), (), (), *made, nouns=nouns, told=grid))


def told(told: Told, unseen: bool = True) -> str:
    """Return the report's part with the grid."""
    page = page_of(grid_of(told, unseen))
    return page[page.index('<section id="told"') : page.index('<section id="method"')]


def test_labels_are_counted_by_group_in_the_order_of_their_numbers() -> None:
    grid = grid_of(TOLD)
    assert grid
    assert grid.labels == (Label("2", "y", 3), Label("3", "", 1), Label("10", "x", 1))
    assert grid.labels[grid.dominating].key == "2"
    assert grid.groups == (Bars("b", 3, (2, 0, 1)), Bars("a", 1, (1, 1, 0)))
    assert [bars.highest(None) for bars in grid.groups] == [2, 1]
    assert grid.groups[0].highest(grid.dominating) == 1
    assert grid.groups[0].most == ((0, 2), (2, 1))


def test_labels_without_numbers_of_their_own_are_numbered() -> None:
    grid = grid_of([("a", ["Drama", "7 Days", "7 Up"])])
    assert grid
    assert [(label.key, label.name) for label in grid.labels] == [("1", "7 Days"), ("2", "7 Up"), ("3", "Drama")]


def test_every_bar_has_its_number_below_it_and_its_name_and_count_in_a_title() -> None:
    found = told([("Emma", ["16 children · horror", "3 war"]), ("Emma", ["16 children · horror"])])
    assert found.count("<title>16 children · horror: 2 of 2</title>") == 1, "it dominates: left out of the second row"
    assert found.count("<title>3 war: 1 of 2</title>") == 2
    assert re.findall(r'<path d="M(\d+) 66V(\d+)H\d+V66z"/><text x="\d+" y="77">(\d+)</text>', found) == [
        ("20", "37", "3"),
        ("170", "8", "16"),
        ("20", "8", "3"),
    ]
    assert "<small>2 reviews</small>" in found
    assert "<bdi>16 children · horror</bdi> ×2, <bdi>3 war</bdi> ×1" in found
    assert "<li><b>16</b> <bdi>children · horror</bdi> <span>2</span></li>" in found


def test_a_group_of_which_the_dominating_label_was_not_told_has_one_row() -> None:
    found = told([("a", ["1 x"]), ("a", ["1 x"]), ("b", ["2 y"])])
    assert found.count("<svg ") == 3


def test_further_groups_are_folded_and_too_many_are_counted() -> None:
    few = grid_of((f"{number:03d}", ["x"]) for number in range(100))
    assert few
    assert [bars.title for bars in few.open] == [f"{number:03d}" for number in range(MOST_GROUPS)]
    assert len(few.folded) == 100 - MOST_GROUPS
    assert few.left_out == 0
    many = [(f"film {number}", [f"{label} children · horror" for label in range(50)]) for number in range(30)]
    grid = grid_of(many)
    assert grid
    assert (len(grid.groups), grid.left_out) == (MOST_BARS // 100, 30 - MOST_BARS // 100)
    found = told(many)
    assert len(found.encode()) < 300_000
    assert "10 films with fewer reviews are not shown" in found
    assert "76 more films" in told([(f"{number:03d}", ["x"]) for number in range(100)])


def test_the_page_says_whether_the_head_had_seen_the_group() -> None:
    assert "had seen none of them" in told(TOLD)
    seen = told(TOLD, unseen=False)
    assert "had not seen" not in seen
    assert "had seen others of the same film: there were too few films" in seen


def test_nothing_told_is_no_grid() -> None:
    assert grid_of([]) is None
    assert grid_of([("a", [])]) is None
    assert 'id="told"' not in page_of(None)


def test_hostile_titles_and_labels_stay_text() -> None:
    hostile = "<script>alert(1)</script>\"'"
    page = told([(hostile, ["1 one", f"2 {hostile}"]), (hostile, [f"2 {hostile}"])])
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert not re.search(r'="[^"]*alert', page), "no data in an attribute"
