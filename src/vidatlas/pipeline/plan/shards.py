"""Shards of a committed plan, as descriptors that any worker can read from."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.storage import store as layout
from vidatlas.storage.json_files import PartFacts
from vidatlas.storage.store import Store
from vidatlas.types import Mark, SeekPoint, Shard

_NONE = np.empty((0, 2), np.int64)


def load_shards(store: Store) -> list[Shard]:
    """Return the descriptors of every shard of a sealed plan, in order."""
    entry = store.stage("plan")
    duplicates = _of_parts(store.table(layout.DUPLICATES))
    counted = _of_parts(store.table(layout.OCCURRENCES)) if layout.OCCURRENCES in entry["files"] else None
    none, shards = duplicates[""], []
    for part, url in zip(entry["parts"], entry["inputs"], strict=False):  # a limit may leave inputs unread
        facts, table = layout.plan_files(part)[:2]
        rows = duplicates.get(part, none)["row"].to_numpy()
        several = counted.get(part, counted[""]) if counted else None
        shards += descriptors(store.read_json(facts, PartFacts), store.table(table), url, rows, several)
    return shards


def _of_parts(table: pa.Table) -> dict[str, pa.Table]:
    """Return the rows of each part in a table that has them one after the other; none under ""."""
    names = table["part"].to_numpy()
    starts = np.flatnonzero(names[1:] != names[:-1]) + 1
    bounds = [0, *starts.tolist(), len(names)]
    found = {str(names[low]): table.slice(low, high - low) for low, high in pairwise(bounds) if high > low}
    return {"": table.slice(0, 0), **found}


def descriptors(
    facts: PartFacts,
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
                delimiter=facts.get("delimiter", ""),
                encoding=facts.get("encoding", ""),
                marks=tuple(Mark(**mark) for mark in row.get("marks", ())),
                occurrences=tuple((int(at) - first, int(count)) for at, count in counted[begin:end]),
            )
        )
    return shards
