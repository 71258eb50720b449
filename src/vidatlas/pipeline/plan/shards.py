"""Shards of a committed plan, as descriptors that any worker can read from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vidatlas.storage import store as layout
from vidatlas.storage.store import INPUTS, Store
from vidatlas.types import Json, Mark, SeekPoint, Shard

_NONE = np.empty((0, 2), np.int64)


def known_inputs(store: Store) -> Json:
    """Return where each part lay when it was planned, and what it looked like."""
    return dict(store.read_json(INPUTS)) if store.folder.size(INPUTS) is not None else {}


def load_shards(store: Store) -> list[Shard]:
    """Return the descriptors of every shard of a sealed plan, in order."""
    entry = store.stage("plan")
    where = {facts["part"]: url for url, facts in known_inputs(store).items() if url in entry["inputs"]}
    duplicates = store.table(layout.DUPLICATES)
    counted = store.table(layout.OCCURRENCES) if layout.OCCURRENCES in entry["files"] else None
    shards = []
    for part in entry["parts"]:
        facts, table = layout.plan_files(part)[:2]
        rows = duplicates.filter(pc.equal(duplicates["part"], part))["row"].to_numpy()
        several = counted.filter(pc.equal(counted["part"], part)).select(["row", "count"]) if counted else None
        shards += descriptors(store.read_json(facts), store.table(table), where[part], rows, several)
    return shards


def descriptors(
    facts: Json,
    table: pa.Table,
    url: str,
    duplicates: np.ndarray[Any, np.dtype[np.int64]],
    several: pa.Table | None = None,
) -> list[Shard]:
    """Return one descriptor per row of a part's shard table.

    Args:
        facts: the part's facts.
        table: its shard table.
        url: where the part lies now.
        duplicates: its rows, ascending, whose id came earlier.
        several: its rows, ascending, whose id comes later too, and the count of all its rows; None where nobody asks.
    """
    shards = []
    counted = np.stack([several[name].to_numpy() for name in ("row", "count")], axis=1) if several else _NONE
    for row in table.to_pylist():
        first, rows = row["first_row"], row["rows"]
        low, high = np.searchsorted(duplicates, [first, first + rows])
        begin, end = np.searchsorted(counted[:, 0], [first, first + rows])
        shards.append(
            Shard(
                part=facts["part"],
                number=row["number"],
                first_row=first,
                rows=rows,
                offset=row["offset"],
                length=row["length"],
                crc32=row["crc32"],
                seek=SeekPoint(row["seek_compressed"], row["seek_uncompressed"], row["seek_bits"], row["seek_window"]),
                url=url,
                compression=facts["compression"],
                duplicates=tuple(int(index) for index in duplicates[low:high] - first),
                first_line=row["first_line"],
                columns=tuple(facts["header"]),
                encoding=facts.get("encoding", ""),
                marks=tuple(Mark(**mark) for mark in row.get("marks", ())),
                occurrences=tuple((int(at) - first, int(count)) for at, count in counted[begin:end]),
            )
        )
    return shards
