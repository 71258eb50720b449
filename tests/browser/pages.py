"""Pages in the tests' browser: opened, and waited for."""

from __future__ import annotations

import time
from typing import Any


def opened(page: Any, url: str, ready: str = '#map[data-state="complete"]') -> Any:
    """Open a page and wait until it can be used: by default, until all points of its map are drawn."""
    page.goto(url)
    page.wait_for_selector(ready)
    return page


def until(page: Any, condition: str, seconds: float = 60) -> None:
    """Wait until an expression is true. (Playwright's own way evaluates text, which the page forbids.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never true: {condition}"
        page.wait_for_timeout(30)
