"""The sample of a subcategory is bounded, and the same however it was merged."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from vidatlas.naming.sample import TAG_CHARS, WORD_CHARS, Drawn, draw, merge


def videos(count: int) -> list[Drawn]:
    return [draw(f"id{number}", f"author{number % 7}", [f"title {number}"], ["tag"]) for number in range(count)]


@given(st.integers(0, 60), st.integers(1, 30), st.randoms(use_true_random=False))
def test_merging_in_any_grouping_and_order_gives_the_lowest_ranks(count: int, limit: int, rng: Random) -> None:
    found = videos(count)
    whole = merge(found, [], limit)
    assert whole == sorted(found)[:limit]
    rng.shuffle(found)
    cut = rng.randint(0, count)
    first, second = merge(found[:cut], [], limit), merge(found[cut:], [], limit)
    assert merge(second, first, limit) == whole


def test_every_video_is_about_equally_likely_to_be_drawn() -> None:
    halves = Counter(int(video.words.split()[1]) < 2_000 for video in merge(videos(4_000), [], 400))
    assert 150 < halves[True] < 250


def test_a_draw_depends_on_the_text_alone() -> None:
    assert draw("a", "b", ["t"], ["x"]) == draw("a", "b", ["t"], ["x"])
    assert draw("a", "b", [], []).rank == 4681665781835383343
    assert draw("a", "b", [], []).author == draw("c", "b", [], []).author


def test_a_video_takes_bounded_space_in_whole_tags() -> None:
    found = draw("a", "b", ["🎬" * 2_000, "more"], [f"tag {number}" for number in range(10_000)])
    assert found.words == "🎬" * WORD_CHARS
    assert len(found.tags) <= TAG_CHARS
    assert found.tags.split("\n") == [f"tag {number}" for number in range(found.tags.count("\n") + 1)]
    assert draw("a", "b", [], ["x" * 10_000]).tags == "x" * TAG_CHARS


def test_a_line_feed_does_not_make_two_tags() -> None:
    assert draw("a", "b", ["one\u2028two"], ["three\nfour"])[2:4] == ("one two", "three four")
