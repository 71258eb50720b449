"""The search index against brute force: recall@10 and queries a second, taking turns; and how publish builds it.

python -m benchmarks.search --rows 200000                 # seeded vectors that look like embeddings
python -m benchmarks.search --atlas ATLAS --rows 200000   # those of an atlas
python -m benchmarks.search --vectors FILE.npy            # others, such as benchmarks.quality keeps of real texts
python -m benchmarks.search --rows 1000000 --build FOLDER # build it from an invented atlas there: seconds and memory
python -m benchmarks.search --published ATLAS             # open and search that of a finished atlas
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.building import build, published
from benchmarks.machine import machine
from benchmarks.vectors import Block, clustered, of_atlas
from vidatlas.clustering.kmeans import sample_rows
from vidatlas.search_index import QUERIES, BruteForce, IndexSpec, K, SearchIndex, training_rows, unit, without
from vidatlas.threads import one_thread
from vidatlas.types import Floats

SETTINGS = {
    "default": IndexSpec(),
    "ivf sq8, recall 0.99": IndexSpec(recall=0.99),
    "ivf pq": IndexSpec(codec="pq"),
    "flat": IndexSpec(kind="flat"),
}
_ROUNDS = 5


def measure(vectors: Floats, queries: int, only: str) -> None:
    """Print recall and speed of every setting that is asked for."""
    own = sample_rows(len(vectors), queries, 5)
    asked = vectors[own]
    brute = BruteForce(asked, K + 1)
    for at in range(0, len(vectors), 10_000):
        brute.add(vectors[at : at + 10_000])
    truth = without(brute.rows, own)
    print("| index | bytes per video | built in | cells looked into | recall@10 | queries/s | times brute force |")
    print("|---|---|---|---|---|---|---|")
    for name, spec in SETTINGS.items():
        if not re.search(only, name):
            continue
        started = time.perf_counter()
        rows = sample_rows(len(vectors), training_rows(spec, len(vectors)), spec.seed)
        index = SearchIndex.empty(spec, len(vectors), vectors.shape[1], vectors[rows])
        index.index.add(vectors)
        built = time.perf_counter() - started
        # Tuned on other queries than those it is measured on.
        tuned = sample_rows(len(vectors), QUERIES, 77)
        judge = BruteForce(vectors[tuned], K + 1)
        judge.add(vectors)
        index.tune(vectors[tuned], tuned, without(judge.rows, tuned), spec.recall)
        found = without(index.search(asked, K + 1)[0], own)
        recall = np.mean([len(set(mine) & set(theirs)) / K for mine, theirs in zip(found, truth, strict=True)])
        rate, ratio = race(index, vectors, asked)
        size = len(index.to_bytes()) / len(vectors)
        print(
            f"| {name} | {size:.0f} | {built:.0f} s | {index.probes} of {index.lists} | {recall:.4f} | "
            f"{rate:,.0f} | {ratio:.1f} |",
            flush=True,
        )


def race(index: SearchIndex, vectors: Floats, asked: Floats) -> tuple[float, float]:
    """Return queries a second, one at a time on one thread, and how many times brute force's; rounds alternate."""
    rates, ratios = [], []
    with one_thread():
        for _ in range(_ROUNDS):
            some = asked[:20]
            started = time.perf_counter()
            for query in some:
                index.search(query[None], K)
            ours = time.perf_counter() - started
            started = time.perf_counter()
            for query in some:
                cosines = vectors @ query
                best = np.argpartition(-cosines, K)[:K]
                best[np.argsort(-cosines[best])]
            theirs = time.perf_counter() - started
            rates.append(len(some) / ours)
            ratios.append(theirs / ours)
    return float(np.median(rates)), float(np.median(ratios))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas")
    parser.add_argument("--vectors", type=Path, help="float16 or float32 [n, dim], as NumPy saves it")
    parser.add_argument("--only", default="", help="settings whose names match this pattern")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--build", type=Path, help="a folder for an invented atlas, found there again by the next run")
    parser.add_argument("--published", type=Path, help="a finished atlas, whose index is opened and searched")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    print(machine())
    if chosen.published:
        published(chosen.published)
        return
    if chosen.build:
        print(f"\n{chosen.rows:,} seeded vectors of {chosen.dim} dimensions, {chosen.processes} worker processes\n")
        build(chosen.build, chosen.rows, chosen.dim, chosen.processes)
        return
    vectors = unit(np.concatenate(list(blocks(chosen))))
    print(f"\n{len(vectors):,} vectors of {vectors.shape[1]} dimensions, {chosen.queries} queries\n")
    measure(vectors, chosen.queries, chosen.only)


def blocks(chosen: argparse.Namespace) -> Iterator[Block]:
    """Yield the vectors that are searched."""
    if chosen.vectors:
        return iter([np.load(chosen.vectors)[: chosen.rows]])
    return of_atlas(chosen.atlas, chosen.rows) if chosen.atlas else clustered(chosen.rows, chosen.dim)


if __name__ == "__main__":
    main()
