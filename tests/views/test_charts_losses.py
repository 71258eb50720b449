"""The curves of losses are those that were measured, on an axis from 0, and their words stay text."""

from __future__ import annotations

import re

import pytest

from vidatlas.storage.manifest import PlanCounts
from vidatlas.views.charts import MOST_POINTS, Losses, losses_of
from vidatlas.views.page import Report
from vidatlas.views.report import render

NAN = float("nan")


def curve(*losses: float, text: str = "Network") -> Losses:
    return Losses(text, f"{text}.", "pass", losses)


def section(*losses: Losses) -> str:
    """Return the report's part with the curves."""
    counts = PlanCounts(read=1, kept=1, rejected=0, duplicates=0, rejects={})
    report = Report("r", ("i",), counts, (), (), (), (), "e", (), (), "name: r", "0" * 64, (), losses=losses)
    page = render(report)
    return page[page.index('<div id="losses"') : page.index("<h3>Run</h3>")] if losses else page


def test_a_curve_is_drawn_from_its_first_loss_to_its_last() -> None:
    found = section(curve(0.08, 0.06, 0.02))
    assert 'd="M48.0 10.0L220.0 40.0L392.0 100.0"' in found
    assert '<circle cx="392.0" cy="100.0" r="4"/>' in found
    assert re.findall(r'text-anchor="end">([^<]+)<', found) == ["0", "0.04", "0.08", "3"]
    assert "From 0.08 to 0.02 (the dot)." in found


def test_one_step_is_a_dot_and_no_network_no_section() -> None:
    found = section(curve(0.5))
    assert 'd="M48.0 ' in found
    assert '<circle cx="48.0" ' in found
    assert 'id="losses"' not in section()


@pytest.mark.parametrize(
    ("losses", "ceiling"),
    [((0.0432,), 0.06), ((1.0, 0.2), 1.0), ((950.0,), 1000.0), ((2.1e-7,), 3e-7), ((0.0, 0.0), 1.0), ((-1e-9,), 1.0)],
)
def test_the_axis_ends_at_a_round_number(losses: tuple[float, ...], ceiling: float) -> None:
    assert curve(*losses).ceiling == pytest.approx(ceiling)


def test_long_courses_are_thinned_to_their_ends_and_what_is_no_number_is_left_out() -> None:
    long = curve(*(1 / (step + 1) for step in range(10_000))).points
    assert len(long) <= 2 * MOST_POINTS
    assert (long[0], long[-1]) == ((0, 1.0), (9_999, 1e-4))
    assert curve(NAN, 0.5, float("inf"), 0.25).points == ((1, 0.5), (3, 0.25))


def test_every_network_has_its_curve() -> None:
    dec: dict[str, list[float]] = {"before": [0.25, 0.5], "behind": [0.125], "changed": [1.0, 0.0625]}
    metrics = {"network": {"loss": [0.5, 0.4], "dec": dec}}
    found = losses_of(metrics, {"losses": [0.1, 0.05]})
    assert [one.losses for one in found] == [(0.5, 0.4), (0.25, 0.5), (6.25,), (0.1, 0.05)]
    assert [one.behind for one in found] == [(), (0.125,), (), ()]
    assert losses_of({}, {}) == ()
    assert losses_of({"network": {"loss": [NAN]}}, {}) == ()
    assert section(*found).count("<svg ") == 4


def test_what_the_steps_behind_a_target_reached_is_drawn_beside_it_on_the_same_axis() -> None:
    found = section(Losses("t", "r.", "target", (0.5, 0.25, 0.5), (1.0, 0.25)))
    assert 'class="line" d="M48.0 70.0L220.0 100.0L392.0 70.0"' in found
    assert 'class="line behind" d="M48.0 10.0L220.0 100.0"' in found
    assert "line behind" not in section(curve(0.5, 0.4))


def test_words_of_a_curve_stay_text() -> None:
    hostile = section(curve(0.5, 0.4, text="<script>alert(1)</script>{{7*7}}\u202e\x1b[31m"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in hostile
    assert "<script" not in hostile
    assert not re.search("[\x1b\u202e]", hostile)
