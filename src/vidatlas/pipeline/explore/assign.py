"""Assign new videos to the subcategories of an existing atlas, embedded as its own were."""

from __future__ import annotations

import gzip
from collections import Counter
from os import fspath

import numpy as np
import pyarrow as pa

from vidatlas.clustering.kmeans import Assignment
from vidatlas.clustering.kmeans import assign as nearest
from vidatlas.encoders.given import GivenVectors
from vidatlas.errors import UsageError
from vidatlas.pipeline.embed.encoder import same_encoder
from vidatlas.pipeline.embed.rows import kept, read_shard, rejected
from vidatlas.pipeline.embed.vectors import planned_vectors, vectors_of
from vidatlas.pipeline.names.accepted import names_of
from vidatlas.pipeline.plan.duplicates import duplicate_rows
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.pipeline.reduce.assignments import SCHEMA, assignment_table
from vidatlas.pipeline.reduce.components import Projection
from vidatlas.pipeline.reduce.models import load_centroids
from vidatlas.recipe import Recipe, recipe_of
from vidatlas.storage.folder import expand, is_remote, local_path
from vidatlas.storage.store import Store
from vidatlas.threads import one_thread
from vidatlas.types import EncodeStats, Floats, Json, Place

SHARD_ROWS = 10_000


def assign(atlas: Place, new: Place, out: Place, limit: int | None = None) -> Json:
    """Write one row per usable record of ``new`` to the Parquet file ``out``; return the counts.

    Columns: id, group (as given), in_group (where it was placed), subcategory, distance, margin, name. A record of a
    group that the atlas does not know is placed in the nearest subcategory of all. Rejected rows go to ``out`` with
    ``.rejects.jsonl.gz`` in place of its ending.

    Raises:
        UsageError: ``out`` does not end in .parquet, or its folder does not exist.
        InputError: ``new`` is absent or damaged.
        ConflictError: the encoder on this machine is not the one the atlas was made with.
    """
    if not fspath(out).endswith(".parquet"):
        raise UsageError(f"{out}: the assignments are written as Parquet: name a file that ends in .parquet")
    if not is_remote(fspath(out)) and not local_path(fspath(out)).parent.is_dir():
        raise UsageError(f"{out}: there is no such folder. Make it first, or name another file.")
    store = Store(atlas)
    store.stage("reduce")
    recipe = recipe_of(store)
    encoder = same_encoder(store, recipe)
    given = _given(store, recipe)
    model = _Model(store, recipe)
    found = expand(fspath(new))
    if len(found) != 1:
        raise UsageError(f"{new} matches {len(found)} files. Name one file; assign each on its own.")
    url = found[0]
    part = plan_part(url, PlanSpec(recipe.record, SHARD_ROWS, limit, recipe.rows, given, alone=False))
    tables, lost, reasons = [], [], Counter[str]()
    for shard in descriptors(part.facts, part.shards, url, duplicate_rows([part.ids])[0]):
        rows = read_shard(shard, recipe.record, recipe.rows, given)
        records = kept(rows)
        tables.append(model.place(records, vectors_of(records, recipe, encoder, EncodeStats())))
        data, counts = rejected(rows)
        lost.append(gzip.decompress(data) if data else b"")
        reasons.update(counts)
    placed = pa.concat_tables(tables) if tables else model.place(None, np.empty((0, encoder.dim), np.float32))
    _write(fspath(out), placed, b"".join(lost))
    return {"read": part.facts["rows"], "placed": placed.num_rows, "rejects": dict(sorted(reasons.items()))}


def _given(store: Store, recipe: Recipe) -> GivenVectors | None:
    """Return the reader of new rows' vectors where those of the atlas were given.

    Raises:
        UsageError: they were in a .npy file, which has none of new rows.
    """
    found = planned_vectors(store, recipe)
    if found and found.file:
        raise UsageError(
            f"the vectors of {store.url} are those of {found.file}, which has none for new rows. "
            "Make an atlas whose vectors are in a column (encoder.column) to assign new rows."
        )
    return found


class _Model:
    """Project and place vectors as the atlas's own were."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self._project = Projection(store, recipe)
        self._centroids = load_centroids(store)
        self._names = names_of(store)
        self._everywhere = np.concatenate(list(self._centroids.values()))
        self._homes = [(group, label) for group, found in self._centroids.items() for label in range(len(found))]

    def place(self, records: pa.Table | None, vectors: Floats) -> pa.Table:
        """Return the assignments of records, each with the name of its subcategory."""
        groups = records["group"].to_pylist() if records else []
        homes: list[tuple[str, int]] = [("", 0)] * len(groups)
        distances, margins = np.empty(len(groups), np.float32), np.empty(len(groups), np.float32)
        with one_thread():
            # The atlas's own vectors went through float16 on their way to the disk.
            components = self._project(records, vectors.astype(np.float16))
            for group in dict.fromkeys(groups):
                where = np.flatnonzero(np.array(groups, dtype=object) == group)
                known = self._homes_of(group)
                found = nearest(components[where], self._centroids.get(group, self._everywhere))
                distances[where], margins[where] = found.distances, found.margins
                for row, label in zip(where, found.labels, strict=True):
                    homes[row] = known[label]
        in_groups = np.array([home[0] for home in homes], object)
        found = Assignment(np.array([home[1] for home in homes], np.int32), distances, margins)
        names = pa.array([self._names[home] for home in homes], pa.string())
        return assignment_table(records or SCHEMA.empty_table(), in_groups, found, {"name": names})

    def _homes_of(self, group: str) -> list[tuple[str, int]]:
        if group not in self._centroids:
            return self._homes
        return [(group, label) for label in range(len(self._centroids[group]))]


def _write(out: str, placed: pa.Table, lost: bytes) -> None:
    place = out if is_remote(out) else str(local_path(out))
    folder, name = place.rsplit("/", 1)
    target = Store(folder or "/")
    target.put_table(name, placed)
    if lost:
        target.put(name.removesuffix(".parquet") + ".rejects.jsonl.gz", gzip.compress(lost, mtime=0))
