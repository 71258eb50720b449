"""The coherence of a name is Bouma's NPMI over counts that add up in any order."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.naming.coherence import TermPairs, count_pairs, npmi, pairs_of

# Eight records: lego in 4, city in 4, both in 3; train in 2, always with lego and never with yoga.
RECORDS = [
    {"lego", "city"},
    {"lego", "city", "train"},
    {"lego", "city", "mine"},
    {"lego", "train"},
    {"city", "yoga"},
    {"yoga"},
    {"other"},
    set[str](),
]
NAMES = [["lego", "city", "train"], ["yoga", "train"]]
TERMS = st.sets(st.sampled_from("abcdef"))


def test_only_terms_and_pairs_of_names_are_counted() -> None:
    found = count_pairs(RECORDS, NAMES)
    assert found.records == 8
    assert found.terms == {"lego": 4, "city": 4, "train": 2, "yoga": 2}
    assert found.pairs == {("city", "lego"): 3, ("city", "train"): 1, ("lego", "train"): 2}


def test_a_term_that_a_record_repeats_counts_once() -> None:
    assert count_pairs([["lego", "lego", "city", "lego"]], NAMES) == count_pairs([{"lego", "city"}], NAMES)


def test_npmi_by_hand() -> None:
    counts = count_pairs(RECORDS, NAMES)
    city_lego = math.log((3 / 8) / (4 / 8 * 4 / 8)) / -math.log(3 / 8)
    city_train = math.log((1 / 8) / (4 / 8 * 2 / 8)) / -math.log(1 / 8)
    lego_train = math.log((2 / 8) / (4 / 8 * 2 / 8)) / -math.log(2 / 8)
    assert (city_train, lego_train) == (0.0, 0.5)
    assert npmi(["lego", "city"], counts) == pytest.approx(city_lego)
    assert npmi(["train", "lego", "city"], counts) == pytest.approx((city_lego + 0.0 + 0.5) / 3)


def test_the_limits_are_one_never_apart_and_minus_one_never_together() -> None:
    counts = count_pairs([{"a", "b"}, {"a", "b"}, {"c"}], [["a", "b"], ["b", "c"]])
    assert npmi(["a", "b"], counts) == pytest.approx(1.0)
    assert npmi(["b", "c"], counts) == -1.0


@pytest.mark.parametrize("terms", [[], ["lego"], ["lego", "lego"], ["lego", "nowhere"]])
def test_a_name_without_a_pair_in_the_records_has_none(terms: list[str]) -> None:
    counts = count_pairs(RECORDS, [*NAMES, terms])
    assert npmi(terms, counts) is None


def test_terms_of_every_record_say_nothing() -> None:
    assert npmi(["a", "b"], count_pairs([{"a", "b"}] * 3, [["a", "b"]])) is None
    assert npmi(["a", "b"], count_pairs([], [["a", "b"]])) is None


@settings(max_examples=60)
@given(st.lists(TERMS, max_size=20), st.lists(st.integers(0, 20), max_size=4), st.integers(0, 99))
def test_any_cut_merged_in_any_order_is_the_whole(records: list[set[str]], places: list[int], seed: int) -> None:
    names = [["a", "b", "c"], ["c", "d"]]
    edges = [0, *sorted(places), len(records)]
    parts = [count_pairs(records[low:high], names) for low, high in pairwise(edges)]
    merged = TermPairs()
    for part in Random(seed).sample(parts, len(parts)):
        merged = merged.merge(part)
    assert merged == count_pairs(records, names)


@settings(max_examples=60)
@given(st.lists(TERMS, max_size=20))
def test_npmi_is_between_its_limits_and_never_nan(records: list[set[str]]) -> None:
    name = list("abcdef")
    counts = count_pairs(records, [name])
    brute = Counter(pair for record in records for pair in pairs_of(record))
    assert counts.pairs == brute
    score = npmi(name, counts)
    assert score is None or -1.0 <= score <= 1.0 + 1e-9


def test_a_sample_speaks_for_all_it_was_drawn_from() -> None:
    counts = TermPairs(4, Counter({"a": 2, "b": 1}), Counter({("a", "b"): 1}))
    assert counts.scaled(2.5) == TermPairs(10, Counter({"a": 5, "b": 2}), Counter({("a", "b"): 2}))
