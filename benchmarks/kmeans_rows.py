"""k-means on more rows of one category: does fitting beyond 200,000 rows change the clusters?

Run python -m benchmarks.kmeans_rows. One category of seeded, clustered vectors; centroids are fitted as the job fits
them, on samples of several sizes, each with several seeds, which choose the sample and the starts. What counts is
measured on rows that no fit has seen: the inertia, beside that of 200,000 rows, and how alike the clusters of two seeds
are (adjusted Rand index). Fits of one seed follow each other, so that an interrupted run has whole seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import combinations
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from benchmarks.machine import machine
from benchmarks.vectors import clustered
from vidatlas.clustering.choose_k import k_by_size
from vidatlas.clustering.kmeans import ClusterSpec, Fitting, assign, fit_clusters, sample_rows
from vidatlas.clustering.sklearn_kmeans import SklearnKMeans
from vidatlas.threads import one_thread
from vidatlas.types import Floats

HELD_OUT = 200_000


def main() -> None:
    """Fit on every size with every seed, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kmeans_rows", description=__doc__)
    parser.add_argument("--fit", type=int, nargs="*", default=[50_000, 200_000, 1_000_000], help="rows to fit on")
    parser.add_argument("--dim", type=int, default=50)
    parser.add_argument("--k", type=int, help="clusters; by default what the recipe's rule gives so many rows")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=ClusterSpec().starts)
    options = parser.parse_args()
    most = max(options.fit)
    vectors = np.concatenate([block.astype(np.float32) for block in clustered(most + HELD_OUT, options.dim)])
    rows, held_out = vectors[:most], vectors[most:]
    k = options.k or k_by_size(len(vectors), ClusterSpec())
    inertias: dict[int, list[float]] = {size: [] for size in options.fit}
    labels: dict[int, list[NDArray[np.int32]]] = {size: [] for size in options.fit}
    seconds: dict[int, list[float]] = {size: [] for size in options.fit}
    for seed in range(options.seeds):
        for size in options.fit:
            started = time.process_time()
            centroids = fitted(rows, size, k, seed, options.starts)
            seconds[size].append(time.process_time() - started)
            with one_thread():
                found = assign(held_out, centroids)
            inertias[size].append(found.inertia)
            labels[size].append(found.labels)
            told = f"{inertias[size][-1]:.1f} in {seconds[size][-1]:.0f} processor s"
            print(f"seed {seed}, {size:,} rows: {told}", file=sys.stderr, flush=True)
    given = f"k = {k}, {options.dim} dimensions, {options.seeds} seeds, {options.starts} starts, init ward"
    print(f"{machine()}\n\n{given}; {HELD_OUT:,} held-out rows\n")
    beside = mean(inertias[min(options.fit, key=lambda size: abs(size - 200_000))])
    print("| rows fitted on | held-out inertia beside 200,000 rows: mean (range) | ARI between seeds | processor s |")
    print("|---|---|---|---|")
    for size in options.fit:
        off = [value / beside - 1 for value in inertias[size]]
        alike = mean(adjusted_rand_score(one, other) for one, other in combinations(labels[size], 2))
        told = f"{mean(off):+.2%} ({min(off):+.2%} to {max(off):+.2%}) | {alike:.3f} | {mean(seconds[size]):.0f}"
        print(f"| {size:,} | {told} |")


def fitted(rows: Floats, size: int, k: int, seed: int, starts: int) -> Floats:
    """Return the centroids float32 [k, dim] of a sample of so many rows."""
    sample = rows[sample_rows(len(rows), size, seed)]
    return fit_clusters(sample, k, seed, SklearnKMeans(), Fitting(starts, "ward")).centroids


if __name__ == "__main__":
    main()
