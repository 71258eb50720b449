"""The first pass of the reduction: principal components from all vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.pipeline.grouped import Places
from vidatlas.pipeline.vectors import matrix, read_embeddings
from vidatlas.reducers.incremental import fit_incremental
from vidatlas.reducers.moments import Moments, merge_all, moments_of
from vidatlas.reducers.pca import Pca, PcaSpec
from vidatlas.store import Store
from vidatlas.threads import one_thread

MOST_BLOCKS = 512
"""Most blocks of shards; how they are cut depends on the shards alone, so sums are the same bytes everywhere."""
ALL = "(all)"
"""The one group there is where clusters are made over all groups."""

SealedShard = tuple[str, Mapping[str, Any]]
Counted = tuple[str, dict[str, int]]
"""A shard and its rows by group."""


def blocks_of(shards: list[SealedShard]) -> list[list[SealedShard]]:
    """Cut shards into at most 512 runs."""
    size = max(1, -(-len(shards) // MOST_BLOCKS))
    return [shards[at : at + size] for at in range(0, len(shards), size)]


def block_moments(atlas: str, block: list[SealedShard]) -> tuple[Moments, list[Counted]]:
    """Return the moments of a block's vectors and the rows of its shards by group."""
    moments: list[Moments] = []
    counts: list[Counted] = []
    with one_thread():
        for vectors in _vectors(Store(atlas), block, counts):
            moments.append(moments_of(vectors))
    return merge_all(moments), counts


def counted_shards(store: Store, block: list[SealedShard]) -> list[Counted]:
    """Return the rows of some shards by group, without reading their vectors."""
    return [(shard, _rows_by_group(read_embeddings(store, shard, facts, ["group"]))) for shard, facts in block]


def incremental_pca(atlas: str, spec: PcaSpec, shards: list[SealedShard]) -> tuple[Pca, list[Counted]]:
    """Return the components that IncrementalPCA finds in all shards, in order, and their rows by group."""
    counts: list[Counted] = []
    pca = fit_incremental(_vectors(Store(atlas), shards, counts), spec)
    return pca, counts


def _vectors(store: Store, shards: list[SealedShard], counts: list[Counted]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield each shard's vectors float16 [n, dim]; add its rows by group to the counts."""
    for shard, facts in shards:
        table = read_embeddings(store, shard, facts, ["group", "embedding"])
        counts.append((shard, _rows_by_group(table)))
        yield matrix(table["embedding"])


def _rows_by_group(table: pa.Table) -> dict[str, int]:
    return {str(item["values"]): int(item["counts"]) for item in table["group"].value_counts().to_pylist()}


def places_of(counts: list[Counted], within: str) -> dict[str, Places]:
    """Return, per group that is clustered, where its rows lie."""
    found: dict[str, Places] = {}
    for shard, rows in counts:
        together = {ALL: sum(rows.values())} if rows else {}
        for group, number in (together if within == "all" else rows).items():
            found.setdefault(group, []).append((shard, number))
    return found
