"""The pages of the app: discover, search, browse, compare, a video with what is like it, the map."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.exceptions import HTTPException

from vidatlas.app.cards import cards_at, found_cards, link, suggested_cards
from vidatlas.app.compare import sides
from vidatlas.app.library import Library
from vidatlas.app.questions import MOST, STEP, bounds, filtered, kept, number, text_of
from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.listing import csv_lines
from vidatlas.pipeline.explore.suggest import Method
from vidatlas.pipeline.explore.videos import NEARNESS
from vidatlas.pipeline.publish.wording import alike_words
from vidatlas.views.report import map_policy

Page = Callable[..., Response]
PER_PAGE = 48
THUMBNAIL = (480, 360)
_SEEDS = 1_000_000
_SANDBOX = "allow-scripts allow-popups allow-popups-to-escape-sandbox"


def add_pages(site: FastAPI, library: Library, page: Page) -> None:
    """Add the pages that people read to a site."""
    _add_discover(site, library, page)
    _add_search(site, library, page)
    _add_browse(site, library, page)
    _add_video(site, library, page)
    _add_map(site, library, page)

    @site.get("/compare", include_in_schema=False)
    def compare(request: Request) -> Response:
        given = request.query_params
        chosen = (given.get("a", ""), given.get("b", ""))
        return page("compare.html.jinja", chosen=chosen, sides=sides(library, chosen))


def _more(path: str, given: Any, shown: int, wanted: int) -> str:
    """Return the address of the same page with more videos; "" where there are no more, or enough."""
    if shown < wanted or wanted >= MOST:
        return ""
    return f"{link(path, **kept(given, n=wanted + STEP))}#more-{wanted}"


def _add_discover(site: FastAPI, library: Library, page: Page) -> None:
    @site.get("/", include_in_schema=False)
    def start() -> Response:
        # Another one at every visit; what is shown stands in the address, so that it can be kept and sent.
        return RedirectResponse(
            link("/discover", seed=1 + secrets.randbelow(_SEEDS)), 303, {"Cache-Control": "no-store"}
        )

    @site.get("/discover", include_in_schema=False)
    def discover(request: Request) -> Response:
        given = request.query_params
        if not given.get("seed"):
            return start()
        seed, wanted = number(given["seed"], 0, 1 << 62, 0), number(given.get("n"), 1, MOST, STEP)
        total = len(library.search.videos)
        # A prefix of one order, so that more videos leave the first where they were.
        drawn = np.random.default_rng(seed).choice(total, min(MOST, total), replace=False)[:wanted]
        cards = cards_at(library, cast(list[int], drawn.tolist()))
        more = _more("/discover", given, len(cards), wanted)
        return page("discover.html.jinja", cards=cards, more=more)


def _add_search(site: FastAPI, library: Library, page: Page) -> None:
    @site.get("/search", include_in_schema=False)
    def search(request: Request) -> Response:
        given, text = request.query_params, text_of(request.query_params)
        wanted = number(given.get("n"), 1, MOST, STEP)
        # What is said of the results is what they were made with: loading goes on meanwhile.
        ready, words = library.ready, library.words_ready
        vectors = library.vectors_ready and library.atlas.encodes_texts
        found, notice = [], ""
        if text and words:
            try:
                found = library.search.hits(text, wanted, filtered(library, given), vectors)
            except UsageError as error:
                notice = str(error)
        answer = page(
            "search.html.jinja",
            text=text,
            cards=found_cards(library, found, text),
            notice=notice,
            group=given.get("group", ""),
            sub=given.get("sub", ""),
            bounds=bounds(library, given),
            ready=ready,
            words=words,
            more=_more("/search", given, len(found), wanted),
        )
        if text and not ready:
            answer.headers["Refresh"] = "3"
        return answer


def _add_browse(site: FastAPI, library: Library, page: Page) -> None:
    @site.get("/browse", include_in_schema=False)
    def browse() -> Response:
        return page("browse.html.jinja")

    @site.get("/browse/videos", include_in_schema=False)
    def videos(request: Request) -> Response:
        return page("videos.html.jinja", **_listed(library, request.query_params))

    @site.get("/browse/videos.csv", include_in_schema=False)
    def table(request: Request) -> Response:
        given = request.query_params
        found = library.atlas.listed(given.get("group", ""), given.get("sub") or None, given.get("sort") or NEARNESS)
        name = f"videos-{found.home[1]}.csv" if found.home else "videos.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(csv_lines(found.rows()), media_type="text/csv; charset=utf-8", headers=headers)


def _listed(library: Library, given: Any) -> dict[str, Any]:
    """Return what a page of a category's or subcategory's videos shows."""
    sort = given.get("sort") or NEARNESS
    found = library.atlas.listed(given.get("group", ""), given.get("sub") or None, sort)
    pages = max(1, -(-len(found) // PER_PAGE))
    at = number(given.get("page"), 1, pages, 1)
    sub = library.subcategories[found.home] if found.home else None
    orders = library.search.videos.sorts
    return {
        "group": found.group,
        "sub": sub,
        "subs": library.tree.get(found.group, []),
        "rank": library.ranks.get(found.group, 0),
        "count": len(found),
        "sort": sort,
        "sorts": [(name, link("/browse/videos", **kept(given, sort=name, page=None))) for name in orders],
        "cards": cards_at(library, found.positions[(at - 1) * PER_PAGE : at * PER_PAGE].tolist()),
        "at": at,
        "pages": pages,
        "steps": _steps(given, at, pages),
        "csv": link("/browse/videos.csv", **kept(given, page=None)),
        "compare": link("/compare", a=f"{sub.number if sub else ''}:{found.group}"),
    }


def _steps(given: Any, at: int, pages: int) -> list[tuple[str, str]]:
    """Return the pages that can be turned to: name and address."""
    steps = {"First": 1, "Previous": at - 1, "Next": at + 1, "Last": pages}
    open_ = {name: to for name, to in steps.items() if 1 <= to <= pages and to != at}
    return [(name, link("/browse/videos", **kept(given, page=to))) for name, to in open_.items()]


def _add_video(site: FastAPI, library: Library, page: Page) -> None:
    @site.get("/video", include_in_schema=False)
    def video(request: Request) -> Response:
        given, methods = request.query_params, library.atlas.methods
        method = cast(Method, given.get("method") or "nearest")
        wanted = number(given.get("n"), 1, MOST, STEP)
        at = library.search.position(given.get("id", ""))
        (card,) = cards_at(library, [at])
        found, notice = [], ""
        try:
            found = library.atlas.suggest(card.id, wanted, method)
        except UsageError as error:
            notice = str(error)
        return page(
            "video.html.jinja",
            card=card,
            cards=suggested_cards(library, found, method != "both"),
            notice=notice,
            method=method,
            methods=[(name, words, link("/video", id=card.id, method=name)) for name, words in methods.items()],
            alike=alike_words(library.search.recipe),
            more=_more("/video", given, len(found), wanted),
        )

    @site.get("/image/{at}.jpg", include_in_schema=False)
    def image(at: str) -> Response:
        row = number(at, 0, max(0, len(library.search.videos) - 1), 0)
        found = library.atlas.thumbnail_at(row, THUMBNAIL)
        if found is None:
            raise HTTPException(404)
        return Response(found, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _policy(page: str) -> tuple[str, str] | None:
    """Return the policy of a map of ours, without and with tiles, and its sandbox; None of another page.

    The atlas is not trusted: anyone may have written it. Under either policy its page can run our scripts alone, and
    load nothing but tiles, whatever its own policy says; only with tiles does it need this site's origin.
    """
    for tiled in (False, True):
        if map_policy(tiled) in page:
            return map_policy(tiled), f"{_SANDBOX} allow-same-origin" if tiled else _SANDBOX
    return None


def _add_map(site: FastAPI, library: Library, page: Page) -> None:
    @site.get("/map", include_in_schema=False)
    def world() -> Response:
        known = _policy(library.map)
        return page("map.html.jinja", sandbox=known and known[1])

    @site.get("/map.html", include_in_schema=False)
    def bare() -> Response:
        policy, sandbox = _policy(library.map) or (map_policy(), _SANDBOX)
        policy = f"{policy}; sandbox {sandbox}; frame-ancestors 'self'"
        return Response(library.map, media_type="text/html", headers={"Content-Security-Policy": policy})

    @site.get("/map/{name:path}", include_in_schema=False)
    def tile(name: str) -> Response:
        data = library.tile(name)
        if data is None:
            raise HTTPException(404)
        return Response(data, media_type="application/octet-stream")
