"""The JSON API: search, similar, suggest, subcategories, videos; and the page that describes it, from its schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel

from vidatlas.app.library import Library, Subcategory
from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.listing import shown_rows
from vidatlas.pipeline.explore.search import Filter, Hit, Range
from vidatlas.pipeline.explore.suggest import Method, Suggestion

K = Annotated[int, Query(ge=1, le=1000, description="How many videos.")]
Id = Annotated[str, Query(description="The id of a video of the atlas, or its address on YouTube.")]
Group = Annotated[str | None, Query(description="Only videos of this category, in any case.")]
Sub = Annotated[str | None, Query(description="Only videos of this subcategory: number or name.")]
Ranges = Annotated[
    list[str] | None,
    Query(
        alias="range",
        description="Only videos with a value in a range, such as views:1000.. or published:2020-01-01..2020-12-31.",
    ),
]


class Video(BaseModel):
    """Describe a video."""

    id: str
    title: str
    group: str
    subcategory: int
    name: str
    """Of its subcategory."""
    distance: float
    """To the centre of its subcategory."""
    part: str | None
    """core, or peripheral: farther from the centre than three quarters of it."""
    columns: dict[str, Any]
    """The typed columns of the recipe."""
    url: str | None = None


class Found(Video):
    """Describe a video that was found."""

    cosine: float | None
    match: str
    """title, words or meaning: how it was found."""


class Suggested(Video):
    """Describe a video that is suggested, and why."""

    score: float
    reasons: tuple[str, ...]


class Results(BaseModel):
    """Hold search results, the best first."""

    vectors: bool
    """Whether vectors were compared; without, only words were."""
    videos: list[Found]


class Suggestions(BaseModel):
    """Hold suggestions, the best first."""

    videos: list[Suggested]


class Listed(BaseModel):
    """Hold some of all videos of a category or subcategory."""

    total: int
    videos: list[Video]


def add_api(site: FastAPI, library: Library, page: Callable[..., Response]) -> None:
    """Add the API and its page to a site."""
    _add_finding(site, library)
    _add_listing(site, library)

    @site.get("/api", include_in_schema=False)
    def described() -> Response:
        return page("api.html.jinja", schema=site.openapi())


def _add_finding(site: FastAPI, library: Library) -> None:
    @site.get("/api/search")
    def search(q: str, k: K = 10, group: Group = None, subcategory: Sub = None, ranges: Ranges = None) -> Results:
        """Return the videos that fit a text, by words and by vectors."""
        vectors = library.atlas.encodes_texts and not library.trouble
        only = Filter(group, subcategory, tuple(map(_range, ranges or ())))
        hits = library.search.hits(q, k, only, vectors)
        return Results(vectors=vectors, videos=_found(library, hits))

    @site.get("/api/similar")
    def similar(id: Id, k: K = 10, group: Group = None, subcategory: Sub = None) -> Results:
        """Return the videos nearest to one, itself left out."""
        only = library.search.among(Filter(group, subcategory))
        near = library.search.near(library.search.position(id), k, only)
        return Results(vectors=True, videos=_found(library, [Hit(row, cosine, "meaning") for row, cosine in near]))

    @site.get("/api/suggest")
    def suggest(id: Id, k: K = 10, method: Method = "nearest") -> Suggestions:
        """Return what somebody may like who likes a video, with reasons."""
        return Suggestions(videos=_suggested(library, library.atlas.suggest(id, k, method)))


def _add_listing(site: FastAPI, library: Library) -> None:
    @site.get("/api/subcategories")
    def subcategories(group: Group = None) -> list[Subcategory]:
        """Return the subcategories, largest first."""
        found = library.subcategories.values()
        return [sub for sub in found if group is None or sub.group.casefold() == group.casefold()]

    @site.get("/api/videos")
    def videos(
        group: Annotated[str, Query(description="The category, in any case.")],
        subcategory: Sub = None,
        sort: Annotated[str, Query(description="nearness, title, or a typed column such as views.")] = "nearness",
        first: Annotated[int, Query(ge=0, description="How many to skip.")] = 0,
        count: Annotated[int, Query(ge=1, le=1000, description="How many to return.")] = 100,
    ) -> Listed:
        """Return videos of a category or subcategory, sorted."""
        found = library.atlas.listed(group, subcategory, sort)
        rows = _videos(library, found.positions[first : first + count].tolist())
        return Listed(total=len(found), videos=[Video(**row) for row in rows])


def _range(text: str) -> Range:
    name, colon, ends = text.partition(":")
    low, dots, high = ends.partition("..")
    if not (colon and dots):
        raise UsageError(f"range {text[:80]!r} is not understood. Write column:low..high, such as views:1000..")
    return name, low or None, high or None


def _videos(library: Library, rows: Sequence[int]) -> list[dict[str, Any]]:
    typed = library.search.videos.typed
    found = []
    for row in shown_rows(library.search, rows):
        columns = {name: _plain(row.pop(name)) for name in typed}
        found.append({**row, "columns": columns})
    return found


def _plain(value: Any) -> Any:
    """Return a value that JSON has: no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _found(library: Library, hits: Sequence[Hit]) -> list[Found]:
    rows = _videos(library, [hit.row for hit in hits])
    return [Found(**row, cosine=hit.cosine, match=hit.match) for row, hit in zip(rows, hits, strict=True)]


def _suggested(library: Library, found: Sequence[Suggestion]) -> list[Suggested]:
    rows = _videos(library, [one.position for one in found])
    return [Suggested(**row, score=one.score, reasons=one.reasons) for row, one in zip(rows, found, strict=True)]
