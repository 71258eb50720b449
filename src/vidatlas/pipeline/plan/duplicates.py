"""Duplicates: ids that occur in more than one row, in one input file or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Hold, of one part, the rows whose id stands in an earlier row, and those whose id stands in later ones too."""

    rows: Rows
    """Ascending: the id stands in an earlier row of this or an earlier part."""
    first: Rows
    """Ascending: the id's first row, where there are more."""
    counts: Rows
    """In how many rows of all parts the id of each of ``first`` stands; rows of one use, not 0, count once."""


def repeats(ids: list[pa.Table], bucket_rows: int = 1 << 24) -> list[Repeats]:
    """Return what is repeated in each part.

    Ids are compared by a 128-bit BLAKE2b digest: among 73 million ids two different ones agree with a chance of 1e-23.
    Memory: the digests are sorted one slice of the hash space at a time, about ``bucket_rows`` rows each.
    """
    total = sum(table.num_rows for table in ids)
    buckets = max(1, -(-total // bucket_rows))
    bounds = np.arange(len(ids) + 1)
    found: list[list[Repeats]] = [[] for _ in ids]
    for bucket in range(buckets):
        slices = [_slice(number, table, bucket, buckets) for number, table in enumerate(ids)]
        part, row, high, low, use = (np.concatenate([piece[axis] for piece in slices]) for axis in range(5))
        order = np.lexsort((row, part, low, high))
        uses = use[np.lexsort((use, low, high))] if len(use) else None
        part, row, high, low = part[order], row[order], high[order], low[order]
        starts = np.flatnonzero(np.r_[True, (high[1:] != high[:-1]) | (low[1:] != low[:-1])][: len(row)])
        sizes = np.diff(np.r_[starts, len(row)])
        counts = sizes if uses is None else _distinct(uses, starts)
        later = np.ones(len(row), bool)
        later[starts] = False
        rows, first = _by_part(np.flatnonzero(later), part), _by_part(starts[sizes > 1], part)
        first_counts = counts[np.searchsorted(starts, first)]
        low, begin = (np.searchsorted(part[chosen], bounds) for chosen in (rows, first))
        for number, pieces in enumerate(found):
            mine, firsts = slice(low[number], low[number + 1]), slice(begin[number], begin[number + 1])
            pieces.append(Repeats(row[rows[mine]], row[first[firsts]], first_counts[firsts]))
    return [_joined(pieces) for pieces in found]


def _distinct(uses: NDArray[np.uint64], starts: Rows) -> Rows:
    """Return how many different values stand in each stretch, sorted within it, that starts at one of ``starts``."""
    new = np.r_[True, uses[1:] != uses[:-1]]
    new[starts] = True
    return np.asarray(np.add.reduceat(new, starts, dtype=np.int64))


def _by_part(chosen: Rows, part: NDArray[np.int32]) -> Rows:
    """Return chosen places sorted by the part they belong to: one sort, however many parts there are."""
    return chosen[np.argsort(part[chosen], kind="stable")]


def _joined(pieces: list[Repeats]) -> Repeats:
    empty = np.empty(0, np.int64)
    rows, first, counts = (
        np.concatenate([empty, *(getattr(piece, name) for piece in pieces)]) for name in ("rows", "first", "counts")
    )
    order = np.argsort(first)
    return Repeats(np.sort(rows), first[order], counts[order])


def duplicate_rows(ids: list[pa.Table], bucket_rows: int = 1 << 24) -> list[Rows]:
    """Return, per part, the rows whose id stands in an earlier row of this or an earlier part."""
    return [found.rows for found in repeats(ids, bucket_rows)]


def _slice(number: int, table: pa.Table, bucket: int, buckets: int) -> tuple[Any, ...]:
    high = table["high"].to_numpy()
    chosen = np.flatnonzero(high % np.uint64(buckets) == bucket)
    row, low = table["row"].to_numpy()[chosen], table["low"].to_numpy()[chosen]
    if "use" not in table.column_names:
        return np.full(len(chosen), number, np.int32), row, high[chosen], low, np.empty(0, np.uint64)
    use, own = table["use"].to_numpy()[chosen], np.uint64(number) << np.uint64(40) | row.astype(np.uint64)
    return np.full(len(chosen), number, np.int32), row, high[chosen], low, np.where(use == 0, own, use)
