"""The levels above the subcategories: few nodes, no single child, names from their members, nothing lost."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

import numpy as np
import pytest

import vidatlas
from vidatlas.naming.names import NamingSpec
from vidatlas.naming.sample import draw
from vidatlas.pipeline.reduce.levels import cuts, level_table, merged_tally, nodes_of
from vidatlas.pipeline.reduce.subcategories import Tally

SERIAL = vidatlas.Options(runner="serial")


def points(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [
        (60, (20, 5), [5, 20]),
        (200, (60, 59, 9, 8), [2, 6, 20, 60]),
        (30, (8,), [8]),
        (12, (8,), [4]),
        (6, (40, 20, 8), [2]),
        (5, (8,), []),
        (0, (8,), []),
        (60, (), []),
    ],
)
def test_a_level_has_few_nodes_and_none_has_a_single_child(
    count: int, most: tuple[int, ...], expected: list[int], seed: int
) -> None:
    sizes = np.random.default_rng(seed).integers(1, 90, count).tolist()
    found = cuts(points(count, seed), sizes, most)
    assert list(map(len, found)) == expected
    for clusters in found:
        assert sorted(label for members in clusters for label in members) == list(range(count))
    nodes = list(nodes_of(found))
    assert [node.number for node in nodes] == list(range(len(nodes)))
    for node in nodes:
        inside = [set(other.members) for other in nodes if other.parent == node.number]
        assert all(members < set(node.members) for members in inside)
        alone = set(node.members).difference(*inside)
        assert len(inside) + len(alone) > 1


def test_a_node_that_is_not_split_at_the_next_level_stands_once() -> None:
    levels = [[(0, 1, 2), (3, 4)], [(0, 1, 2), (3,), (4,)], [(0, 1), (2,), (3,), (4,)]]
    found = [(node.level, node.number, node.parent, node.members) for node in nodes_of(levels)]
    assert found == [(1, 0, None, (0, 1, 2)), (1, 1, None, (3, 4)), (3, 2, 0, (0, 1))]


def test_levels_are_cuts_of_one_tree_in_whatever_order_they_are_asked_for() -> None:
    sizes = [1] * 40
    assert cuts(points(40), sizes, (4, 13)) == cuts(points(40), sizes, (13, 4))
    broad, fine = cuts(points(40), sizes, (4, 13))
    assert (len(broad), len(fine)) == (4, 13)
    for members in fine:
        assert sum(set(members) <= set(wider) for wider in broad) == 1


def made(labels: dict[int, tuple[str, int]]) -> Tally:
    """Return a tally of subcategories: of each a word of its titles, and its size; every fourth video is far away."""
    sample = {
        label: sorted(
            draw(
                f"{label}-{at}",
                f"channel {at}",
                [f"{'distant' if at % 4 == 3 else word}"],
                [],
                9.0 * (at % 4 == 3),
            )
            for at in range(size)
        )
        for label, (word, size) in labels.items()
    }
    sizes = Counter({label: size for label, (_, size) in labels.items()})
    return Tally(NamingSpec(), sizes, {}, sample, {}, {label: [] for label in labels})


def test_a_node_is_named_after_the_core_of_its_members_and_counts_all_of_them() -> None:
    tally = made(
        {
            0: ("guitar", 40),
            2: ("guitar", 8),
            3: ("guitar", 12),
            5: ("castle", 20),
            6: ("castle", 24),
            9: ("castle", 16),
        }
    )
    places = np.zeros((10, 2), np.float32)
    places[:, 0] = [0, 99, 0.1, 0.2, 99, 9, 9.1, 99, 99, 9.2]
    table = level_table({"a": places}, {"a": tally}, (8,), NamingSpec(), map)
    rows = {row["name"]: row for row in table.to_pylist()}
    assert {name: row["subcategories"] for name, row in rows.items()} == {"guitar": [0, 2, 3], "castle": [5, 6, 9]}
    assert [(row["level"], row["parent"], row["size"], row["share"]) for row in rows.values()] == [
        (1, None, 60, 0.5)
    ] * 2
    assert [row["coverage"] for row in rows.values()] == [0.75, 0.75], "of all members, not of their core alone"


def test_the_sample_of_a_node_is_that_of_its_videos() -> None:
    tally = made({0: ("guitar", 400), 1: ("castle", 100)})
    found = merged_tally(tally, [(0, 1)])
    assert len(found.sample[0]) == 300
    ranks = sorted(video.rank for label in (0, 1) for video in tally.sample[label])
    assert [video.rank for video in found.sample[0]] == ranks[:300]


@pytest.mark.parametrize("levels", [[6, 2], []])
def test_levels_of_an_atlas_add_up_and_change_no_cluster(levels: list[int], small_atlas: Any, tmp_path: Any) -> None:
    url = str(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    vidatlas.reduce(url, {"reduce.clusters.k": 18}, SERIAL)
    before = vidatlas.open_atlas(url).assignments()
    vidatlas.reduce(url, {"reduce.clusters.k": 18, "reduce.clusters.levels": levels}, SERIAL)
    vidatlas.verify(url)
    atlas = vidatlas.open_atlas(url)
    assert atlas.assignments().equals(before)
    subs, nodes = atlas.subcategories().set_index(["group", "subcategory"]), atlas.levels()
    assert bool(len(nodes)) == bool(levels)
    for node in nodes.itertuples():
        inside = [subs.loc[(node.group, label)] for label in node.subcategories]
        assert node.size == sum(sub["size"] for sub in inside)
        assert all(node.name in sub["levels"] for sub in inside)
    assert sum(map(len, subs["levels"])) == sum(map(len, nodes["subcategories"]))


def test_the_videos_outside_the_core_are_counted(small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    subs, placed = atlas.subcategories().set_index(["group", "subcategory"]), atlas.assignments()
    reach = [subs.loc[home, "core_distance"] for home in zip(placed["in_group"], placed["subcategory"], strict=True)]
    far = placed[placed["distance"] > reach].groupby(["in_group", "subcategory"]).size()
    assert subs["peripheral"].to_dict() == {home: far.get(home, 0) for home in subs.index}
    assert 0 < far.sum() <= len(placed) / 4
