"""Recommend: videos for a title, a picture, or both, as somebody who is not in the atlas yet would ask."""

from __future__ import annotations

from collections import defaultdict
from os import PathLike
from pathlib import Path
from typing import Literal

from vidatlas.pictures import UnreadablePictureError
from vidatlas.pipeline.imaging import PictureSearch
from vidatlas.pipeline.searching import Search
from vidatlas.pipeline.suggesting import Candidate, Suggestion, varied
from vidatlas.store import Store
from vidatlas.types import UsageError

Modality = Literal["text", "image", "hybrid"]
_CANDIDATES = 100
_DAMPING = 60
"""As in Cormack et al.: how little the very first ranks count above the next."""
_WEIGHTS = {"similar title": 1.0, "similar picture": 0.3}
"""A picture of 64 numbers says less of what a video is about than its title (benchmarks.recommender)."""
Ranked = dict[int, float]
"""Score by position, the best first."""


def recommend(
    store: Store, search: Search, image: str | PathLike[str] | None, title: str | None, k: int, method: Modality
) -> list[Suggestion]:
    """Return k videos whose title, picture or both are like those given, with reasons; at most two of a channel.

    Hybrid adds weight / (60 + rank) over both lists (reciprocal rank fusion, Cormack et al., 2009; a picture weighs 0.3
    of a title): cosines of titles and of pictures have different ranges, so that a sum of them would follow whichever
    spreads farther.

    Raises:
        UsageError: what the method needs is not given or not there, or the image cannot be read.
    """
    lists: dict[str, Ranked] = {}
    if method in ("text", "hybrid"):
        if not title:
            raise UsageError(f"method {method} needs a title.")
        lists["similar title"] = dict(search.near_vector(search.text_vector(title), _CANDIDATES))
    if method in ("image", "hybrid"):
        if image is None:
            raise UsageError(f"method {method} needs an image.")
        lists["similar picture"] = _pictures(store, search, Path(image))
    if not lists:
        raise UsageError(f"no method {method!r}: choose text, image or hybrid.")
    return varied(search, fused(lists), k, None)


def _pictures(store: Store, search: Search, image: Path) -> Ranked:
    try:
        return dict(PictureSearch(store, search.recipe).near(image, _CANDIDATES))
    except UnreadablePictureError as error:
        raise UsageError(f"{error}. Choose another image.") from error


def alike(store: Store, search: Search, video: str, k: int, both: bool) -> list[Suggestion]:
    """Return k videos whose picture, or picture and texts, are like those of a video of the atlas, itself left out.

    Raises:
        UsageError: the atlas has no such video or no pictures, or the video's own cannot be read.
    """
    at = search.position(video)
    own = search.records([at])[0]
    spec = search.recipe.record.image
    if spec is None or not own["image"]:
        raise UsageError(f"{video} has no image. Suggest from what its title and tags say.")
    lists: dict[str, Ranked] = {}
    if both:
        lists["similar title"] = dict(search.near(at, _CANDIDATES, None))
    pictures = _pictures(store, search, Path(spec.folder) / own["image"])
    lists["similar picture"] = {row: cosine for row, cosine in pictures.items() if row != at}
    return varied(search, fused(lists), k, own)


def fused(lists: dict[str, Ranked]) -> list[Candidate]:
    """Return candidates of one list with their scores, of several by reciprocal rank, with the lists as reasons."""
    if len(lists) == 1:
        ((why, ranked),) = lists.items()
        return [(row, score, (why,)) for row, score in ranked.items()]
    scores: dict[int, float] = defaultdict(float)
    reasons: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for why, ranked in lists.items():
        for rank, row in enumerate(ranked, 1):
            scores[row] += _WEIGHTS.get(why, 1.0) / (_DAMPING + rank)
            reasons[row] += (why,)
    best = sorted(scores, key=lambda row: (-scores[row], row))
    return [(row, scores[row], reasons[row]) for row in best]
