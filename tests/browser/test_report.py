"""The report in a real browser: its table sorts, filters, opens rows and saves them, and hostile data stays text."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

import vidatlas
from tests.browser import pages
from tests.browser.pages import until
from vidatlas import Options
from vidatlas.recipe import Recipe
from vidatlas.storage.manifest import PlanCounts
from vidatlas.views.map_data import Points, drawing_of, merge_points
from vidatlas.views.page import Category, Report, Subcategory, Trend
from vidatlas.views.regions import Land
from vidatlas.views.report import render
from vidatlas.views.text import shown
from vidatlas.views.videos import Videos

HOSTILE = "<img src=x onerror=alert(2)> {{7*7}} \u202edcba"
SHOWN = "<img src=x onerror=alert(2)> {{7*7}} dcba"
ROWS = 240


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory, hashing_recipe: Recipe, make_lines: Callable[..., bytes]) -> Path:
    """Return an atlas of 240 videos with dates, views and links, of which every sixth is hostile."""
    folder = tmp_path_factory.mktemp("report")
    rows = [json.loads(line) for line in make_lines(ROWS).splitlines()]
    for at, row in enumerate(rows):
        row |= {"upload_date": f"20{18 + at % 3}-{at % 12 + 1:02d}-01", "view_count": (at * 7919) % 50_000}
    for row in rows[::6]:
        row |= {"title": f"=1+1 {HOSTILE} {row['title']}", "tags": f"{HOSTILE},evil", "categories": f"Evil {HOSTILE}"}
    part = folder / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), {"reduce.clusters.k": 6})
    vidatlas.run(recipe, str(part), folder / "atlas", Options(runner="serial"))
    return folder / "atlas"


def opened(visit: Any, atlas: Path, where: str = "") -> Any:
    """Open the report and wait until its table can be used."""
    return pages.opened(visit.page, (atlas / "report.html").as_uri() + where, '#table[data-state="ready"]')


def cells(page: Any, column: str) -> list[str]:
    # What is not on the screen has no inner text: it is not laid out.
    inside = " > button" if column == "name" else ""
    return [text.strip() for text in page.locator(f"tr.sub:visible > .{column}{inside}").all_text_contents()]


def numbers(texts: list[str]) -> list[float]:
    units = {"k": 1e3, "M": 1e6}
    return [float(text.rstrip("kM%").replace(",", "")) * units.get(text[-1], 1) for text in texts]


def test_rows_stand_under_their_topics_until_they_are_sorted(visit: Any, atlas: Path) -> None:
    page, frame = opened(visit, atlas), vidatlas.open_atlas(atlas).levels()
    shown_above = page.locator("tr.sub .above:visible").all_text_contents()
    assert len(frame) > 0
    assert all(one != other for one, other in pairwise(shown_above)), "once above the first of each"
    assert {shown(name) for name in frame["name"]} <= set(shown_above)
    first = cells(page, "name")
    page.locator("#order").select_option("size")
    assert page.locator("tr.sub .above:visible").count() == 0
    assert numbers(cells(page, "size")) == sorted(numbers(cells(page, "size")), reverse=True)
    assert "sort=size" in page.url
    page.locator("#order").select_option("topic")
    assert cells(page, "name") == first
    assert "sort=" not in page.url
    page.locator("#filter").fill(first[-1].split(" ")[0])
    assert page.locator("tr.sub:visible").first.locator(".above").is_visible()


def test_every_column_sorts_in_both_directions(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas, "#sort=size")
    assert numbers(cells(page, "size")) == sorted(numbers(cells(page, "size")), reverse=True)
    for column, key in (
        ("size", numbers),
        ("fits", numbers),
        ("views", numbers),
        ("date", list),
        ("name", str.casefold),
    ):
        head = page.locator(f"thead .{column}")
        found = []
        for _ in range(2):
            head.locator("button").click()
            texts = cells(page, column)
            values = [key(text) for text in texts] if key is str.casefold else key(texts)
            found.append((head.get_attribute("aria-sort"), values))
        for direction, values in found:
            if column != "name":  # by the rules of a language, not of code points
                assert values == sorted(values, reverse=direction == "descending"), column
        assert {direction for direction, _ in found} == {"ascending", "descending"}
        assert found[0][1] != found[1][1]
    for column in ("group", "growth", "quality", "terms"):
        page.locator(f"thead .{column} button").click()
        assert page.locator("thead [aria-sort]").get_attribute("class") == column
    assert visit.errors == []


def test_words_and_categories_filter_and_all_comes_back(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    every = page.locator("tr.sub:visible").count()
    page.locator("#filter").fill("GUITÁR")
    until(page, "document.querySelector('.tools output').textContent.includes(' of ')")
    assert 0 < page.locator("tr.sub:visible").count() < every
    assert "f=GUIT" in page.url
    page.locator("#filter").fill("nothing of the kind")
    page.locator(".none").wait_for()
    page.locator(".tools .clear").click()
    assert page.locator("tr.sub:visible").count() == every
    page.locator("#group").select_option(index=2)
    assert len(set(cells(page, "group"))) == 1
    assert page.url.endswith("#g=2")
    assert visit.errors == []


def test_a_row_opens_to_titles_terms_figures_and_a_link(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    button = page.locator("tr.sub button").first
    assert button.get_attribute("aria-expanded") == "false"
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    row = page.locator("tr.more")
    links = row.locator(".titles a")
    assert links.count() == 3
    assert str(links.first.get_attribute("href")).startswith("https://www.youtube.com/watch?v=id")
    assert links.first.get_attribute("rel") == "noopener noreferrer nofollow"
    assert all(word in row.inner_text() for word in ("median", "total", "Silhouette", "Typical terms"))
    assert page.url.split("#")[1].startswith("s=1-")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('tr').id") == page.locator("tr.sub").nth(1).get_attribute("id")
    button.focus()
    page.keyboard.press("Escape")
    assert not row.is_visible()
    assert "#" not in page.url
    assert visit.errors == []


def test_an_address_restores_what_was_seen(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    page.locator("thead .views button").click()
    page.locator("#group").select_option(index=1)
    page.locator("tr.sub:visible button").nth(1).click()
    rows, url = cells(page, "name"), page.url
    again = opened(visit, atlas, "")
    again.goto("about:blank")
    again.goto(url)
    again.wait_for_selector('#table[data-state="ready"]')
    assert cells(again, "name") == rows
    assert again.locator("#group").input_value() == "1"
    assert again.locator("tr.sub:visible button").nth(1).get_attribute("aria-expanded") == "true"
    assert again.locator("thead .views").get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("where", ["#c2-0", "#c2"])
def test_the_addresses_of_rows_and_categories_stay_valid(where: str, visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas, where)
    if where == "#c2-0":
        assert page.locator("#c2-0 button").get_attribute("aria-expanded") == "true"
        assert page.evaluate("document.activeElement.closest('tr').id") == "c2-0"
    else:
        assert page.locator("#group").input_value() == "2"
        assert len(set(cells(page, "group"))) == 1
    assert page.evaluate("scrollY") > 300


def test_findings_lead_to_their_rows(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    page.locator("#filter").fill("nothing of the kind")
    until(page, "!document.querySelector('.none').hidden")
    finding = page.locator(".findings a", has_text="Largest")
    finding.click()
    until(page, "document.querySelector('tr.open') !== null")
    assert page.locator("tr.open .name button bdi").inner_text() == finding.locator("bdi").inner_text()


def saved(page: Any, button: str) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.locator(".acts button", has_text=button).click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_all_videos_of_a_row_are_saved_as_csv(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    page.locator("tr.sub", has_text="Evil <img").first.locator("button").click()
    _, number = map(int, page.locator("tr.open").get_attribute("id")[1:].split("-"))
    rows = saved(page, "Save all")
    frame = vidatlas.open_atlas(atlas).assignments()
    group = str(page.locator("tr.open .group").text_content())
    mine = frame[frame["in_group"].str.startswith("Evil") & (frame["subcategory"] == number)]
    assert group.startswith("Evil")
    assert sorted(row["id"] for row in rows) == sorted(mine["id"])
    titles = pd.read_parquet(atlas / "index" / "videos.parquet").set_index("id")["title"]
    for row in rows:
        assert row["title"] == f"'{shown(titles[row['id']])}", "a spreadsheet must not run it"
        assert row["views"].isdecimal()
        assert row["link"].startswith("https://")
    assert visit.errors == []


def test_a_sample_says_so_and_names_the_command(visit: Any, atlas: Path, tmp_path: Path) -> None:
    sampled = tmp_path / "atlas"
    shutil.copytree(atlas, sampled)
    vidatlas.publish(sampled, {"publish.map_points": 100}, Options(runner="serial"))
    page = opened(visit, sampled)
    page.locator("tr.sub button").first.click()
    size = cells(page, "size")[0]
    page.locator(".acts button", has_text=f"of {size} videos as CSV").wait_for()
    assert 0 < len(saved(page, "Save")) < int(size)
    group = page.locator("tr.open .group").inner_text()
    assert f"vidatlas list ATLAS --group '{group}' --subcategory" in page.locator(".acts p").inner_text()


def test_a_row_is_shown_on_the_map_and_a_choice_on_the_map_in_the_table(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    every = page.locator("tr.sub").count()
    page.evaluate("() => { window.asked = []; addEventListener('vidatlas:show', ({ detail }) => asked.push(detail)); }")
    page.locator("tr.sub button").first.click()
    page.locator(".acts button", has_text="Show on the map").click()
    name = page.evaluate("async () => (await vidatlas.data).subs[asked[0].sub].name")
    assert name == page.locator("tr.open .name button bdi").inner_text()
    choose = "(detail) => dispatchEvent(new CustomEvent('vidatlas:choose', { detail }))"
    page.evaluate(choose, {"group": 1, "name": "x", "number": 0})
    assert page.locator("tr.sub:visible").count() == 1
    assert "chosen on the map" in page.locator(".tools output").inner_text()
    page.evaluate(choose, {"group": 1, "name": "x", "number": None})
    assert len(set(cells(page, "group"))) == 1
    page.evaluate(choose, None)
    assert page.locator("tr.sub:visible").count() == every


def test_a_link_to_a_row_is_copied(visit: Any, atlas: Path) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = opened(visit, atlas)
    page.locator("tr.sub button").first.click()
    page.locator(".acts button", has_text="Copy link").click()
    page.locator(".acts button", has_text="Copied").wait_for()
    expected = f"{(atlas / 'report.html').as_uri()}#{page.locator('tr.open').get_attribute('id')}"
    assert page.evaluate("navigator.clipboard.readText()") == expected


def test_hostile_names_and_titles_stay_text(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    for button in page.locator("tr.sub button").all():
        button.click()
    assert any(SHOWN in text for text in cells(page, "group"))
    assert any(SHOWN in text for text in page.locator(".titles").all_text_contents())
    assert page.locator("img:not(.poster)").count() == 0
    assert visit.errors == []
    assert visit.requests == [(atlas / "report.html").as_uri()]


NUMBERS = (  # views, growth, and what the table says
    (None, None, "–", "–"),
    (0, 0.0, "0", "+0%"),
    (999, 0.46, "999", "+46%"),
    (1_234, -0.38, "1.2k", "\N{MINUS SIGN}38%"),
    (58_407, 9.0, "58k", "+900%"),
    (999_900, 11.0, "1.0M", "×12"),
    (2_100_000_000, 0.0, "2.1B", "+0%"),
)


def test_numbers_are_short_growths_signed_and_terms_of_the_name_not_said_again(visit: Any, tmp_path: Path) -> None:
    subs = tuple(
        Subcategory(at, "mixed: guitar · piano", 9 - at, (("guitar", 0.5), ("cello", 0.4)), (), trend=trend)
        for at, (views, growth, _, _) in enumerate(NUMBERS)
        for trend in (Trend(views, views, 9, 9, "2021-03", growth=growth, line="0z"),)
    )
    categories = (Category("Music", 42, None, subs),)
    drawing = drawing_of(merge_points([]), [], (), Land(()), 1)
    counts = PlanCounts(read=42, kept=42, rejected=0, duplicates=0, rejects={})
    report = Report("r", (), counts, categories, (), (), (), "e", (), (), "", "", (), drawing, window=12)
    (tmp_path / "report.html").write_text(render(report), encoding="utf-8")
    page = opened(visit, tmp_path)
    assert cells(page, "views") == [words for _, _, words, _ in NUMBERS]
    assert cells(page, "growth") == [words for *_, words in NUMBERS]
    assert cells(page, "terms") == ["cello"] * len(NUMBERS)
    assert visit.errors == []


def test_the_card_of_an_example_shows_its_picture(visit: Any, tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (144, 81), (200, 30, 30)).save(file, "JPEG")
    picture = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    titles = (f"One {HOSTILE}", "Two", "Three", "Four")
    sub = Subcategory(0, "a", 4, (), titles[:3], ids=("1", "2", "3"), images=(picture, "", "https://a.example/b.jpg"))
    places = np.array([[9_000, 9_000], [50_000, 9_000], [9_000, 50_000], [50_000, 50_000]], np.uint16)
    videos = Videos(("1", "2", "3", "4"), titles, address=("https://video.example/", ""))
    table = [{"group": "A", "subcategory": 0, "name": "a", "size": 4}]
    drawing = drawing_of(Points(np.arange(4.0), places, np.zeros(4, np.int64), videos), table, (), Land(()), 4)
    counts = PlanCounts(read=4, kept=4, rejected=0, duplicates=0, rejects={})
    categories = (Category("A", 4, None, (sub,)),)
    report = Report("r", (), counts, categories, (), (), (), "e", (), (), "", "", (), drawing)
    (tmp_path / "report.html").write_text(render(report), encoding="utf-8")
    page, image = opened(visit, tmp_path, "#v=1"), visit.page.locator("#map .card img")
    until(page, "document.querySelector('#map .card img')?.naturalWidth === 144")
    assert image.get_attribute("alt") == f"Picture: {shown(titles[0])}"
    assert Axe().run(page, "#map .card").response["violations"] == []
    for video, title in zip("234", titles[1:], strict=True):
        page.evaluate("(video) => { location.hash = `v=${video}`; }", video)
        page.locator("#map .card strong", has_text=title).wait_for()
        page.evaluate("vidatlas.read('table-data')")
        assert image.count() == 0, "the second has none, the third is not data, the fourth is no example"
        assert page.locator("#map .card a").get_attribute("href") == f"https://video.example/{video}"
    assert visit.errors == []
    assert visit.requests == [(tmp_path / "report.html").as_uri()]


def test_a_phone_needs_no_sideways_scrolling(visit: Any, atlas: Path) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 844})
    page = opened(visit, atlas)
    for button in page.locator("tr.sub button").all()[:3]:
        button.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#order").select_option("views")
    assert page.locator("tr.sub").last.bounding_box()["height"] < 75, "two lines"
    assert numbers(cells(page, "views")) == sorted(numbers(cells(page, "views")), reverse=True)


def test_without_a_script_a_plain_table_is_there(chromium: Any, atlas: Path) -> None:
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto((atlas / "report.html").as_uri())
    rows = page.locator(".plain tbody tr:visible")
    assert rows.count() == len(pd.read_parquet(atlas / "subcategories.parquet"))
    name, category, size = rows.first.locator("th, td").all_inner_texts()
    assert " · " in name
    assert category
    assert int(size) > 0
    assert page.locator("#c1-0").is_visible(), "links to rows work"
    assert page.locator(".tools").is_hidden()
    assert page.locator("#table").is_hidden()
    page.context.close()


def test_the_printed_page_has_every_row_and_no_tools(visit: Any, atlas: Path) -> None:
    page = opened(visit, atlas)
    page.emulate_media(media="print")
    assert page.locator(".tools").is_hidden()
    assert page.locator("tr.sub:visible").count() == page.locator("tr.sub").count()
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_accessibility_violation(scheme: str, visit: Any, atlas: Path) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    page = opened(visit, atlas, "#c1-0")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found] == []
