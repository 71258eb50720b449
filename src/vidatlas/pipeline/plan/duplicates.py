"""Duplicates: ids that occur in more than one row, in one input file or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.pipeline.stage import Run
from vidatlas.sources.fields import parse_row
from vidatlas.sources.shards import shard_rows
from vidatlas.sources.values.numbers import EXACT, SCIENTIFIC
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import PartFacts
from vidatlas.storage.manifest import Values
from vidatlas.types import Reason, Record

_ID = ["high", "low"]
_NAMED = 3
"""Ids that are told of those with several titles."""


def repeats(ids: Sequence[Callable[[], Iterable[pa.Table]]]) -> pd.DataFrame:
    """Return every row whose id stands in several, in the order of the input files and rows.

    Ids are compared by a 128-bit BLAKE2b digest: among 73 million ids two different ones agree with a chance of 1e-23.
    Memory: 16 bytes a row to sort one half of every digest, and one table and the rows that are found.

    Args:
        ids: for each input file what returns its ids as tables, one after another; it is called twice.

    Returns:
        ``part`` and ``row``: number of the input file and of the row; ``high`` and ``low``: digest of the id;
        ``later``: whether an earlier row has the id; ``count``: in how many rows the id stands, where rows of one use,
        not 0, count once; ``retitled``: whether the first row with the id has another title.
    """
    halves = np.concatenate([table["high"].to_numpy() for part in ids for table in part()])
    halves.sort()
    several = pa.array(np.unique(halves[1:][halves[1:] == halves[:-1]]))
    del halves
    found = [
        table.filter(pc.is_in(table["high"], several)).to_pandas().assign(part=number)
        for number, part in enumerate(ids)
        for table in part()
    ]
    alike = pd.concat(found, ignore_index=True)
    frame: pd.DataFrame = alike[alike.duplicated(_ID, keep=False)].reset_index(drop=True)
    own = frame["part"].to_numpy(np.uint64) << np.uint64(40) | frame["row"].to_numpy(np.uint64)
    frame["use"] = frame["use"].where(frame["use"] != 0, own) if "use" in frame else own
    frame["title"] = frame["title"].fillna(0) if "title" in frame else 0
    same = frame.groupby(_ID, sort=False)
    title, first = frame["title"], same["title"].transform("first")
    frame["later"] = frame.duplicated(_ID)
    frame["count"] = same["use"].transform("nunique")
    frame["retitled"] = (title != first) & (title > 0) & (first > 0)
    return frame


def duplicate_rows(ids: list[pa.Table]) -> list[NDArray[np.int64]]:
    """Return, per part, the rows whose id stands in an earlier row of this or an earlier part."""
    frame = repeats([partial(iter, [table]) for table in ids])
    later = frame[frame["later"]]
    return [later["row"][later["part"] == number].to_numpy() for number in range(len(ids))]


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
    named = other.drop_duplicates(_ID)[["part", "row"]].head(_NAMED)
    ids = [_id_at(run, urls[part], parts[part], row) for part, row in named.itertuples(index=False)]
    return {"retitled": {"rows": len(other), "ids": ids, "rounded": _rounded_by(ids)}}


def _id_at(run: Run, url: str, part: str, row: int) -> str:
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
