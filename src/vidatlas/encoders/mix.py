"""Mix the vectors of a record's texts into one: a weighted mean over fields; each distinct text is encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse
from pydantic import BaseModel

from vidatlas.types import Floats


class MixSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose how mixed vectors are normalised."""

    normalize_fields: bool = False
    """Scale each field's mean to unit length before weighting: otherwise the mean of many different tags is short, and
    counts for less than its weight."""
    normalize: bool = False
    """Scale every record's vector to unit length (a zero vector stays zero)."""


@dataclass(frozen=True, slots=True)
class FieldMix:
    """Hold what is mixed for one field: its texts per record, their maximum length and the field's weight."""

    texts: Any
    """pyarrow list<string> array, one list per record."""
    max_chars: int | None
    weight: float


def distinct_texts(fields: Sequence[FieldMix]) -> tuple[list[str], list[scipy.sparse.csr_array]]:
    """Return the distinct texts of some records, and the weights to mix them.

    The second value has a sparse float32 matrix [records, texts] per field: a row holds, for each text of the
    record, the weight of the field divided by the number of the field's texts; weights of absent fields are
    redistributed, so that a record's rows sum to 1 over all fields.
    """
    records = len(fields[0].texts)
    flat = [_cut(field.texts.flatten(), field.max_chars) for field in fields]
    counts = [np.diff(field.texts.offsets.to_numpy()) for field in fields]
    encoded = pc.dictionary_encode(pa.concat_arrays(flat))
    present = sum(field.weight * (count > 0) for field, count in zip(fields, counts, strict=True))
    shape = (records, len(encoded.dictionary))
    matrices, first = [], 0
    for field, count in zip(fields, counts, strict=True):
        weights = np.repeat(field.weight / (np.maximum(count, 1) * present), count)
        texts = encoded.indices[first : first + len(weights)].to_numpy()
        found = scipy.sparse.csr_array((weights, (np.repeat(np.arange(records), count), texts)), shape=shape)
        matrices.append(found.astype(np.float32))
        first += len(weights)
    return encoded.dictionary.to_pylist(), matrices


def _cut(texts: Any, max_chars: int | None) -> Any:
    texts = texts.cast(pa.string())
    return texts if max_chars is None else pc.utf8_slice_codeunits(texts, 0, max_chars)


def mix(weights: Sequence[scipy.sparse.csr_array], vectors: Floats, spec: MixSpec) -> Floats:
    """Return float32 [records, dim]: each record's weighted mean of the vectors of its texts."""
    if spec.normalize_fields:
        mixed = sum(_shared(field, vectors) for field in weights)
    else:
        mixed = sum(weights[1:], start=weights[0]) @ vectors
    mixed = np.asarray(mixed, np.float32)
    return _unit(mixed) if spec.normalize else mixed


def _shared(field: scipy.sparse.csr_array, vectors: Floats) -> Floats:
    """Return float32 [records, dim]: the direction of a field's mean, as long as the field's share of the record."""
    shares: Floats = np.asarray(field.sum(axis=1), np.float32)
    return np.multiply(_unit(np.asarray(field @ vectors, np.float32)), shares[:, None])


def _unit(rows: Floats) -> Floats:
    """Return the rows with length 1; zero rows stay zero, and NaN stays NaN."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        unit: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length != 0)
    return unit
