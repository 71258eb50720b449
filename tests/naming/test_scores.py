"""Scores are class-based TF-IDF; usage, authors and filler decide what is fit to be a name."""

from __future__ import annotations

import math

import pytest

from vidatlas.naming.counts import Counted, Term
from vidatlas.naming.scores import PENALTY, USUAL_USE, Usage, score


def term(text: str, videos: int, authors: int | None = None, alone: int | None = None) -> Term:
    authors = videos if authors is None else authors
    return Term(text.replace(" ", ""), text, (1 << videos) - 1, authors, authors, authors if alone is None else alone)


def subcategory(*terms: Term, sample: int = 10, size: int | None = None) -> Counted:
    return Counted(size or sample, sample, sample, terms)


def scores(group: str, *subcategories: Counted) -> list[dict[str, float]]:
    found = score(group, dict(enumerate(subcategories)), Usage(subcategories))
    return [{one.term.text: one.score for one in found[label]} for label in range(len(subcategories))]


def test_scores_are_the_share_of_videos_times_rarity_among_siblings() -> None:
    first = subcategory(term("piano", 8), term("music", 8))
    second = subcategory(term("guitar", 6), term("music", 10), sample=12, size=24)
    average = (8 + 8 + 2 * 6 + 2 * 10) / 2
    found = scores("Art", first, second)
    assert found[0] == pytest.approx(
        {"piano": 8 / 10 * math.log(1 + average / 8), "music": 8 / 10 * math.log(1 + average / 28)}
    )
    assert found[1] == pytest.approx(
        {"guitar": 6 / 12 * math.log(1 + average / 12), "music": 10 / 12 * math.log(1 + average / 28)}
    )


def test_equal_scores_are_in_alphabetical_order() -> None:
    one = subcategory(term("b", 2), term("a", 2), term("c", 3))
    assert [found.term.text for found in score("g", {0: one}, Usage([one]))[0]] == ["c", "a", "b"]
    assert score("g", {}, Usage([])) == {}


def test_what_one_author_repeats_counts_little() -> None:
    (found,) = scores("g", subcategory(term("habit", 8, authors=4), term("subject", 4)))
    assert found["habit"] == pytest.approx(math.sqrt(8 / 10 * 4 / 10) * math.log(1 + 12 / 8))
    assert found["habit"] < found["subject"]


def test_few_authors_are_no_names_where_there_are_others() -> None:
    few, enough = scores("g", subcategory(term("bexlaska", 9, authors=2)), subcategory(term("theme", 9, authors=3)))
    assert few["bexlaska"] == pytest.approx(PENALTY * math.sqrt(9 / 10 * 2 / 10) * math.log(2))
    assert enough["theme"] == pytest.approx(math.sqrt(9 / 10 * 3 / 10) * math.log(2))
    alone = Counted(9, 9, 1, [term("bexlaska", 9, authors=1)])
    assert scores("g", alone)[0]["bexlaska"] == pytest.approx(math.log(2))


def test_filler_and_the_category_itself_come_last() -> None:
    (found,) = scores("Games", subcategory(term("video", 9), term("game", 9), term("chess", 9)))
    assert found["game"] == pytest.approx(PENALTY * found["chess"])
    assert found["video"] == pytest.approx(PENALTY**2 * found["chess"])


def test_what_nearly_all_videos_of_a_category_share_names_none_of_its_subcategories() -> None:
    first, second = (
        subcategory(term("comedies", 10), term("bread", 2)),
        subcategory(term("comedies", 8), term("chess", 2)),
    )
    for found, subject in zip(scores("g", first, second), ("bread", "chess"), strict=True):
        assert found["comedies"] < found[subject]
    second = subcategory(term("comedies", 7), term("chess", 2))
    assert all(found["comedies"] > found.get("bread", 0) for found in scores("g", first, second))
    (alone,) = scores("g", first)
    assert alone["comedies"] > alone["bread"]


def test_a_term_is_fit_as_far_as_people_make_a_tag_of_it() -> None:
    usage = Usage([subcategory(term("star wars", 95, alone=60), term("wars", 95, alone=2), sample=100)] * 2)
    assert usage.fitness(term("star wars", 1)) == 1
    assert usage.fitness(term("wars", 1)) == pytest.approx((((4 + 1) / (190 + 5)) / USUAL_USE) ** 2)
    assert usage.fitness(term("unseen", 1)) == pytest.approx((0.2 / USUAL_USE) ** 2)


def test_function_words_of_any_language_are_unfit_unless_people_tag_them() -> None:
    nothing = Usage([])
    assert [nothing.fitness(term(word, 1)) for word in ("the", "los", "как", "में", "of the")] == [0.0] * 5
    unlisted = Usage([subcategory(term("oyo", 100, alone=1), sample=100)])
    assert unlisted.fitness(term("oyo", 1)) < 0.01
    tagged = Usage([subcategory(term("fire", 80, alone=40), sample=100)])
    assert tagged.fitness(term("fire", 1)) == 1
