"""Levels above the subcategories of a category: the Ward tree of their centroids, cut at a few named nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.clustering.ward import ward_labels
from vidatlas.naming.names import Map, NamingSpec
from vidatlas.naming.sample import Drawn
from vidatlas.pipeline.reduce.subcategories import FIGURES, Tally, figures_of, names_of
from vidatlas.types import Floats

EACH = 3
"""Nodes below for each node of a level: a category of fewer than six subcategories can be read without one."""

LEVELS = pa.schema(
    [
        ("group", pa.string()),
        ("level", pa.int32()),  # 1 for the broadest
        ("node", pa.int32()),  # its number within the group
        ("parent", pa.int32()),  # the node that it is in; null where it lies directly in the group
        *FIGURES,
        ("subcategories", pa.list_(pa.int32())),  # their numbers
    ]
)

Members = tuple[int, ...]
"""Numbers of the subcategories of a node, ascending."""


@dataclass(frozen=True, slots=True)
class Node:
    """Hold a node above the subcategories: its level, from 1, its number, and that of the node it is in."""

    level: int
    number: int
    parent: int | None
    members: Members


def cuts(centroids: Floats, sizes: Sequence[int], most: Sequence[int]) -> list[list[Members]]:
    """Return the clusters of subcategories at each height of their Ward tree, the broadest level first.

    Args:
        centroids: float32 [m, dim], of the subcategories.
        sizes: the number of videos of each.
        most: most clusters of each level; a level has at most one for every three of the level below.
    """
    found, below = [], len(sizes)
    for limit in sorted(most, reverse=True):
        k = min(limit, below // EACH)
        if k < 2:
            break
        labels = ward_labels(centroids, np.asarray(sizes, np.int64), k)
        found.append([tuple(np.flatnonzero(labels == label).tolist()) for label in range(k)])
        below = k
    return found[::-1]


def nodes_of(levels: Sequence[Sequence[Members]]) -> Iterator[Node]:
    """Yield the clusters that are nodes: of two or more subcategories, and not the same as the node above."""
    above: dict[int, Node] = {}  # by subcategory, the lowest node so far
    number = 0
    for level, clusters in enumerate(levels, 1):
        for members in clusters:
            parent = above.get(members[0])
            if len(members) > 1 and not (parent and parent.members == members):
                node = Node(level, number, parent.number if parent else None, members)
                above |= dict.fromkeys(members, node)
                number += 1
                yield node


def level_table(
    centroids: Mapping[str, Floats], tallies: Mapping[str, Tally], most: Sequence[int], spec: NamingSpec, each: Map
) -> pa.Table:
    """Return the nodes above the subcategories of each group, the broadest level first; see ``LEVELS``.

    Args:
        centroids: float32 [k, components] of each group's subcategories.
        tallies: what each group's subcategories are made of.
        most: most nodes of a group at each level.
        spec: how names are chosen.
        each: maps a function over the groups, here or on a cluster.
    """
    trees = {}
    for group, found in sorted(tallies.items()):
        labels = sorted(found.sizes)
        inside = cuts(centroids[group][labels], [found.sizes[label] for label in labels], most)
        trees[group] = [[tuple(labels[at] for at in members) for members in clusters] for clusters in inside]
    rows: list[dict[str, Any]] = []
    for level in range(1, max(map(len, trees.values()), default=0) + 1):
        # A subcategory that stands alone is no node, but what the others are told from.
        merged = {
            group: merged_tally(tallies[group], tree[level - 1]) for group, tree in trees.items() if len(tree) >= level
        }
        names = names_of(merged, spec, each)
        for group, found in merged.items():
            for node in nodes_of(trees[group]):
                if node.level == level:
                    at = trees[group][level - 1].index(node.members)
                    place = {"group": group, "level": level, "node": node.number, "parent": node.parent}
                    named = figures_of(names[group][at], found.sizes[at], found.sizes.total())
                    rows.append({**place, **named, "subcategories": list(node.members)})
    return pa.Table.from_pylist(rows, schema=LEVELS)


def merged_tally(found: Tally, clusters: Sequence[Members]) -> Tally:
    """Return what clusters of subcategories are made of, by their place in the list."""
    sizes, samples, members = Counter[int](), {}, {}
    for number, inside in enumerate(clusters):
        sizes[number] = sum(found.sizes[label] for label in inside)
        drawn = (video for label in inside for video in _ranked(found.sample[label]))
        samples[number] = sorted(drawn)[: found.spec.sample]
        members[number] = sorted(one for label in inside for one in found.members[label])[: found.spec.terms]
    return Tally(found.spec, sizes, {}, samples, {}, members)


def _ranked(sample: Sequence[Drawn]) -> Iterator[Drawn]:
    """Yield a sample with the rank of each distance, from 0 to 1, in its place: the core is that of each member."""
    order = sorted(range(len(sample)), key=lambda at: (sample[at].distance, at))
    for place, at in enumerate(order):
        yield sample[at]._replace(distance=place / len(sample))


def names_above(levels: pa.Table, subcategories: pa.Table) -> pa.Array:
    """Return, for each row of ``subcategories.parquet``, the names of the nodes that it is in, the broadest first."""
    found: dict[tuple[str, int], list[str]] = {}
    for node in levels.sort_by("level").to_pylist():
        for label in node["subcategories"]:
            found.setdefault((node["group"], label), []).append(node["name"])
    homes = zip(subcategories["group"].to_pylist(), subcategories["subcategory"].to_pylist(), strict=True)
    return pa.array([found.get(home, []) for home in homes], pa.list_(pa.string()))
