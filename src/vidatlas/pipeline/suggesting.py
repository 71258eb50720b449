"""You may also like: the nearest videos to one, each with a reason, and not all by the same channel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidatlas.pipeline.searching import Search
from vidatlas.types import Json, UsageError

Method = Literal["nearest", "subcategory", "elsewhere"]
METHODS: dict[Method, str] = {
    "nearest": "the nearest of all",
    "subcategory": "the same subcategory",
    "elsewhere": "other categories",
}
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
    cosine: float
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
    records = search.records([row for row, _ in found])
    authors = Counter({own.get("author"): 1 if own.get("author") else 0})
    titles = {_folded(own["title"])}
    chosen: list[Suggestion] = []
    for (_, cosine), record in zip(found, records, strict=True):
        author, title = record.get("author"), _folded(record["title"])
        if title in titles or (author and authors[author] >= _MOST_OF_AUTHOR):
            continue
        authors[author] += 1
        titles.add(title)
        name = search.name_of(record["group"], record["subcategory"])
        reasons = _reasons(own, record, name)
        chosen.append(Suggestion(record["id"], record["title"], record["group"], name, cosine, reasons))
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
    return tuple(reasons) or ("described in similar words",)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
