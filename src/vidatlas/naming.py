"""Names of subcategories: the terms that set one apart from its siblings.

Class-based TF-IDF: Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure" (2022), with the
share of videos that hold a term as term frequency, so that a video repeating itself counts once.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_TERM_CHARS = 60
KEPT_TERMS = 5_000
"""Terms a subcategory's count keeps, the most frequent ones: memory stays bounded whatever the input."""

_WORD = re.compile(r"[^\W_][\w']*[^\W_]", re.ASCII)
_EDGES = " \t\r\n\"'“”‘’«»()[]{}<>|.,;:!?#*_~-–—/\\"


class NamingSpec(BaseModel):
    """Choose how subcategories are named and illustrated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name_terms: Annotated[int, Field(ge=1)] = 3
    """Terms that make up a name."""
    terms: Annotated[int, Field(ge=1)] = 10
    """Terms that are kept with their scores."""
    exemplars: Annotated[int, Field(ge=0)] = 5
    """Videos nearest to the centroid that are listed."""


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


def phrase_term(text: str) -> str | None:
    """Return a tag as a term: folded, white space collapsed; None where nothing useful is left."""
    term = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)
    if not 2 <= len(term) <= MAX_TERM_CHARS or not any(letter.isalpha() for letter in term):
        return None
    return None if term in _stop_words() else term


def word_terms(text: str) -> set[str]:
    """Return the words of a title as terms, stop words left out."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(folded) if folded.isascii() else _words(folded)
    return {word for word in words if len(word) >= 3 and not word.isdigit() and word not in _stop_words()}


def _words(text: str) -> list[str]:
    """Return the words of a text in any script; a letter's combining marks (Hindi, Tamil) belong to its word."""
    signs = (sign if sign.isalnum() or sign in "'’" or unicodedata.category(sign)[0] == "M" else " " for sign in text)
    return [word.strip("'’") for word in "".join(signs).split()]


def record_terms(words: Iterable[str], phrases: Iterable[str]) -> set[str]:
    """Return the distinct terms of one record: words of its texts and its tags as phrases."""
    terms = {term for text in words for term in word_terms(text)}
    terms.update(term for text in phrases if (term := phrase_term(text)))
    return terms


def most_common(counts: Counter[str], limit: int = KEPT_TERMS) -> Counter[str]:
    """Return the ``limit`` most frequent terms, ties in alphabetical order."""
    if len(counts) <= limit:
        return counts
    return Counter(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]))


def score_terms(counts: Mapping[int, Counter[str]], sizes: Mapping[int, int]) -> dict[int, list[tuple[str, float]]]:
    """Return each cluster's terms by falling c-TF-IDF score against its siblings.

    Args:
        counts: per cluster, how many of its videos hold each term.
        sizes: per cluster, its videos.
    """
    totals: Counter[str] = Counter()
    for terms in counts.values():
        totals.update(terms)
    average = sum(totals.values()) / max(len(counts), 1)
    scored = {}
    for label, terms in counts.items():
        least = 2 if sizes[label] >= 5 else 1
        scores = [
            (term, count / sizes[label] * math.log(1 + average / totals[term]))
            for term, count in terms.items()
            if count >= least
        ]
        scored[label] = sorted(scores, key=lambda item: (-item[1], item[0]))
    return scored


def choose_names(
    scored: Mapping[int, list[tuple[str, float]]], sizes: Mapping[int, int], name_terms: int
) -> dict[int, str]:
    """Return one name per cluster, distinct among siblings: its best terms that do not repeat one another."""
    names: dict[int, str] = {}
    for label in sorted(scored, key=lambda label: (-sizes[label], label)):
        terms = _dissimilar([term for term, _ in scored[label][:50]])
        used = set(names.values())
        lengths = range(name_terms, max(len(terms), name_terms) + 1)
        candidates = (" · ".join(terms[:length]) or "unnamed" for length in lengths)
        name = next((name for name in candidates if name not in used), None)
        names[label] = name or f"{' · '.join(terms[:name_terms]) or 'unnamed'} ({label})"
    return names


def _dissimilar(terms: list[str]) -> list[str]:
    """Drop each term that says the same as an earlier one: its words are among the other's, or the reverse."""
    kept: list[tuple[str, set[str], str]] = []
    for term in terms:
        words, joined = set(term.split()), _stem(term)
        if not any(words <= other or other <= words or _same_start(joined, seen) for _, other, seen in kept):
            kept.append((term, words, joined))
    return [term for term, _, _ in kept]


def _same_start(first: str, second: str) -> bool:
    shorter, longer = sorted((first, second), key=len)
    return longer == shorter or (len(shorter) >= 5 and longer.startswith(shorter))


def _stem(term: str) -> str:
    joined = term.replace(" ", "")
    return joined[:-1] if len(joined) > 3 and joined.endswith("s") else joined
