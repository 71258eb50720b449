"""Coherence of a name: normalised pointwise mutual information (NPMI) of its terms over the records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

Pair = tuple[str, str]
"""Two terms in alphabetical order."""


def pairs_of(terms: Iterable[str]) -> set[Pair]:
    """Return every pair of distinct terms."""
    return set(combinations(sorted(set(terms)), 2))


@dataclass(frozen=True, slots=True)
class TermPairs:
    """Hold the number of records, and the document frequency of each term and each pair of terms."""

    records: int = 0
    terms: Counter[str] = field(default_factory=Counter)
    pairs: Counter[Pair] = field(default_factory=Counter)

    def scaled(self, factor: float) -> TermPairs:
        """Return the counts multiplied by a factor, rounded: a sample's estimate for its population."""
        terms = Counter({term: round(factor * count) for term, count in self.terms.items()})
        pairs = Counter({pair: round(factor * count) for pair, count in self.pairs.items()})
        return TermPairs(round(factor * self.records), terms, pairs)

    def merge(self, other: TermPairs) -> TermPairs:
        """Return the counts of both sets of records together; exact, whatever the grouping and order."""
        return TermPairs(self.records + other.records, self.terms + other.terms, self.pairs + other.pairs)


def count_pairs(records: Iterable[Collection[str]], names: Iterable[Sequence[str]]) -> TermPairs:
    """Count, over records, the terms of some names and their pairs within one name; other terms take no memory.

    A term that stands twice in a record counts once.
    """
    wanted = {pair for terms in names for pair in pairs_of(terms)}
    known = {term for pair in wanted for term in pair}
    n, terms, pairs = 0, Counter[str](), Counter[Pair]()
    for record in records:
        n += 1
        present = known.intersection(record)
        terms.update(present)
        pairs.update(pairs_of(present) & wanted)
    return TermPairs(n, terms, pairs)


def npmi(terms: Sequence[str], counts: TermPairs) -> float | None:
    """Return a name's coherence, the mean NPMI of its pairs of terms: -1 never together, 0 by chance, 1 always.

    Bouma, "Normalized (Pointwise) Mutual Information in Collocation Extraction" (2009), as a measure of topics: Lau,
    Newman and Baldwin, "Machine Reading Tea Leaves" (2014); a record is one window, as in the Boolean document of
    Röder, Both and Hinneburg, "Exploring the Space of Topic Coherence Measures" (2015). A pair that never occurs has
    the limit, -1. Undefined pairs (a term in no record, both in every record) are skipped; None if all are undefined.
    """
    scores = [score for pair in sorted(pairs_of(terms)) if (score := _npmi(pair, counts)) is not None]
    return math.fsum(scores) / len(scores) if scores else None


def _npmi(pair: Pair, counts: TermPairs) -> float | None:
    first, second, together = counts.terms[pair[0]], counts.terms[pair[1]], counts.pairs[pair]
    if not first or not second or together == counts.records:
        return None
    if not together:
        return -1.0
    return math.log(together * counts.records / (first * second)) / math.log(counts.records / together)
