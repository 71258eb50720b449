"""Reduced vectors on disk: sorted by group, one row group each, so that a group is read without the others."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vidatlas import store as layout
from vidatlas.pipeline.vectors import matrix
from vidatlas.store import Store
from vidatlas.types import Floats

Places = list[tuple[str, int]]
"""The shards that hold rows of a group, in manifest order, and how many each."""


def grouped_parquet(table: pa.Table, components: Floats) -> bytes:
    """Return ids, groups and components as Parquet; ``row`` is each one's place in the embeddings file."""
    groups = table["group"].to_numpy(zero_copy_only=False).astype(str)
    order = np.argsort(groups, kind="stable")
    present = sorted(set(groups.tolist()))
    lists = pa.FixedSizeListArray.from_arrays(pa.array(components[order].reshape(-1)), components.shape[1])
    columns = {
        "id": table["id"].take(order),
        "group": table["group"].take(order),
        "row": pa.array(order.astype(np.int32)),
    }
    data = pa.table({**columns, "components": lists}).replace_schema_metadata({"groups": orjson.dumps(present)})
    out = io.BytesIO()
    options: Any = {
        "compression": "zstd",
        "use_dictionary": ["group"],
        "use_byte_stream_split": ["components.list.element"],
    }
    with pq.ParquetWriter(out, data.schema, write_page_checksum=True, **options) as writer:
        for group in present:
            at = np.searchsorted(groups[order], [group], side="left")[0]
            writer.write_table(data.slice(at, int((groups == group).sum())))
    return out.getvalue()


def group_rows(store: Store, shard: str, group: str | None) -> Floats:
    """Return the reduced vectors of one group in one shard, reading nothing else; of all groups for None."""
    with store.parquet(layout.reduced(shard)) as file:
        if group is None:
            return matrix(file.read(columns=["components"])["components"])
        groups = orjson.loads(file.schema_arrow.metadata[b"groups"])
        if group not in groups:
            return np.empty((0, 0), np.float32)
        return matrix(file.read_row_group(groups.index(group), columns=["components"])["components"])


def ordered_components(store: Store, shard: str) -> Floats:
    """Return a shard's reduced vectors in the order of its embeddings."""
    reduced = store.table(layout.reduced(shard))
    sorted_rows = matrix(reduced["components"])
    components = np.empty_like(sorted_rows)
    components[reduced["row"].to_numpy()] = sorted_rows
    return components


def draw_rows(store: Store, places: Places, group: str | None, chosen: NDArray[np.int64]) -> Floats:
    """Return some rows of a group by their ascending numbers, counted over its places; other shards stay closed."""
    pieces, first = [], 0
    for shard, rows in places:
        low, high = np.searchsorted(chosen, [first, first + rows])
        if high > low:
            pieces.append(group_rows(store, shard, group)[chosen[low:high] - first])
        first += rows
    return np.concatenate(pieces)
