"""Vectors of a shard: how they are computed from its texts, and the table they are written as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.encoders.given import GivenSpec, GivenVectors
from vidatlas.encoders.mix import FieldMix, distinct_texts, mix
from vidatlas.pipeline.embed.rows import texts_of
from vidatlas.pipeline.plan.inputs import known_inputs
from vidatlas.recipe import Recipe
from vidatlas.search_index import unit
from vidatlas.sources.fields import RecordSpec
from vidatlas.storage.store import Store
from vidatlas.storage.tables import matrix
from vidatlas.types import Encoder, EncodeStats, Floats


def vectors_of(records: pa.Table, recipe: Recipe, encoder: Encoder, stats: EncodeStats, query: bool = False) -> Floats:
    """Return float32 [records, dim]: the recipe's weighted mean of each record's texts.

    Queries use the same rule, but for the prefix, where the encoder has another for them. Given vectors are returned as
    they are, or at unit length with ``mix.normalize``.
    """
    if isinstance(recipe.encoder, GivenSpec) and not query:
        given: Floats = matrix(records["embedding"])
        return unit(given) if recipe.mix.normalize else given
    fields = mixed_fields(records, recipe.record)
    texts, weights = distinct_texts(fields)
    prefix = getattr(recipe.encoder, "query_prefix" if query else "prefix", "")
    vectors = encoder.encode([prefix + text for text in texts] if prefix else texts, stats)
    stats.texts = sum(len(field.texts.flatten()) for field in fields)
    return mix(weights, vectors, recipe.mix)


def planned_vectors(store: Store, recipe: Recipe) -> GivenVectors | None:
    """Return the reader of given vectors as they were planned; None where an encoder makes them."""
    if not isinstance(recipe.encoder, GivenSpec):
        return None
    file = next(iter(recipe.encoder.files), None)
    known = known_inputs(store).get(file) if file else None
    state = (known["bytes"], known["modified"]) if known else None
    dim = store.stage("plan")["vectors"]["dim"]
    return GivenVectors(recipe.encoder.column, file, dim, state, recipe.mix.normalize)


def mixed_fields(records: pa.Table, spec: RecordSpec) -> list[FieldMix]:
    """Return the texts of each field that weighs something, and its weight."""
    return [FieldMix(texts_of(records, name), field.max_chars, field.weight) for name, field in spec.embedded().items()]


def embedding_table(records: pa.Table, spec: RecordSpec, vectors: Floats) -> pa.Table:
    """Return what a shard of embeddings holds: id, group, author if named, the fields' texts, embedding as float16."""
    columns: dict[str, Any] = {name: records[name] for name in spec.stored() if name not in spec.fields}
    for name, field in spec.fields.items():
        texts = texts_of(records, name)
        columns[name] = (
            texts
            if field.separator
            else pa.array([item[0] if item else None for item in texts.to_pylist()], pa.string())
        )
    flat = pa.array(vectors.astype(np.float16).reshape(-1))
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table(columns)
