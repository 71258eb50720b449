"""Duplicates: ids that occur in more than one row, in one input file or several."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

_ID = ["high", "low"]


def repeats(ids: list[pa.Table], bucket_rows: int = 1 << 24) -> pd.DataFrame:
    """Return every row whose id stands in several, in the order of the input files and rows.

    Ids are compared by a 128-bit BLAKE2b digest: among 73 million ids two different ones agree with a chance of 1e-23.
    Memory: the digests are compared one slice of the hash space at a time, about ``bucket_rows`` rows each.

    Returns:
        ``part`` and ``row``: number of the input file and of the row; ``high`` and ``low``: digest of the id;
        ``later``: whether an earlier row has the id; ``count``: in how many rows the id stands, where rows of one use,
        not 0, count once; ``retitled``: whether the first row with the id has another title.
    """
    table = pa.concat_tables(ids, promote_options="default")
    ends, high = np.cumsum([each.num_rows for each in ids]), table["high"].to_numpy()
    buckets = max(1, -(-table.num_rows // bucket_rows))
    found = []
    for bucket in range(buckets):
        chosen = np.flatnonzero(high % np.uint64(buckets) == bucket)
        rows = table.take(chosen).to_pandas().assign(part=np.searchsorted(ends, chosen, side="right"))
        found.append(rows[rows.duplicated(_ID, keep=False)])
    frame: pd.DataFrame = pd.concat(found).sort_values(["part", "row"], ignore_index=True)
    own = frame["part"].to_numpy(np.uint64) << np.uint64(40) | frame["row"].to_numpy(np.uint64)
    frame["use"] = frame["use"].where(frame["use"] != 0, own) if "use" in frame else own
    frame["title"] = frame["title"].fillna(0) if "title" in frame else 0
    same = frame.groupby(_ID, sort=False)
    title, first = frame["title"], same["title"].transform("first")
    frame["later"] = frame.duplicated(_ID)
    frame["count"] = same["use"].transform("nunique")
    frame["retitled"] = (title != first) & (title > 0) & (first > 0)
    return frame


def duplicate_rows(ids: list[pa.Table], bucket_rows: int = 1 << 24) -> list[NDArray[np.int64]]:
    """Return, per part, the rows whose id stands in an earlier row of this or an earlier part."""
    frame = repeats(ids, bucket_rows)
    later = frame[frame["later"]]
    return [later["row"][later["part"] == number].to_numpy() for number in range(len(ids))]
