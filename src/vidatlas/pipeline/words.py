"""The lexical part of the reduction: words counted and drawn shard by shard, and joined to the principal components."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from vidatlas import store as layout
from vidatlas.pipeline.grouped import grouped_parquet
from vidatlas.pipeline.model import load_lexical, load_reducer
from vidatlas.pipeline.projecting import SealedShard
from vidatlas.pipeline.vectors import matrix, read_embeddings
from vidatlas.recipe import Recipe
from vidatlas.reducers.kmeans import sample_rows
from vidatlas.reducers.lexical import Lexical, LexicalSpec, document_frequencies, fit_lexical, hash_words
from vidatlas.store import Files, Store
from vidatlas.threads import one_thread
from vidatlas.types import Floats, Json, Runner

Chosen = list[tuple[SealedShard, NDArray[np.int64]]]
"""Shards, and the rows that are drawn of each."""
Steps = Callable[[Iterator[Any], str], Iterable[Any]]


def texts_of_rows(table: pa.Table, fields: Iterable[str]) -> list[str]:
    """Return all texts of each row, one a line, from columns of texts or of lists of texts."""
    columns = [table[name].to_pylist() for name in fields]
    return ["\n".join(_flat(values)) for values in zip(*columns, strict=True)]


def _flat(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        else:
            yield from value or ()


def fit_words(
    recipe: Recipe, spec: LexicalSpec, store: Store, blocks: list[list[SealedShard]], run: tuple[Runner, Steps]
) -> Lexical:
    """Count the words of all shards, draw a sample of records by seed, and find its leading directions."""
    runner, step = run
    data = recipe.model_dump(mode="json")
    counted = list(step(runner.map(partial(_count_block, store.url, data), blocks), "words"))
    frequencies = sum((found for found, _ in counted), np.zeros(spec.buckets, np.int64))
    rows = [number for _, inside in counted for number in inside]
    chosen = choose_rows([shard for block in blocks for shard in block], rows, spec.fit_rows, spec.seed)
    drawn = list(step(runner.map(partial(_draw_shard, store.url, data), chosen), "words"))
    return fit_lexical(scipy.sparse.csr_array(scipy.sparse.vstack(drawn)), frequencies, sum(rows), spec)


def choose_rows(shards: list[SealedShard], rows: list[int], most: int, seed: int) -> Chosen:
    """Draw at most so many of all shards' rows by seed; return the shards that hold any, and which."""
    chosen, first = sample_rows(sum(rows), most, seed), 0
    found: Chosen = []
    for shard, number in zip(shards, rows, strict=True):
        low, high = np.searchsorted(chosen, [first, first + number])
        if high > low:
            found.append((shard, chosen[low:high] - first))
        first += number
    return found


def _hashed(store: Store, recipe: Recipe, shard: SealedShard) -> scipy.sparse.csr_array:
    assert recipe.reduce.lexical
    table = read_embeddings(store, *shard, list(recipe.record.fields))
    return hash_words(texts_of_rows(table, recipe.record.fields), recipe.reduce.lexical.buckets)


def _count_block(atlas: str, recipe: Json, block: list[SealedShard]) -> tuple[NDArray[np.int64], list[int]]:
    store, parsed = Store(atlas), Recipe.model_validate(recipe)
    hashed = [_hashed(store, parsed, shard) for shard in block]
    frequencies = np.stack([document_frequencies(rows) for rows in hashed]).sum(axis=0)
    return np.asarray(frequencies, np.int64), [rows.shape[0] for rows in hashed]


def _draw_shard(atlas: str, recipe: Json, drawn: tuple[SealedShard, NDArray[np.int64]]) -> scipy.sparse.csr_array:
    shard, rows = drawn
    return _hashed(Store(atlas), Recipe.model_validate(recipe), shard)[rows]


class Projection:
    """Turn records into what is clustered: what the reducer makes of vectors and, if the recipe wants them, words."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self._reducer, self._fields = load_reducer(store, recipe), list(recipe.record.fields)
        self._lexical = load_lexical(store) if recipe.reduce.lexical else None

    @property
    def columns(self) -> list[str]:
        """Return the columns of texts that it needs beside the vectors."""
        return self._fields if self._lexical else []

    def __call__(self, table: pa.Table | None, vectors: NDArray[Any]) -> Floats:
        """Return float32 [n, components] for vectors [n, dim] and their texts."""
        components = self._reducer.transform(vectors)
        if self._lexical is None or table is None:
            return components
        hashed = hash_words(texts_of_rows(table, self._fields), len(self._lexical.idf))
        return np.concatenate([components, self._lexical.transform(hashed)], axis=1)


def project_block(atlas: str, recipe: Json, block: list[SealedShard]) -> Files:
    """Write reduced vectors sorted by group, one row group each, so that a group is read without the others."""
    store = Store(atlas)
    project = Projection(store, Recipe.model_validate(recipe))
    files: Files = {}
    with one_thread():
        for shard, facts in block:
            table = read_embeddings(store, shard, facts, ["id", "group", "embedding", *project.columns])
            components = project(table, matrix(table["embedding"]))
            files |= store.put(layout.reduced(shard), grouped_parquet(table, components))
    return files
