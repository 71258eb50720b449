"""Rows of a shard as one Arrow table, kept records and rejects side by side, so that every row is accounted for."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vidatlas.encoders.given import GivenVectors
from vidatlas.sources.fields import RecordSpec, parse_row
from vidatlas.sources.rows import JSON_LINES, RowSpec
from vidatlas.sources.shards import shard_rows
from vidatlas.sources.values.columns import ARROW, typed
from vidatlas.types import Reason, Record, Shard

RAW_CHARS = 200
"""Characters of a rejected line that are kept with its reason."""


def schema(spec: RecordSpec) -> pa.Schema:
    """Return the schema of rows: line number, what is stored of a record, a reject's reason and line."""
    kinds = {"count": pa.int64(), "labels": pa.list_(pa.string()), **dict.fromkeys(spec.fields, pa.list_(pa.string()))}
    kinds |= {name: ARROW[column.type or "text"] for name, column in spec.columns.items()}
    stored = [(name, kinds.get(name, pa.string())) for name in spec.stored()]
    return pa.schema([("line", pa.int64()), *stored, ("reason", pa.string()), ("raw", pa.string())])


def read_shard(
    shard: Shard, spec: RecordSpec, source: RowSpec = JSON_LINES, given: GivenVectors | None = None
) -> pa.Table:
    """Return one row per row of the shard; kept records have no reason, and in ``embedding`` the vector given, if any.

    Raises:
        InputError: the part, or a file of given vectors, is gone or changed since it was planned.
    """
    source = source.inside(shard.compression, shard.encoding).at(shard.url, shard.delimiter)
    vectors = np.zeros((shard.rows, given.dim), np.float32) if given and given.dim else None
    if given:
        given.require_unchanged()
    duplicates, occurrences = frozenset(shard.duplicates), dict(shard.occurrences)
    rows: list[dict[str, Any]] = []
    for line, raw in shard_rows(shard, source):
        for row in source.read(raw, shard.columns):
            parsed = row if isinstance(row, Reason) else parse_row(row, spec)
            index = len(rows)
            if given and vectors is not None and isinstance(parsed, Record) and isinstance(row, dict):
                found = given.of(shard.first_row + index, row)
                if isinstance(found, Reason):
                    parsed = found
                else:
                    vectors[index] = found
            if index in duplicates and isinstance(parsed, Record):
                parsed = Reason.DUPLICATE_ID
            rows.append(_row((line, raw), parsed, spec, occurrences.get(index, 1)))
    table = pa.Table.from_pylist(rows, schema=schema(spec))
    if vectors is not None:
        table = table.append_column(
            "embedding", pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        )
    return table.replace_schema_metadata({"shard": shard.name, "rows": str(shard.rows)})


def _row(at: tuple[int, bytes | None], parsed: Record | Reason, spec: RecordSpec, count: int) -> dict[str, Any]:
    line, raw = at
    if isinstance(parsed, Record):
        return {"line": line, **_stored(parsed, spec, count)}
    text = (raw or b"")[: 4 * RAW_CHARS].decode("utf-8", "backslashreplace")[:RAW_CHARS]
    return {"line": line, "reason": str(parsed), "raw": text}


def _stored(record: Record, spec: RecordSpec, count: int) -> dict[str, Any]:
    """Return the columns of a record that the atlas holds."""
    author = {"author": record.author or None} if spec.author else {}
    image = {"image": record.image or None} if spec.image else {}
    extra: dict[str, Any] = dict(zip(spec.shown, (text or None for text in record.shown), strict=True))
    for (name, column), cell in zip(spec.columns.items(), record.columns, strict=True):
        extra[name] = typed(cell, column.type or "text")
    labels: dict[str, Any] = {"labels": list(record.labels)} if spec.labels else {}
    counts: dict[str, Any] = {"count": count} if spec.count else {}
    texts = dict(zip(spec.fields, record.texts, strict=True))
    return {"id": record.id, "group": record.group, **author, **image, **labels, **counts, **extra, **texts}


def kept(table: pa.Table) -> pa.Table:
    """Return the records of a table of rows."""
    return table.filter(pc.is_null(table["reason"])).drop_columns(["reason", "raw"]).combine_chunks()


def rejected(table: pa.Table) -> tuple[bytes, dict[str, int]]:
    """Return the rejects among rows as gzipped JSON lines (empty where there are none), and counted by reason."""
    rows = table.filter(pc.is_valid(table["reason"])).select(["line", "reason", "raw"]).to_pylist()
    counts = Counter(row["reason"] for row in rows)
    text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
    packed = gzip.compress(text.encode(), mtime=0)
    # The header's system: Unix up to Python 3.12, unknown since.
    return packed[:9] + b"\x03" + packed[10:] if rows else b"", dict(sorted(counts.items()))


def texts_of(table: pa.Table, name: str) -> Any:
    """Return a field's texts as one list<string> array without gaps; an atlas holds single texts without lists."""
    column = table[name].combine_chunks()
    if pa.types.is_string(column.type):
        return pa.array([[text] if text else [] for text in column.to_pylist()], pa.list_(pa.string()))
    return pc.fill_null(column, [])


def titles_of(table: pa.Table, name: str, rows: NDArray[np.int64]) -> list[str]:
    """Return the title of some rows of a shard of embeddings; the first where the field has several, "" where none."""
    found = table[name].take(rows).to_pylist()
    return [(value[0] if value else "") if isinstance(value, list) else value or "" for value in found]


def notes_of(table: pa.Table, names: Sequence[str], rows: NDArray[np.int64]) -> list[str]:
    """Return in one line each what some rows hold in a recipe's further columns; nothing where it has none."""
    if not names:
        return []
    return [" · ".join(filter(None, row.values())) for row in table.select(names).take(rows).to_pylist()]
