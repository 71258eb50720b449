"""A map with tiles in a real browser: from any web server and in the app, every video once, titles as text only."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidatlas
from tests.browser.pages import opened, until
from vidatlas import Options
from vidatlas.pipeline.publish import tiles
from vidatlas.recipe import Recipe

_SPEC = importlib.util.spec_from_file_location("vidatlas_tests_browser_app", Path(__file__).with_name("test_app.py"))
assert _SPEC
assert _SPEC.loader
APP = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(APP)

VIDEOS, FIRST = 260, 40
EVIL = "<img src=x onerror=alert(1)>\"'=cmd"
SETTLED = '#map[data-state="complete"][data-tiles="settled"]'


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory, hashing_recipe: Recipe, make_lines: Callable[..., bytes]) -> Path:
    """Return an atlas of hostile titles whose page has about 40 of 260 videos, the others in tiles of two."""
    folder = tmp_path_factory.mktemp("tiled")
    rows = [json.loads(line) for line in make_lines(VIDEOS).splitlines()]
    for at, row in enumerate(rows):
        row["title"] = f"{EVIL} {at} {row['title']}"
    part = folder / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), {"publish.map_points": FIRST})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE", 2)
        vidatlas.run(recipe, str(part), folder / "atlas", Options(runner="serial"))
    return folder / "atlas"


@pytest.fixture
def address(atlas: Path) -> Iterator[str]:
    """Return the address of the atlas's folder on a plain web server."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(atlas))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def points_of(atlas: Path, tile: str) -> list[list[int]]:
    """Return x, y and code of the points of a tile, as the file has them."""
    planes = np.frombuffer(gzip.decompress((atlas / f"{tile}.bin").read_bytes()), "<u2")
    found: list[list[int]] = planes.reshape(3, -1).T.tolist()
    return found


def titles_of(atlas: Path, tile: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((atlas / f"{tile}.titles.bin").read_bytes()))
    return found


SHOWN = """async () => {
  const { places, codes, runs } = await vidatlas.data;
  return runs.map(([from, to, tile]) => [tile?.name ?? "", Array.from({ length: to - from }, (_, at) => [
    places[2 * (from + at)], places[2 * (from + at) + 1], codes[from + at]])]);
}"""


def moved(page: Any, x: float, y: float, k: float) -> None:
    """Show another part of the map, and wait for its tiles."""
    show = """(hash) => new Promise((go) => {
      addEventListener("hashchange", go, { once: true });
      location.hash = hash;
    }).then(() => true)"""
    page.evaluate(show, f"x={x:.4f}&y={y:.4f}&k={k}")
    page.wait_for_selector(SETTLED)


def test_all_tiles_together_show_every_video_once(visit: Any, atlas: Path, address: str) -> None:
    page = opened(visit.page, f"{address}/map.html", SETTLED)
    assert page.locator("#map output").inner_text().startswith("260 videos, 1 in ")
    seen: dict[str, list[list[int]]] = {}
    corners = [(x, y) for x in np.linspace(-0.9, 0.9, 5) for y in np.linspace(-0.9, 0.9, 5)]
    # Twice: the first tiles have lost their slots to others by then, and a busy machine may show the last view's words
    # before it asks for a tile of this one.
    for x, y in [*corners, *corners]:
        moved(page, x, y, 4)
        assert page.locator("#map output").inner_text() == "260 videos, all of this view drawn"
        for name, points in page.evaluate(SHOWN):
            assert not name or points == points_of(atlas, name)
            seen[name] = points
    assert len(seen) > 97, "more tiles than slots"
    assert sum(len(points) for points in seen.values()) == VIDEOS
    places = vidatlas.open_atlas(atlas).positions()[["x", "y"]].to_numpy(np.float64)
    expected = np.round((places + 1) * 32_767.5).astype(int).tolist()
    assert sorted(point[:2] for points in seen.values() for point in points) == sorted(expected)
    assert page.evaluate("vidatlas.data.then(({ codes }) => codes.length)") < FIRST * 2 + 96 * 16_384
    assert all(url.startswith(address) for url in visit.requests)
    assert visit.errors == []


def far_away(atlas: Path) -> tuple[str, float, float, str]:
    """Return a video of the last level: id, place, and title."""
    told = titles_of(atlas, "map/2/0")
    x, y, _ = points_of(atlas, "map/2/0")[0]
    return told["ids"][0], x / 32_767.5 - 1, y / 32_767.5 - 1, told["titles"][0]


def test_a_video_of_a_tile_has_a_card_a_link_and_an_address(visit: Any, atlas: Path, address: str) -> None:
    video, x, y, title = far_away(atlas)
    page = opened(visit.page, f"{address}/map.html#x={x:.4f}&y={y:.4f}&k=200", SETTLED)
    box = page.locator("#map canvas.points").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    card = page.locator("#map .card")
    card.locator("strong", has_text=EVIL).wait_for()
    assert card.locator("strong").inner_text() == title
    assert card.locator("img").count() == 0
    assert card.get_by_role("link").get_attribute("href").endswith(f"={video}")
    until(page, f"location.hash.includes('v={video}')")
    page.reload()
    card.locator("strong", has_text=EVIL).wait_for()
    page.keyboard.press("Escape")
    page.locator("#map input[type=search]").fill(title)
    until(page, "/^1 of \\d+ videos drawn, \\d+ titles loaded/.test(document.querySelector('#map output').textContent)")
    page.locator("#map .found ol button", has_text=EVIL).wait_for()
    assert visit.errors == []


def test_without_a_server_it_shows_what_the_page_has_and_says_so(visit: Any, atlas: Path) -> None:
    page = opened(visit.page, (atlas / "map.html").as_uri())
    notice = page.locator("#map .failure:visible")
    notice.wait_for()
    assert "the others need a web server: vidatlas serve ATLAS, or python -m http.server" in notice.inner_text()
    assert int(page.locator("#map canvas.points").get_attribute("data-drawn")) < 2 * FIRST
    assert visit.requests == [(atlas / "map.html").as_uri()]
    assert visit.errors == []


def test_a_missing_tile_is_said_and_the_others_are_shown(visit: Any, address: str) -> None:
    gone: list[str] = []

    def answer(route: Any) -> None:
        # One of them, and that one each time.
        gone.append(route.request.url)
        route.fulfill(status=404) if route.request.url == gone[0] else route.continue_()

    visit.page.route(re.compile(r"map/1/\d+\.bin"), answer)
    page = opened(visit.page, f"{address}/map.html#x=0&y=0&k=3", SETTLED)
    notice = page.locator("#map .failure:visible").inner_text()
    assert re.fullmatch(r"1 of the \d+ tiles of this view could not be loaded \(map/1/\d+\.bin: 404\)", notice)
    assert int(page.locator("#map canvas.points").get_attribute("data-drawn")) > FIRST


def test_the_app_shows_them_under_its_own_policy(visit: Any, atlas: Path) -> None:
    with APP.served(str(atlas)) as app:
        page = visit.page
        page.goto(f"{app}/map")
        frame = page.frame_locator("iframe")
        frame.locator(SETTLED).wait_for()
        assert "videos, 1 in" in frame.locator("#map output").inner_text()
        _, x, y, _ = far_away(atlas)
        opened(page, f"{app}/map.html#x={x:.4f}&y={y:.4f}&k=4", SETTLED)
        assert page.locator("#map output").inner_text() == "260 videos, all of this view drawn"
        assert any("/map/2/" in url for url in visit.requests)
        policy = page.request.get(f"{app}/map.html").headers["content-security-policy"]
        assert "connect-src 'self'" in policy
        assert "sandbox allow-scripts" in policy
        assert page.request.get(f"{app}/map/tiles.json").ok
        for other in ("/map/1/99999.bin", "/map/../atlas.json", "/map/%2e%2e/atlas.json", "/map/"):
            assert page.request.get(f"{app}{other}").status == 404
        assert all(url.startswith(app) for url in visit.requests)
        assert visit.errors == []
