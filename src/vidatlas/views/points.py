"""The points of a map in a compact form: a few bytes each, in an order of which any beginning is a fair sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidatlas.types import Floats

_STEPS = 65_535


@dataclass(frozen=True, slots=True)
class Points:
    """Hold points of a map in the order of their keys; the first ones have titles."""

    keys: NDArray[np.float64]
    """Drawn at random, [n], ascending: the first points are a fair sample of all."""
    places: NDArray[np.uint16]
    """[n, 2]: 0 is -1, 65,535 is 1."""
    codes: NDArray[np.int64]
    """[n]: the number of each one's subcategory."""
    titles: tuple[str, ...]
    """Of the first points; as many as were asked for."""
    notes: tuple[str, ...] = ()
    """What is shown below each of the titles; none where a recipe shows nothing further."""


def quantised(positions: Floats) -> NDArray[np.uint16]:
    """Return positions within [-1, 1] as whole numbers."""
    return np.round((positions.astype(np.float64) + 1) * (_STEPS / 2)).astype(np.uint16)


def merge_points(pieces: Sequence[Points]) -> Points:
    """Return all points sorted by key."""
    if not pieces:
        none = np.empty(0, np.int64)
        return Points(np.empty(0), np.empty((0, 2), np.uint16), none, ())
    keys = np.concatenate([piece.keys for piece in pieces])
    order = np.argsort(keys, kind="stable")
    return Points(
        keys[order],
        np.concatenate([piece.places for piece in pieces])[order],
        np.concatenate([piece.codes for piece in pieces])[order],
        _by_key((piece.keys, piece.titles) for piece in pieces),
        _by_key((piece.keys, piece.notes) for piece in pieces),
    )


def _by_key(pieces: Iterable[tuple[NDArray[np.float64], tuple[str, ...]]]) -> tuple[str, ...]:
    """Return the texts of the first points of each piece in the order of their keys."""
    pairs = sorted(pair for keys, texts in pieces for pair in zip(keys, texts, strict=False))
    return tuple(text for _, text in pairs)
