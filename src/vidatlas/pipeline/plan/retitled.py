"""Duplicates with another title than the row that is kept: ids that a spreadsheet or JavaScript may have rounded.

The ids of a plan are digests, so a sample of the duplicates is read again, with the rows that are kept in their place.
A digest of each title in the plan would cost 8 bytes per row, a third more, of every atlas.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import numpy as np
import pyarrow as pa

from vidatlas.pipeline.plan.duplicates import Repeats
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.pipeline.stage import Run
from vidatlas.recipe import Recipe
from vidatlas.sources.fields import parse_row
from vidatlas.sources.shards import shard_rows
from vidatlas.sources.values.numbers import EXACT, SCIENTIFIC
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import PartFacts
from vidatlas.storage.manifest import Values
from vidatlas.types import Reason, Shard

MOST_ROWS = 10_000
"""Duplicates that are looked at: the first."""
MOST_SHARDS = 64
"""Shards that are read again for it."""
_NAMED = 3

Row = tuple[str, int]
"""Input file and number of a row."""


def retitled(run: Run, urls: dict[str, str], ids: list[pa.Table], repeated: list[Repeats]) -> Values:
    """Return how many duplicates have another title than the row with their id that is kept; nothing where none has.

    Args:
        run: what the stage was given.
        urls: where each input file lies, by its key, in their order.
        ids: row and digest of the id of each record, by input file.
        repeated: what is repeated in each.
    """
    total = sum(len(found.rows) for found in repeated)
    if not total or run.recipe.record.id is None or run.recipe.source.explode:
        return {}
    homes = _Homes(run, urls)
    pairs = homes.few(_pairs(list(urls), ids, repeated))
    wanted: dict[tuple[str, int], list[int]] = defaultdict(list)
    for part, row in dict.fromkeys(row for pair in pairs for row in pair):
        wanted[homes.of(part, row)].append(row)
    shards = [(homes.shard(*home), rows) for home, rows in wanted.items()]
    read: dict[Row, tuple[str, str]] = {}
    for found in run.runner.map(partial(_titles, run.recipe), shards):
        read |= found
    other = [read[row][0] for row, kept in pairs if _differ(read.get(row), read.get(kept))]
    if not other:
        return {}
    return {
        "retitled": {
            "rows": len(other),
            "ids": list(dict.fromkeys(other))[:_NAMED],
            "rounded": _rounded_by(other),
            "checked": len(pairs),
            "of": total,
        }
    }


def _pairs(parts: list[str], ids: list[pa.Table], repeated: list[Repeats]) -> list[tuple[Row, Row]]:
    """Return the first duplicates, each with the row of the same id that is kept."""
    duplicates: list[tuple[tuple[int, int], Row]] = []
    for part, table, found in zip(parts, ids, repeated, strict=True):
        rows = found.rows[: MOST_ROWS - len(duplicates)]
        duplicates += zip(_digests(table, rows), ((part, int(row)) for row in rows), strict=True)
    wanted = {digest for digest, _ in duplicates}
    high = np.array([digest[0] for digest in wanted], np.uint64)
    kept: dict[tuple[int, int], Row] = {}
    for part, table, found in zip(parts, ids, repeated, strict=True):
        places = np.searchsorted(table["row"].to_numpy(), found.first)
        rows = found.first[np.isin(table["high"].to_numpy()[places], high)]
        kept |= zip(_digests(table, rows), ((part, int(row)) for row in rows), strict=True)
    return [(row, kept[digest]) for digest, row in duplicates]


def _digests(table: pa.Table, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[tuple[int, int]]:
    places = np.searchsorted(table["row"].to_numpy(), rows)
    return list(zip(*(table[name].to_numpy()[places].tolist() for name in ("high", "low")), strict=True))


class _Homes:
    """Find the shard of a row."""

    def __init__(self, run: Run, urls: dict[str, str]) -> None:
        self._run, self._urls = run, urls
        self._tables: dict[str, pa.Table] = {}

    def few(self, pairs: list[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
        """Return the first pairs, as many as lie in so many shards."""
        homes: set[tuple[str, int]] = set()
        for count, pair in enumerate(pairs):
            homes |= {self.of(*row) for row in pair}
            if len(homes) > MOST_SHARDS:
                return pairs[:count]
        return pairs

    def of(self, part: str, row: int) -> tuple[str, int]:
        """Return input file and number of the shard that holds a row."""
        firsts = self._table(part)["first_row"].to_numpy()
        return part, int(np.searchsorted(firsts, row, side="right")) - 1

    def shard(self, part: str, number: int) -> Shard:
        """Return the descriptor of a shard."""
        facts = self._run.store.read_json(layout.plan_files(part)[0], PartFacts)
        table = self._table(part).slice(number, 1)
        return descriptors(facts, table, self._urls[part], np.empty(0, np.int64))[0]

    def _table(self, part: str) -> pa.Table:
        if part not in self._tables:
            self._tables[part] = self._run.store.table(layout.plan_files(part)[1])
        return self._tables[part]


def _titles(recipe: Recipe, wanted: tuple[Shard, list[int]]) -> dict[Row, tuple[str, str]]:
    """Return id and title of some rows of a shard."""
    shard, rows = wanted
    source = recipe.rows.inside(shard.compression).at(shard.url, shard.delimiter)
    chosen, found = set(rows), {}
    at = shard.first_row
    for _, raw in shard_rows(shard, source):
        for row in source.read(raw, shard.columns):
            if at in chosen and not isinstance(row, Reason):
                record = parse_row(row, recipe.record)
                if not isinstance(record, Reason):
                    found[shard.part, at] = record.id, record.title
            at += 1
    return found


def _differ(one: tuple[str, str] | None, other: tuple[str, str] | None) -> bool:
    """Tell whether two rows have a title each, and not the same."""
    return bool(one and other and one[1] and other[1] and one[1] != other[1])


def _rounded_by(ids: list[str]) -> str:
    """Return what may have rounded ids, by how they look; "" where nothing has."""
    if any(SCIENTIFIC.fullmatch(text) for text in ids):
        return "a spreadsheet"
    large = [text for text in ids if text.lstrip("-").isdecimal() and int(text.lstrip("-")) >= EXACT]
    return "JavaScript or a spreadsheet" if large else ""
