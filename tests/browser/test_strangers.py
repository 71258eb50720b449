"""Pages of a stranger's atlas in a real browser: whatever its texts and its map hold, no request leaves the page."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import Options
from vidatlas.recipe import Recipe

_SPEC = importlib.util.spec_from_file_location("vidatlas_tests_browser_app", Path(__file__).with_name("test_app.py"))
assert _SPEC
assert _SPEC.loader
APP = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(APP)


class Beacon(BaseHTTPRequestHandler):
    """Write down who asks."""

    heard: list[str]

    def do_GET(self) -> None:
        self.heard.append(self.path)
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *words: Any) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def beacon() -> Iterator[str]:
    """Return the address of a server that nothing may ask."""
    Beacon.heard = []
    with HTTPServer(("127.0.0.1", 0), Beacon) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def hostile(beacon: str, word: str) -> str:
    """Return a text that loads something wherever it is taken for Markdown, HTML, CSS or code."""
    return (
        f'{word} ![a]({beacon}/markdown.png) <img src="{beacon}/image.png" onerror="fetch(\'{beacon}/error\')">'
        f"<style>body{{background:url({beacon}/style.png)}}</style><script>fetch('{beacon}/script')</script>"
        f'<link rel=stylesheet href={beacon}/link.css>;background:url({beacon}/css.png)"'
    )


@pytest.fixture(scope="module")
def stranger(
    tmp_path_factory: pytest.TempPathFactory, hashing_recipe: Recipe, make_lines: Callable[..., bytes], beacon: str
) -> Path:
    """Return an atlas whose titles, tags, categories, ids and channels are hostile, and its own title too."""
    folder = tmp_path_factory.mktemp("stranger")
    rows = [json.loads(line) for line in make_lines(120).splitlines()]
    for row in rows:
        for key in ("title", "categories", "tags"):
            row[key] = hostile(beacon, row[key])
        row["display_id"] += f'"><img src={beacon}/id.png>'
        row["channel_id"] = hostile(beacon, "channel")
    part = folder / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = vidatlas.load_recipe(
        hashing_recipe.model_dump(mode="json"),
        {"publish.title": hostile(beacon, "Atlas"), "about": hostile(beacon, "About"), "record.author": "channel_id"},
    )
    vidatlas.run(recipe, str(part), folder / "atlas", Options(runner="serial"))
    return folder / "atlas"


def abroad(visit: Any, own: str) -> list[str]:
    """Return what was asked for elsewhere and not stopped by a policy."""
    sent = [url for url in visit.requests if url not in visit.blocked]
    return [url for url in sent if not url.startswith((own, "data:", "blob:", "about:"))]


@pytest.mark.parametrize("name", ["report.html", "map.html"])
def test_pages_of_hostile_texts_ask_for_nothing(name: str, stranger: Path, visit: Any) -> None:
    address = (stranger / name).as_uri()
    visit.page.goto(address)
    visit.page.wait_for_selector('#map[data-state="complete"]')
    visit.page.wait_for_timeout(500)
    assert abroad(visit, address) == []
    assert visit.errors == []
    assert Beacon.heard == []


def test_the_app_shows_hostile_texts_and_asks_for_nothing(stranger: Path, visit: Any) -> None:
    page = visit.page
    with APP.served(str(stranger)) as address:
        for number in range(3):
            page.goto(f"{address}/discover?seed=1")
            page.get_by_role("link", name=re.compile("^More like")).nth(number).click()
            page.get_by_role("heading", name="More like this").wait_for()
        page.goto(f"{address}/browse")
        page.locator(".tree h2 a").first.click()
        page.locator(".card").first.wait_for()
        page.get_by_role("link", name="Compare").last.click()
        page.get_by_role("button", name="Compare").click()
        page.goto(f"{address}/search?q=guitar")
        page.get_by_text("Filters").click()
        page.locator(".card").first.wait_for()
        assert page.locator("main img, main style, main script, main link").count() == 0
        page.get_by_role("link", name="Map", exact=True).click()
        page.frame_locator("iframe").locator('#map[data-state="complete"]').wait_for()
        assert abroad(visit, address) == []
        assert visit.errors == []
    assert Beacon.heard == []


PAGE = """<!doctype html><html><head>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta http-equiv="refresh" content="2;url={beacon}/refresh"><link rel="prefetch" href="{beacon}/prefetch">
<link rel="dns-prefetch" href="{beacon}"><link rel="stylesheet" href="{beacon}/sheet.css">
<style>body {{ background: url({beacon}/background.png) }}</style></head><body id="theirs">theirs
<img src="{beacon}/image.png" onerror="fetch('{beacon}/error')"><iframe src="{beacon}/frame"></iframe>
<video src="{beacon}/video"></video><object data="{beacon}/object"></object>
<form action="{beacon}/form" method="post"><input autofocus onfocus="this.form.submit()"></form>
<script>document.body.dataset.ran = "yes"; fetch("{beacon}/script"); new Image().src = "{beacon}/script.png";
location = "{beacon}/navigation"; top.location = "{beacon}/top"; open("{beacon}/window");
navigator.sendBeacon("{beacon}/beacon"); parent.document.title = "reached";</script></body></html>"""


def forged(stranger: Path, folder: Path, page: str) -> Path:
    """Return an atlas whose map is a page of somebody else, its hash corrected."""
    atlas = Path(shutil.copytree(stranger, folder / "forged"))
    manifest = json.loads((atlas / "atlas.json").read_text())
    (atlas / "map.html").write_text(page, encoding="utf-8")
    data = (atlas / "map.html").read_bytes()
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["stages"]["publish"]["files"]["map.html"] = facts
    (atlas / "atlas.json").write_text(json.dumps(manifest))
    return atlas


@pytest.mark.parametrize(
    "policy", ["{ours}", "default-src * 'unsafe-inline'\"><i title=\"{ours}"], ids=["ours", "open"]
)
def test_a_map_of_a_stranger_runs_and_loads_nothing_in_the_app(
    policy: str, stranger: Path, tmp_path: Path, visit: Any, beacon: str
) -> None:
    """It carries our policy word for word, so that the app takes it for a map of ours, and code of its own."""
    ours = (stranger / "map.html").read_text(encoding="utf-8")
    ours = ours.split('Content-Security-Policy" content="', 1)[1].split('"', 1)[0]
    atlas = forged(stranger, tmp_path, PAGE.format(policy=policy.format(ours=ours), beacon=beacon))
    with APP.served(str(atlas)) as address:
        page = visit.page
        page.goto(address)
        page.get_by_role("link", name="Map", exact=True).click()
        theirs = page.frame_locator("iframe").locator("#theirs")
        assert theirs.get_attribute("data-ran") is None
        theirs.wait_for(state="detached")  # after 2 s, the refresh ends in an error page
        assert abroad(visit, address) == []
        assert page.title().startswith("Map · ")
    assert Beacon.heard == []


def test_a_map_of_another_version_is_said_to_be_one(stranger: Path, tmp_path: Path, visit: Any) -> None:
    atlas = forged(stranger, tmp_path, "<!doctype html><body>an older map")
    with APP.served(str(atlas)) as address:
        visit.page.goto(address)
        visit.page.get_by_role("link", name="Map", exact=True).click()
        visit.page.get_by_text("made by another version of vidatlas").wait_for()
        assert visit.page.locator("iframe").count() == 0


@pytest.mark.parametrize("ours", [True, False])
def test_in_a_notebook_a_map_is_drawn_and_a_strangers_scripts_are_not_run(
    stranger: Path, tmp_path: Path, visit: Any, ours: bool
) -> None:
    atlas = stranger if ours else forged(stranger, tmp_path, PAGE.format(policy="", beacon="https://beacon.example"))
    visit.page.set_content(f"<h1>A notebook</h1>{vidatlas.open_atlas(atlas)._repr_html_()}")
    page = visit.page.frame_locator("iframe")
    if ours:
        page.locator('#map[data-state="complete"]').wait_for()
        assert (visit.errors, visit.requests) == ([], [])
    else:
        assert page.locator("#theirs").get_attribute("data-ran") is None
        assert set(visit.requests) == set(visit.blocked)
