"""Videos are found, ranged and sorted as pandas does it, in memory and from a mapped file, whatever their shards."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.errors import UsageError
from vidatlas.pipeline.explore import videos as module
from vidatlas.pipeline.explore.videos import Videos
from vidatlas.pipeline.publish.index import SCHEMA
from vidatlas.storage.store import INDEX_VIDEOS, Store

ROWS, SHARDS = 60, (0, 7, 30, 30, 60)
"""Of the shards one is empty."""
NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


def table() -> pa.Table:
    random = np.random.default_rng(0)
    known: dict[str, Any] = {
        "id": [f"v{row}" for row in range(ROWS)],
        "title": [f"{'aB'[row % 2]} title {row * 7 % ROWS}" for row in range(ROWS)],
        "group": random.choice(["Music", "Gaming"], ROWS).tolist(),
        "in_group": ["(all)"] * ROWS,
        "subcategory": random.integers(0, 3, ROWS).tolist(),
        "distance": random.random(ROWS).tolist(),
    }
    columns = {field.name: pa.array(known.get(field.name, [None] * ROWS), field.type) for field in SCHEMA}
    typed = {
        "views": pa.array([None if row % 9 == 0 else row * row for row in range(ROWS)], pa.int64()),
        "likes": pa.array([None if row % 8 == 0 else 2**62 + row * 7 % ROWS for row in range(ROWS)], pa.int64()),
        "score": pa.array([row / 7 for row in range(ROWS)], pa.float64()),
        "day": pa.array([date(2020, 1, 1) + timedelta(days=row) for row in range(ROWS)]),
        "time": pa.array([NOON + timedelta(hours=6 * row) for row in range(ROWS)], pa.timestamp("ms", "UTC")),
    }
    return pa.table({**columns, **typed})


@pytest.fixture(params=["in memory", "mapped"])
def videos(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Videos:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "mapped":
        monkeypatch.setattr(module, "IN_MEMORY", ROWS - 1)
    out, whole, store = io.BytesIO(), table(), Store(tmp_path / "atlas")
    with pq.ParquetWriter(out, whole.schema) as writer:
        for first, last in zip((0, *SHARDS[:-1]), SHARDS, strict=True):
            writer.write_table(whole.slice(first, last - first))
    found = Videos(store)
    found.__dict__["facts"] = store.put(INDEX_VIDEOS, out.getvalue())[INDEX_VIDEOS]
    return found


def test_rows_come_in_the_order_that_is_asked_for(videos: Videos) -> None:
    assert (len(videos), videos.ends.tolist()) == (ROWS, [*SHARDS])
    for rows in ([], [59, 0, 7, 7, 6, 30], [0]):
        expected = table().take(pa.array(rows, pa.int64())).select(["title", "id"])
        assert videos.take(rows, ["title", "id"]).to_pydict() == expected.to_pydict()
    assert [videos.position(f"v{row}") for row in (0, 6, 7, 59)] == [0, 6, 7, 59]
    with pytest.raises(UsageError, match="no video 'v60'"):
        videos.position("v60")


def test_groups_and_subcategories_are_counted(videos: Videos) -> None:
    frame = table().to_pandas()
    assert videos.sizes == frame["group"].value_counts().to_dict()
    assert (videos.of_group("Music") == (frame["group"] == "Music")).all()
    assert (videos.inside("(all)", 1) == (frame["subcategory"] == 1)).all()
    assert not videos.of_group("nope").any()


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("views", 100, 900),
        ("views", "100.5", None),
        ("views", None, 1e30),
        ("views", float("-inf"), "899.5"),
        ("score", 1.25, "3"),
        ("day", "2020-01-05", date(2020, 2, 1)),
        ("day", datetime(2020, 1, 5, 23, tzinfo=UTC), None),
        ("time", "2020-01-03", "2020-01-04"),
        ("time", NOON, NOON + timedelta(days=3)),
    ],
)
def test_a_range_has_both_ends_and_nothing_that_is_empty(videos: Videos, column: str, low: Any, high: Any) -> None:
    values = table().to_pandas()[column]
    edges = [None if bound is None else bound if column in ("day", "time") else float(bound) for bound in (low, high)]
    if column == "day":
        values, edges = (
            pd.to_datetime(values),
            [None if edge is None else pd.Timestamp(str(edge)[:10]) for edge in edges],
        )
    if column == "time" and isinstance(low, str):
        edges = [pd.Timestamp(low, tz="UTC"), pd.Timestamp(high, tz="UTC") + pd.Timedelta(days=1, milliseconds=-1)]
    expected = values.notna()
    for edge, keep in zip(edges, (values.ge, values.le), strict=True):
        expected &= keep(edge) if edge is not None else True
    assert 0 < expected.sum() < ROWS
    assert videos.within(column, low, high).tolist() == expected.tolist()


@pytest.mark.parametrize("bound", ["many", float("nan"), "2020-13-01"])
def test_what_bounds_nothing_is_refused(videos: Videos, bound: Any) -> None:
    with pytest.raises(UsageError, match="bounds no range"):
        videos.within("views", bound, None)


@pytest.mark.parametrize("by", ["nearness", "views", "likes", "time", "title"])
@pytest.mark.parametrize("subcategory", [None, 2])
def test_lists_are_sorted(videos: Videos, by: str, subcategory: int | None) -> None:
    frame = table().to_pandas()
    if subcategory is None:
        group, frame = "Music", frame[frame["group"] == "Music"]
    else:
        group, frame = "(all)", frame[frame["subcategory"] == subcategory]
    frame["likes"] = table()["likes"].to_pandas(integer_object_nulls=True).astype("Int64")
    keys = frame["title"].str.lower() if by == "title" else frame["distance" if by == "nearness" else by]
    expected = keys.sort_values(ascending=by in ("nearness", "title"), kind="stable", na_position="last").index
    assert videos.sorted(group, subcategory, by).tolist() == expected.tolist()


def test_integers_that_no_float_holds_are_rounded(videos: Videos) -> None:
    assert videos.numbers("likes", np.array([1])).tolist() == [2.0**62]
