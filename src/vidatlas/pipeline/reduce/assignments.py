"""Assignments: where each record was placed, one table per shard with the rows of its embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vidatlas.clustering.kmeans import Assignment
from vidatlas.storage import store as layout
from vidatlas.storage.manifest import ReduceEntry
from vidatlas.storage.store import Store
from vidatlas.storage.tables import SealedShard

ALL = "(all)"
"""The one group that is clustered where ``reduce.clusters.within`` is all."""

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("group", pa.string()),  # as the record has it
        ("in_group", pa.string()),  # the one it was clustered in, as in subcategories.parquet: ALL, or the same
        ("subcategory", pa.int32()),
        ("distance", pa.float32()),  # to the nearest centroid, in the space of the components
        ("margin", pa.float32()),  # how much farther the second nearest is; null where there is none
    ]
)
"""The columns of every atlas. A clusterer may add its own behind them."""
Home = tuple[str, int]
"""The group in which a subcategory was clustered, and its number."""


def clustered_groups(groups: pa.ChunkedArray, within: str) -> NDArray[Any]:
    """Return the group in which each row is clustered, as an array of text [n]."""
    return np.full(len(groups), ALL, object) if within == "all" else groups.to_numpy(zero_copy_only=False)


def assignment_table(
    records: pa.Table, in_groups: NDArray[Any], found: Assignment, more: Mapping[str, pa.Array]
) -> pa.Table:
    """Return the assignments of a shard.

    Args:
        records: its embeddings table, of which ids and groups are kept.
        in_groups: the group in which each row was clustered [n].
        found: subcategory, distance and margin of each row.
        more: further columns, by name.
    """
    columns = {
        "id": records["id"],
        "group": records["group"],
        "in_group": pa.array(in_groups, pa.string()),
        "subcategory": pa.array(found.labels, pa.int32()),
        "distance": pa.array(found.distances, pa.float32()),
        "margin": pa.array(found.margins, pa.float32(), from_pandas=True),
    }
    return pa.table({**{name: columns[name] for name in SCHEMA.names}, **more})


def read_assignments(store: Store, shard: str, reduced: ReduceEntry, columns: list[str] | None = None) -> pa.Table:
    """Return a shard's assignments, its hash verified.

    Args:
        store: of the atlas.
        shard: name of the shard.
        reduced: the manifest's entry of the stage that wrote them.
        columns: which columns, in this order; None for all.
    """
    name = layout.assignments(shard)
    return store.table(name, store.listed(reduced["files"], name), columns)


def count_peripheral(store: Store, reach: Mapping[Home, float], block: list[SealedShard]) -> Counter[Home]:
    """Count the records of some shards that are farther from the centroid than the core of their subcategory."""
    found = Counter[Home]()
    for shard, _ in block:
        table = store.table(layout.assignments(shard), columns=["in_group", "subcategory", "distance"])
        groups, numbers = table["in_group"].combine_chunks().dictionary_encode(), table["subcategory"].to_numpy()
        homes = np.stack([groups.indices.to_numpy(), numbers], axis=1)
        present, at = np.unique(homes, axis=0, return_inverse=True)
        keys = [(groups.dictionary[group].as_py(), number) for group, number in present.tolist()]
        far = table["distance"].to_numpy() > np.array([reach[key] for key in keys], np.float32)[at.reshape(-1)]
        found.update(dict(zip(keys, np.bincount(at.reshape(-1)[far], minlength=len(keys)).tolist(), strict=True)))
    return found
