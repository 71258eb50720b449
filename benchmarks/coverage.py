"""How many subcategories should a category have? Coverage of their names, and stability, for several rules of k.

Run python -m benchmarks.coverage ATLAS, an atlas of the recipe topics. Its components are clustered again inside each
category with k = FACTOR times the square root of its videos, and named. Coverage is the share of a subcategory's videos
that have a term of its name; stability the adjusted Rand index between three seeds, over categories of 200 videos or
more, each weighing as many as its videos.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from benchmarks.corpus import Labels
from benchmarks.machine import machine
from vidatlas.clustering.backends import open_backend
from vidatlas.clustering.kmeans import Assignment, assign, fit_clusters
from vidatlas.pipeline.reduce.subcategories import subcategory_table, tally
from vidatlas.recipe import Recipe, recipe_of
from vidatlas.storage.store import Store
from vidatlas.storage.tables import ordered_components, read_embeddings, sealed_shards
from vidatlas.types import Floats

FACTORS = (0.4, 0.8, 1.2)
SEEDS = (1, 2, 3)
LEAST = 200
"""Videos of a category whose stability counts."""
Rows = Mapping[str, NDArray[np.int64]]
"""Rows of each category."""


def cluster(vectors: Floats, factor: float, seed: int, recipe: Recipe, starts: int) -> Assignment:
    """Assign a category's vectors [n, dim] to as many clusters as the rule gives."""
    spec = recipe.reduce.clusters.model_copy(update={"starts": starts})
    k = min(max(1, round(factor * math.sqrt(len(vectors)))), spec.max_k)
    return assign(vectors, fit_clusters(vectors, k, seed, open_backend("sklearn"), spec.fitting).centroids)


def stability(vectors: Floats, rows: Rows, factor: float, recipe: Recipe) -> float:
    """Return the mean adjusted Rand index between seeds."""
    total, weight = 0.0, 0
    for own in (own for own in rows.values() if len(own) >= LEAST):
        runs: list[Labels] = [cluster(vectors[own], factor, seed, recipe, 1).labels for seed in SEEDS]
        total += len(own) * float(np.mean([adjusted_rand_score(*pair) for pair in combinations(runs, 2)]))
        weight += len(own)
    return total / weight


def main() -> None:
    """Print a row for each rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("atlas")
    store = Store(parser.parse_args().atlas)
    recipe, shards = recipe_of(store), list(sealed_shards(store.stage("embed")))
    texts = [name for name in recipe.record.stored() if name not in recipe.record.columns]
    table = pa.concat_tables([read_embeddings(store, shard, facts, texts) for shard, facts in shards])
    vectors = np.concatenate([ordered_components(store, shard) for shard, _ in shards])
    groups = np.array(table["group"].to_pylist(), object)
    rows = {str(group): np.flatnonzero(groups == group) for group in sorted(set(groups))}
    print(f"{machine()} · {len(vectors):,} videos\n")
    print("| k | subcategories | coverage, by videos | below 25 %, of videos | stability |")
    print(f"{'|---' * 5}|")
    for factor in FACTORS:
        labels, distances = np.zeros(len(vectors), np.int32), np.zeros(len(vectors), np.float32)
        for group, own in rows.items():
            found = cluster(vectors[own], factor, zlib.crc32(group.encode()), recipe, recipe.reduce.clusters.starts)
            labels[own], distances[own] = found.labels, found.distances
        assigned = pa.table({"in_group": table["group"], "subcategory": labels, "distance": distances})
        named = subcategory_table(tally(table, assigned, recipe.record, recipe.reduce.naming), {}, recipe.reduce.naming)
        sizes, coverage = named["size"].to_numpy(), named["coverage"].to_numpy()
        low = sizes[coverage < 0.25].sum() / sizes.sum()
        print(
            f"| {factor} √n | {len(sizes)} | {np.average(coverage, weights=sizes):.3f} | {low:.1%} | "
            f"{stability(vectors, rows, factor, recipe):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
