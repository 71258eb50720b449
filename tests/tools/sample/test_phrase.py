"""Check the small phrase notation of vocabulary.yaml."""

from random import Random

import pytest

from tools.sample.phrase import expand, polish_english


def outcomes(template: str, words: dict[str, list[str]] | None = None) -> set[str]:
    return {expand(template, Random(seed), dict(words or {})) for seed in range(60)}


def test_every_alternative_can_come() -> None:
    assert outcomes("<a|b|> c") == {"a c", "b c", "c"}


def test_bar_before_a_space_is_text() -> None:
    assert outcomes("x <| Japan|>") == {"x | Japan", "x"}
    assert outcomes("x <y|| z>") == {"x y", "x | z"}


def test_a_slot_used_twice_gets_two_words() -> None:
    assert outcomes("{thing} vs {thing}", {"thing": ["a", "b"]}) == {"a vs b", "b vs a"}


def test_a_slot_with_one_word_repeats_it() -> None:
    assert outcomes("{n} {n}", {"n": ["7"]}) == {"7 7"}


@pytest.mark.parametrize(
    ("rough", "polished"),
    [
        ("fixing a old door", "Fixing an old door"),
        ("a used Xeon", "A used Xeon"),
        ("a one-liner", "A one-liner"),
        ("iPhone vs me", "iPhone vs me"),
        ("iPhone XR", "iPhone XR"),
    ],
)
def test_polish_english(rough: str, polished: str) -> None:
    assert polish_english(rough) == polished
