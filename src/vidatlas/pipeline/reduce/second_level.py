"""The second level of clusters: every subcategory is split once more, into sub-subcategories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vidatlas.clustering.backends import KMeans
from vidatlas.clustering.choose_k import k_by_size
from vidatlas.clustering.kmeans import Assignment, ClusterSpec, assign, fit_clusters
from vidatlas.naming import NamingSpec
from vidatlas.pipeline.reduce.subcategories import Tally, subcategory_table, tally
from vidatlas.sources.fields import RecordSpec
from vidatlas.threads import one_thread
from vidatlas.types import Floats

Children = Mapping[str, Sequence[Floats]]
"""Per group, per subcategory: centroids float32 [k, components]."""


def fit_children(
    vectors: Floats, centroids: Floats, rows: int, spec: ClusterSpec, seed: int, backend: KMeans
) -> tuple[Floats, ...]:
    """Return per subcategory the centroids float32 [k, dim] of what it is split into, k by "sqrt" of its rows.

    Args:
        vectors: the sample float32 [n, dim] on which the subcategories were fitted.
        centroids: those of the subcategories; each has rows in the sample.
        rows: rows of the whole group.
        spec: how clusters are found.
        seed: as that of the group.
        backend: finds the centroids.
    """
    by_size = spec.model_copy(update={"k": "sqrt"})
    with one_thread():
        labels = assign(vectors, centroids).labels
    found = []
    for label in range(len(centroids)):
        inside = vectors[labels == label]
        k = k_by_size(round(len(inside) * rows / len(vectors)), by_size)
        found.append(fit_clusters(inside, k, seed + label, backend, spec.fitting).centroids)
    return tuple(found)


def assign_children(components: Floats, groups: NDArray[Any], parents: NDArray[Any], children: Children) -> Assignment:
    """Return each row's nearest sub-subcategory inside its subcategory."""
    rows = len(components)
    found = Assignment(np.zeros(rows, np.int32), np.zeros(rows, np.float32), np.zeros(rows, np.float32))
    with one_thread():
        for group in sorted(set(groups.tolist())):
            for label in np.unique(parents[groups == group]).tolist():
                at = np.flatnonzero((groups == group) & (parents == label))
                inside = assign(components[at], children[group][label])
                found.labels[at], found.distances[at] = inside.labels, inside.distances
    return found


def tally_children(
    table: pa.Table, assigned: pa.Table, found: Assignment, record: RecordSpec, spec: NamingSpec
) -> dict[str, Tally]:
    """Return the tally of each subcategory, named "number group", as if it were a group of its own."""
    parents = zip(assigned["subcategory"].to_pylist(), assigned["in_group"].to_pylist(), strict=True)
    keys = [f"{parent} {group}" for parent, group in parents]
    inside = {"in_group": keys, "subcategory": pa.array(found.labels), "distance": pa.array(found.distances)}
    return tally(table, pa.table(inside), record, spec)


def child_table(tallies: Mapping[str, Tally], spec: NamingSpec) -> pa.Table:
    """Return one row per sub-subcategory; columns as for subcategories, and the number inside its subcategory.

    Args:
        tallies: per subcategory, named "number group"; their quality is not measured.
        spec: how names are chosen.
    """
    table = subcategory_table(tallies, {}, spec)
    keys = [key.partition(" ") for key in table["group"].to_pylist()]
    columns = {name: table[name] for name in table.column_names}
    columns |= {
        "group": pa.array([group for _, _, group in keys], pa.string()),
        "subcategory": pa.array([int(parent) for parent, _, _ in keys], pa.int32()),
        "subsubcategory": table["subcategory"],
    }
    order = ["group", "subcategory", "subsubcategory"]
    ordered = pa.table({name: columns[name] for name in dict.fromkeys([*order, *columns])})
    return ordered.sort_by([(name, "ascending") for name in order])
