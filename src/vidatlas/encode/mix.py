"""A record's vector is the weighted mean of its fields' texts; each distinct text is encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse
from pydantic import BaseModel, ConfigDict

from vidatlas.types import Floats


class MixSpec(BaseModel):
    """Say what happens to a record's mixed vector."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    normalize: bool = False
    """Scale every record's vector to unit length (a zero vector stays zero)."""


@dataclass(frozen=True, slots=True)
class FieldMix:
    """Give one field's texts per record, where they are cut, and the field's weight."""

    texts: Any
    """pyarrow list<string> array, one list per record."""
    max_chars: int | None
    weight: float


def distinct_texts(fields: Sequence[FieldMix]) -> tuple[list[str], scipy.sparse.csr_array]:
    """Return the distinct texts of some records, and how records are mixed of them.

    The second value is a sparse float32 matrix [records, texts]: a row holds, for each text of the record, the weight
    of its field divided by the number of the field's texts; weights of absent fields are shared out, so that every row
    sums to 1.
    """
    records = len(fields[0].texts)
    flat = [_cut(field.texts.flatten(), field.max_chars) for field in fields]
    counts = [np.diff(field.texts.offsets.to_numpy()) for field in fields]
    encoded = pc.dictionary_encode(pa.concat_arrays(flat))
    present = sum(field.weight * (count > 0) for field, count in zip(fields, counts, strict=True))
    weights = [
        np.repeat(field.weight / (np.maximum(count, 1) * present), count)
        for field, count in zip(fields, counts, strict=True)
    ]
    rows = np.concatenate([np.repeat(np.arange(records), count) for count in counts])
    shape = (records, len(encoded.dictionary))
    matrix = scipy.sparse.csr_array((np.concatenate(weights), (rows, encoded.indices.to_numpy())), shape=shape)
    return encoded.dictionary.to_pylist(), matrix.astype(np.float32)


def _cut(texts: Any, max_chars: int | None) -> Any:
    texts = texts.cast(pa.string())
    return texts if max_chars is None else pc.utf8_slice_codeunits(texts, 0, max_chars)


def mix(weights: scipy.sparse.csr_array, vectors: Floats, spec: MixSpec) -> Floats:
    """Return float32 [records, dim]: each record's weighted mean of the vectors of its texts."""
    mixed = np.asarray(weights @ vectors, dtype=np.float32)
    if not spec.normalize:
        return mixed
    length = np.linalg.norm(mixed, axis=1, keepdims=True)
    unit: Floats = np.divide(mixed, length, out=np.zeros_like(mixed), where=length > 0)
    return unit
