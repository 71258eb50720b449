"""Duplicates with another title than the row that is kept: ids that a spreadsheet or JavaScript may have rounded."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pandas as pd

from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.pipeline.stage import Run
from vidatlas.sources.fields import parse_row
from vidatlas.sources.shards import shard_rows
from vidatlas.sources.values.numbers import EXACT, SCIENTIFIC
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import PartFacts
from vidatlas.storage.manifest import Values
from vidatlas.types import Reason, Record

_NAMED = 3


def retitled(run: Run, urls: list[str], parts: list[str], duplicates: pd.DataFrame) -> Values:
    """Return how many duplicates have another title than the row with their id that is kept; nothing where none has.

    Args:
        run: what the stage was given.
        urls: where each input file lies, in their order.
        parts: their keys.
        duplicates: as ``repeats`` returns them.
    """
    other = duplicates[duplicates["retitled"]]
    if other.empty or run.recipe.record.id is None or run.recipe.source.explode:
        return {}
    named = other.drop_duplicates(["high", "low"])[["part", "row"]].head(_NAMED)
    ids = [_id(run, urls[part], parts[part], row) for part, row in named.itertuples(index=False)]
    return {"retitled": {"rows": len(other), "ids": ids, "rounded": _rounded_by(ids)}}


def _id(run: Run, url: str, part: str, row: int) -> str:
    """Return the id of a row, which is read again: a plan holds digests."""
    facts, table, _ = layout.plan_files(part)
    read = run.store.read_json(facts, PartFacts)
    shards = descriptors(read, run.store.table(table), url, np.empty(0, np.int64))
    shard = next(each for each in reversed(shards) if each.first_row <= row)
    source = run.recipe.rows.inside(shard.compression, shard.encoding).at(url, shard.delimiter)
    rows = (found for _, raw in shard_rows(shard, source) for found in source.read(raw, shard.columns))
    found = next(islice(rows, row - shard.first_row, None))
    record = found if isinstance(found, Reason) else parse_row(found, run.recipe.record)
    return record.id if isinstance(record, Record) else ""


def _rounded_by(ids: list[str]) -> str:
    """Return what may have rounded ids, by how they look; "" where nothing has."""
    if any(SCIENTIFIC.fullmatch(text) for text in ids):
        return "a spreadsheet"
    large = [text for text in ids if text.lstrip("-").isdecimal() and int(text.lstrip("-")) >= EXACT]
    return "JavaScript or a spreadsheet" if large else ""
