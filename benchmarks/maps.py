"""How long the layout of a map takes, how large its page is, and when it can be used: 10,000 to 5 million videos.

Vectors are seeded ones that look like embeddings (benchmarks.vectors). Titles are invented, or real ones with --data,
which compress less.

    python -m benchmarks.maps                   # layout of 20,000 and 100,000; 2,000 placed beside 100,000;
                                                # pages of 10,000, 100,000 and 5 million
    python -m benchmarks.maps --layout 20000 --pages 10000
    python -m benchmarks.maps --weigh demo-atlas/report.html         # of what a page's bytes are
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.parity import first_lines
from benchmarks.vectors import BLOCK, clustered
from vidatlas.decomposition.pca import PcaSpec, fit_pca, merge_all, moments_of
from vidatlas.decomposition.tsne import LayoutSpec, Placing, cells_of, lay_out
from vidatlas.types import Floats
from vidatlas.views.map_data import Points, drawing_of, quantised
from vidatlas.views.nouns import Nouns
from vidatlas.views.regions import Land
from vidatlas.views.report import render_map
from vidatlas.views.videos import Videos

TITLED = 100_000
_SUBCATEGORIES, _GROUPS = 2_000, 16
_WORDS = ("how to", "best of", "new car", "guitar", "lesson", "minecraft", "review", "trailer", "cooking", "news")
ARGUMENTS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking", "--no-first-run"]


def components(rows: int, kept: int = 64) -> Floats:
    """Return float32 [rows, kept]: principal components of seeded vectors."""
    blocks = list(clustered(rows, 384))
    pca = fit_pca(merge_all(map(moments_of, blocks)), PcaSpec(components=kept))
    return np.concatenate([pca.transform(block) for block in blocks])


def layouts(sizes: list[int]) -> None:
    """Print how long a layout of so many videos takes."""
    for rows in sizes:
        vectors = components(rows)
        started, worked = time.perf_counter(), time.process_time()
        lay_out(vectors, LayoutSpec())
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        print(f"| layout of {rows:,} | {seconds:.0f} s ({cpu:.0f} s of the processor) |")


def placing(rows: int, kept: int) -> None:
    """Print how fast videos are placed beside a sample, compared with all of it and with its nearest cells, in turn.

    The last but one column is the share of which all five nearest are found, so that the place is the same.
    """
    vectors = components(rows + BLOCK, kept)
    sample, others = vectors[:rows], vectors[rows : rows + 2_000]
    started = time.process_time()
    cells = cells_of(sample, 0)
    begun = time.process_time() - started
    ways = {"all": np.empty((0, kept), np.float32), "cells": cells}
    placings = {name: Placing(sample, sample[:, :2], found, LayoutSpec()) for name, found in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for _ in range(5):
        for name, way in placings.items():
            started = time.process_time()
            found[name] = way.of(others)
            seconds[name].append(time.process_time() - started)
    each = {name: statistics.median(taken) / len(others) * 1e3 for name, taken in seconds.items()}
    ratio = statistics.median(whole / few for whole, few in zip(seconds["all"], seconds["cells"], strict=True))
    same = np.linalg.norm(found["all"] - found["cells"], axis=1) < 1e-5
    print(
        f"| {rows:,} x {kept} | {each['all']:.2f} ms | {each['cells']:.2f} ms | {ratio:.1f} | {same.mean():.0%} "
        f"| {begun:.0f} s |"
    )


def titles_of(rows: int, data: Path | None) -> tuple[str, ...]:
    """Return at most 100,000 titles."""
    if data is None:
        random = np.random.default_rng(1)
        return tuple(" ".join(random.choice(_WORDS, 6)) + f" {row}" for row in range(min(rows, TITLED)))
    lines = first_lines(data / "youtube" / "videos.jsonl.gz", min(rows, TITLED))
    return tuple(json.loads(line)["title"] or "" for line in lines)


def points_of(rows: int, data: Path | None) -> tuple[Points, list[dict[str, Any]]]:
    """Return invented points in islands, with titles of the first 100,000, and their subcategories."""
    random = np.random.default_rng(0)
    sizes = np.sort(random.pareto(1.2, _SUBCATEGORIES) + 0.05)[::-1]
    codes = random.choice(_SUBCATEGORIES, rows, p=sizes / sizes.sum())
    centres = random.uniform(-0.9, 0.9, (_SUBCATEGORIES, 2))
    at = np.clip(centres[codes] + random.normal(0, 0.02, (rows, 2)), -1, 1).astype(np.float32)
    titles = titles_of(rows, data)
    videos = Videos(tuple(f"{random.bytes(8).hex()}" for _ in titles), titles, address=("https://example.org/", ""))
    counts = np.bincount(codes, minlength=_SUBCATEGORIES)
    table = [
        {"group": f"Category {at % _GROUPS}", "subcategory": at, "name": f"name · of · {at}", "size": int(size)}
        for at, size in enumerate(counts)
    ]
    return Points(np.linspace(0, 1, rows, endpoint=False), quantised(at), codes, videos), table


def pages(sizes: list[int], data: Path | None) -> None:
    """Print size and times of the page of so many videos, opened in headless Chromium without a GPU."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for rows in sizes:
            points, table = points_of(rows, data)
            started = time.perf_counter()
            drawing = drawing_of(points, table, (), Land(()), TITLED)
            file = Path(folder) / f"{rows}.html"
            file.write_text(render_map("Benchmark", f"{rows:,} invented videos", drawing, Nouns()), encoding="utf-8")
            made = time.perf_counter() - started
            size = file.stat().st_size / 1e6
            print(f"| page of {rows:,} | {size:.1f} MB, made in {made:.1f} s | {opened(browser, file.as_uri())} |")
        browser.close()


_WATCH = """() => {
  window.gaps = [];
  let last = performance.now();
  const next = (now) => { gaps.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next);
}"""


def opened(browser: Any, address: str, tiled: bool = False) -> str:
    """Open a map, move over it with the mouse, and return in words how long things took."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector('#map[data-state="complete"]', timeout=300_000)
    first, ready, whole = (
        page.evaluate(f"performance.getEntriesByName('map-{mark}')[0].startTime / 1000")
        for mark in ("drawn", "ready", "complete")
    )
    if tiled:
        whole = _settled(page)
    box = page.locator("#map canvas.points").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.wait_for_timeout(1000)
    drawn = [page.locator("#map canvas.points").get_attribute("data-drawn")]
    frames = []
    for _ in range(8):
        started = time.perf_counter()
        page.mouse.wheel(0, -100)
        page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
        frames.append(time.perf_counter() - started)
    gaps = []
    for factor in (0, -400, -400):
        page.mouse.wheel(0, factor)
        _settled(page) if tiled else page.wait_for_timeout(1500)
        gaps += _dragged(page, x, y)
        drawn.append(page.locator("#map canvas.points").get_attribute("data-drawn"))
    page.close()
    return (
        f"first frame after {first:.1f} s, titles after {ready:.1f} s, all points after {whole:.1f} s, "
        f"a step of zoom {np.median(frames):.2f} s, "
        f"between two frames of a drag {np.median(gaps):.0f} ms (95 of 100: {np.percentile(gaps, 95):.0f} ms), "
        f"points drawn at rest {', '.join(f'{int(points):,}' for points in drawn)}"
    )


def _settled(page: Any) -> float:
    """Wait until all tiles of the view are drawn; return how long the page has been open then, in seconds."""
    page.wait_for_timeout(300)
    page.wait_for_selector('#map[data-tiles="settled"]', timeout=300_000)
    return float(page.evaluate("performance.now() / 1000"))


def _dragged(page: Any, x: float, y: float) -> list[float]:
    """Drag the map there and back; return the times between its frames in milliseconds."""
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(_WATCH)
    for step in range(40):
        page.mouse.move(x + 8 * min(step, 40 - step), y + 3 * min(step, 40 - step))
    gaps: list[float] = page.evaluate("gaps.splice(0).slice(1)")
    page.mouse.up()
    return gaps


def weigh(page: Path) -> None:
    """Print how many bytes of a page are styles, scripts, data, poster, plain table and the rest."""
    text = page.read_text(encoding="utf-8")
    parts = {
        "style sheet": r"<style>.*?</style>",
        "scripts": r'<script>.*?</script>|<script [^>]*class="code">.*?</script>',
        "names and land": r'<script [^>]*id="map-names">.*?</script>',
        "points": r'<script [^>]*class="map-points">.*?</script>',
        "titles, tags, ids, columns": r'<script [^>]*id="map-titles">.*?</script>',
        "rows of the table": r'<script [^>]*id="table-data">.*?</script>',
        "plain table": r'<table class="plain">.*?</table>',
        "poster": r'<img class="poster"[^>]*>',
    }
    rest = text
    for name, pattern in parts.items():
        found = re.findall(pattern, rest, re.DOTALL)
        rest = re.sub(pattern, "", rest, flags=re.DOTALL)
        print(f"| {name} | {sum(len(part.encode()) for part in found):,} bytes |")
    print(f"| other markup | {len(rest.encode()):,} bytes |\n| in all | {page.stat().st_size:,} bytes |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", type=int, nargs="*", default=[20_000, 100_000])
    parser.add_argument("--placing", type=int, nargs="*", default=[100_000], help="videos in the sample")
    parser.add_argument("--pages", type=int, nargs="*", default=[10_000, 100_000, 5_000_000])
    parser.add_argument("--data", type=Path, help="a folder with youtube/videos.jsonl.gz: use its titles")
    parser.add_argument("--weigh", type=Path, help="print of what the bytes of this report are, and nothing else")
    chosen = parser.parse_args()
    if chosen.weigh:
        weigh(chosen.weigh)
        return
    print(machine(), end="\n\n")
    pages(chosen.pages, chosen.data)
    layouts(chosen.layout)
    for rows, kept in itertools.product(chosen.placing, (64, 320)):
        placing(rows, kept)


if __name__ == "__main__":
    main()
