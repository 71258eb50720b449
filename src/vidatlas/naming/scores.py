"""How well a term sets a subcategory apart from its siblings, and how fit it is to be a name.

Class-based TF-IDF: Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure" (2022). A video
counts a term once, however often it repeats it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vidatlas.naming.counts import Counted, Term
from vidatlas.naming.filler import function_words, is_filler
from vidatlas.naming.terms import key_of

FEW_AUTHORS = 3
"""A term of fewer authors is most likely a channel's name or habit, unless they are a third of the subcategory's."""
USUAL_USE = 0.3
"""Share of a subject's uses in which it is a tag of its own; of function words and torn phrases it is below 0.1."""
PRIOR = (5, 0.2)
"""Uses that are taken for granted, and the share of tags among them, before any is seen."""
FUNCTION_PRIOR = (20, 0.0)
"""The same for a term that begins or ends in a word on the lists of function words: "free fire" has to be seen."""
PENALTY = 0.1
"""What a score is multiplied with for each reason against a term: a name only where there is no better one."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Hold a term and its score."""

    term: Term
    score: float


class Usage:
    """Know, from all subcategories of all groups, how often each term is used as a tag of its own.

    Mihalcea and Csomai, "Wikify! Linking documents to encyclopedic knowledge" (2007), call it keyphraseness: the share
    of a term's uses in which people chose it as a key phrase. It tells "star wars" from "wars", and "minecraft" from
    "the", "los" and "как", without knowing the language. Where records have no tags, only the lists of function words
    are left.
    """

    def __init__(self, subcategories: Iterable[Counted]) -> None:
        self._tagged, self._alone = Counter[str](), Counter[str]()
        for counted in subcategories:
            for term in counted.terms:
                self._tagged[term.key] += term.tagged
                self._alone[term.key] += term.alone

    def fitness(self, term: Term) -> float:
        """Return, from 0 to 1, how far a term can stand by itself; an author counts once in each subcategory."""
        words = term.text.split()
        uses, share = FUNCTION_PRIOR if function_words() & {words[0], words[-1]} else PRIOR
        keyphraseness = (self._alone[term.key] + uses * share) / (self._tagged[term.key] + uses)
        return min(1.0, keyphraseness / USUAL_USE) ** 2


def score(group: str, siblings: Mapping[int, Counted], usage: Usage) -> dict[int, list[Scored]]:
    """Return the terms of each subcategory of one group by falling score, ties in alphabetical order.

    The term frequency is the geometric mean of the share of videos and the share of authors that use it: what one
    channel says in each of its hundred videos is not what the subcategory is about. Totals are those of the terms that
    were looked at, scaled from the samples to all videos.
    """
    totals = Counter[str]()
    for counted in siblings.values():
        for term in counted.terms:
            totals[term.key] += round(term.videos.bit_count() * counted.size / counted.sample)
    average = sum(totals.values()) / max(len(siblings), 1)
    parent = _singular(key_of(group))
    scored = {}
    for label, counted in siblings.items():
        found = []
        for term in counted.terms:
            share = math.sqrt(term.videos.bit_count() / counted.sample * term.authors / counted.authors)
            rarity = math.log1p(average / max(totals[term.key], 1))
            fit = usage.fitness(term) * _penalty(term, counted.authors, parent)
            found.append(Scored(term, share * rarity * fit))
        scored[label] = sorted(found, key=lambda one: (-one.score, one.term.text))
    return scored


def _penalty(term: Term, authors: int, parent: str) -> float:
    few = term.authors < min(FEW_AUTHORS, authors / 3)
    # Filler weighs double: even a channel's name says more.
    return PENALTY ** (few + (_singular(term.key) == parent) + 2 * is_filler(term.key, term.text))


def _singular(key: str) -> str:
    return key[:-1] if len(key) > 3 and key.endswith("s") else key
