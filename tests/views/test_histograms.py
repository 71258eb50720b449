"""The grid of what was told counts right, leaves the dominating label out where it says so, and keeps data text."""

from __future__ import annotations

import re

from vidatlas.views.histograms import MOST_GROUPS, Bars, grid_of
from vidatlas.views.page import Counts, Report
from vidatlas.views.report import render

TOLD = [("b", ["10 x", "2 y"]), ("a", ["2 y", "z"]), ("b", ["2 y"]), ("b", [])]


def report(title: str) -> str:
    """Return a page that shows nothing but a grid."""
    grid = grid_of([(title, ["1 one", f"2 {title}"]), (title, [f"2 {title}"])])
    counts = Counts(1, 1, 0, 0)
    return render(
        Report("r", ("i",), counts, (), (), (), (), "e", (), (("Weights", "none"),), "name: r", "0" * 64, (), told=grid)
    )


def test_labels_are_counted_by_group_in_the_order_of_their_numbers() -> None:
    grid = grid_of(TOLD)
    assert grid
    assert grid.labels == ("2 y", "10 x", "z")
    assert grid.labels[grid.dominating] == "2 y"
    assert grid.groups == (Bars("b", 3, (2, 1, 0)), Bars("a", 1, (1, 0, 1)))
    assert [bars.highest(None) for bars in grid.groups] == [2, 1]
    assert grid.groups[0].highest(grid.dominating) == 1


def test_nothing_told_is_no_grid_and_many_groups_are_cut() -> None:
    assert grid_of([]) is None
    assert grid_of([("a", [])]) is None
    grid = grid_of((f"{number:03d}", ["x"]) for number in range(100))
    assert grid
    assert [bars.title for bars in grid.groups] == [f"{number:03d}" for number in range(MOST_GROUPS)]


def test_the_page_draws_every_group_twice_and_without_the_dominating_label_once() -> None:
    page = report("Film")
    told = page[page.index('<section id="told"') :]
    assert told.count('<svg class="curve" viewBox="0 0 200 60"') == 2
    assert re.findall(r'class="(bar|area)" d="M([\d.]+) 56v(-[\d.]+)h', told) == [
        ("bar", "0.0", "-25.0"),
        ("area", "100.0", "-50.0"),
        ("bar", "0.0", "-50.0"),
    ]


def test_hostile_titles_and_labels_stay_text() -> None:
    page = report("<script>alert(1)</script>\"'")
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2
