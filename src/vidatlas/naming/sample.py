"""A sample of a subcategory's videos for naming: of limited size, and the same in whatever order shards are merged."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

WORD_CHARS = 300
TAG_CHARS = 700
"""Most characters to keep of a video's running text and of its tags; YouTube allows 100 and 500."""

CORE = 0.75
"""Share of a subcategory's videos that is its core, the nearest to its centroid: names come from these."""


class Drawn(NamedTuple):
    """Hold one sampled video: at most about a thousand characters."""

    rank: int
    """Hash of the id: the sample keeps the lowest."""
    author: int
    """Hash of its author."""
    words: str
    """Texts of the fields with running text, one per line."""
    tags: str
    """Tags, one per line."""
    distance: float = 0.0
    """How far it is from the middle of its subcategory."""


def draw(key: str, author: str, words: Iterable[str], tags: Iterable[str], distance: float = 0.0) -> Drawn:
    """Return a video as a sample holds it: truncated, with the rank given by its id."""
    return Drawn(digest(key), digest(author), _lines(words, WORD_CHARS), _lines(tags, TAG_CHARS), distance)


def core_of(drawn: Sequence[Drawn]) -> list[Drawn]:
    """Return the nearest of a sample, ``CORE`` of it, in the sample's order: a subcategory is named after these."""
    reach = core_distance(drawn)
    return [video for video in drawn if video.distance <= reach]


def core_distance(drawn: Sequence[Drawn]) -> float:
    """Return how far the core of a subcategory reaches, as its sample tells."""
    return sorted(video.distance for video in drawn)[max(0, math.ceil(CORE * len(drawn)) - 1)]


def digest(text: str) -> int:
    """Return a 64-bit hash of a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def merge(first: Iterable[Drawn], second: Iterable[Drawn], limit: int) -> list[Drawn]:
    """Merge two samples: return the videos whose ids hash lowest, in that order.

    A bottom-k sample (Cohen and Kaplan, "Summarizing data using bottom-k sketches", 2007): every video is equally
    likely to be in it, and merging is associative and commutative. Up to ``limit`` videos are all kept.
    """
    return heapq.nsmallest(limit, [*first, *second])


def _lines(texts: Iterable[str], chars: int) -> str:
    """Return whole texts, one per line, as long as they fit; the first one is truncated if it does not."""
    kept: list[str] = []
    for text in texts:
        line = " ".join(text[: chars + 1].splitlines())
        if kept and len(line) + 1 > chars:
            break
        kept.append(line[:chars])
        chars -= len(kept[-1]) + 1
    return "\n".join(kept)
