"""The words of texts, and the most frequent of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from vidatlas.encode.learned import Survey

_WORD = re.compile(r"\w\w+")
MOST_WORDS = 2_000_000
"""Distinct words of one shard that are counted, the most frequent ones: memory has a bound."""


def words_of(text: str) -> list[str]:
    """Return the words of a text in order: two letters, digits or more, folded."""
    return _WORD.findall(text.casefold())


def survey_words(texts: Iterable[str]) -> Survey:
    """Return in how many of the texts each word stands."""
    counts, number = Counter[str](), 0
    for text in texts:
        number += 1
        counts.update(set(words_of(text)))
    return Survey(number, Counter(dict(_ranked(counts)[:MOST_WORDS])))


def most_frequent(counts: Counter[str], most: int, leave_out: frozenset[str] = frozenset()) -> list[tuple[str, int]]:
    """Return words with their counts, the most frequent first, equally frequent ones in order."""
    return [item for item in _ranked(counts) if item[0] not in leave_out][:most]


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
