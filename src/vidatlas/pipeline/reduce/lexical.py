"""Lexical components: words counted and sampled shard by shard, and their leading directions."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from vidatlas.clustering.kmeans import sample_rows
from vidatlas.decomposition.lexical import Lexical, LexicalSpec, document_frequencies, fit_lexical
from vidatlas.pipeline.reduce.components import words_of_rows
from vidatlas.pipeline.stage import Steps
from vidatlas.recipe import Recipe
from vidatlas.storage.store import Store
from vidatlas.storage.tables import SealedShard, read_embeddings, split_rows

Chosen = list[tuple[SealedShard, NDArray[np.int64]]]
"""Shards, and the rows that are drawn of each."""


def fit_words(recipe: Recipe, store: Store, blocks: list[list[SealedShard]], steps: Steps) -> Lexical:
    """Count the words of all shards, draw a sample of records by seed, and find its leading directions."""
    spec = _spec(recipe)
    counted = list(steps.of("counting words").map(partial(_count_block, store, recipe), blocks))
    frequencies = sum((found for found, _ in counted), np.zeros(spec.buckets, np.int64))
    rows = [number for _, inside in counted for number in inside]
    shards = [shard for block in blocks for shard in block]
    chosen = choose_rows(list(zip(shards, rows, strict=True)), spec.fit_rows, spec.seed)
    drawn = list(steps.of("sampling words", "shards").map(partial(_draw_shard, store, recipe), chosen))
    return fit_lexical(scipy.sparse.csr_array(scipy.sparse.vstack(drawn)), frequencies, sum(rows), spec)


def choose_rows(counted: list[tuple[SealedShard, int]], most: int, seed: int) -> Chosen:
    """Draw at most so many of all shards' rows by seed; return the shards that hold any, and which."""
    return list(split_rows(counted, sample_rows(sum(rows for _, rows in counted), most, seed)))


def _hashed(store: Store, recipe: Recipe, shard: SealedShard) -> scipy.sparse.csr_array:
    table = read_embeddings(store, *shard, list(recipe.record.fields))
    return words_of_rows(table, recipe.record.fields, _spec(recipe).buckets)


def _spec(recipe: Recipe) -> LexicalSpec:
    assert recipe.reduce.lexical
    return recipe.reduce.lexical


def _count_block(store: Store, recipe: Recipe, block: list[SealedShard]) -> tuple[NDArray[np.int64], list[int]]:
    hashed = [_hashed(store, recipe, shard) for shard in block]
    frequencies = np.stack([document_frequencies(rows) for rows in hashed]).sum(axis=0)
    return np.asarray(frequencies, np.int64), [rows.shape[0] for rows in hashed]


def _draw_shard(store: Store, recipe: Recipe, drawn: tuple[SealedShard, NDArray[np.int64]]) -> scipy.sparse.csr_array:
    shard, rows = drawn
    return _hashed(store, recipe, shard)[rows]
