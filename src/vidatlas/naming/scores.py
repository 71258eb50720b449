"""Scores of terms: how well a term sets a subcategory apart from its siblings, and how suitable it is as a name.

Class-based TF-IDF: Grootendorst, "BERTopic: Neural topic modeling with a class-based TF-IDF procedure" (2022). A term
counts once per video.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from vidatlas.naming.counts import Counted, Term
from vidatlas.naming.filler import function_words, is_filler
from vidatlas.naming.terms import key_of

FEW_AUTHORS = 3
"""A term with fewer authors is probably a channel's name or habit, unless they are a third of the subcategory's."""
USUAL_USE = 0.3
"""Share of a subject's uses as a separate tag; for function words and fragments of phrases it is below 0.1."""
PRIOR = (5, 0.2)
"""Prior number of uses, and the share of tags among them."""
FUNCTION_PRIOR = (20, 0.0)
"""The prior of a term that starts or ends with a function word: "free fire" needs evidence."""
COMMON = 0.9
"""Share of a group's videos from which a term is on all of them, more or less, and sets no subcategory apart."""
PENALTY = 0.1
"""Factor on a score for each reason against a term, so that it names a subcategory only if no term is better."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Hold a term and its score."""

    term: Term
    score: float


class Usage:
    """Learn, from all subcategories of all groups, how often each term is used as a separate tag.

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
        """Return a score from 0 to 1 of how well a term stands alone; an author counts once per subcategory."""
        words = term.text.split()
        uses, share = FUNCTION_PRIOR if function_words() & {words[0], words[-1]} else PRIOR
        keyphraseness = (self._alone[term.key] + uses * share) / (self._tagged[term.key] + uses)
        return min(1.0, keyphraseness / USUAL_USE) ** 2


def score(
    group: str, siblings: Mapping[int, Counted], usage: Usage, filler: frozenset[str] = frozenset()
) -> dict[int, list[Scored]]:
    """Score the terms of each subcategory of one group; return them by decreasing score, ties in alphabetical order.

    The term frequency is the geometric mean of the share of videos and the share of authors that use it: a term
    that one channel uses in each of its hundred videos is not the subject of the subcategory. Totals are over the
    counted terms, scaled from the samples to all videos. Keys in ``filler``, and terms of nearly all of the group's
    videos, name no subject.
    """
    totals = Counter[str]()
    for counted in siblings.values():
        for term in counted.terms:
            totals[term.key] += round(term.videos.bit_count() * counted.size / counted.sample)
    videos = sum(counted.size for counted in siblings.values())
    common = {key for key, total in totals.items() if len(siblings) > 1 and total >= COMMON * videos}
    average = sum(totals.values()) / max(len(siblings), 1)
    parents = {_singular(key_of(word)) for word in (group, *group.split())}
    scored = {}
    for label, counted in siblings.items():
        found = []
        for term in counted.terms:
            share = math.sqrt(term.videos.bit_count() / counted.sample * term.authors / counted.authors)
            rarity = math.log1p(average / max(totals[term.key], 1))
            fit = usage.fitness(term) * _penalty(term, counted.authors, parents, filler | common)
            found.append(Scored(term, share * rarity * fit))
        scored[label] = sorted(found, key=lambda one: (-one.score, one.term.text))
    return scored


def _penalty(term: Term, authors: int, parents: Set[str], filler: frozenset[str]) -> float:
    few = term.authors < min(FEW_AUTHORS, authors / 3)
    empty = term.key in filler or is_filler(term.key, term.text)
    # Filler counts twice: even a channel's name is more informative.
    return PENALTY ** (few + (_singular(term.key) in parents) + 2 * empty)


def _singular(key: str) -> str:
    return key[:-1] if len(key) > 3 and key.endswith("s") else key
