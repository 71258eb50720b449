"""The app in a real browser: search, more, paging, download, compare, back, restore, keyboard, phone, accessibility."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

PHONE = {"width": 390, "height": 844}
PAGES = (
    "/discover?seed=1", "/search", "/search?q=guitar&group=Music", "/browse", "/browse/videos?group=Music",
    "/compare?a=0:Music&b=:Gaming", "/video?id=id000003", "/map", "/api", "/nope",
)  # fmt: skip


@contextmanager
def served(atlas: str) -> Iterator[str]:
    """Start the app as a user does; yield the address that it prints."""
    command = [sys.executable, "-m", "vidatlas", "serve", atlas, "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    ) as server:
        assert server.stdout
        line = server.stdout.readline()
        try:
            assert line.endswith("(Ctrl-C stops it)\n"), (line, server.stderr and server.stderr.read())
            yield line.split()[0]
        finally:
            server.terminate()
            rest = server.stdout.read()
    assert rest == ""


@pytest.fixture(scope="module")
def address(small_atlas: Any) -> Iterator[str]:
    """Return the address of the app of a small atlas."""
    with served(small_atlas.url) as url:
        yield url


@pytest.fixture
def page(visit: Any, address: str) -> Iterator[Any]:
    """Return a page that asked nobody but the app, and in which nothing went wrong."""
    yield visit.page
    assert [url for url in visit.requests if not url.startswith((address, "data:", "blob:", "about:"))] == []
    assert visit.errors == []


def shown(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".card .title").all_inner_texts()]


def test_search_more_like_this_and_back(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_url(re.compile(r"/discover\?seed=\d+"))
    page.get_by_role("searchbox").fill("guitar piano")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Search").wait_for()
    page.wait_for_url(re.compile(r"q=guitar"))
    while page.get_by_text("encoder is being loaded").count():
        page.reload()
    first = shown(page)
    assert len(first) == 12
    page.get_by_role("link", name="12 more").click()
    page.wait_for_url(re.compile(r"n=24#more-12"))
    assert shown(page)[:12] == first
    assert len(shown(page)) == 24
    assert page.evaluate("scrollY") > 300
    found = page.url
    page.get_by_role("link", name=re.compile("^More like")).nth(2).click()
    page.get_by_role("heading", name="More like this").wait_for()
    assert page.locator("meter").count() == page.locator(".card").count() > 0
    page.get_by_role("link", name="other categories").click()
    page.wait_for_url(re.compile("method=elsewhere"))
    assert page.get_by_role("link", name="other categories").get_attribute("aria-current") == "true"
    page.go_back()
    page.go_back()
    assert page.url == found
    assert len(shown(page)) == 24


def test_filters_stand_in_the_address(page: Any, address: str, visit: Any) -> None:
    page.goto(f"{address}/search")
    page.get_by_label("Words").fill("village")
    page.get_by_text("Filters").click()
    page.get_by_role("combobox", name="Category", exact=True).select_option("Gaming")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile("group=Gaming"))
    assert {text.split(" › ")[0].strip() for text in page.locator(".card .trail").all_inner_texts()} == {"Gaming"}
    again = visit.page.context.new_page()
    again.goto(page.url)
    assert shown(again) == shown(page)
    assert again.get_by_role("combobox", name="Category", exact=True).input_value() == "Gaming"
    assert again.get_by_label("Words").input_value() == "village"


def test_browse_turns_pages_and_downloads(page: Any, address: str, tmp_path: Path) -> None:
    page.goto(f"{address}/browse")
    page.get_by_role("link", name="Music", exact=True).click()
    seen = shown(page)
    page.get_by_role("link", name="Next").click()
    page.wait_for_url(re.compile("page=2"))
    assert not set(seen) & set(shown(page))
    page.get_by_role("link", name="title", exact=True).click()
    page.wait_for_url(re.compile("sort=title"))
    assert "page=" not in page.url
    assert shown(page) == sorted(shown(page))
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download CSV").click()
    waiting.value.save_as(tmp_path / "videos.csv")
    lines = (tmp_path / "videos.csv").read_text(encoding="utf-8").splitlines()
    count = int(page.locator(".bar p").first.inner_text().split()[0])
    assert len(lines) == count + 1
    page.get_by_role("link", name="Compare").last.click()
    page.get_by_label("Second").select_option(":Gaming")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="Gaming").wait_for()
    assert page.locator(".sides section").count() == 2


def test_the_map_draws_in_its_frame(page: Any, address: str) -> None:
    page.goto(f"{address}/map")
    page.frame_locator("iframe").locator('#map[data-state="complete"]').wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1400, "dark")])
def test_pages_are_accessible_and_fit(chromium: Any, address: str, scheme: str, width: int) -> None:
    # The rules run as a script, which the pages' policy forbids.
    context = chromium.new_context(viewport={**PHONE, "width": width}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for path in PAGES:
        page.goto(address + path)
        found = Axe().run(page, options={"iframes": False}).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        for frame in page.frames[1:]:  # the map, whose sandbox the rules cannot reach from outside
            frame.wait_for_selector('#map[data-state="complete"]')
            found = Axe().run(frame).response["violations"]
            assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], f"the frame of {path}"
    context.close()


def test_it_works_without_scripts_and_with_the_keyboard(chromium: Any, address: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/discover?seed=1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # from the skip link into the content
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/discover\?seed=(?!1$)\d+"))
    page.get_by_role("searchbox").fill("guitar")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/search\?q=guitar"))
    assert page.locator(".card").count() > 0
    context.close()
