"""The site: the app's pages and its JSON API as one ASGI application, with the headers that keep it closed.

Everything is answered on the server from the address alone: no session, no cookie, no script.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from vidatlas.app.api import add_api
from vidatlas.app.library import Library
from vidatlas.app.pages import add_pages
from vidatlas.errors import InputError, UsageError, VidatlasError
from vidatlas.version import __version__
from vidatlas.views.text import environment, shown

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "[")
"""An older Starlette reads a host up to its first colon: of [::1]:8501 the bracket, with which no name starts."""
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="5" cy="6" r="3.5" fill="#0f6fbf"/>'
    '<circle cx="11" cy="5" r="2" fill="#b34a00"/><circle cx="10" cy="11.5" r="3" fill="#00735c"/></svg>'
)
HERE = Path(__file__).parent


def make_site(library: Library, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """Return the application that answers for an atlas, to requests that name one of these hosts."""
    site = FastAPI(
        title="vidatlas", version=__version__, openapi_url="/api/openapi.json", docs_url=None, redoc_url=None
    )
    templates = environment(HERE / "templates")
    templates.globals.update(library=library, atlas=shown(library.atlas.title), nouns=library.atlas.nouns)
    page = partial(_page, templates)
    add_pages(site, library, page)
    add_api(site, library, page)
    style = (HERE / "app.css").read_text(encoding="utf-8") + library.colour_rules

    @site.get("/app.css", include_in_schema=False)
    def sheet() -> Response:
        return Response(style, media_type="text/css")

    @site.get("/icon.svg", include_in_schema=False)
    def icon() -> Response:
        return Response(ICON, media_type="image/svg+xml")

    _answer_errors(site, page)
    _close(site, hosts)
    return site


def _close(site: FastAPI, hosts: tuple[str, ...]) -> None:
    """Refuse other hosts' names (DNS rebinding), and give every answer the headers that it has not set itself."""

    @site.middleware("http")
    async def headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    site.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)


def _answer_errors(site: FastAPI, page: Callable[..., HTMLResponse]) -> None:
    def answer(request: Request, message: str, status: int) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": message}, status)
        return page("error.html.jinja", status=status, message=message)

    @site.exception_handler(VidatlasError)
    async def said(request: Request, error: VidatlasError) -> Response:
        status = {UsageError: 400, InputError: 500}.get(type(error), 503)
        return answer(request, str(error), status)

    @site.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return answer(request, f"{first['loc'][-1]}: {first['msg']}", 422)

    @site.exception_handler(HTTPException)
    async def absent(request: Request, error: HTTPException) -> Response:
        message = "There is no such page." if error.status_code == 404 else str(error.detail)
        return answer(request, message, error.status_code)


def _page(environment: Environment, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page made from a template."""
    return HTMLResponse(environment.get_template(template).render(**values), status)
