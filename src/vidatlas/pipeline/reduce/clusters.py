"""Clusters of each group: centroids from a sample, then every row assigned to the nearest."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vidatlas.clustering.backends import KMeans, open_backend
from vidatlas.clustering.choose_k import Choice, choose_k
from vidatlas.clustering.dec import DecSpec, soft_labels
from vidatlas.clustering.kinds import AxesClusterer, axes
from vidatlas.clustering.kmeans import Assignment, assign, fit_clusters, sample_rows
from vidatlas.clustering.quality import STABILITY_ROWS, Silhouette, davies_bouldin, silhouette, stability
from vidatlas.pipeline.reduce.assignments import ALL, assignment_table, clustered_groups
from vidatlas.pipeline.reduce.models import DEC, load_centroids
from vidatlas.pipeline.reduce.subcategories import Tally, tally
from vidatlas.recipe import Clusterer, Recipe, ReduceSpec
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import Places, SealedShard, draw_rows, ordered_components, read_embeddings
from vidatlas.threads import one_thread
from vidatlas.types import Backend, Floats, Json


def measure_group(vectors: Floats, centroids: Floats, spec: ReduceSpec, seed: int, backend: KMeans) -> GroupQuality:
    """Return the figures of clusters from vectors float32 [n, dim] of their group, the sample they were fitted on.

    Stability is that of fitting as many clusters anew, with other seeds, on at most ``STABILITY_ROWS`` of the vectors.
    """
    wanted, how = spec.quality, replace(spec.clusters.fitting, starts=1)
    checked = vectors[sample_rows(len(vectors), wanted.silhouette_rows, seed + 1)]
    fitted = vectors[sample_rows(len(vectors), STABILITY_ROWS, seed + 2)]
    again = [
        fit_clusters(fitted, len(centroids), seed + number, backend, how).centroids
        for number in range(wanted.stability_seeds)
    ]
    with one_thread():
        labels = assign(checked, centroids).labels
        runs = [assign(fitted, other).labels for other in again]
    return GroupQuality(silhouette(checked, labels), davies_bouldin(checked, labels), stability(runs))


@dataclass(frozen=True, slots=True)
class GroupQuality:
    """Hold the figures of one group's clusters; None where they are not defined or were not wanted."""

    silhouette: Silhouette
    davies_bouldin: float | None = None
    stability: float | None = None


GroupPlaces = tuple[str, Places]


@dataclass(frozen=True, slots=True)
class GroupFit:
    """Hold what clustering one group gave."""

    group: str
    rows: int
    centroids: Floats
    quality: GroupQuality
    notes: tuple[str, ...]
    choice: Choice


@dataclass(slots=True)
class Placed:
    """Hold what assigning some shards gave."""

    files: Files = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    """By group."""
    inertia: Counter[str] = field(default_factory=Counter)
    """By group: the sum of squared distances."""
    against: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Where clusters are made over all groups: rows by subcategory and group."""
    labelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Where labels are known: rows by subcategory, named "number group", and label; a row counts once for each."""

    def add(self, other: Placed) -> None:
        """Take the next shards; the order is that of the shards, always."""
        self.files |= other.files
        for group, found in other.tallies.items():
            self.tallies[group] = self.tallies[group].merge(found) if group in self.tallies else found
        self.against.update(other.against)
        self.labelled.update(other.labelled)
        for group, squares in other.inertia.items():
            self.inertia[group] += squares


def fit_group(store: Store, recipe: Recipe, backend: Backend, job: GroupPlaces) -> GroupFit:
    """Cluster one group: draw rows by seed, choose k, fit, and measure how good the clusters are."""
    group, places = job
    spec = recipe.reduce
    rows = sum(number for _, number in places)
    # A group's draw depends on its name, not on which groups stand beside it.
    seed = spec.clusters.seed + zlib.crc32(group.encode())
    only = None if spec.clusters.within == "all" else group
    vectors = draw_rows(store, places, only, sample_rows(rows, spec.clusters.fit_rows, seed))
    kmeans = open_backend(backend)
    centroids = _given(store, spec.clusterer, vectors)
    if centroids is not None:
        # Other seeds of k-means on tuned codes would say nothing of the seeds of the tuning.
        unrepeated = spec.model_copy(update={"quality": spec.quality.model_copy(update={"stability_seeds": 0})})
        measured = measure_group(vectors, centroids, unrepeated, seed, kmeans)
        return GroupFit(group, rows, centroids, measured, (), Choice(len(centroids)))
    choice = choose_k(rows, vectors, spec.clusters, seed, kmeans)
    found = fit_clusters(vectors, choice.k, seed, kmeans, spec.clusters.fitting)
    quality = measure_group(vectors, found.centroids, spec, seed, kmeans)
    return GroupFit(group, rows, found.centroids, quality, found.notes, choice)


def _given(store: Store, clusterer: Clusterer, vectors: Floats) -> Floats | None:
    """Return the centroids that a clusterer brings along; None where k-means is to find them."""
    if isinstance(clusterer, DecSpec):
        return store.tensors(DEC)["centroids"]
    return axes(vectors) if isinstance(clusterer, AxesClusterer) else None


def assign_block(store: Store, recipe: Recipe, block: list[SealedShard]) -> Placed:
    """Give every row its nearest centroid, in the order of the embeddings, and tally what names are made of."""
    centroids = load_centroids(store)
    placed = Placed()
    for shard, facts in block:
        table = read_embeddings(store, shard, facts, recipe.record.stored())
        groups = clustered_groups(table["group"], recipe.reduce.clusters.within)
        components = ordered_components(store, shard)
        found = _assign_shard(components, groups, centroids)
        more = _soft(components, recipe.reduce.clusterer, centroids)
        squares, present = np.square(found.distances, dtype=np.float64), sorted(set(groups.tolist()))
        done = Placed(inertia=Counter({group: float(squares[groups == group].sum()) for group in present}))
        if recipe.record.labels:
            done.labelled.update(_labelled(groups, found.labels, table["labels"]))
        if recipe.reduce.clusters.within == "all":
            done.against.update(zip(found.labels.tolist(), table["group"].to_pylist(), strict=True))
        assigned = assignment_table(table, groups, found, more)
        done.tallies = tally(table, assigned, recipe.record, recipe.reduce.naming)
        done.files = store.put_table(layout.assignments(shard), assigned)
        placed.add(done)
    return placed


def _labelled(groups: NDArray[Any], found: NDArray[np.int32], labels: pa.ChunkedArray) -> Iterator[tuple[str, str]]:
    for group, label, known in zip(groups.tolist(), found.tolist(), labels.to_pylist(), strict=True):
        yield from ((f"{label} {group}", name) for name in known or ())


def _soft(components: Floats, spec: Clusterer, centroids: Mapping[str, Floats]) -> Json:
    """Return the columns of records that belong to several subcategories, more or less."""
    if isinstance(spec, DecSpec):
        with one_thread():
            q = soft_labels(components, centroids[ALL])
        return {"soft": pa.FixedSizeListArray.from_arrays(pa.array(q.reshape(-1)), q.shape[1])}
    if isinstance(spec, AxesClusterer):
        classes = np.argsort(-components, axis=1, kind="stable")[:, : spec.top].astype(np.int32)
        rows = zip(classes.tolist(), np.any(components, axis=1).tolist(), strict=True)
        # Lists of any length: before pyarrow 26, nulls among those of fixed size could not be read back from Parquet.
        lists = pa.array([row if some else None for row, some in rows], pa.list_(pa.int32()))
        # The number itself ranks the records of an axis; their distances to its far centroid hold their lengths too.
        return {"value": pa.array(components.max(axis=1)), "classes": lists}
    return {}


def _assign_shard(components: Floats, groups: NDArray[Any], centroids: Mapping[str, Floats]) -> Assignment:
    rows = len(components)
    found = Assignment(np.full(rows, -1, np.int32), np.empty(rows, np.float32), np.empty(rows, np.float32))
    with one_thread():
        for group in sorted(set(groups.tolist())):
            at = np.flatnonzero(groups == group)
            inside = assign(components[at], centroids[group])
            found.labels[at], found.distances[at], found.margins[at] = inside.labels, inside.distances, inside.margins
    return found
