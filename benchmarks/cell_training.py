"""Iterations of k-means for the cells of the search index: seconds, and recall@10 by cells searched.

python -m benchmarks.cell_training --rows 200000          # seeded vectors that look like embeddings
python -m benchmarks.cell_training --vectors FILE.npy     # others, such as benchmarks.quality keeps of real texts
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.machine import machine
from benchmarks.vectors import clustered
from vidatlas import search_index
from vidatlas.clustering.kmeans import sample_rows
from vidatlas.search_index import BruteForce, IndexSpec, K, Rows, SearchIndex, recall_at, training_rows, unit, without
from vidatlas.types import Floats

ITERATIONS = (10, 5, 3)
"""Of which the first is FAISS's default."""
CELLS = (8, 16, 32, 64, 128)
QUERIES = 500
SPEC = IndexSpec(kind="ivf")


def trained(vectors: Floats, iterations: int, seed: int) -> tuple[SearchIndex, float]:
    """Return an index without rows, and the seconds that its training took."""
    spec = SPEC.model_copy(update={"seed": seed})
    sample = vectors[sample_rows(len(vectors), training_rows(spec, len(vectors)), seed)]
    with patch.object(search_index, "_TRAIN_ITERATIONS", iterations):
        started = time.perf_counter()
        index = SearchIndex.empty(spec, len(vectors), vectors.shape[1], sample)
        return index, time.perf_counter() - started


def recalls(index: SearchIndex, vectors: Floats, own: Rows, truth: Rows) -> list[float]:
    """Return the recall of an index of all vectors, for each number of cells."""
    index.index.add(vectors)
    found = []
    for index.probes in CELLS:
        found.append(recall_at(without(index.search(vectors[own], K + 1)[0], own), truth))
    return found


def main() -> None:
    """Train with every number of iterations in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, help="float16 or float32 [n, dim], as NumPy saves it")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5, help="seeds, each a round of all")
    chosen = parser.parse_args()
    blocks = [np.load(chosen.vectors)[: chosen.rows]] if chosen.vectors else clustered(chosen.rows, chosen.dim)
    vectors = unit(np.concatenate(list(blocks)))
    own = sample_rows(len(vectors), QUERIES, 5)
    brute = BruteForce(vectors[own], K + 1)
    for at in range(0, len(vectors), 10_000):
        brute.add(vectors[at : at + 10_000])
    truth = without(brute.rows, own)
    seconds: dict[int, list[float]] = {iterations: [] for iterations in ITERATIONS}
    found: dict[int, list[list[float]]] = {iterations: [] for iterations in ITERATIONS}
    for seed in range(chosen.rounds):
        for iterations in ITERATIONS:
            index, taken = trained(vectors, iterations, seed)
            seconds[iterations].append(taken)
            found[iterations].append(recalls(index, vectors, own, truth))
    print(machine(), f"\n\n{len(vectors):,} vectors of {vectors.shape[1]} dimensions, {index.lists:,} cells\n")
    print("| iterations | training, s | " + " | ".join(f"recall, {cells} cells" for cells in CELLS) + " |")
    print("|---|---|" + "---|" * len(CELLS))
    for iterations in ITERATIONS:
        medians = " | ".join(f"{median:.4f}" for median in np.median(found[iterations], axis=0))
        print(f"| {iterations} | {statistics.median(seconds[iterations]):.1f} | {medians} |")


if __name__ == "__main__":
    main()
