"""Components of all vectors: fitted in one pass, then every shard's vectors and words projected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from vidatlas.decomposition.incremental import fit_incremental
from vidatlas.decomposition.lexical import hash_words
from vidatlas.decomposition.pca import Moments, Pca, PcaSpec, merge_all, moments_of
from vidatlas.pipeline.reduce.assignments import ALL
from vidatlas.pipeline.reduce.models import load_lexical, load_reducer
from vidatlas.recipe import Recipe
from vidatlas.sources.fields import TextField
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import Places, SealedShard, grouped_parquet, matrix, read_embeddings
from vidatlas.threads import one_thread
from vidatlas.types import Floats

Counted = tuple[str, dict[str, int]]
"""A shard and its rows by group."""


def block_moments(store: Store, block: list[SealedShard]) -> tuple[Moments, list[Counted]]:
    """Return the moments of a block's vectors and the rows of its shards by group."""
    moments: list[Moments] = []
    counts: list[Counted] = []
    with one_thread():
        for vectors in _vectors(store, block, counts):
            moments.append(moments_of(vectors))
    return merge_all(moments), counts


def counted_shards(store: Store, block: list[SealedShard]) -> list[Counted]:
    """Return the rows of some shards by group, without reading their vectors."""
    return [(shard, _rows_by_group(read_embeddings(store, shard, facts, ["group"]))) for shard, facts in block]


def incremental_pca(store: Store, spec: PcaSpec, shards: list[SealedShard]) -> tuple[Pca, list[Counted]]:
    """Return the components that IncrementalPCA finds in all shards, in order, and their rows by group."""
    counts: list[Counted] = []
    pca = fit_incremental(_vectors(store, shards, counts), spec)
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


def words_of_rows(table: pa.Table, fields: Mapping[str, TextField], buckets: int) -> scipy.sparse.csr_array:
    """Return the hashed words of each row, float32 [n, buckets], from columns of texts or of lists of texts."""
    return hash_words([(_texts(table[name].to_pylist()), field.weight) for name, field in fields.items()], buckets)


def _texts(column: list[str | list[str] | None]) -> list[str]:
    return [value if isinstance(value, str) else "\n".join(value or ()) for value in column]


class Projection:
    """Turn records into what is clustered: what the reducer makes of vectors and, if the recipe wants them, words."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self._reduced, self._fields = load_reducer(store, recipe), recipe.record.fields
        self._lexical = load_lexical(store) if recipe.reduce.lexical else None

    @property
    def columns(self) -> list[str]:
        """Return the columns of texts that it needs beside the vectors."""
        return list(self._fields) if self._lexical else []

    def __call__(self, table: pa.Table | None, vectors: NDArray[Any]) -> Floats:
        """Return float32 [n, components] for vectors [n, dim] and their texts."""
        components = self._reduced(vectors)
        if self._lexical is None or table is None:
            return components
        hashed = words_of_rows(table, self._fields, len(self._lexical.idf))
        return np.concatenate([components, self._lexical.transform(hashed)], axis=1)


def project_block(store: Store, recipe: Recipe, block: list[SealedShard]) -> Files:
    """Write reduced vectors sorted by group, one row group each, so that a group is read without the others."""
    project = Projection(store, recipe)
    files: Files = {}
    with one_thread():
        for shard, facts in block:
            table = read_embeddings(store, shard, facts, ["id", "group", "embedding", *project.columns])
            components = project(table, matrix(table["embedding"]))
            files |= store.put(layout.reduced(shard), grouped_parquet(table, components))
    return files
