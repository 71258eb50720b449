"""Reduce: principal components, clusters within each group, names and quality, from sealed embeddings only."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from vidatlas import store as layout
from vidatlas.lock import Lock
from vidatlas.parts import to_parquet
from vidatlas.pipeline.grouped import group_rows, grouped_parquet
from vidatlas.pipeline.model import load_centroids, load_pca, save_centroids, save_pca
from vidatlas.pipeline.planning import RunOptions
from vidatlas.pipeline.subcategories import Tally, subcategory_table, tally
from vidatlas.pipeline.vectors import matrix, read_embeddings, sealed_shards
from vidatlas.quality import Silhouette, silhouette
from vidatlas.recipe import Recipe
from vidatlas.reducers.kmeans import assign, choose_k, fit_clusters, sample_rows
from vidatlas.reducers.moments import Moments, merge_all, moments_of
from vidatlas.reducers.pca import Pca, fit_pca
from vidatlas.store import Files, Store, to_json
from vidatlas.types import Event, Floats, InputError, Json, Listener, Runner

MOST_BLOCKS = 512
"""Most blocks of shards; how they are cut depends on the shards alone, so sums are the same bytes everywhere."""

SealedShard = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class GroupFit:
    """Hold what clustering one group gave."""

    group: str
    rows: int
    centroids: Floats
    silhouette: Silhouette
    notes: tuple[str, ...]


def reduce(recipe: Recipe, atlas: str, runner: Runner, options: RunOptions, listener: Listener) -> Json:
    """Reduce and cluster sealed embeddings; return the sealed stage's entry.

    Raises:
        InputError: an embedding file was altered.
        UsageError: the embeddings are not sealed yet.
    """
    store = Store(atlas)
    embedded = store.stage("embed")
    sealed = store.manifest()["stages"].get("reduce")
    fingerprint = recipe.fingerprint("reduce")
    current = sealed and sealed["upstream"] == embedded["digest"] and sealed["fingerprint"] == fingerprint
    if current and store.intact(sealed["files"]):
        return dict(sealed)
    with Lock(store, options.take_over) as lock:
        store.unseal(["reduce", "publish"])
        shards = list(sealed_shards(embedded))
        files, entry = _reduce(recipe, store, shards, runner, listener)
        lock.confirm()
        entry |= {
            "fingerprint": fingerprint,
            "upstream": embedded["digest"],
            "digest": layout.digest_of(files),
            "files": files,
        }
        store.seal("reduce", entry, recipe.model_dump(mode="json"))
    return entry


def _reduce(
    recipe: Recipe, store: Store, shards: list[SealedShard], runner: Runner, listener: Listener
) -> tuple[Files, Json]:
    spec = recipe.reduce
    blocks = _blocks(shards)
    total = 3 * len(blocks) + 1
    step = _Steps(listener, total)

    summaries = list(step(runner.map(partial(_block_moments, store.url), blocks), "moments"))
    moments = merge_all(moments for moments, _ in summaries)
    rows = _add(counts for _, counts in summaries)
    if not moments.n:
        raise InputError(
            f"{store.url} holds no embedded rows: there is nothing to reduce. "
            f"See the rejects with: vidatlas status {store.url}"
        )
    pca = fit_pca(moments, spec.pca)
    files = save_pca(store, pca)

    for written in step(runner.map(partial(_project_block, store.url), blocks), "projection"):
        files |= written

    names = [name for name, _ in shards]
    jobs = [(group, rows[group]) for group in sorted(rows, key=lambda group: (-rows[group], group))]
    step.total += len(jobs)
    fit = partial(_fit_group, store.url, names, recipe.model_dump(mode="json"))
    fits = sorted(step(runner.map(fit, jobs), "clusters"), key=lambda found: found.group)
    files |= save_centroids(store, [(found.group, found.rows, found.centroids) for found in fits])

    tallies: dict[str, Tally] = {}
    for written, found in step(
        runner.map(partial(_assign_block, store.url, recipe.model_dump(mode="json")), blocks), "assignment"
    ):
        files |= written
        for group, counted in found.items():
            tallies[group] = tallies[group].merge(counted) if group in tallies else counted
    table = subcategory_table({found.group: found for found in fits}, tallies, spec.naming, runner.map)
    files |= store.put(layout.SUBCATEGORIES, to_parquet(table))
    metrics = _metrics(recipe, pca, moments, fits)
    files |= store.put(layout.METRICS, to_json(metrics))
    step.last()
    counts = {
        "rows": moments.n,
        "groups": len(fits),
        "subcategories": table.num_rows,
        "components": len(pca.components),
    }
    return files, {"counts": counts, "notes": [f"{found.group}: {note}" for found in fits for note in found.notes]}


class _Steps:
    """Tell a listener how far the reduction has come."""

    def __init__(self, listener: Listener, total: int) -> None:
        self._listener, self.total, self._done = listener, total, 0

    def __call__(self, items: Iterator[Any], what: str) -> Iterator[Any]:
        self._listener(Event("reduce", self._done, self.total, {"step": what}))
        for item in items:
            self._done += 1
            self._listener(Event("reduce", self._done, self.total, {"step": what}))
            yield item

    def last(self) -> None:
        self._listener(Event("reduce", self.total, self.total, {"step": "done"}))


def _blocks(shards: list[SealedShard]) -> list[list[SealedShard]]:
    size = max(1, -(-len(shards) // MOST_BLOCKS))
    return [shards[at : at + size] for at in range(0, len(shards), size)]


def _add(counts: Iterator[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for group, rows in count.items():
            total[group] = total.get(group, 0) + rows
    return total


def _block_moments(atlas: str, block: list[SealedShard]) -> tuple[Moments, dict[str, int]]:
    store = Store(atlas)
    moments, counts = [], []
    with threadpool_limits(limits=1):
        for shard, facts in block:
            table = read_embeddings(store, shard, facts, ["group", "embedding"])
            moments.append(moments_of(matrix(table["embedding"])))
            counts.append(
                {str(item["values"]): int(item["counts"]) for item in table["group"].value_counts().to_pylist()}
            )
    return merge_all(moments), _add(iter(counts))


def _project_block(atlas: str, block: list[SealedShard]) -> Files:
    """Write reduced vectors sorted by group, one row group each, so that a group is read without the others."""
    store = Store(atlas)
    pca = load_pca(store)
    files: Files = {}
    with threadpool_limits(limits=1):
        for shard, facts in block:
            table = read_embeddings(store, shard, facts, ["id", "group", "embedding"])
            components = pca.transform(matrix(table["embedding"]))
            files |= store.put(layout.reduced(shard), grouped_parquet(table, components))
    return files


def _fit_group(atlas: str, shards: list[str], recipe: Json, job: tuple[str, int]) -> GroupFit:
    """Cluster one group: draw rows by seed, fit, and measure the silhouette on a sample."""
    group, rows = job
    store, spec = Store(atlas), Recipe.model_validate(recipe).reduce
    # A group's draw depends on its name, not on which groups stand beside it.
    seed = spec.clusters.seed + zlib.crc32(group.encode())
    vectors = _draw(store, shards, group, sample_rows(rows, spec.clusters.fit_rows, seed))
    found = fit_clusters(vectors, choose_k(rows, spec.clusters), seed)
    checked = vectors[sample_rows(len(vectors), spec.quality.silhouette_rows, seed + 1)]
    with threadpool_limits(limits=1):
        labels = assign(checked, found.centroids).labels
    return GroupFit(group, rows, found.centroids, silhouette(checked, labels), found.notes)


def _draw(store: Store, shards: list[str], group: str, chosen: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
    pieces, first = [], 0
    for shard in shards:
        block = group_rows(store, shard, group)
        low, high = np.searchsorted(chosen, [first, first + len(block)])
        if high > low:
            pieces.append(block[chosen[low:high] - first])
        first += len(block)
    return np.concatenate(pieces)


def _assign_block(atlas: str, recipe: Json, block: list[SealedShard]) -> tuple[Files, dict[str, Tally]]:
    """Give every row its nearest centroid, in the order of the embeddings, and tally what names are made of."""
    store, parsed = Store(atlas), Recipe.model_validate(recipe)
    centroids = load_centroids(store)
    files: Files = {}
    tallies: dict[str, Tally] = {}
    for shard, facts in block:
        table = read_embeddings(store, shard, facts, parsed.record.stored())
        assigned = _assign_shard(store, shard, table.num_rows, centroids)
        columns = {"id": table["id"], "group": table["group"], **assigned}
        files |= store.put(layout.assignments(shard), to_parquet(pa.table(columns)))
        for group, counted in tally(table, assigned, parsed.record, parsed.reduce.naming).items():
            tallies[group] = tallies[group].merge(counted) if group in tallies else counted
    return files, tallies


def _assign_shard(store: Store, shard: str, rows: int, centroids: Mapping[str, Floats]) -> dict[str, pa.Array]:
    reduced = pq.read_table(io.BytesIO(store.read(layout.reduced(shard))))
    groups, order = reduced["group"].to_numpy(zero_copy_only=False), reduced["row"].to_numpy()
    components = matrix(reduced["components"])
    labels, distances, margins = np.full(rows, -1, np.int32), np.empty(rows, np.float32), np.empty(rows, np.float32)
    with threadpool_limits(limits=1):
        for group in dict.fromkeys(groups.tolist()):
            where = np.flatnonzero(groups == group)
            found = assign(components[where], centroids[group])
            at = order[where]
            labels[at], distances[at], margins[at] = found.labels, found.distances, found.margins
    return {
        "subcategory": pa.array(labels),
        "distance": pa.array(distances),
        "margin": pa.array(margins, from_pandas=True),
    }


def _metrics(recipe: Recipe, pca: Pca, moments: Moments, fits: list[GroupFit]) -> Json:
    ratio = [float(share) for share in pca.explained_variance_ratio]
    groups = {
        found.group: {
            "rows": found.rows,
            "subcategories": len(found.centroids),
            "silhouette": found.silhouette.mean,
            "silhouette_rows": found.silhouette.rows,
            "notes": list(found.notes),
        }
        for found in fits
    }
    return {
        "rows": moments.n,
        "explained_variance": {"components": len(ratio), "total": sum(ratio), "ratio": ratio},
        "silhouette": {
            "sample": f"at most {recipe.reduce.quality.silhouette_rows:,} rows of each "
            f"group, drawn by seed {recipe.reduce.clusters.seed}",
            "space": f"the {len(ratio)} principal components, Euclidean",
        },
        "groups": groups,
    }
