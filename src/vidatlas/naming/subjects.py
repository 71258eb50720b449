"""Subjects of terms: which terms mean the same subject, so that a name does not repeat itself."""

from __future__ import annotations

from collections.abc import Sequence

from vidatlas.naming.counts import Term
from vidatlas.naming.filler import is_filler_word, is_year
from vidatlas.naming.scores import Scored

COMPARED = 60
"""Number of terms of a subcategory to compare with one another, the best ones."""
YIELDS = 0.7
"""Share of a term's videos in which it is part of a longer one, above which the longer one replaces it."""
TOGETHER = 0.75
"""Jaccard index of the videos of two terms, above which they are one subject."""
COVERED = 0.5
"""Weight of a video for a term if an earlier term of the name already covers it."""


def distinct_subjects(scored: Sequence[Scored], limit: int) -> list[Scored]:
    """Return the best terms, each of a different subject."""
    compared = [one for one in scored[:COMPARED] if one.score > 0]
    weaker = _weaker(compared)
    kept: list[Scored] = []
    for one in compared:
        if len(kept) == limit:
            break
        if one.term.key not in weaker and not any(_same_subject(one.term, other.term) for other in kept):
            kept.append(one)
    return kept


def complementary(subjects: Sequence[Scored]) -> list[Scored]:
    """Order subjects for a name: each adds the most videos to those already covered.

    Greedy maximum coverage: a submodular gain as in Lin and Bilmes, "A Class of Submodular Functions for Document
    Summarization" (2011).
    """
    left, order, covered = list(subjects), [], 0
    while left:
        best = max(left, key=lambda one: one.score * _news(one.term, covered))
        left.remove(best)
        order.append(best)
        covered |= best.term.videos
    return order


def _news(term: Term, covered: int) -> float:
    known = (term.videos & covered).bit_count() / term.videos.bit_count()
    return 1 - known + COVERED * known


def _weaker(scored: Sequence[Scored]) -> set[str]:
    """Return the keys of terms that a longer or shorter term expresses better.

    A word that mostly stands within a phrase ("wars") yields to the phrase ("star wars"). If only filler makes the
    phrase longer ("minecraft video"), the one that more authors use as a tag stays; a year is always dropped.
    """
    weaker = set()
    for one in scored:
        for other in scored:
            short, long = one.term, other.term
            if f" {short.text} " not in f" {long.text} " or short is long:
                continue
            added = set(long.text.split()) - set(short.text.split())
            if all(map(is_year, added)) or (long.alone <= short.alone and all(map(is_filler_word, added))):
                weaker.add(long.key)
            elif long.videos.bit_count() >= YIELDS * short.videos.bit_count() and other.score >= YIELDS * one.score:
                weaker.add(short.key)
    return weaker


def _same_subject(first: Term, second: Term) -> bool:
    words, others = _content(first), _content(second)
    together = (first.videos & second.videos).bit_count() / (first.videos | second.videos).bit_count()
    return (
        together >= TOGETHER
        or _all_alike(words, others)
        or _all_alike(others, words)
        or _alike(first.key, second.key)
        or _is_part(*sorted((first.key, second.key), key=len))
    )


def _is_part(short: str, long: str) -> bool:
    return len(short) >= 5 and short in long


def _content(term: Term) -> list[str]:
    """Return the words of a term without filler; all of them if there is nothing else."""
    words = term.text.split()
    return [word for word in words if not is_filler_word(word)] or words


def _all_alike(words: Sequence[str], others: Sequence[str]) -> bool:
    return all(any(_alike(word, other) for other in others) for word in words)


def _alike(first: str, second: str) -> bool:
    """Tell whether two words are forms of one: equal except for an s, or for at most the last quarter."""
    short, long = sorted((first, second), key=len)
    if long in (short, f"{short}s"):
        return True
    common = next((at for at, (one, other) in enumerate(zip(short, long, strict=False)) if one != other), len(short))
    return common >= 5 and common >= 0.75 * len(long)
