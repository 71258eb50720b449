"""The map in a real browser: every control does what it says, with a mouse, a finger, a keyboard, and without WebGL."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import vidatlas
from tests.browser.pages import opened, until
from vidatlas import Options
from vidatlas.recipe import Recipe
from vidatlas.views.map_data import Points, drawing_of
from vidatlas.views.nouns import Nouns
from vidatlas.views.regions import Land, Region
from vidatlas.views.report import render_map

VIDEOS = 120
EVIL = "<img src=x onerror=alert(1)>\"'=cmd"


NO_WEBGL = """
const real = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === 'webgl2' ? null : real.call(this, kind, ...more);
};
"""
HOSTILE_KEYS = "q=<img src=x onerror=alert(1)>&c=<b>&colour=<b>&v=<b>&range=<b>:1,views:x..y,:&lasso=1,2,x&x=NaN&k=1e9"


@dataclass(frozen=True)
class Place:
    """Name the pages of an atlas."""

    report: str
    map: str


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory, hashing_recipe: Recipe, make_lines: Callable[..., bytes]) -> Place:
    """Return an atlas of 120 videos with dates, views, languages and channels, and a poster in its map."""
    folder = tmp_path_factory.mktemp("map")
    rows = [json.loads(line) for line in make_lines(VIDEOS).splitlines()]
    for at, row in enumerate(rows):
        row |= {"view_count": at**3, "upload_date": f"2020-01-{at % 28 + 1:02}", "language": "en" if at % 3 else "fr"}
        row |= {"display_id": f"-video{at:05}" if at else "dQw4w9WgXcQ", "channel": f"Channel {at % 5}"}
    rows[7] |= {"title": f"{EVIL} {rows[7]['title']}", "channel": EVIL}
    part = folder / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = vidatlas.load_recipe(
        hashing_recipe.model_dump(mode="json"),
        {f"record.columns.{name}": name for name in ("language", "channel")},
    )
    vidatlas.run(recipe, str(part), folder / "atlas", Options(runner="serial"))
    return Place(*((folder / "atlas" / name).as_uri() for name in ("report.html", "map.html")))


def found(page: Any, text: str) -> None:
    until(page, f"document.querySelector('#map output').textContent.startsWith({json.dumps(text)})")


def hashed(page: Any) -> dict[str, str]:
    """Return the keys of the page's address."""
    return dict(part.split("=", 1) for part in page.evaluate("location.hash").lstrip("#").split("&") if part)


def position(page: Any, at: int) -> tuple[float, float]:
    """Return where a video is on the page: where its address pins it."""
    video = page.evaluate("async (at) => (await vidatlas.data).ids[at]", at)
    page.evaluate("(video) => { location.hash = `v=${video}`; }", video)
    pin = page.locator("#map .pin")
    pin.wait_for()
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    box = pin.bounding_box()
    page.get_by_role("button", name="Close").click()
    pin.wait_for(state="hidden")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def number(page: Any, video: str) -> int:
    return int(page.evaluate("async (id) => (await vidatlas.data).ids.indexOf(id)", video))


def pinned(page: Any, video: str) -> Any:
    """Find a video by its id, and return its card."""
    page.locator("#map input[type=search]").fill(video)
    card = page.locator("#map .card")
    card.wait_for()
    return card


def test_a_click_pins_a_card_with_a_link_and_it_closes(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    page.mouse.click(*position(page, 3))
    card = page.locator("#map .card")
    card.wait_for()
    title = card.locator("strong").inner_text()
    assert title in page.evaluate("vidatlas.data.then(({ titles }) => titles)")
    for name in ("Channel", "Published", "Views", "Language"):
        assert card.locator("dt", has_text=name).count() == 1
    link = card.get_by_role("link", name="Watch")
    assert re.fullmatch(r"https://www\.youtube\.com/watch\?v=[\w-]{11}", link.get_attribute("href"))
    assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    assert link.get_attribute("target") == "_blank"
    video = hashed(page)["v"]
    assert link.get_attribute("href").endswith(f"={video}")
    page.keyboard.press("Escape")
    card.wait_for(state="hidden")
    assert "v" not in hashed(page)
    page.mouse.click(*position(page, 3))
    card.wait_for()
    box = page.locator("#map canvas.points").bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    card.wait_for(state="hidden")
    page.mouse.click(*position(page, 3))
    card.get_by_role("button", name="Close").click()
    card.wait_for(state="hidden")
    assert visit.errors == []


def test_the_card_leads_to_the_subcategory(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    home = pinned(page, "dQw4w9WgXcQ").locator(".home").inner_text()
    page.locator("#map .card").get_by_role("button", name="Show the subcategory").click()
    page.locator("#map input[type=search]").fill("")
    until(page, f"document.querySelector('#map output').textContent.endsWith(' in {home.split(' › ')[1]}')")
    assert hashed(page)["c"].startswith(home.split(" › ")[0])


@pytest.mark.parametrize(
    "text", ["dQw4w9WgXcQ", "https://www.youtube.com/watch?t=3&v=dQw4w9WgXcQ", "youtu.be/dQw4w9WgXcQ?si=x"]
)
def test_a_pasted_address_finds_the_video(visit: Any, atlas: Place, text: str) -> None:
    page = opened(visit.page, atlas.map)
    card = pinned(page, text)
    assert card.get_by_role("link", name="Watch").get_attribute("href").endswith("=dQw4w9WgXcQ")
    found(page, f"1 of {VIDEOS} videos")
    page.locator("#map input[type=search]").fill("https://youtu.be/00000000000")
    found(page, "This video is not among")


def test_search_lists_counts_and_flies(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    page.locator("#map input[type=search]").fill("GUÍTAR")
    until(page, "document.querySelectorAll('#map .found li').length > 3")
    count = page.locator("#map .found li").count()
    found(page, f"{count} of {VIDEOS} videos")
    first = page.locator("#map .found li b").first.inner_text()
    page.get_by_role("button", name="Zoom to matches").click()
    until(page, "Number(new URLSearchParams(location.hash.slice(1)).get('k')) > 1")
    page.locator("#map .found li button").first.click()
    assert page.locator("#map .card strong").inner_text() == first
    until(page, "Number(new URLSearchParams(location.hash.slice(1)).get('k')) >= 8")
    page.get_by_role("button", name="Clear selection").click()
    found(page, f"{VIDEOS} videos")


def test_tags_are_searched(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    told = page.evaluate("vidatlas.data.then(({ words, titles }) => [words.map((text) => text.split(' ')[0]), titles])")
    at = next(at for at, word in enumerate(told[0]) if word)
    word = told[0][at]
    assert word not in told[1][at]
    page.locator("#map input[type=search]").fill(word)
    until(page, "document.querySelectorAll('#map .found li').length > 0")
    assert told[1][at] in page.locator("#map .found li b").all_inner_texts()


def test_filters_by_number_date_text_and_category(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    page.locator("#map .filters summary").click()
    page.get_by_label("Views, from").fill("1000")
    page.get_by_label("Views, to").fill("8000")
    page.keyboard.press("Tab")
    found(page, f"11 of {VIDEOS} videos")
    page.get_by_label("Published, to").fill("2020-01-15")
    page.keyboard.press("Tab")
    found(page, f"5 of {VIDEOS} videos")
    page.get_by_label("Language", exact=True).select_option("fr")
    found(page, f"1 of {VIDEOS} videos")
    assert hashed(page)["range"] == "views:1000..8000,published:..2020-01-15,language:fr"
    page.get_by_role("button", name="Clear selection").click()
    page.locator("#map .filters summary").click()
    assert page.get_by_label("Views, from").input_value() == ""
    page.get_by_label("Category", exact=True).select_option("Music")
    until(page, "document.querySelector('#map output').textContent.endsWith('in Music')")


def test_a_lasso_selects_and_its_files_hold_the_selection(visit: Any, atlas: Place, tmp_path: Path) -> None:
    page = opened(visit.page, atlas.map)
    page.locator("#map .stage").scroll_into_view_if_needed()
    box = page.locator("#map canvas.points").bounding_box()
    page.get_by_role("button", name="Lasso").click()
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]
    for at, (x, y) in enumerate(corners):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if not at:
            page.mouse.down()
    page.mouse.up()
    found(page, f"{VIDEOS} of {VIDEOS} videos")
    assert len(hashed(page)["lasso"].split(",")) == 8
    with page.expect_download() as download:
        page.get_by_role("button", name="Save CSV").click()
    download.value.save_as(tmp_path / "videos.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "videos.csv").read_text(encoding="utf-8-sig"))))
    assert len(rows) == VIDEOS
    dashed = next(row for row in rows if row["id"] == "'-video00007")
    assert dashed["title"].startswith("<img src=x")
    assert (dashed["views"], dashed["published"], dashed["language"]) == ("343", "2020-01-08", "en")
    assert dashed["link"] == "https://www.youtube.com/watch?v=-video00007"
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy ids").click()
    page.locator("#map .hint", has_text="120 ids copied").wait_for()
    assert "-video00007" in page.evaluate("window.copied").split("\n")
    # With Shift, without the button; too short a loop selects nothing.
    x, y = position(page, 0)
    page.keyboard.down("Shift")
    page.mouse.move(x - 12, y - 12)
    page.mouse.down()
    for dx, dy in ((12, -12), (12, 12), (-12, 12)):
        page.mouse.move(x + dx, y + dy)
    page.mouse.up()
    page.keyboard.up("Shift")
    until(page, f"!document.querySelector('#map output').textContent.startsWith('{VIDEOS} of')")
    assert page.locator("#map .found li").count() >= 1
    assert visit.errors == []


def test_an_address_restores_the_view(visit: Any, atlas: Place) -> None:
    page = opened(
        visit.page,
        f"{atlas.map}#x=0.2&y=-0.1&k=3&q=guitar&c=Music&colour=views&v=dQw4w9WgXcQ&range=views:..90000&other=1",
    )
    assert page.locator("#map input[type=search]").input_value() == "guitar"
    assert page.locator("#map [data-colour]").input_value() == "views"
    assert page.locator("#map .card").get_by_role("link", name="Watch").get_attribute("href").endswith("=dQw4w9WgXcQ")
    until(page, "document.querySelector('#map output').textContent.endsWith('in Music')")
    page.locator("#map .filters summary").click()
    assert page.get_by_label("Views, to").input_value() == "90000"
    page.locator("#map canvas.points").focus()
    page.keyboard.press("+")
    until(page, "new URLSearchParams(location.hash.slice(1)).get('k') === '4.5'")
    kept = hashed(page)
    assert kept["other"] == "1"
    assert float(kept["x"]) == pytest.approx(0.2, abs=0.001)
    page.evaluate("location.hash = '#q=minecraft'")
    until(page, "document.querySelector('#map input[type=search]').value === 'minecraft'")
    assert page.locator("#map .card").is_hidden()
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy link").click()
    until(page, "window.copied === location.href")


def test_colours_and_their_key(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    colours = page.locator("#map [data-colour]")
    assert colours.locator("option").evaluate_all("(all) => all.map(({ value }) => value)") == [
        "category", "subcategory", "published", "views", "language", "channel", "silhouette",
    ]  # fmt: skip
    assert colours.locator("option[value=subcategory]").evaluate("(option) => option.disabled")
    for name, say in (("views", "views (logarithmic)"), ("published", "published"), ("language", "language")):
        colours.select_option(name)
        assert page.locator("#map .caption").inner_text() == f"Colours show: {say}"
        assert page.locator("#map .key li").count() == (2 if name == "language" else 7)
    before = shot(page)
    page.locator("#map .key button").first.hover()
    page.wait_for_timeout(200)
    assert shot(page) != before
    colours.select_option("category")
    page.locator("#map .key button", has_text="Music").click()
    assert page.locator("#map .key button", has_text="Music").get_attribute("aria-pressed") == "true"
    colours.select_option("subcategory")
    assert page.locator("#map .key li").count() == 4
    page.locator("#map .key button").first.click()
    until(page, "location.hash.includes('c=Music/')")
    assert visit.errors == []


def shot(page: Any) -> bytes:
    return bytes(page.locator("#map canvas.points").screenshot())


def test_the_wheel_scrolls_the_report_until_the_map_is_clicked(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.report)
    page.locator("#map .stage").scroll_into_view_if_needed()
    box = page.locator("#map canvas.points").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 120)
    until(page, f"scrollY > {before}")
    page.locator("#map .hint", has_text="hold").wait_for()
    assert "k" not in hashed(page)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    until(page, "location.hash.includes('k=')")
    page.locator("#map [data-home]").click()
    until(page, "!location.hash.includes('k=')")
    page.locator("#map canvas.points").focus()
    scrolled = page.evaluate("scrollY")
    page.mouse.move(box["x"] + 200, page.locator("#map canvas.points").bounding_box()["y"] + 100)
    page.mouse.wheel(0, -240)
    until(page, "location.hash.includes('k=')")
    assert page.evaluate("scrollY") == scrolled


def test_buttons_and_keys_move_the_map_and_names_stay_inside(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    for name in ("Zoom in", "Zoom in", "Zoom out"):
        page.get_by_role("button", name=name).click()
    until(page, "new URLSearchParams(location.hash.slice(1)).get('k') === '1.6'")
    page.get_by_role("button", name="Show the whole map").click()
    until(page, "!location.hash.includes('k=')")
    page.locator("#map canvas.points").focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    until(page, "document.querySelectorAll('#map .names div:not([hidden])').length > 0")
    names = "document.querySelectorAll('#map .names div:not([hidden])')"
    inside = f"Array.from({names}, (node) => node.getBoundingClientRect())"
    stage = page.locator("#map .stage").bounding_box()
    for box in page.evaluate(f"{inside}.map(({{ left, right, top, bottom }}) => [left, right, top, bottom])"):
        assert box[0] >= stage["x"]
        assert box[1] <= stage["x"] + stage["width"]
        assert box[2] >= stage["y"]
        assert box[3] <= stage["y"] + stage["height"]


def test_names_get_more_the_nearer_one_comes(visit: Any, tmp_path: Path) -> None:
    places = np.random.default_rng(0).integers(20_000, 45_000, (400, 2)).astype(np.uint16)
    table = [{"group": "A", "subcategory": 0, "name": "a", "size": 400}]
    fine = [Region(1, f"term {at}", at % 8 / 40 - 0.1, at // 8 / 40 - 0.1, 4, "A", 1.0) for at in range(64)]
    points = Points(np.linspace(0, 1, 400), places, np.zeros(400, np.int64))
    drawing = drawing_of(points, table, [Region(0, "all of it", 0.0, 0.0, 400, "A", 1.0), *fine], Land(()), 400)
    file = tmp_path / "map.html"
    file.write_text(render_map("Many names", "", drawing, Nouns()), encoding="utf-8")
    page = opened(visit.page, file.as_uri())
    names = "document.querySelectorAll('#map .names div:not([hidden])').length"
    first = page.evaluate(names)
    assert first >= 1
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    until(page, f"{names} > {first} + 5")


def test_the_tooltip_leaves_when_the_map_moves(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    x, y = position(page, 3)
    page.mouse.move(x, y)
    tip = page.locator("#map .tip")
    tip.wait_for()
    box = tip.bounding_box()
    assert not (box["x"] <= x <= box["x"] + box["width"] and box["y"] <= y <= box["y"] + box["height"])
    page.mouse.wheel(0, -100)
    tip.wait_for(state="hidden")


@pytest.fixture
def phone(chromium: Any) -> Iterator[Any]:
    """Return a page of a phone."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.fingers = context.new_cdp_session(page)
    yield page
    context.close()


def touch(page: Any, kind: str, *points: tuple[float, float]) -> None:
    fingers = [{"x": x, "y": y, "id": at} for at, (x, y) in enumerate(points)]
    page.fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


def test_fingers_on_a_phone(phone: Any, atlas: Place) -> None:
    page = opened(phone, atlas.report)
    page.evaluate("document.querySelector('#map .stage').scrollIntoView({ block: 'center' })")
    page.touchscreen.tap(*position(page, 3))
    card = page.locator("#map .card")
    card.wait_for()
    box, stage = card.bounding_box(), page.locator("#map .stage").bounding_box()
    assert box["y"] + box["height"] > stage["y"] + stage["height"] - 12
    assert box["width"] > 330
    card.get_by_role("button", name="Close").tap()
    card.wait_for(state="hidden")
    middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    scrolled = page.evaluate("scrollY")
    touch(page, "touchStart", middle)
    for step in range(1, 12):
        touch(page, "touchMove", (middle[0], middle[1] - 15 * step))
        page.wait_for_timeout(16)
    touch(page, "touchEnd")
    until(page, f"scrollY > {scrolled + 30}")
    assert "k" not in hashed(page)
    page.evaluate("document.querySelector('#map .stage').scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(300)
    scrolled = page.evaluate("scrollY")
    touch(page, "touchStart", middle, (middle[0] + 20, middle[1]))
    for step in range(1, 8):
        touch(page, "touchMove", (middle[0] - 10 * step, middle[1]), (middle[0] + 20 + 10 * step, middle[1]))
        page.wait_for_timeout(16)
    touch(page, "touchEnd")
    until(page, "Number(new URLSearchParams(location.hash.slice(1)).get('k')) > 3")
    assert page.evaluate("scrollY") == scrolled
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_one_finger_moves_the_page_that_is_all_map(phone: Any, atlas: Place) -> None:
    page = opened(phone, atlas.map)
    stage = page.locator("#map .stage").bounding_box()
    middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    touch(page, "touchStart", middle)
    for step in range(1, 6):
        touch(page, "touchMove", (middle[0] + 10 * step, middle[1] + 12 * step))
    touch(page, "touchEnd")
    until(page, "location.hash.includes('x=')")


def test_without_webgl_the_poster_stands_and_lists_work(visit: Any, atlas: Place) -> None:
    page = visit.page
    page.add_init_script(NO_WEBGL)
    opened(page, atlas.map, '#map[data-state="failed"]')
    assert page.locator("#map .poster").is_visible()
    assert page.locator("#map .failure").is_visible()
    assert page.locator("#map canvas:visible").count() == 0
    page.locator("#map input[type=search]").fill("guitar")
    until(page, "document.querySelectorAll('#map .found li').length > 3")
    page.locator("#map .found li button").first.click()
    page.locator("#map .card").get_by_role("link", name="Watch").wait_for()
    assert visit.errors == []


def test_without_javascript_the_poster_stands(chromium: Any, atlas: Place) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(atlas.map)
    assert page.locator("#map .poster").is_visible()
    assert page.get_by_text("It needs JavaScript.").is_visible()
    assert page.locator("#map button:visible").count() == 0
    context.close()


def test_hostile_texts_stay_text_and_nothing_is_requested(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, atlas.map)
    card = pinned(page, "-video00007")
    assert card.locator("strong").inner_text().startswith("<img src=x")
    assert card.locator("dd", has_text="<img src=x").count() == 1
    page.mouse.move(*position(page, number(page, "-video00007")))
    assert page.locator("img:not(.poster)").count() == 0
    page.evaluate("(keys) => { location.hash = keys; }", HOSTILE_KEYS)
    found(page, f"1 of {VIDEOS}")
    assert visit.errors == []
    assert {url.split("#")[0] for url in visit.requests} == {atlas.map}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390)])
def test_no_violation_of_accessibility(chromium: Any, atlas: Place, scheme: str, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = opened(context.new_page(), atlas.map)
    page.locator("#map input[type=search]").fill("guitar")
    page.locator("#map .found li button").first.click()
    page.locator("#map .filters summary").click()
    page.wait_for_timeout(600)
    violations = Axe().run(page).response["violations"]
    assert [(found["id"], [node["html"] for node in found["nodes"]]) for found in violations] == []
    context.close()


def test_the_report_shows_and_hears_what_is_chosen(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, f"{atlas.report}#s=1-2")
    page.evaluate("""() => {
      window.heard = [];
      addEventListener('vidatlas:choose', ({ detail }) => heard.push(detail));
      window.show = (detail) => dispatchEvent(new CustomEvent('vidatlas:show', { detail }));
    }""")
    name, size = page.evaluate(
        "async () => { const { subs } = await vidatlas.data; return [subs[2].name, subs[2].size]; }"
    )
    page.evaluate("show({ sub: 2 })")
    found(page, f"{size} of {VIDEOS} videos in {name}")
    page.evaluate("async () => { window.first = (await vidatlas.data).groups[0].name; }")
    page.evaluate("show({ group: 0 })")
    until(page, "document.querySelector('#map output').textContent.endsWith(` in ${first}`)")
    page.evaluate("show(null)")
    found(page, f"{VIDEOS} videos")
    assert page.evaluate("heard") == []
    page.evaluate("show({ video: 5 })")
    title = page.evaluate("async () => (await vidatlas.data).titles[5]")
    assert page.locator("#map .card strong").inner_text() == title
    page.locator("#map .card").get_by_role("button", name="Show the subcategory").click()
    chosen = page.evaluate("""async () => {
      const { subs, codes, groups } = await vidatlas.data;
      const { group, number } = subs[codes[5]];
      return { group, name: groups[group].name, number };
    }""")
    assert page.evaluate("heard") == [chosen]
    assert hashed(page)["s"] == "1-2"


def test_the_address_keeps_the_keys_of_others_and_any_text(visit: Any, atlas: Place) -> None:
    page = opened(visit.page, f"{atlas.map}#sort=views&f=a+b")
    text = "50% + a&b=c, é/ #x"
    page.evaluate("(text) => vidatlas.state.set({ q: text, sort: null })", text)
    assert page.evaluate("['q', 'f', 'sort'].map((key) => vidatlas.state.get(key))") == [text, "a b", None]
    page.reload()
    page.wait_for_selector('#map[data-state="complete"]')
    assert page.locator("#map input[type=search]").input_value() == text
    page.evaluate("location.hash = '#c1-2'")
    page.evaluate("vidatlas.state.set({ x: null })")
    assert page.evaluate("location.hash") == "#c1-2"
