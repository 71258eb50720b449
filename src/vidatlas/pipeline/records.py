"""A shard's rows as one Arrow table: kept records and rejects side by side, so that nothing vanishes on the way."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vidatlas.fields import RecordSpec, parse_line, parse_row
from vidatlas.sources.shards import shard_lines
from vidatlas.types import Reason, Record, Shard

RAW_CHARS = 200
"""Characters of a rejected line that are kept with its reason."""


def schema(spec: RecordSpec) -> pa.Schema:
    """Return the schema of rows: line number, what is stored of a record, a reject's reason and line."""
    stored = [(name, pa.list_(pa.string()) if name in spec.fields else pa.string()) for name in spec.stored()]
    return pa.schema([("line", pa.int64()), *stored, ("reason", pa.string()), ("raw", pa.string())])


def read_shard(shard: Shard, spec: RecordSpec) -> pa.Table:
    """Return one row per line of the shard; kept records have no reason.

    Raises:
        InputError: the part is gone or changed since it was planned.
    """
    duplicates = frozenset(shard.duplicates)
    rows = []
    for index, line in enumerate(shard_lines(shard)):
        parsed = _parse(line, spec)
        if index in duplicates and isinstance(parsed, Record):
            parsed = Reason.DUPLICATE_ID
        rows.append(_row(shard.first_row + index + 1, line, parsed, spec))
    table = pa.Table.from_pylist(rows, schema=schema(spec))
    return table.replace_schema_metadata({"shard": shard.name, "rows": str(shard.rows)})


def _parse(line: bytes | None, spec: RecordSpec) -> Record | Reason:
    if line is None:
        return Reason.LINE_TOO_LONG
    row = parse_line(line)
    return row if isinstance(row, Reason) else parse_row(row, spec)


def _row(number: int, line: bytes | None, parsed: Record | Reason, spec: RecordSpec) -> dict[str, Any]:
    if isinstance(parsed, Record):
        texts = dict(zip(spec.fields, parsed.texts, strict=True))
        author = {"author": parsed.author or None} if spec.author else {}
        image = {"image": parsed.image or None} if spec.image else {}
        return {"line": number, "id": parsed.id, "group": parsed.group, **author, **image, **texts}
    raw = (line or b"")[: 4 * RAW_CHARS].decode("utf-8", "backslashreplace")[:RAW_CHARS]
    return {"line": number, "reason": str(parsed), "raw": raw}


def kept(table: pa.Table) -> pa.Table:
    """Return the records of a table of rows."""
    return table.filter(pc.is_null(table["reason"])).drop_columns(["reason", "raw"]).combine_chunks()


def rejected(table: pa.Table) -> tuple[bytes, dict[str, int]]:
    """Return the rejects among rows as gzipped JSON lines (empty where there are none), and counted by reason."""
    rows = table.filter(pc.is_valid(table["reason"])).select(["line", "reason", "raw"]).to_pylist()
    counts = Counter(row["reason"] for row in rows)
    text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
    return gzip.compress(text.encode(), mtime=0) if rows else b"", dict(sorted(counts.items()))


def texts_of(table: pa.Table, name: str) -> Any:
    """Return a field's texts as one list<string> array without gaps."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.list_(pa.string()))
    return pc.fill_null(column, [])


def titles_of(table: pa.Table, name: str, rows: NDArray[np.int64]) -> list[str]:
    """Return the title of some rows of a shard of embeddings; the first where the field has several, "" where none."""
    found = table[name].take(rows).to_pylist()
    return [(value[0] if value else "") if isinstance(value, list) else value or "" for value in found]
