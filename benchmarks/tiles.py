"""How long the tiles of a map take to write, in how much memory, and how the map moves: 20 million invented videos.

Titles, ids, views and dates are invented; places are in 2,000 islands of very different size. The folder needs about
200 bytes of disk per video.

    python -m benchmarks.tiles 20000000
    python -m benchmarks.tiles --folder /data/tiles              # kept, and found there again
    python -m benchmarks.tiles --folder /data/tiles --repeat 4   # and the last level four times more: 74 million points
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.machine import machine
from benchmarks.maps import ARGUMENTS, opened
from vidatlas import load_recipe
from vidatlas.pipeline.publish.map import TITLED, keys_of
from vidatlas.pipeline.publish.tiles import INDEX, make_tiles, tile, told
from vidatlas.pipeline.publish.videos import columns_of, videos_of
from vidatlas.recipe import Recipe
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import SealedShard
from vidatlas.types import Json
from vidatlas.views.map_data import Points, drawing_of, merge_points, quantised
from vidatlas.views.nouns import Nouns
from vidatlas.views.regions import Land
from vidatlas.views.report import render_map

SHARD = 250_000
_SUBCATEGORIES, _GROUPS = 2_000, 16
_WORDS = (
    "how to",
    "best of",
    "new car",
    "guitar",
    "lesson",
    "minecraft",
    "review",
    "trailer",
    "cooking",
    "news",
    "día",
)
_CHANGES: Json = {
    "encoder": {"kind": "hashing"},
    "record.columns": {"views": {"column": "v", "type": "integer"}, "published": {"column": "d", "type": "date"}},
}


class Invented(Store):
    """Store the files of an atlas that has no manifest."""

    entry_of_reduce: Json

    def stage(self, name: Any) -> Any:
        """Return the entry of the only stage there is."""
        return self.entry_of_reduce


def write_atlas(store: Invented, rows: int) -> list[SealedShard]:
    """Write what tiles are made of: titles, homes and places of so many videos."""
    sizes = np.sort(np.random.default_rng(0).pareto(1.2, _SUBCATEGORIES) + 0.05)[::-1]
    files: Files = {}
    shards, counts = [], np.zeros(_SUBCATEGORIES, np.int64)
    for number, begin in enumerate(range(0, rows, SHARD)):
        shard, random = f"{number:05}", np.random.default_rng([1, number])
        codes = random.choice(_SUBCATEGORIES, min(SHARD, rows - begin), p=sizes / sizes.sum())
        counts += np.bincount(codes, minlength=_SUBCATEGORIES)
        facts = store.put_table(layout.embeddings(shard), _videos(random, len(codes)))
        files |= store.put_table(layout.assignments(shard), _homes(codes))
        store.put_table(layout.positions(shard), _places(random, codes))
        shards.append((shard, facts[layout.embeddings(shard)]))
    table = [_row(code, int(size)) for code, size in enumerate(counts)]
    files |= store.put_table(layout.SUBCATEGORIES, pa.Table.from_pylist(table))
    store.entry_of_reduce = {"counts": {"rows": rows}, "files": files}
    return shards


def _row(code: int, size: int) -> dict[str, Any]:
    home = {"group": f"Category {code % _GROUPS}", "subcategory": code, "name": f"name · of · {code}"}
    return {**home, "size": size, "silhouette": 0.1}


def _videos(random: np.random.Generator, rows: int) -> pa.Table:
    phrases = pa.array([" ".join(random.choice(_WORDS, 3)) for _ in range(10_000)])
    digits = pa.array([f"{part:04x}" for part in range(65_536)])

    def drawn(texts: pa.Array) -> pa.Array:
        return texts.take(pa.array(random.integers(0, len(texts), rows)))

    return pa.table(
        {
            "id": pc.binary_join_element_wise(drawn(digits), drawn(digits), drawn(digits), ""),
            "author": drawn(phrases),
            "title": pc.binary_join_element_wise(drawn(phrases), drawn(phrases), drawn(digits), " "),
            "views": pa.array((random.pareto(1, rows) * 1000).astype(np.int64)),
            "published": pa.array(random.integers(14_000, 20_000, rows).astype(np.int32)).cast(pa.date32()),
        }
    )


def _homes(codes: np.ndarray[Any, Any]) -> pa.Table:
    groups = pa.array([f"Category {group}" for group in range(_GROUPS)]).take(pa.array(codes % _GROUPS))
    return pa.table({"in_group": groups, "subcategory": pa.array(codes.astype(np.int32))})


def _places(random: np.random.Generator, codes: np.ndarray[Any, Any]) -> pa.Table:
    centres = np.random.default_rng(2).uniform(-0.9, 0.9, (_SUBCATEGORIES, 2))
    at = np.clip(centres[codes] + random.normal(0, 0.02, (len(codes), 2)), -1, 1).astype(np.float32)
    return pa.table({"x": pa.array(at[:, 0]), "y": pa.array(at[:, 1])})


def write_page(store: Invented, recipe: Recipe, shards: list[SealedShard]) -> int:
    """Write the page of the map; return its size in bytes."""
    rows, pieces = store.entry_of_reduce["counts"]["rows"], []
    for shard, facts in shards:
        table = store.table(layout.positions(shard))
        keys = keys_of(recipe, shard, len(table))
        chosen = np.argsort(keys)[: int((keys < TITLED / rows).sum())]
        at = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)[chosen]
        codes = store.table(layout.assignments(shard))["subcategory"].to_numpy()[chosen].astype(np.int64)
        videos = store.table(layout.embeddings(shard), facts, columns_of(told(recipe.record)))
        pieces.append(Points(keys[chosen], quantised(at), codes, videos_of(told(recipe.record), videos, chosen)))
    table = sorted(store.table(layout.SUBCATEGORIES).to_pylist(), key=lambda row: row["subcategory"])
    points = merge_points(pieces)
    drawing = replace(drawing_of(points, table, (), Land(()), len(points.codes)), tiled=rows)
    page = render_map("Benchmark", f"{rows:,} invented videos", drawing, Nouns()).encode()
    store.put(layout.MAP, page)
    return len(page)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def made(folder: Path, rows: int) -> None:
    """Write an atlas and its tiles; print how long these took, and in how much memory."""
    store, recipe = Invented(folder), load_recipe("demo", {**_CHANGES, "publish.map_points": 1_000_000})
    shards = write_atlas(store, rows)
    before, started, worked = _memory(), time.perf_counter(), time.process_time()
    files = make_tiles(recipe, store, shards, SerialRunner())
    seconds, cpu, most = time.perf_counter() - started, time.process_time() - worked, _memory()
    points, titles = (
        [facts["bytes"] for name, facts in files.items() if name.endswith(".bin") and (".titles" in name) == titled]
        for titled in (False, True)
    )
    index = files[INDEX]["bytes"]
    print(
        f"| {rows:,} | {len(points):,} tiles: {sum(points) / 1e6:,.0f} MB of points, {sum(titles) / 1e6:,.0f} MB of "
        f"titles (largest {max(points) / 1e6:.2f} and {max(titles) / 1e6:.2f} MB), index {index / 1e3:,.0f} kB | "
        f"{seconds:,.0f} s ({cpu:,.0f} s of the processor) | {most:,.0f} MB at most, {before:,.0f} before |"
    )
    print(f"page {write_page(store, recipe, shards) / 1e6:.1f} MB")


def repeated(folder: Path, times: int) -> Path:
    """Return a copy of an atlas's map with a further level: the tiles of its last one, so many times (as links)."""
    copy = folder.with_name(f"{folder.name}-{times}")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    index = json.loads((folder / INDEX).read_text())
    before, levels = index["total"], index["levels"]
    last = len(levels)
    index["total"] += times * sum(box[0] for box in levels[-1])
    levels.append(levels[-1] * times)
    for level in range(1, last + 1):
        (copy / f"map/{level}").parent.mkdir(exist_ok=True)
        (copy / f"map/{level}").symlink_to(folder / f"map/{level}")
    (copy / f"map/{last + 1}").mkdir()
    for number in range(len(levels[-1])):
        pairs = zip(tile(last + 1, number), tile(last, number % len(levels[-2])), strict=True)
        for name, other in pairs:
            (copy / name).symlink_to(folder / other)
    (copy / INDEX).write_text(json.dumps(index))
    page = (folder / layout.MAP).read_text(encoding="utf-8")
    page = page.replace(f'data-tiled="{before}"', f'data-tiled="{index["total"]}"')
    (copy / layout.MAP).write_text(page, encoding="utf-8")
    print(f"{index['total']:,} points in {sum(map(len, levels)):,} tiles")
    return copy


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=20_000_000)
    parser.add_argument("--folder", type=Path, help="where to make the atlas; one that is there is not made again")
    parser.add_argument("--repeat", type=int, default=0, help="draw the last level so many times more")
    chosen = parser.parse_args()
    print(machine(), end="\n\n")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = chosen.folder or Path(temporary)
        if not (folder / layout.MAP).exists():
            made(folder, chosen.rows)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        folder = repeated(folder.resolve(), chosen.repeat) if chosen.repeat else folder
        with served(folder) as address:
            print(opened(browser, f"{address}/{layout.MAP}", tiled=True))
        browser.close()


if __name__ == "__main__":
    main()
