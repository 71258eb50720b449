"""The videos that a name is made of: a sample of bounded size that is the same however the shards were merged."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from typing import NamedTuple

WORD_CHARS = 300
TAG_CHARS = 700
"""Characters of a video's running text and of its tags that are kept; YouTube allows 100 and 500."""


class Drawn(NamedTuple):
    """Hold what is kept of one video: at most about a thousand characters."""

    rank: int
    """Hash of the id: those with the lowest are kept."""
    author: int
    """Hash of who published it."""
    words: str
    """Texts of the fields that hold running text, one a line."""
    tags: str
    """Tags, one a line."""


def draw(key: str, author: str, words: Iterable[str], tags: Iterable[str]) -> Drawn:
    """Return a video, cut to its bounded size, with the rank that its id gives it."""
    return Drawn(digest(key), digest(author), _lines(words, WORD_CHARS), _lines(tags, TAG_CHARS))


def digest(text: str) -> int:
    """Return 64 bits that depend on the text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def merge(first: Iterable[Drawn], second: Iterable[Drawn], limit: int) -> list[Drawn]:
    """Return those of two samples whose ids hash lowest, in that order.

    A bottom-k sample (Cohen and Kaplan, "Summarizing data using bottom-k sketches", 2007): every video is equally
    likely to be in it, and merging gives the same in any grouping and order. Up to ``limit`` videos are kept whole.
    """
    return heapq.nsmallest(limit, [*first, *second])


def _lines(texts: Iterable[str], chars: int) -> str:
    """Return whole texts, one a line, as long as they fit; the first one is cut if it does not."""
    kept: list[str] = []
    for text in texts:
        line = " ".join(text[: chars + 1].splitlines())
        if kept and len(line) + 1 > chars:
            break
        kept.append(line[:chars])
        chars -= len(kept[-1]) + 1
    return "\n".join(kept)
