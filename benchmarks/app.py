"""The app with many videos: memory, and how long each page takes while twenty people use it.

python -m benchmarks.app --rows 1000000 --folder FOLDER      # the atlas is made there once, and used again
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import vidatlas
from benchmarks.machine import machine
from vidatlas.pipeline.explore.search import Search
from vidatlas.search_index import IndexSpec, Rows, SearchIndex, training_rows, unit
from vidatlas.storage.store import INDEX, INDEX_FACTS, INDEX_VIDEOS, Store, embeddings
from vidatlas.storage.tables import matrix, read_embeddings, sealed_shards
from vidatlas.types import Floats

SHARD, BASE, DIM = 10_000, 20_000, 64
GROUPS = ("Music", "Gaming", "Education", "Sports", "News", "Comedy", "Travel", "Science")


def title(rng: random.Random) -> str:
    """Return eight words: a few very common, most rare."""
    return " ".join(f"word{int(rng.paretovariate(0.6)) % 300_000}" for _ in range(8))


def titles(noise: np.random.Generator, rows: int) -> pa.Array:
    """Return as many titles, of words as frequent as in ``title``."""
    words = pa.array([f"word{number}" for number in range(300_000)])
    chosen = (1 + noise.pareto(0.6, (8, rows))).astype(np.int64) % len(words)
    return pc.binary_join_element_wise(*(words.take(pa.array(row)) for row in chosen), " ")


def make_base(folder: Path) -> None:
    """Make an atlas of invented videos."""
    rng = random.Random(0)
    part = folder / "videos.jsonl"
    with part.open("w") as out:
        for row in range(BASE):
            video = {"display_id": f"v{row:06d}", "categories": rng.choice(GROUPS), "title": title(rng), "tags": ""}
            day = f"20{rng.randrange(10, 24)}-0{rng.randrange(1, 10)}-11"
            out.write(json.dumps(video | {"view_count": int(rng.paretovariate(0.5)), "upload_date": day}) + "\n")
    changes = {
        "encoder": {"kind": "hashing", "dim": DIM},
        "source.shard_rows": SHARD,
        "reduce.clusters.k": 30,
        "publish.layout.sample": 1000,
    }
    recipe = vidatlas.load_recipe("demo", changes)
    vidatlas.run(recipe, str(part), folder / "atlas", vidatlas.Options(runner="serial"))


def empty_index(vectors: Floats, rows: int) -> tuple[Any, Rows]:
    """Return an index for so many rows with as many cells as a real one, and the nearest cell of each vector.

    Its cells are around vectors drawn by seed, and every copy of a vector goes into the same one: finding 12,649 cells
    for 10 million vectors as publish does takes hours on two cores, and a query costs the same.
    """
    chosen = np.random.default_rng(0).permutation(len(vectors))
    cells = training_rows(IndexSpec(), rows) // 64
    made: Any = faiss.index_factory(DIM, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
    made.quantizer.add(vectors[chosen[:cells]])
    made.train(vectors)
    return made, made.quantizer.search(vectors, 1)[1][:, 0].copy()


def enlarge(folder: Path, rows: int) -> None:
    """Repeat the atlas's videos under new ids and titles, with vectors a little off, until there are so many."""
    store = Store(folder / "atlas")
    manifest, search = store.manifest(), Search(store)
    shards = list(sealed_shards(manifest["stages"]["embed"]))
    vectors = np.concatenate([unit(matrix(read_embeddings(store, *one, ["embedding"])["embedding"])) for one in shards])
    noise = np.random.default_rng(0)
    index, cells = empty_index(vectors, rows)
    known, files, out = search.videos.take(np.arange(BASE)), {}, io.BytesIO()
    with pq.ParquetWriter(out, known.schema, compression="zstd", write_page_checksum=True) as writer:
        for tile in range(rows // BASE):
            for number, (shard, facts) in enumerate(shards):
                name = embeddings(f"{shard}-{tile}")
                (folder / "atlas" / name).hardlink_to(folder / "atlas" / embeddings(shard))
                files[name] = facts
                table = known.slice(number * SHARD, SHARD)
                ids = pa.array([f"{tile}-{video}" for video in table["id"].to_pylist()])
                at = table.schema.get_field_index("title")
                writer.write_table(table.set_column(0, "id", ids).set_column(at, "title", titles(noise, SHARD)))
            tiled = unit(vectors + noise.normal(0, 0.05, vectors.shape))
            index.add_core(BASE, faiss.swig_ptr(tiled), None, faiss.swig_ptr(cells))
    facts = json.loads(store.read(INDEX_FACTS)) | {"rows": rows, "probes": 16}
    manifest["stages"]["embed"]["files"] = files
    published = manifest["stages"]["publish"]["files"]
    published |= store.put(INDEX_VIDEOS, out.getvalue()) | store.put(INDEX, SearchIndex(index).to_bytes())
    published |= store.put(INDEX_FACTS, json.dumps(facts).encode())
    store.write_manifest(manifest)


@contextmanager
def served(atlas: Path) -> Iterator[tuple[str, int]]:
    """Yield address and process of the app of an atlas."""
    command = [sys.executable, "-m", "vidatlas", "serve", str(atlas), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().split()[0], server.pid
        finally:
            server.terminate()


def memory(pid: int, what: str) -> float:
    """Return a process's memory in MB: VmRSS now, RssAnon without mapped files, VmHWM at most."""
    found = re.search(rf"{what}:\s+(\d+)", Path("/proc", str(pid), "status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def cpu(pid: int) -> float:
    """Return the seconds that a process has computed: other work on the machine does not count."""
    numbers = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def addresses(rng: random.Random, rows: int) -> dict[str, str]:
    """Return an address of each page."""
    tile, video, group = rng.randrange(rows // BASE), rng.randrange(BASE), rng.choice(GROUPS)
    number, at = rng.randrange(30), rng.randrange(1, 20)
    return {
        "discover": f"/discover?seed={rng.randrange(1 << 30)}",
        "search": f"/search?q={quote(' '.join(title(rng).split()[:3]))}",
        "search, filtered": f"/search?q=word{rng.randrange(50)}&group={group}&views.from=10",
        "browse": "/browse",
        "subcategory, by nearness": f"/browse/videos?group={group}&sub={number}&page={at}",
        "subcategory, by views": f"/browse/videos?group={group}&sub={number}&sort=views&page={at}",
        "category, by date": f"/browse/videos?group={group}&sort=published&page={at}",
        "compare": f"/compare?a={number}:{group}&b={rng.randrange(30)}:{rng.choice(GROUPS)}",
        "video": f"/video?id={f'{tile}-' if rows > BASE else ''}v{video:06d}",
    }


def visit(base: str, seed: int, rows: int, rounds: int) -> dict[str, list[float]]:
    """Open every page some times in random order; return the seconds of each."""
    rng, seconds = random.Random(seed), defaultdict(list)
    for _ in range(rounds):
        pages = list(addresses(rng, rows).items())
        rng.shuffle(pages)
        for name, path in pages:
            started = time.perf_counter()
            with urlopen(base + path) as answer:
                answer.read()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Print memory and latencies."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--people", type=int, default=20)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    os.environ["XDG_CACHE_HOME"] = str(asked.folder / "cache")
    if not (asked.folder / "atlas" / "enlarged").exists():
        asked.folder.mkdir(parents=True, exist_ok=True)
        make_base(asked.folder)
        if asked.rows > BASE:
            enlarge(asked.folder, asked.rows)
        (asked.folder / "atlas" / "enlarged").touch()
    print(machine())
    started = time.perf_counter()
    with served(asked.folder / "atlas") as (base, pid):
        opened = time.perf_counter() - started
        while urlopen(f"{base}/search?q=word5").headers["Refresh"]:
            time.sleep(0.5)
        ready = time.perf_counter() - started
        alone = visit(base, 0, asked.rows, asked.rounds)
        before = cpu(pid)
        with ThreadPoolExecutor(asked.people) as pool:
            jobs = [pool.submit(visit, base, seed, asked.rows, asked.rounds) for seed in range(1, asked.people + 1)]
            together: dict[str, list[float]] = defaultdict(list)
            for job in jobs:
                for name, seconds in job.result().items():
                    together[name] += seconds
        spent = (cpu(pid) - before) / sum(map(len, together.values()))
        print(f"{1000 * spent:,.0f} ms of CPU for a page of {asked.people} people, on average")
        print(f"answers after {opened:.1f} s, searches after {ready:.1f} s")
        print(f"memory {memory(pid, 'VmHWM'):,.0f} MB at most, {memory(pid, 'RssAnon'):,.0f} MB without mapped files")
    print(f"| page | alone, median ms | {asked.people} people, median ms | 95 % within ms |\n|---|---|---|---|")
    for name, seconds in together.items():
        numbers = (median(alone[name]), median(seconds), quantiles(seconds, n=20)[-1])
        print(f"| {name} | " + " | ".join(f"{1000 * number:,.0f}" for number in numbers) + " |")


if __name__ == "__main__":
    main()
