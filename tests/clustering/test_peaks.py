"""Peaks of density: every point belongs to the hill it stands on, and there are no more hills than asked for."""

from __future__ import annotations

import numpy as np

from vidatlas.clustering.peaks import CELLS, ascents, basins, cells_of, centre_of, counted, peaks, smoothed

HILLS = np.array([[-0.6, -0.6], [0.6, -0.5], [0.0, 0.7]])


def hills(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    at = np.repeat(np.arange(3), rows)
    return (HILLS[at] + random.normal(0, 0.06, (len(at), 2))).astype(np.float32), at


def test_a_cell_is_where_its_points_are() -> None:
    places = np.array([[-1, -1], [1, 1], [0.31, -0.72]], np.float32)
    for place, cell in zip(places, cells_of(places).tolist(), strict=True):
        assert np.abs(np.array(centre_of(cell)) - place).max() < 0.005
    assert counted(cells_of(places), np.array([1.0, 2.0, 4.0])).sum() == 7


def test_every_point_belongs_to_the_hill_it_stands_on() -> None:
    places, at = hills()
    found = peaks(ascents(cells_of(places), np.ones(len(places))), np.ones(len(places)), 3, 10, 0.01)
    tops = [set(found[at == hill].tolist()) - {-1} for hill in range(3)]
    assert [len(top) for top in tops] == [1, 1, 1]
    assert len(set.union(*tops)) == 3
    for top, hill in zip(tops, HILLS, strict=True):
        assert np.abs(np.array(centre_of(top.pop())) - hill).max() < 0.08


def test_hills_with_too_little_are_none() -> None:
    places, at = hills()
    weights = np.where(at == 2, 0.01, 1.0)
    found = peaks(ascents(cells_of(places), weights), weights, 3, 10, 0.05)
    assert (found[at == 2] == -1).all()
    assert (found[at != 2] >= 0).all()


def test_more_smoothing_leaves_fewer() -> None:
    places, _ = hills()
    ends = ascents(cells_of(places), np.ones(len(places)))
    for most in (1, 2, 3, 30):
        found = peaks(ends, np.ones(len(places)), most, 5, 0.01)
        assert 1 <= len(set(found.tolist()) - {-1}) <= most


def test_a_plain_has_ends_too() -> None:
    """Equal neighbours lead to one another in one direction only."""
    ends = basins(np.ones((CELLS, CELLS)))
    assert (ends[ends] == ends).all()
    assert len(set(basins(smoothed(counted(np.array([5_000, 5_001])), 0.05)).tolist())) < CELLS * CELLS
