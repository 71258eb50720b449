"""The whole job on real videos: how long, how fast, what came out; or how fast each encoder is on one core.

Run python -m benchmarks.real_file --data FOLDER, where FOLDER holds youtube/videos.jsonl.gz. The demo recipe runs on
its first videos; twenty subcategories drawn by seed are printed as they are, good or bad. With --embed, only five
shards are embedded (read, encoded, written) on one thread, by each encoder in turn with the mix of topics. Rates are
medians over the shards, by the time that the process computed: other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import vidatlas
from benchmarks.checkpoints import random_clip
from benchmarks.machine import machine
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.embed.worker import EmbedWorker, open_worker
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.recipe import Recipe
from vidatlas.storage.store import Store
from vidatlas.types import EncodeStats, Shard

DRAWN = 20
TITLES = 5
SHARDS = 5
PACKAGED = "packaged:all-MiniLM-L6-v2"


def main() -> None:
    """Run the job and print what it did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=20_000)
    parser.add_argument("--atlas", help="keep the atlas here")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embed", nargs="+", metavar="ENCODER", help="static, universal, MiniLM or CLIP")
    options = parser.parse_args()
    print(machine(), "\n")
    with tempfile.TemporaryDirectory() as scratch:
        if options.embed:
            compare(options, Path(scratch))
            return
        where = options.atlas or f"{scratch}/atlas"
        recipe = vidatlas.load_recipe("demo", {"source.limit": options.videos})
        started = time.perf_counter()
        atlas = vidatlas.run(recipe, str(options.data / "youtube" / "videos.jsonl.gz"), where)
        seconds = time.perf_counter() - started
        report(atlas, vidatlas.status(where), seconds, options.seed)


def compare(options: argparse.Namespace, scratch: Path) -> None:
    """Print how many rows and texts of a shard each encoder embeds in a second of one core."""
    os.environ["RAYON_NUM_THREADS"] = "1"  # the tokenizer's threads; read when it is first used
    torch.set_num_threads(1)
    rates: dict[str, list[tuple[float, float, float]]] = {name: [] for name in options.embed}
    opened = {name: _opened(name, options, scratch) for name in options.embed}
    for at in range(SHARDS):
        for name, (worker, shards) in opened.items():
            started = time.process_time()
            rows = read_shard(shards[at], worker.recipe.record, worker.recipe.rows)
            read = time.process_time() - started
            receipt = worker(rows)
            seconds = time.process_time() - started
            rates[name].append((receipt["rows"] / seconds, receipt["distinct"] / (seconds - read), read / seconds))
    print(f"{SHARDS} shards of {options.videos // SHARDS:,} rows\n")
    print("| encoder | dimensions | rows/s per core | distinct texts/s, without reading | share of reading |")
    print("|---|---|---|---|---|")
    for name, found in rates.items():
        rows_s, texts_s, read = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"| {name} | {opened[name][0].encoder.dim} | {rows_s:,.1f} | {texts_s:,.0f} | {read:.0%} |")


def _opened(name: str, options: argparse.Namespace, scratch: Path) -> tuple[EmbedWorker, list[Shard]]:
    recipe = _recipe(name, options, scratch)
    store = Store(str(scratch / name))
    vidatlas.plan(recipe, str(options.data / "youtube" / "videos.jsonl.gz"), store.url, vidatlas.Options("serial"))
    worker = open_worker(store, recipe, 1)
    worker.encoder.encode(["the first text loads what is loaded late"], EncodeStats())
    return worker, load_shards(store)


def _recipe(name: str, options: argparse.Namespace, scratch: Path) -> Recipe:
    encoders: Mapping[str, Mapping[str, Any]] = {
        "static": {"encoder.kind": "static"},
        "universal": {"encoder.kind": "universal"},
        "MiniLM": {"encoder.kind": "sentence", "encoder.model": PACKAGED},
        "CLIP": {"encoder.kind": "clip"},
    }
    changes = dict(encoders[name])
    if name == "CLIP":
        changes["encoder.model"] = str(random_clip(scratch / "clip", options.data / "clip-tokenizer"))
    size = {"source.limit": options.videos, "source.shard_rows": options.videos // SHARDS}
    return vidatlas.load_recipe("topics", {**size, **changes, "record.columns": {}})


def report(atlas: vidatlas.Atlas, status: dict[str, object], seconds: float, seed: int) -> None:
    """Print rates, rejects, and some subcategories."""
    counts, embedded, timings = atlas.counts, status["embedded"], status["timings"]
    assert isinstance(embedded, dict)
    assert isinstance(timings, dict)
    print(f"{seconds:.0f} s in all: " + ", ".join(f"{stage} {taken:.0f} s" for stage, taken in timings.items()))
    print(
        f"{counts['read']:,} read = {counts['kept']:,} kept + {counts['rejected']:,} rejected {counts['rejects']} ",
        end="",
    )
    print(f"+ {counts['duplicates']:,} duplicates")
    rate = timings["embed"]
    print(f"embed: {counts['kept'] / rate:.0f} videos/s, {embedded['texts'] / rate:,.0f} texts/s; ", end="")
    print(f"{embedded['texts']:,} texts, {embedded['distinct']:,} encoded, {embedded['tokens']:,} tokens")
    frame = atlas.subcategories()
    groups = frame["group"].nunique()
    variance = atlas.metrics["explained_variance"]["total"]
    print(f"{len(frame)} subcategories in {groups} categories; {variance:.1%} of the variance kept\n")
    rows = sorted(random.Random(seed).sample(range(len(frame)), DRAWN))
    for row in frame.iloc[rows].to_dict("records"):
        print(f"- **{row['group']}: {row['name']}** ({row['size']:,} videos)")
        for title in row["exemplar_titles"][:TITLES]:
            print(f"  - {title}")


if __name__ == "__main__":
    main()
