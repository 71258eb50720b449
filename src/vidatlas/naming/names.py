"""Names of subcategories, from their terms or from their most frequent records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from vidatlas.naming.coherence import TermPairs, count_pairs, npmi
from vidatlas.naming.counts import Counted, count
from vidatlas.naming.sample import Drawn, core_of
from vidatlas.naming.scores import Scored, Usage, score
from vidatlas.naming.subjects import complementary, distinct_subjects
from vidatlas.naming.terms import key_of, record_terms
from vidatlas.types import BETWEEN

MIXED = "mixed"
"""What a subcategory is called that no term sets apart, and how the name begins that fits few of its videos."""
LEAST_COVERAGE = 0.25
"""Share of the videos that must have a term of the name. Of 40 clusters that were read, 0 of 5 below it were good with
a good name, and 22 of 29 above 60 % (benchmarks/RESULTS.md)."""
LEAST_SCORE = 0.25
"""Least score, as a share of the best term's, for a term to be part of a name."""
_AROUND = re.compile(rf"^{MIXED}: | \(\d+\)$")


@dataclass(frozen=True, slots=True)
class Name:
    """Hold the name of a subcategory, and the terms it was chosen from, by decreasing score."""

    text: str
    terms: tuple[str, ...]
    scores: tuple[float, ...]
    coherence: float | None = None
    """Mean NPMI of the terms over the group's samples: 1 always together, 0 by chance, -1 never together."""
    coverage: float | None = None
    """Share of the subcategory's videos that have at least one of the name's terms in their title or tags."""


Siblings = Mapping[int, tuple[Sequence[Drawn], int]]
"""The sample and size of each subcategory of a group."""
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""``map``, or a parallel version of it."""


def name_groups(groups: Mapping[str, Siblings], spec: NamingSpec, each: Map = map) -> dict[str, dict[int, Name]]:
    """Return a name for every subcategory of every group, with its figures; names differ within a group."""
    names = choose_names(groups, spec, each)
    jobs = [(siblings, names[group]) for group, siblings in groups.items()]
    return dict(zip(groups, each(_with_figures, jobs), strict=True))


def choose_names(groups: Mapping[str, Siblings], spec: NamingSpec, each: Map = map) -> dict[str, dict[int, Name]]:
    """Return names as ``name_groups``, without these figures.

    All groups are named at once, because word usage (see ``Usage``) is learned from all of them.
    """
    counted: dict[str, dict[int, Counted]] = dict(zip(groups, each(_count, groups.values()), strict=True))
    usage = Usage(one for siblings in counted.values() for one in siblings.values())
    filler = frozenset(map(key_of, spec.filler))
    return {
        group: _name_siblings(score(group, inside, usage, filler), inside, spec) for group, inside in counted.items()
    }


def _count(siblings: Siblings) -> dict[int, Counted]:
    return {label: count(core_of(drawn), size) for label, (drawn, size) in siblings.items()}


def _name_siblings(
    scored: Mapping[int, Sequence[Scored]], siblings: Mapping[int, Counted], spec: NamingSpec
) -> dict[int, Name]:
    """Name the largest first; a name that is already used is made longer."""
    names: dict[int, Name] = {}
    used: set[str] = set()
    for label in sorted(scored, key=lambda label: (-siblings[label].size, label)):
        subjects = distinct_subjects(scored[label], spec.terms)
        text = _distinct(_lengths(subjects, spec.name_terms), used, label)
        used.add(text)
        names[label] = Name(text, tuple(one.term.text for one in subjects), tuple(one.score for one in subjects))
    return names


def _with_figures(job: tuple[Siblings, Mapping[int, Name]]) -> dict[int, Name]:
    """Add coherence, over all samples of the group, and coverage to each name of one group."""
    siblings, names = job
    keys = {label: [key_of(term) for term in name.terms] for label, name in names.items()}
    counts, coverage = TermPairs(), {}
    for label, (drawn, size) in siblings.items():
        terms = [record_terms(video.words.split("\n"), video.tags.split("\n")).texts.keys() for video in drawn]
        counts = counts.merge(count_pairs(terms, keys.values()).scaled(size / len(drawn)))
        own = {key_of(term) for term in terms_of(names[label].text)}
        coverage[label] = sum(not own.isdisjoint(found) for found in terms) / len(drawn)
    return {
        label: replace(
            name,
            text=_honest(name, coverage[label]),
            coherence=npmi(keys[label], counts),
            coverage=coverage[label],
        )
        for label, name in names.items()
    }


def terms_of(text: str) -> list[str]:
    """Return the terms that a name is made of, without what stands before or behind them."""
    return _AROUND.sub("", text).split(BETWEEN)


def _honest(name: Name, coverage: float) -> str:
    """Return the text of a name, which says where it fits few of the videos."""
    return f"{MIXED}: {name.text}" if coverage < LEAST_COVERAGE and name.terms else name.text


def _lengths(subjects: Sequence[Scored], name_terms: int) -> list[str]:
    """Return the possible names from terms, the one of usual length first, then longer ones."""
    strong = [one for one in subjects if one.score >= LEAST_SCORE * subjects[0].score]
    order = [one.term.text for one in (*complementary(strong), *subjects[len(strong) :])]
    shown = min(name_terms, len(strong))
    return [BETWEEN.join(order[:length]) or MIXED for length in range(shown, len(order) + 1)]


def _distinct(texts: Sequence[str], used: set[str], label: int) -> str:
    free = (text for text in texts if text not in used)
    return next(free, f"{texts[0]} ({label})")


class NamingSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose how subcategories are named and illustrated."""

    by: Literal["words", "members"] = "words"
    """Source of names. "words": terms of the texts, by class-based TF-IDF; "members": the titles of the most
    frequent records (``record.count``), for recipes whose records are single words."""
    name_terms: Annotated[int, Field(ge=1)] = 3
    """Most terms in a name."""
    terms: Annotated[int, Field(ge=1)] = 10
    """Number of terms to store with their scores; a name is made of these."""
    sample: Annotated[int, Field(ge=1, le=10_000)] = 300
    """Videos to read for a subcategory's name: all of a smaller one, else those whose ids hash lowest."""
    exemplars: Annotated[int, Field(ge=0)] = 5
    """Number of videos to list, nearest to the centroid."""
    filler: tuple[str, ...] = ()
    """More words that name no subject, besides those known to be on all kinds of videos."""


Member = tuple[int, str]
"""Number of occurrences of a record, times -1, and its title: this sorts the most frequent first."""


def name_by_members(members: Mapping[int, Sequence[Member]], spec: NamingSpec) -> dict[int, Name]:
    """Return a name for each subcategory of a group: its first members; its terms are the stored members with counts.

    Repeated titles (of records with other ids) count once.
    """
    return {label: _name(sorted(inside), spec) for label, inside in members.items()}


def _name(members: Sequence[Member], spec: NamingSpec) -> Name:
    counts: dict[str, float] = {}
    for number, title in members:
        counts.setdefault(title, float(-number))
    terms = tuple(counts)[: spec.terms]
    return Name(BETWEEN.join(terms[: spec.name_terms]), terms, tuple(counts[term] for term in terms))
