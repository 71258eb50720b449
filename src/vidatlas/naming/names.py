"""Name the subcategories of each group: a few complementary terms, other than those of any sibling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vidatlas.naming.coherence import TermPairs, count_pairs, npmi
from vidatlas.naming.counts import Counted, count
from vidatlas.naming.draw import Drawn
from vidatlas.naming.scores import Scored, Usage, score
from vidatlas.naming.spec import NamingSpec
from vidatlas.naming.subjects import complementary, distinct_subjects
from vidatlas.naming.terms import key_of, record_terms

UNNAMED = "unnamed"
LEAST_SCORE = 0.25
"""Share of the best term's score that a term needs to be part of a name."""


@dataclass(frozen=True, slots=True)
class Name:
    """Hold the name of a subcategory, and the terms by falling score that it was chosen from."""

    text: str
    terms: tuple[str, ...]
    scores: tuple[float, ...]
    coherence: float | None = None
    """Mean NPMI of the terms over the group's samples: 1 never apart, 0 by chance, -1 never together."""


Siblings = Mapping[int, tuple[Sequence[Drawn], int]]
"""For each subcategory of a group its sample and its size."""
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""``map``, or one like it that works on many groups at a time."""


def name_groups(groups: Mapping[str, Siblings], spec: NamingSpec, each: Map = map) -> dict[str, dict[int, Name]]:
    """Return a name for every subcategory of every group; names differ within a group.

    All groups at once, for what is learned of words (see ``Usage``) is learned from all of them.
    """
    counted: dict[str, dict[int, Counted]] = dict(zip(groups, each(_count, groups.values()), strict=True))
    usage = Usage(one for siblings in counted.values() for one in siblings.values())
    names = {group: _name_siblings(score(group, inside, usage), inside, spec) for group, inside in counted.items()}
    jobs = [(siblings, names[group]) for group, siblings in groups.items()]
    return dict(zip(groups, each(_with_coherence, jobs), strict=True))


def _count(siblings: Siblings) -> dict[int, Counted]:
    return {label: count(drawn, size) for label, (drawn, size) in siblings.items()}


def _name_siblings(
    scored: Mapping[int, Sequence[Scored]], siblings: Mapping[int, Counted], spec: NamingSpec
) -> dict[int, Name]:
    """Name the largest first; a name that is taken is made longer."""
    names: dict[int, Name] = {}
    used: set[str] = set()
    for label in sorted(scored, key=lambda label: (-siblings[label].size, label)):
        subjects = distinct_subjects(scored[label], spec.terms)
        text = _distinct(_lengths(subjects, spec.name_terms), used, label)
        used.add(text)
        names[label] = Name(text, tuple(one.term.text for one in subjects), tuple(one.score for one in subjects))
    return names


def _with_coherence(job: tuple[Siblings, Mapping[int, Name]]) -> dict[int, Name]:
    """Add to each name of one group how well its terms belong together, in all samples of the group."""
    siblings, names = job
    keys = {label: [key_of(term) for term in name.terms] for label, name in names.items()}
    counts = TermPairs()
    for drawn, size in siblings.values():
        terms = (record_terms(video.words.split("\n"), video.tags.split("\n")).texts.keys() for video in drawn)
        counts = counts.merge(count_pairs(terms, keys.values()).scaled(size / len(drawn)))
    return {label: replace(name, coherence=npmi(keys[label], counts)) for label, name in names.items()}


def _lengths(subjects: Sequence[Scored], name_terms: int) -> list[str]:
    """Return the names that terms can make, the one of the usual length first, then longer ones."""
    strong = [one for one in subjects if one.score >= LEAST_SCORE * subjects[0].score]
    order = [one.term.text for one in (*complementary(strong), *subjects[len(strong) :])]
    shown = min(name_terms, len(strong))
    return [" · ".join(order[:length]) or UNNAMED for length in range(shown, len(order) + 1)]


def _distinct(texts: Sequence[str], used: set[str], label: int) -> str:
    free = (text for text in texts if text not in used)
    return next(free, f"{texts[0]} ({label})")
