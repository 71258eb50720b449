"""Reading one large gzip of JSON lines: ours beside pandas, Ray Data, polars and DuckDB, in turn in one run.

Run python -m benchmarks.read --rows 1000000 (about 1.3 GB of text). Every way ends with the title and the tags of all
rows in memory of its own batches, one batch after another: each counts rows and characters. Each runs in a process of
its own. Ours is told apart: the plan, which reads everything once and finds where shards start, and reading by that
plan, which is what a second run or another node does. A copy with one damaged line shows what each does with it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import vidatlas
from benchmarks.generate import Shares, write
from benchmarks.machine import machine
from vidatlas.pipeline.embed.rows import kept, read_shard, texts_of
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.recipe import Recipe
from vidatlas.storage.store import Store

BATCH = 10_000
COLUMNS = ["title", "tags"]


def tally(titles: Any, tags: Any) -> tuple[int, int]:
    """Return how many titles there are, and how many characters they and the tags hold."""
    return len(titles), sum(len(text or "") for text in titles) + sum(len(text or "") for text in tags)


def by_pandas(path: str, scratch: str) -> tuple[int, int]:
    """Read in chunks, as the notebook did."""
    import pandas as pd

    found = [
        tally(part["title"].fillna("").tolist(), part["tags"].fillna("").tolist())
        for part in pd.read_json(path, lines=True, chunksize=BATCH, compression="gzip")
    ]
    return sum(rows for rows, _ in found), sum(size for _, size in found)


def by_ray(path: str, scratch: str) -> tuple[int, int]:
    """Read with Ray Data on this machine."""
    import ray

    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    rows = size = 0
    data = ray.data.read_json(path, lines=True)
    for batch in data.select_columns(COLUMNS).iter_batches(batch_size=BATCH, batch_format="pyarrow"):
        one = tally(batch["title"].to_pylist(), batch["tags"].to_pylist())
        rows, size = rows + one[0], size + one[1]
    return rows, size


def by_polars(path: str, scratch: str) -> tuple[int, int]:
    """Read lazily, in the streaming engine."""
    import polars as pl

    frame = pl.scan_ndjson(path).select(COLUMNS).collect(engine="streaming")
    return tally(frame["title"].to_list(), frame["tags"].to_list())


def by_duckdb(path: str, scratch: str) -> tuple[int, int]:
    """Read in batches of a query."""
    import duckdb

    asked = duckdb.sql(f"select title, tags from read_json('{path}', format='newline_delimited')")
    assert asked is not None
    found = [tally(*batch.to_pydict().values()) for batch in asked.to_arrow_reader(BATCH)]
    return sum(rows for rows, _ in found), sum(size for _, size in found)


def recipe() -> Recipe:
    """Return the recipe that ours reads by."""
    return vidatlas.load_recipe("youniverse", {"encoder": {"kind": "hashing", "dim": 8}})


def plan(path: str, scratch: str) -> tuple[int, int]:
    """Plan, in a plain loop."""
    vidatlas.plan(recipe(), path, f"{scratch}/atlas", vidatlas.Options(runner="serial", max_rejects=0.01))
    return vidatlas.status(f"{scratch}/atlas")["counts"]["kept"], 0


def by_plan(path: str, scratch: str) -> tuple[int, int]:
    """Read by an earlier plan, shard by shard."""
    rows = size = 0
    made = recipe()
    for shard in load_shards(Store(f"{scratch}/atlas")):
        table = kept(read_shard(shard, made.record, made.rows))
        texts = (text for name in made.record.fields for text in texts_of(table, name).flatten().to_pylist())
        rows, size = rows + len(table), size + sum(map(len, texts))
    return rows, size


WAYS = {
    "pandas, read_json(chunksize=10000)": by_pandas,
    "Ray Data, read_json": by_ray,
    "polars, scan_ndjson": by_polars,
    "DuckDB, read_json": by_duckdb,
    "vidatlas, plan": plan,
    "vidatlas, read by the plan": by_plan,
}


def child(way: str, path: str, scratch: str) -> None:
    """Read in this process; print rows, characters, seconds, processor seconds, and the peak of memory in MiB."""
    started = time.perf_counter()
    rows, size = WAYS[way](path, scratch)
    seconds, own, below = (
        time.perf_counter() - started,
        *map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)),
    )
    cpu = sum(use.ru_utime + use.ru_stime for use in (own, below))
    print(json.dumps([rows, size, seconds, cpu, max(own.ru_maxrss, below.ru_maxrss) // 1024]))


def measure(way: str, path: Path, scratch: str) -> list[float] | str:
    """Return what a way printed, or the last line of its complaint."""
    command = [sys.executable, "-m", "benchmarks.read", "--child", way, "--path", str(path), "--scratch", scratch]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:160]
    numbers: list[float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def damaged(folder: Path) -> Path:
    """Write 1,000 videos of which the 500th line is cut in half."""
    write(folder / "whole.gz", 1_000, shares=Shares(0, 0))
    lines = gzip.decompress((folder / "whole.gz").read_bytes()).splitlines(keepends=True)
    lines[499] = lines[499][: len(lines[499]) // 2] + b"\n"
    (folder / "damaged.jsonl.gz").write_bytes(gzip.compress(b"".join(lines)))
    return folder / "damaged.jsonl.gz"


def turns(path: Path, rounds: int) -> dict[str, list[list[float]]]:
    """Let every way read the file in turn; the plan of a round is what is read by in it."""
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as scratch:
            for way in WAYS:
                result = measure(way, path, scratch)
                if isinstance(result, str):
                    raise SystemExit(f"{way}: {result}")
                found[way].append(result)
                print(way, result, file=sys.stderr)
    return found


def table(found: dict[str, list[list[float]]], plain: int, bad: Path) -> None:
    """Print a row for each way: rates, memory, and what it does with a damaged line."""
    print(
        "| way | rows/s | MB/s | rows per processor s | peak of the largest process, MiB | one damaged line of 1,000 |"
    )
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for way, runs in found.items():
            rows, _, seconds, cpu, peak = (median(run[at] for run in runs) for at in range(5))
            said = measure(way, bad, scratch)
            fate = said if isinstance(said, str) else f"{said[0]:,.0f} rows"
            rates = f"{rows / seconds:,.0f} | {plain / 1e6 / seconds:.0f} | {rows / cpu:,.0f} | {peak:,.0f}"
            print(f"| {way} | {rates} | {fate} |")


def main() -> None:
    """Generate the file, read it in turn, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.read", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.path, options.scratch)
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "videos.jsonl.gz"
        plain = write(path, options.rows, shares=Shares(0, 0))
        print(machine(), f"\n\n{options.rows:,} rows, {plain / 1e9:.2f} GB of text, {options.rounds} rounds\n")
        table(turns(path, options.rounds), plain, damaged(Path(scratch)))


if __name__ == "__main__":
    main()
