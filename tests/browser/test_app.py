"""The app in a real browser: it starts on loopback, and a recommendation appears after a click."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from vidatlas.app.serving import command


@contextmanager
def served(atlas: str) -> Iterator[str]:
    """Start the app as `vidatlas serve` starts it; yield its address."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(command(atlas, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/_stcore/health", server)
        yield url
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def address(small_atlas: Any) -> Iterator[str]:
    """Return the address of the app of a small atlas."""
    with served(small_atlas.url) as url:
        yield url


def _wait(url: str, server: Any) -> None:
    for _ in range(1200):
        assert server.poll() is None, "the app ended by itself"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the app does not answer")


def test_a_recommendation_appears_after_a_click(visit: Any, address: str) -> None:
    page = visit.page
    page.goto(address)
    button = page.get_by_role("button", name="You may also like").nth(1)
    button.wait_for()
    button.click()
    page.get_by_text("You may also like, after").wait_for()
    page.get_by_text("same subcategory:").or_(page.get_by_text("shared tags:")).first.wait_for()
    page.get_by_text("Map", exact=True).click()
    page.frame_locator("iframe").frame_locator("iframe").locator('#map[data-state="complete"]').wait_for()
    abroad = [url for url in visit.requests if not url.startswith((address, "data:", "blob:", "about:"))]
    assert abroad == []
    assert visit.errors == []
