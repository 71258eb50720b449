"""The report and the map in a real browser: no error, no network, and hostile titles stay text."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vidatlas
from tests.browser.pages import opened, until
from vidatlas import Options
from vidatlas.recipe import Recipe

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{7*7}} \u202edcba \x1b[31mred"
SHOWN = "<script>alert(1)</script><img src=x onerror=alert(2)> {{7*7}} dcba"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, hashing_recipe: Recipe, make_lines: Callable[..., bytes]) -> str:
    """Return the URL of the report of 200 videos, of which every fifth has a hostile title, tag and category."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [json.loads(line) for line in make_lines(200).splitlines()]
    for row in rows[::5]:
        row |= {"title": f"{HOSTILE} {row['title']}", "tags": f"{HOSTILE},evil", "categories": f"Evil {HOSTILE}"}
    part = folder / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    vidatlas.run(hashing_recipe, str(part), folder / "atlas", Options(runner="serial"))
    return (folder / "atlas" / "report.html").as_uri()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of the report of 60 films, of which each says its year, and two of three their genres."""
    folder = tmp_path_factory.mktemp("films")
    genres = {"comedy": "", "hostile": HOSTILE, "horror": "Dramas, Horror Movies"}
    always = {"tags": "a", "categories": "Film", "year": 1990}
    rows = [
        {"display_id": f"{kind}-{number}", "title": f"{kind} {number}", "genres": genre, **always}
        for number in range(20)
        for kind, genre in genres.items()
    ]
    part = folder / "films.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    changes = {"encoder": {"kind": "hashing", "dim": 64}, "record.shown": ["year", "genres"], "reduce.clusters.k": 2}
    recipe = vidatlas.load_recipe("demo", changes)
    vidatlas.run(recipe, str(part), folder / "atlas", Options(runner="serial"))
    return (folder / "atlas" / "report.html").as_uri()


def reach_a_point(page: Any, name: str = "") -> str:
    """Move the pointer to a video of a category whose name begins so, and return what the map says of it."""
    page.locator("#map canvas.points").scroll_into_view_if_needed()
    page.evaluate(
        """async (name) => {
          const { ids, codes, subs, groups } = await vidatlas.data;
          const at = ids.findIndex((_, at) => groups[subs[codes[at]].group].name.startsWith(name));
          location.hash = `v=${encodeURIComponent(ids[at])}`;
        }""",
        name,
    )
    pin = page.locator("#map .pin")
    pin.wait_for()
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    box = pin.bounding_box()
    page.get_by_role("button", name="Close").click()
    pin.wait_for(state="hidden")
    page.mouse.move(round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2))
    page.locator("#map .tip").wait_for()
    page.wait_for_timeout(200)  # until what is said belongs to where the pointer is now
    return str(page.locator("#map .tip").inner_text())


def test_the_report_opens_without_error_or_network(visit: Any, report: str) -> None:
    page = opened(visit.page, report)
    assert page.locator("#map output").inner_text() == "200 videos"
    assert int(page.locator("#map canvas.points").get_attribute("data-drawn")) == 200
    assert page.locator("#map .names .major").count() >= 2
    assert visit.errors == []
    assert visit.requests == [report]


def test_points_are_drawn_in_the_colours_of_their_categories(visit: Any, report: str) -> None:
    page = opened(visit.page, report)
    page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(page.locator("#map .stage").screenshot())).convert("HSV")
    hues, saturation, _ = np.moveaxis(np.asarray(picture), 2, 0)
    counts = np.bincount(hues[saturation > 110] // 16, minlength=16)
    assert (counts > 40).sum() >= 3


def test_hovering_shows_title_category_and_subcategory(visit: Any, report: str) -> None:
    page = opened(visit.page, report)
    title, category, subcategory = reach_a_point(page).split("\n")
    groups = ("Music", "Gaming", "Education", "Evil")
    assert any(category.startswith(group) for group in groups)
    assert title
    assert subcategory


def test_hovering_shows_the_further_columns_of_a_recipe_and_the_search_finds_them(visit: Any, films: str) -> None:
    page = opened(visit.page, films)
    title, note, subcategory = reach_a_point(page).split("\n")  # no category: there is only one
    genres = {"comedy": [], "horror": ["Dramas, Horror Movies"], "hostile": [f"{SHOWN} [31mred"]}
    assert note == " · ".join(["1990", *genres[title.split()[0]]])
    assert subcategory
    words = page.locator("#map input[type=search]")
    for wanted in ("horror movies", "onerror"):
        words.fill(wanted)
        until(page, "document.querySelector('#map output').textContent === '20 of 60 videos'")
    assert visit.errors == []


def test_a_click_filters_the_table_and_all_comes_back(visit: Any, report: str) -> None:
    page = opened(visit.page, report)
    every = page.locator(".sub:visible").count()
    subcategory = reach_a_point(page).split("\n")[2]
    page.mouse.down()
    page.mouse.up()
    page.get_by_role("button", name="Show the subcategory").click()
    until(page, "document.querySelectorAll('.sub').length === 1")
    assert page.locator(".sub:visible .name button").inner_text() == subcategory
    assert "chosen on the map" in page.locator(".tools output").inner_text()
    page.locator("#map [data-all]").click()
    until(page, f"document.querySelectorAll('.sub').length === {every}")


def test_search_on_the_map_and_in_the_table(visit: Any, report: str) -> None:
    page = opened(visit.page, report)
    page.locator("#map input[type=search]").fill("onerror")
    until(page, "document.querySelector('#map output').textContent === '40 of 200 videos'")
    page.locator("#map input[type=search]").fill("")
    every = page.locator(".sub").count()
    page.locator("#filter").fill("guitar")
    until(page, "document.querySelector('.tools output').textContent.includes(' of ')")
    assert page.locator(".sub:visible").count() < every
    page.locator("#map .key button", has_text="Music").click()
    until(page, "document.querySelector('#map output').textContent.endsWith('in Music')")
    page.locator("#map [data-colour]").select_option("subcategory")
    assert visit.errors == []


def test_hostile_titles_stay_text(visit: Any, report: str) -> None:
    page = opened(visit.page, report)
    assert page.locator("#map .key bdi", has_text=SHOWN).count() == 1
    page.locator("#map .key button", has_text="Evil").click()
    until(page, "document.querySelector('#map output').textContent.startsWith('40 of 200')")
    assert reach_a_point(page, "Evil").startswith(SHOWN)
    assert page.locator("img:not(.poster)").count() == 0
    assert visit.errors == []
    assert visit.requests == [report]
