"""You may also like: the nearest videos to one, each with a reason, and not all by the same channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidatlas.pipeline.searching import Search
from vidatlas.types import Json, UsageError

Method = Literal["nearest", "subcategory", "elsewhere", "picture", "both"]
METHODS: dict[Method, str] = {
    "nearest": "the nearest of all",
    "subcategory": "the same subcategory",
    "elsewhere": "other categories",
}
PICTURED: dict[Method, str] = {"picture": "similar pictures", "both": "similar pictures and words"}
"""Methods that an atlas with pictures has besides."""
_CANDIDATES = 8
"""So many times as many videos are looked at as are suggested, since some are left out."""
_MOST_OF_AUTHOR = 2
_SHOWN_TAGS = 3


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Name a video and why it is suggested."""

    id: str
    title: str
    group: str
    name: str
    score: float
    """The cosine; with fused ranks their score."""
    reasons: tuple[str, ...]


def suggest(search: Search, video: str, k: int, method: Method = "nearest") -> list[Suggestion]:
    """Return at most k videos nearest to one, at most two of a channel and no title twice.

    Raises:
        UsageError: the atlas has no such video, or no such method.
    """
    if method not in METHODS:
        raise UsageError(f"no method {method!r} of suggesting: choose one of {', '.join(METHODS)}.")
    at = search.position(video)
    own = search.records([at])[0]
    found = search.near(at, _CANDIDATES * k, _allowed(search, own, method))
    return varied(search, [(row, cosine, ()) for row, cosine in found], k, own)


Candidate = tuple[int, float, tuple[str, ...]]
"""Position, score, and reasons known already."""


def varied(search: Search, candidates: Sequence[Candidate], k: int, own: Json | None) -> list[Suggestion]:
    """Return the first k candidates of which at most two are of a channel and no two have the same title.

    Args:
        search: of the atlas.
        candidates: the best first.
        k: at most so many.
        own: what they are suggested beside, if it is a video of the atlas.
    """
    records = search.records([row for row, _, _ in candidates])
    authors = Counter({own["author"]: 1} if own and own["author"] else {})
    titles = {_folded(own["title"])} if own else set()
    chosen: list[Suggestion] = []
    for (_, score, known), record in zip(candidates, records, strict=True):
        author, title = record["author"], _folded(record["title"])
        if title in titles or (author and authors[author] >= _MOST_OF_AUTHOR):
            continue
        authors[author] += 1
        titles.add(title)
        name = search.name_of(record["group"], record["subcategory"])
        reasons = (*known, *(_reasons(own, record, name) if own else ())) or ("described in similar words",)
        chosen.append(Suggestion(record["id"], record["title"], record["group"], name, score, reasons))
        if len(chosen) == k:
            break
    return chosen


def _allowed(search: Search, own: Json, method: Method) -> NDArray[np.bool_] | None:
    if method == "subcategory":
        return search.inside(own["group"], own["subcategory"])
    return ~search.inside(own["group"], None) if method == "elsewhere" else None


def _reasons(own: Json, other: Json, name: str) -> tuple[str, ...]:
    """Return why a video is suggested, the strongest reason first."""
    reasons = []
    theirs = {_folded(tag): tag for tag in other["tags"]}
    shared = [theirs[key] for key in dict.fromkeys(map(_folded, own["tags"])) if key in theirs]
    if shared:
        more = f" and {len(shared) - _SHOWN_TAGS} more" if len(shared) > _SHOWN_TAGS else ""
        reasons.append(f"shared tags: {', '.join(shared[:_SHOWN_TAGS])}{more}")
    if (own["group"], own["subcategory"]) == (other["group"], other["subcategory"]):
        reasons.append(f"same subcategory: {name}")
    if own.get("author") and own.get("author") == other.get("author"):
        reasons.append("same channel")
    return tuple(reasons)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
