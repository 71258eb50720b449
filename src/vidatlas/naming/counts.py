"""Counts of the terms of a subcategory: in how many videos, and by how many authors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vidatlas.naming.sample import Drawn
from vidatlas.naming.terms import Terms, record_terms

LEAST_SHARE = 0.02
"""Least share of the videos that must have a term, and at least two of them if there are two or more."""
MOST_TERMS = 300
"""Most terms of a subcategory to consider, the most frequent ones."""


@dataclass(frozen=True, slots=True)
class Term:
    """Hold the counts of one term in one subcategory."""

    key: str
    text: str
    """Its most common spelling, or one half as common with more words: "star wars" reads better than "starwars"."""
    videos: int
    """Bit set of the sample's videos that have it."""
    authors: int
    tagged: int
    """Authors who use it in a video that has tags."""
    alone: int
    """Authors who use it as a separate tag."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Hold the counted terms of one subcategory, by decreasing frequency."""

    size: int
    """Number of videos of the subcategory."""
    sample: int
    """Number of videos in the sample."""
    authors: int
    """Number of authors in the sample."""
    terms: Sequence[Term]


def count(drawn: Sequence[Drawn], size: int) -> Counted:
    """Count the terms that are frequent enough in the sample of a subcategory of so many videos."""
    found = [record_terms(video.words.split("\n"), video.tags.split("\n")) for video in drawn]
    authors = len({video.author for video in drawn})
    if authors == 1 < len(drawn):
        # One channel's tags are often the same list on every video: its titles say more.
        titled = [record_terms(video.words.split("\n"), []) for video in drawn]
        found = titled if _frequent(titled) else found
    frequent = _frequent(found)
    uses: dict[str, _Use] = {key: _Use() for key in frequent}
    for number, (video, terms) in enumerate(zip(drawn, found, strict=True)):
        for key in terms.texts.keys() & uses.keys():
            uses[key].add(number, video, terms.texts[key], key in terms.tags)
    return Counted(size, len(drawn), authors, [use.term(key) for key, use in uses.items()])


def _frequent(found: Iterable[Terms]) -> list[str]:
    records, counts = 0, Counter[str]()
    for terms in found:
        records += 1
        counts.update(terms.texts.keys())
    least = max(min(2, records), LEAST_SHARE * records)
    frequent = [(-count, key) for key, count in counts.items() if count >= least]
    return [key for _, key in sorted(frequent)[:MOST_TERMS]]


class _Use:
    """Collect the uses of one term."""

    def __init__(self) -> None:
        self._videos = 0
        self._texts: defaultdict[str, int] = defaultdict(int)
        self._authors: set[int] = set()
        self._tagged: set[int] = set()
        self._alone: set[int] = set()

    def add(self, number: int, video: Drawn, text: str, alone: bool) -> None:
        self._videos |= 1 << number
        self._texts[text] += 1
        self._authors.add(video.author)
        if video.tags:
            self._tagged.add(video.author)
        if alone:
            self._alone.add(video.author)

    def term(self, key: str) -> Term:
        usual = max(self._texts.values())
        texts = (text for text, count in self._texts.items() if 2 * count >= usual)
        text = min(texts, key=lambda text: (-text.count(" "), -self._texts[text], text))
        return Term(key, text, self._videos, len(self._authors), len(self._tagged), len(self._alone))
