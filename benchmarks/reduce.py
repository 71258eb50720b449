"""How fast and how exact are components and clusters beside scikit-learn's and FAISS's, and how do they grow?

Run python -m benchmarks.reduce (see benchmarks/README.md). All ways see the same matrix and take turns within one run;
FAISS is measured where it is installed. How time and memory grow is measured in a process of its own for each size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA, IncrementalPCA
from threadpoolctl import threadpool_limits

from benchmarks.machine import machine
from benchmarks.vectors import BLOCK, clustered, of_atlas
from vidatlas.clustering import sklearn_kmeans
from vidatlas.clustering.choose_k import k_by_size
from vidatlas.clustering.kmeans import ClusterSpec, assign, fit_clusters, sample_rows
from vidatlas.clustering.sklearn_kmeans import SklearnKMeans
from vidatlas.decomposition.pca import Pca, PcaSpec, fit_pca, merge_all, moments_of

Matrix = NDArray[Any]


@dataclass
class Way:
    """Hold one way to reduce: how often it is run, what it takes and what it found."""

    name: str
    rounds: int
    run: Callable[[], Any]
    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    """Seconds of processor time, which others on the machine disturb less."""
    found: Any = None

    def measure(self) -> None:
        """Run once more."""
        started, busy = time.perf_counter(), time.process_time()
        self.found = self.run()
        self.seconds.append(time.perf_counter() - started)
        self.busy.append(time.process_time() - busy)


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--atlas", help="take the vectors of this atlas instead of seeded ones")
    parser.add_argument("--components", type=int, default=64)
    parser.add_argument("--k", type=int, help="clusters; by default what the recipe's rule gives so many rows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=2, help="of ways that take minutes")
    parser.add_argument("--threads", type=int, default=1, help="of every way; more are unkind where others compute too")
    parser.add_argument("--growth", type=int, nargs="*", default=[50_000, 200_000, 1_000_000])
    parser.add_argument("--child", choices=list(CHILDREN), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        grow_here(options)
        return
    source = options.atlas or "seeded, clustered"
    matrix = np.concatenate(list(blocks(options, options.rows)))
    print(machine(), f"· {options.threads} threads · {len(matrix):,} x {matrix.shape[1]} float16 vectors ({source})\n")
    with threadpool_limits(limits=options.threads):
        reduced = components(matrix, options)
        clusters(reduced, options)
    if options.growth:
        growth(options)


def blocks(options: argparse.Namespace, rows: int) -> Iterator[Matrix]:
    """Yield the vectors that are reduced, a shard's worth at a time."""
    return of_atlas(options.atlas, rows) if options.atlas else clustered(rows, options.dim)


def take_turns(ways: list[Way]) -> None:
    """Run every way in turn, each as often as it is to be run."""
    for number in range(max(way.rounds for way in ways)):
        for way in ways:
            if number < way.rounds:
                way.measure()
                print(f"{way.name}: {way.seconds[-1]:.1f} s", file=sys.stderr)


def ratio(over: Way, under: Way) -> str:
    """Return how many times longer one way took than another: median and range of the rounds both ran in."""
    return "; ".join(_times(pairs) for pairs in ((over.seconds, under.seconds), (over.busy, under.busy)))


def _times(pairs: tuple[list[float], list[float]]) -> str:
    ratios = [over / under for over, under in zip(*pairs, strict=False)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def taken(way: Way) -> str:
    """Return the median seconds, of the clock and of the processor, and in how many rounds."""
    return f"{statistics.median(way.seconds):.2f} | {statistics.median(way.busy):.2f} | {len(way.seconds)}"


def components(matrix: Matrix, options: argparse.Namespace) -> Matrix:
    """Compare ways to find components; return the projected vectors."""
    kept = options.components
    single, double = matrix.astype(np.float32), matrix.astype(np.float64)
    ways = [
        Way("vidatlas, moments", options.rounds, partial(moments_pca, matrix, kept, 1)),
        Way("vidatlas, moments, two shards at a time", options.rounds, partial(moments_pca, matrix, kept, 2)),
        Way("scikit-learn PCA, float64", options.rounds, lambda: PCA(kept).fit(double)),
        Way("scikit-learn PCA, float32", options.rounds, lambda: PCA(kept).fit(single)),
        Way("scikit-learn IncrementalPCA, float32", options.rounds, lambda: IncrementalPCA(kept).fit(single)),
        Way("scikit-learn IncrementalPCA, float64", options.slow_rounds, lambda: IncrementalPCA(kept).fit(double)),
    ]
    take_turns(ways)
    ours, exact = ways[0], ways[2].found.explained_variance_
    print(f"| {kept} components by | s | processor s | rounds | times ours, by either | variances off by |")
    print("|---|---|---|---|---|---|")
    for way in ways:
        found = getattr(way.found, "explained_variance_", None)
        found = way.found.explained_variance if found is None else found
        off = float(np.abs(found / exact - 1).max())
        print(f"| {way.name} | {taken(way)} | {ratio(way, ours)} | {off:.1e} |")
    print(f"\n{ours.found.explained_variance_ratio.sum():.1%} of the variance kept\n", flush=True)
    return np.concatenate([ours.found.transform(block) for block in np.array_split(matrix, len(matrix) // BLOCK + 1)])


def moments_pca(matrix: Matrix, kept: int, threads: int) -> Pca:
    """Reduce as the job does: shards side by side on one thread each, merged in order."""
    shards = [matrix[at : at + BLOCK] for at in range(0, len(matrix), BLOCK)]
    with threadpool_limits(limits=1), ThreadPoolExecutor(threads) as pool:
        return fit_pca(merge_all(pool.map(moments_of, shards)), PcaSpec(components=kept))


def clusters(reduced: Matrix, options: argparse.Namespace) -> None:
    """Compare ways to cluster the projected vectors as one group."""
    k = options.k or k_by_size(len(reduced), ClusterSpec())
    few, many = options.rounds, options.slow_rounds
    ways = [
        Way("vidatlas, 5 starts", few, partial(our_clusters, reduced, k)),
        Way("the same, all small clusters begun by k-means++", few, partial(spread_clusters, reduced, k)),
        Way("scikit-learn KMeans, n_init=10", 1, lambda: KMeans(k, n_init=10, random_state=0).fit(reduced)),
        Way("scikit-learn KMeans, n_init=1", many, lambda: KMeans(k, n_init=1, random_state=0).fit(reduced)),
        Way("scikit-learn MiniBatchKMeans, n_init=10", few, partial(mini_batches, reduced, k)),
    ]
    if find_spec("faiss"):
        ways.append(Way("faiss.Kmeans, defaults (256 rows per centroid)", few, partial(faiss_clusters, reduced, k)))
        every = partial(faiss_clusters, reduced, k, niter=50, nredo=5, max_points_per_centroid=len(reduced))
        ways.append(Way("faiss.Kmeans, all rows, niter=50, nredo=5", many, every))
    take_turns(ways)
    ours, reference = ways[0], ways[2]
    best = assign(reduced, centres(reference.found)).inertia
    print(f"| {k} clusters, {reduced.shape[1]} components, by | s | processor s | rounds | times ours | inertia more |")
    print("|---|---|---|---|---|---|")
    for way in ways:
        off = assign(reduced, centres(way.found)).inertia / best - 1
        print(f"| {way.name} | {taken(way)} | {ratio(way, ours)} | {off:+.2%} |")
    print(flush=True)


def our_clusters(reduced: Matrix, k: int) -> Matrix:
    """Cluster as the job does: fit on at most 200,000 rows, then assign all."""
    spec = ClusterSpec()
    sample = reduced[sample_rows(len(reduced), spec.fit_rows, spec.seed)]
    found = fit_clusters(sample, k, spec.seed, SklearnKMeans(), spec.fitting).centroids
    with threadpool_limits(limits=1):
        assign(reduced, found)
    return found


def spread_clusters(reduced: Matrix, k: int) -> Matrix:
    """Cluster as the job does, but spread the beginnings of however many small clusters Ward merges."""
    usual, sklearn_kmeans.MOST_SPREAD = sklearn_kmeans.MOST_SPREAD, len(reduced)
    try:
        return our_clusters(reduced, k)
    finally:
        sklearn_kmeans.MOST_SPREAD = usual


def mini_batches(reduced: Matrix, k: int) -> Any:
    """Cluster with mini-batches alone."""
    return MiniBatchKMeans(k, n_init=10, batch_size=4096, random_state=0).fit(reduced)


def faiss_clusters(reduced: Matrix, k: int, **more: Any) -> Matrix:
    """Cluster with FAISS; it trains on a sample unless told otherwise."""
    import faiss

    model = faiss.Kmeans(reduced.shape[1], k, seed=1, **more)
    model.train(np.ascontiguousarray(reduced))
    return np.asarray(model.centroids)


def centres(found: Any) -> Matrix:
    """Return the centroids of whatever found them."""
    return np.asarray(getattr(found, "cluster_centers_", found), np.float32)


def growth(options: argparse.Namespace) -> None:
    """Print how time and memory grow with the rows, each in a process that does nothing else."""
    print("| rows | way | processor s | peak memory, MiB | of which before the first row |")
    print("|---|---|---|---|---|")
    for rows in options.growth:
        for child in CHILDREN:
            command = [sys.executable, "-m", "benchmarks.reduce", "--child", child, "--rows", str(rows)]
            command += ["--dim", str(options.dim), "--components", str(options.components)]
            command += ["--threads", str(options.threads)] + (["--atlas", options.atlas] if options.atlas else [])
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"| {rows:,} | {done['way']} | {done['seconds']:.1f} | {done['peak']:,} | {done['before']:,} |",
                flush=True,
            )


def grow_here(options: argparse.Namespace) -> None:
    """Run one way on blocks that come one by one; print what it took, making the blocks left out, as JSON."""
    name, run = CHILDREN[options.child]
    source = list(blocks(options, options.rows)) if options.atlas else blocks(options, options.rows)
    before = peak()
    with threadpool_limits(limits=options.threads):
        seconds = run(Clock(source), options)
    print(json.dumps({"way": name, "seconds": seconds, "peak": peak(), "before": before}))


def peak() -> int:
    """Return the most memory this process has held so far, in MiB (``getrusage`` would count its parent's too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


class Clock:
    """Yield blocks and leave the time that making them takes out of the account."""

    def __init__(self, source: Iterable[Matrix]) -> None:
        self._source, self.spent, self._started = iter(source), 0.0, time.process_time()

    def __iter__(self) -> Iterator[Matrix]:
        while True:
            asked = time.process_time()
            block = next(self._source, None)
            self.spent += time.process_time() - asked
            if block is None:
                return
            yield block

    def seconds(self) -> float:
        """Return the processor's seconds since the beginning but those of making blocks."""
        return time.process_time() - self._started - self.spent


def stream_moments(clock: Clock, options: argparse.Namespace) -> float:
    """Merge each block's moments into the sum."""
    fit_pca(merge_all(map(moments_of, clock)), PcaSpec(components=options.components))
    return clock.seconds()


def stream_incremental(clock: Clock, options: argparse.Namespace) -> float:
    """Feed IncrementalPCA block by block."""
    model = IncrementalPCA(options.components)
    for block in clock:
        model.partial_fit(block.astype(np.float32))
    return clock.seconds()


def stream_clusters(clock: Clock, options: argparse.Namespace) -> float:
    """Cluster one group of all rows, k by the recipe's rule; the vectors are random projections of the blocks."""
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(options.dim, options.components)))[0].astype(np.float32)
    reduced = np.concatenate([block.astype(np.float32) @ turned for block in clock])
    started = time.process_time()
    our_clusters(reduced, k_by_size(len(reduced), ClusterSpec()))
    return time.process_time() - started


CHILDREN: dict[str, tuple[str, Callable[[Clock, argparse.Namespace], float]]] = {
    "moments": ("components by moments, one process", stream_moments),
    "incremental": ("components by IncrementalPCA, float32", stream_incremental),
    "clusters": ("clusters of one group, k by the rule, 1 thread", stream_clusters),
}

if __name__ == "__main__":
    main()
