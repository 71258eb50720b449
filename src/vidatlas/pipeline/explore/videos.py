"""The table of an atlas's videos, read where it lies: what is held in memory are the last lists that somebody paged.

More than a few are read from a file in the cache of this machine, made at the first opening: the same rows as in the
atlas, but not compressed, so that a row costs a few microseconds and not the decoding of its shard.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from threading import BoundedSemaphore
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.publish.index import SCHEMA
from vidatlas.sources.values.links import youtube_id
from vidatlas.storage import store as layout
from vidatlas.storage.cache import kept_open
from vidatlas.storage.mapped import MappedFiles
from vidatlas.storage.parquet import open_mapped, write_mapped
from vidatlas.storage.store import Store
from vidatlas.threads import once
from vidatlas.types import FileFacts, Floats

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64] | NDArray[np.int32]
IN_MEMORY = 50_000
"""Most videos whose table is simply kept in memory."""
NEARNESS, TITLE = "nearness", "title"
_ORDERS, _ORDERED = 64, 100_000_000
"""Orders of lists that are remembered, and about how many positions in them together: somebody who turns pages asks for
the same one again."""

_SORTING = BoundedSemaphore(os.cpu_count() or 1)
"""As many lists are sorted at once as there are cores: more would take memory, and no less time."""


class Videos:
    """Find rows of ``index/videos.parquet`` by id, place or value; a position is a row's number in the index."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def facts(self) -> FileFacts:
        """Return the manifest's entry of the table.

        Raises:
            UsageError: the atlas has none.
        """
        files = self._store.stage("publish")["files"]
        if layout.INDEX_VIDEOS not in files:
            raise UsageError(
                f"{self._store.url} has no search index. Make one with: "
                f"vidatlas publish {self._store.url} --set publish.index.kind=auto"
            )
        return files[layout.INDEX_VIDEOS]

    @once
    def _table(self) -> tuple[pa.Table, Positions]:
        """Return the table, and the position behind each shard's last video: its file has a row group for each."""
        file = MappedFiles(self._store).open(layout.INDEX_VIDEOS, self.facts)
        self._check(file.schema_arrow)
        schema, groups = file.schema_arrow.remove_metadata(), range(file.num_row_groups)
        ends = np.cumsum([file.metadata.row_group(number).num_rows for number in groups], dtype=np.int64)

        def read() -> Iterator[pa.Table]:
            for number in groups:
                with self._store.readable(layout.INDEX_VIDEOS):
                    table = file.read_row_group(number)
                yield table.replace_schema_metadata(None)

        if file.metadata.num_rows <= IN_MEMORY:
            return pa.concat_tables([schema.empty_table(), *read()]), ends
        key = f"videos-1-{self.facts['sha256']}.arrow"
        return kept_open(key, lambda path: write_mapped(path, schema, read()), open_mapped, pa.ArrowInvalid), ends

    def _check(self, found: pa.Schema) -> None:
        for field in SCHEMA:
            if field.name in found.names and found.field(field.name).type != field.type:
                raise InputError(
                    f"{self._store.url}/{layout.INDEX_VIDEOS}: {field.name!r} is {found.field(field.name).type}, "
                    f"not {field.type}. Make the atlas again."
                )

    def _columns(self, names: list[str] | None) -> pa.Table:
        absent = [name for name in names or () if name not in self.schema.names]
        if absent:
            raise UsageError(
                f"{self._store.url} was published by an older vidatlas, without {absent[0]!r} of the videos. "
                f"Publish it again: vidatlas publish {self._store.url}"
            )
        table = self._table[0]
        return table.select(names) if names else table

    @property
    def schema(self) -> pa.Schema:
        """Return names and types of the columns."""
        return self._table[0].schema

    @cached_property
    def typed(self) -> list[str]:
        """Return the names of the recipe's typed columns."""
        return [name for name in self.schema.names if name not in SCHEMA.names]

    @property
    def ends(self) -> Positions:
        """Return the position behind each shard's last video."""
        return self._table[1]

    def __len__(self) -> int:
        return int(self._table[0].num_rows)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all videos."""
        return self._columns([name])[name]

    def take(self, positions: Sequence[int] | Positions, columns: list[str] | None = None) -> pa.Table:
        """Return the videos at positions, in that order; only their shards are read."""
        table, wanted = self._columns(columns), np.asarray(positions, np.int64)
        order = np.argsort(wanted, kind="stable")
        edges = np.concatenate([[0], self.ends])
        pieces = [table.slice(0, 0)]
        for (first, last), (low, high) in zip(
            pairwise(edges.tolist()), pairwise(np.searchsorted(wanted[order], edges).tolist()), strict=True
        ):
            if high > low:
                # Of a table of several shards, pyarrow copies all texts before it takes any.
                pieces.append(table.slice(first, last - first).take(pa.array(wanted[order[low:high]] - first)))
        return pa.concat_tables(pieces).take(pa.array(np.argsort(order, kind="stable")))

    def position(self, video: str) -> int:
        """Return where a video stands, given its id or its address on YouTube.

        Raises:
            UsageError: the atlas has no such video.
        """
        for key in (video, youtube_id(video)):
            at = -1 if key is None else int(pc.index(self.column("id"), key).as_py())
            if at >= 0:
                return at
        url = self._store.url
        raise UsageError(f"no video {video!r} in {url!r}. List ids with: vidatlas list {url} --group NAME --csv")

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Return the number of videos of each category."""
        return {row["values"]: row["counts"] for row in self.column("group").value_counts().to_pylist()}

    def of_group(self, group: str) -> Mask:
        """Return which videos are of a category; of another group, such as "(all)", those that were clustered in it."""
        return _mask(pc.equal(self.column("group" if group in self.sizes else "in_group"), group))

    def inside(self, in_group: str, subcategory: int) -> Mask:
        """Return which videos are in a subcategory."""
        home = pc.equal(self.column("in_group"), in_group)
        return _mask(pc.and_(home, pc.equal(self.column("subcategory"), subcategory)))

    def numbers(self, name: str, positions: Positions) -> Floats:
        """Return a column of videos as float64, NaN where it is empty; days or milliseconds of dates and times."""
        column = self.take(positions, [name])[name]
        if pa.types.is_date(column.type):
            column = column.cast(pa.int32())
        elif pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        # Not every integer above 2**53 is a float64: the nearest will do.
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)

    @cached_property
    def ranged(self) -> dict[str, pa.DataType]:
        """Return the typed columns that have an order, so that a range of them can be asked for, with their types."""
        kinds = {name: self.schema.field(name).type for name in self.typed}
        unordered = (pa.string(), pa.bool_())
        return {name: kind for name, kind in kinds.items() if kind not in unordered}

    def within(self, name: str, low: Any, high: Any) -> Mask:
        """Return which videos have a value from low to high, both included; None: no bound.

        Raises:
            UsageError: there is no such column, or nothing in it has an order.
        """
        if name not in self.ranged:
            raise UsageError(f"no column {name!r} has a range. Choose one of: {', '.join(self.ranged) or 'none'}.")
        column = self.column(name)
        keep = pc.is_valid(column)
        for bound, passes, last in ((low, pc.greater_equal, False), (high, pc.less_equal, True)):
            if bound is not None:
                keep = pc.and_(keep, pc.fill_null(passes(column, _scalar(bound, column.type, last)), False))
        return _mask(keep)

    @property
    def sorts(self) -> list[str]:
        """Return by what videos can be sorted: nearness to the centre of their subcategory, columns, title."""
        return [NEARNESS, *self.ranged, TITLE]

    def sorted(self, group: str, subcategory: int | None, by: str) -> Positions:
        """Return the positions of a category's or subcategory's videos: nearest, highest or latest, or A first.

        Args:
            group: the category; the one in which they were clustered, if there is a subcategory.
            subcategory: its number; None for the whole category.
            by: one of ``sorts``.

        Raises:
            UsageError: they cannot be sorted so.
        """
        if by not in self.sorts:
            raise UsageError(f"cannot sort by {by!r}. Choose one of: {', '.join(self.sorts)}.")
        found: Positions = self._ordered(group, subcategory, by)
        return found

    @cached_property
    def _ordered(self) -> Any:
        return lru_cache(min(_ORDERS, max(_ORDERED // max(1, len(self)), 4)))(self._order)

    def _order(self, group: str, subcategory: int | None, by: str) -> Positions:
        with _SORTING:
            mask = self.of_group(group) if subcategory is None else self.inside(group, subcategory)
            found = np.flatnonzero(mask).astype(np.int32)
            name, order = {NEARNESS: ("distance", "ascending"), TITLE: (TITLE, "ascending")}.get(by, (by, "descending"))
            values = self.take(found, [name])[name].combine_chunks()
            if by == TITLE:
                values = pc.utf8_lower(values)
            return np.asarray(found[pc.array_sort_indices(values, order=order).to_numpy()])


def _mask(found: pa.ChunkedArray) -> Mask:
    return np.asarray(found.to_numpy(), bool)


def _scalar(bound: Any, kind: pa.DataType, last: bool) -> pa.Scalar:
    """Return a bound as a value of a column; a day that ends a range of times belongs to it."""
    try:
        number = _number(bound, kind, last)
        if not pa.types.is_floating(kind):
            number = (math.floor if last else math.ceil)(min(max(number, -(2.0**62)), 2.0**62))
        return pa.scalar(number, kind)
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise UsageError(f"{bound!r} bounds no range of {kind}: {error}. Write 2020-01-31, or a number.") from error


def _number(bound: Any, kind: pa.DataType, last: bool) -> float:
    """Return a bound as a number: days of dates, milliseconds of times."""
    if isinstance(bound, str) and pa.types.is_temporal(kind):
        bound = datetime.fromisoformat(bound) if len(bound) > len("2020-01-31") else date.fromisoformat(bound)
    if not isinstance(bound, date):
        return float(bound)
    days = (bound.date() if isinstance(bound, datetime) else bound).toordinal() - date(1970, 1, 1).toordinal()
    if pa.types.is_date(kind):
        return float(days)
    if isinstance(bound, datetime):
        return float(pa.scalar(bound, kind).cast(pa.int64()).as_py())
    return float((days + last) * 86_400_000 - last)
