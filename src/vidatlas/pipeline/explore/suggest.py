"""Suggestions: similar videos with reasons, from a video, a title or a thumbnail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidatlas.errors import UsageError
from vidatlas.naming.filler import FILLER, function_words
from vidatlas.pipeline.explore.search import Search, fuse
from vidatlas.pipeline.explore.words import folded, words_of
from vidatlas.pipeline.publish.images import PictureSearch
from vidatlas.sources.images import UnreadablePictureError
from vidatlas.sources.values.links import link_of
from vidatlas.storage.store import Store
from vidatlas.types import Json

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
_SHOWN = 3


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
    url: str = ""
    """Its address, where the recipe makes one."""
    position: int = -1
    """Where it stands in the index."""


def suggest(search: Search, video: str, k: int, method: Method = "nearest") -> list[Suggestion]:
    """Return at most k videos nearest to one, at most two of a channel and no title twice.

    Raises:
        UsageError: the atlas has no such video, or no such method.
    """
    if method not in METHODS:
        raise UsageError(f"no method {method!r} of suggesting: choose one of {', '.join(METHODS)}.")
    at = search.position(video)
    own = record_of(search, at)
    found = search.near(at, _CANDIDATES * k, _allowed(search, own, method))
    return varied(search, [(row, cosine, ()) for row, cosine in found], k, own)


def record_of(search: Search, at: int) -> Json:
    """Return the record of the video at a position, with its tags."""
    return {**search.records([at])[0], "tags": search.tags([at])[0]}


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
    titles = {folded(own["title"])} if own else set()
    chosen: list[tuple[Candidate, Json]] = []
    for candidate, record in zip(candidates, records, strict=True):
        author, title = record["author"], folded(record["title"])
        if title in titles or (author and authors[author] >= _MOST_OF_AUTHOR):
            continue
        authors[author] += 1
        titles.add(title)
        chosen.append((candidate, record))
        if len(chosen) == k:
            break
    tags = search.tags([row for (row, _, _), _ in chosen]) if own else [[] for _ in chosen]
    return [_suggestion(search, *found, own, theirs) for found, theirs in zip(chosen, tags, strict=True)]


def _suggestion(search: Search, candidate: Candidate, record: Json, own: Json | None, tags: list[str]) -> Suggestion:
    row, score, known = candidate
    reasons = (*known, *(_reasons(own, record, tags) if own else ()))
    url = link_of(search.recipe.record.url, record)
    name = search.name_of(record)
    return Suggestion(record["id"], record["title"], record["group"], name, score, reasons, url, row)


def _allowed(search: Search, own: Json, method: Method) -> NDArray[np.bool_] | None:
    if method == "subcategory":
        return search.videos.inside(own["in_group"], own["subcategory"])
    return ~search.videos.of_group(own["group"]) if method == "elsewhere" else None


def _reasons(own: Json, other: Json, tags: list[str]) -> tuple[str, ...]:
    """Return what two videos share, the strongest first: tags, words of their titles, the channel."""
    theirs = {folded(tag): tag for tag in tags}
    shared = [theirs[key] for key in dict.fromkeys(map(folded, own["tags"])) if key in theirs]
    reasons = [_listed("shared tags", shared)] if shared else []
    told = {word for tag in shared for word in words_of(tag)}
    common = set(words_of(other["title"])) - told
    words = [word for word in words_of(own["title"]) if word in common and _says_something(word)]
    if words:
        reasons.append(_listed("shared words", words))
    if own.get("author") and own.get("author") == other.get("author"):
        reasons.append("same channel")
    return tuple(reasons)


def _listed(what: str, shared: list[str]) -> str:
    more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
    return f"{what}: {', '.join(shared[:_SHOWN])}{more}"


def _says_something(word: str) -> bool:
    """Tell whether a word that two titles share is a reason: no filler, no function word, no number."""
    return len(word) > 2 and not word.isdecimal() and word not in FILLER and word not in function_words()


Modality = Literal["text", "image", "hybrid"]
_IN_EACH_LIST = 100
_WEIGHTS = {"similar title": 1.0, "similar picture": 0.3}
"""A picture of 64 numbers says less of what a video is about than its title (benchmarks.recommender)."""
Ranked = dict[int, float]
"""Score by position, the best first."""


def recommend(
    store: Store, search: Search, image: str | PathLike[str] | None, title: str | None, k: int, method: Modality
) -> list[Suggestion]:
    """Return k videos whose title, picture or both are like those given, with reasons; at most two of a channel.

    Hybrid fuses both lists by reciprocal rank (a picture weighs 0.3 of a title): cosines of titles and of pictures have
    different ranges, so that a sum of them would follow whichever spreads farther.

    Raises:
        UsageError: what the method needs is not given or not there, or the image cannot be read.
    """
    lists: dict[str, Ranked] = {}
    if method in ("text", "hybrid"):
        if not title:
            raise UsageError(f"method {method} needs a title.")
        lists["similar title"] = dict(search.near_vector(search.text_vector(title), _IN_EACH_LIST))
    if method in ("image", "hybrid"):
        if image is None:
            raise UsageError(f"method {method} needs an image.")
        lists["similar picture"] = _pictures(store, search, Path(image))
    if not lists:
        raise UsageError(f"no method {method!r}: choose text, image or hybrid.")
    return varied(search, fused(lists), k, None)


def _pictures(store: Store, search: Search, image: Path) -> Ranked:
    try:
        return dict(PictureSearch(store, search.recipe).near(image, _IN_EACH_LIST))
    except UnreadablePictureError as error:
        raise UsageError(f"{error}. Choose another image.") from error


def alike(store: Store, search: Search, video: str, k: int, both: bool) -> list[Suggestion]:
    """Return k videos whose picture, or picture and texts, are like those of a video of the atlas, itself left out.

    Raises:
        UsageError: the atlas has no such video or no pictures, or the video's own cannot be read.
    """
    at = search.position(video)
    own = record_of(search, at)
    spec = search.recipe.record.image
    if spec is None or not own["image"]:
        raise UsageError(f"{video!r} has no image. Suggest from what its title and tags say.")
    lists: dict[str, Ranked] = {}
    if both:
        lists["similar title"] = dict(search.near(at, _IN_EACH_LIST, None))
    pictures = _pictures(store, search, Path(spec.folder) / own["image"])
    lists["similar picture"] = {row: cosine for row, cosine in pictures.items() if row != at}
    return varied(search, fused(lists), k, own)


def fused(lists: dict[str, Ranked]) -> list[Candidate]:
    """Return candidates of one list with their scores, of several by reciprocal rank, with the lists as reasons."""
    if len(lists) == 1:
        ((why, ranked),) = lists.items()
        return [(row, score, (why,)) for row, score in ranked.items()]
    scores = fuse((_WEIGHTS.get(why, 1.0), ranked) for why, ranked in lists.items())
    return [(row, score, tuple(why for why, ranked in lists.items() if row in ranked)) for row, score in scores.items()]
