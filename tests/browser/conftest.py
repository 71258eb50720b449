"""A real browser: Debian's Chromium without a network, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def executable() -> str:
    """Return where the browser is; fail, not skip, where there is none."""
    named = os.environ.get("VIDATLAS_CHROMIUM")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        pytest.fail(
            "no Chromium on this machine, and pages are tested in a real browser. Install it (Debian: apt-get install "
            "chromium), or set VIDATLAS_CHROMIUM to a Chromium or Chrome."
        )
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Return a running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """Hold a page, and what it said and asked for while it was open."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.blocked: list[str] = []
        """Of those, what the page's own policy stopped: nothing of them left the browser."""
        page.set_default_timeout(120_000)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.blocked.extend([request.url] * (request.failure == "csp")))


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    """Return a fresh page that writes down its errors and requests."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    yield Visit(context.new_page())
    context.close()
