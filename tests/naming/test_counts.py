"""A term's videos, authors and spellings are those that a loop finds."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from vidatlas.naming.counts import LEAST_SHARE, MOST_TERMS, Term, count
from vidatlas.naming.sample import Drawn, draw

Sample = Callable[..., list[Drawn]]


def by_key(drawn: list[Drawn]) -> dict[str, Term]:
    return {term.key: term for term in count(drawn, len(drawn)).terms}


def test_videos_and_authors_are_counted_once_each(sample: Sample) -> None:
    drawn = sample(
        ("piano piano", "piano,sonata", "anna"),
        ("piano", "", "anna"),
        ("duo", "piano duo", "bert"),
        ("sonata", "piano duo"),
    )
    found = by_key(drawn)
    assert found["piano"] == Term("piano", "piano", 0b1111, authors=3, tagged=3, alone=1)
    assert found["sonata"] == Term("sonata", "sonata", 0b1001, authors=2, tagged=2, alone=1)
    assert found["pianoduo"] == Term("pianoduo", "piano duo", 0b1100, authors=2, tagged=2, alone=2)
    assert found["duo"] == Term("duo", "duo", 0b1100, authors=2, tagged=2, alone=0)


@given(st.lists(st.sets(st.sampled_from(["oak", "elm", "ash", "fir"])), min_size=1, max_size=30))
def test_frequent_terms_are_counted_as_a_loop_counts(tags: list[set[str]]) -> None:
    drawn = [draw(str(number), str(number % 3), [], sorted(found)) for number, found in enumerate(tags)]
    least = min(2, len(tags))
    expected = {tag: sum(tag in found for found in tags) for tag in ("oak", "elm", "ash", "fir")}
    found = {key: term.videos.bit_count() for key, term in by_key(drawn).items()}
    assert found == {tag: count for tag, count in expected.items() if count >= least}
    for key, term in by_key(drawn).items():
        assert term.authors == len({number % 3 for number, found in enumerate(tags) if key in found})


def test_what_few_videos_say_is_left_out(sample: Sample) -> None:
    assert "rare" in by_key(sample(("rare", ""), times=1))
    assert "rare" not in by_key(sample(("rare", ""), times=1) + sample(("other", ""), times=3))
    assert "rare" in by_key(sample(("rare", ""), times=2) + sample(("other", ""), times=98))
    assert "rare" not in by_key(sample(("rare", ""), times=2) + sample(("other", ""), times=99))
    assert LEAST_SHARE == 0.02


def test_titles_say_more_than_the_tags_of_one_channel(sample: Sample) -> None:
    videos = [("oak", "gamer greek,channel", "anna"), ("oak tree", "gamer greek,channel", "anna")]
    assert "gamergreek" not in by_key(sample(*videos))
    assert "oak" in by_key(sample(*videos))
    assert "gamergreek" in by_key(sample(*videos, ("elm", "gamer greek", "bert")))
    assert "gamergreek" in by_key(sample(("12", "gamer greek", "anna"), ("13", "gamer greek", "anna")))


def test_a_term_is_written_as_most_write_it_and_in_words_where_many_do(sample: Sample) -> None:
    usual = sample(("", "starwars"), times=4)
    assert by_key(usual + sample(("", "star wars")))["starwars"].text == "starwars"
    assert by_key(usual + sample(("", "star wars"), times=2))["starwars"].text == "star wars"
    assert by_key(sample(("", "musica"), times=2) + sample(("", "música"), times=3))["musica"].text == "música"


def test_terms_are_bounded_and_in_order(sample: Sample) -> None:
    many = sample(*((f"term{number // 2:04}", "") for number in range(8)), times=1)
    assert [term.key for term in count(many, 8).terms] == ["term0000", "term0001", "term0002", "term0003"]
    drawn = [
        draw("a", "a", [" ".join(f"word{number:03}x" for number in range(30))], [f"t{n:03}x" for n in range(140)])
    ] * 5
    terms = count(drawn, 5).terms
    assert len(terms) <= MOST_TERMS
    assert [term.key for term in terms] == sorted(term.key for term in terms)
