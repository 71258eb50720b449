"""The table of an atlas's videos, read where it lies: only where each video stands is held in memory.

At 10 million videos that is about 250 MB (ids and places), and 80 MB for each further column by which somebody filters
or sorts. Titles and the rest are read from a file in the cache of this machine, made at the first opening: the same
rows as in the atlas, but not compressed, so that a row costs a few microseconds and not the decoding of its shard.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.publish.index import SCHEMA
from vidatlas.sources.values.links import youtube_id
from vidatlas.storage import store as layout
from vidatlas.storage.cache import kept
from vidatlas.storage.mapped import MappedFiles
from vidatlas.storage.parquet import open_mapped, write_mapped
from vidatlas.storage.store import Store
from vidatlas.types import FileFacts, Floats

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]
IN_MEMORY = 50_000
"""Most videos whose table is simply kept in memory."""
NEARNESS, TITLE = "nearness", "title"
_ORDERS = 64
"""Orders of lists that are remembered: somebody who turns pages asks for the same one again."""


class _Mapped(Sequence[pa.Table]):
    """Give each batch of a mapped file as a table, of which only what is used is read."""

    def __init__(self, path: Path) -> None:
        self._reader, self._lock = open_mapped(path), threading.Lock()

    def __len__(self) -> int:
        return int(self._reader.num_record_batches)

    def __getitem__(self, number: Any) -> Any:
        with self._lock:
            return pa.Table.from_batches([self._reader.get_batch(number)])


class Videos:
    """Find rows of ``index/videos.parquet`` by id, place or value; a position is a row's number in the index."""

    def __init__(self, store: Store) -> None:
        self._store, self._local, self._files = store, threading.local(), MappedFiles(store)
        self._lock = threading.Lock()
        self._ordered = lru_cache(maxsize=_ORDERS)(self._order)

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

    @property
    def _file(self) -> pq.ParquetFile:
        """Return the table, opened once in each thread."""
        if not hasattr(self._local, "file"):
            opened = self._files.open(layout.INDEX_VIDEOS, self.facts)
            self._check(opened.schema_arrow)
            self._local.file = opened
        file: pq.ParquetFile = self._local.file
        return file

    def _check(self, found: pa.Schema) -> None:
        for field in SCHEMA:
            if field.name in found.names and found.field(field.name).type != field.type:
                raise InputError(
                    f"{self._store.url}/{layout.INDEX_VIDEOS}: {field.name!r} is {found.field(field.name).type}, "
                    f"not {field.type}. Make the atlas again."
                )

    def _group(self, number: int, columns: list[str] | None) -> pa.Table:
        absent = [name for name in columns or () if name not in self.schema.names]
        if absent:
            raise UsageError(
                f"{self._store.url} was published by an older vidatlas, without {absent[0]!r} of the videos. "
                f"Publish it again: vidatlas publish {self._store.url}"
            )
        table = self._shards[number]
        return table.select(columns) if columns else table

    @property
    def _shards(self) -> Sequence[pa.Table]:
        """Return the videos of each shard: of few videos in memory, of more in a mapped file of the cache."""
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> Sequence[pa.Table]:
        if len(self) <= IN_MEMORY:
            return list(self._read())
        key = f"videos-1-{self.facts['sha256']}.arrow"
        return _Mapped(kept(key, lambda path: write_mapped(path, self.schema, self._read())))

    def _read(self) -> Iterator[pa.Table]:
        for number in range(len(self.ends)):
            with self._store.readable(layout.INDEX_VIDEOS):
                table = self._file.read_row_group(number)
            yield table.replace_schema_metadata(None)

    @cached_property
    def schema(self) -> pa.Schema:
        """Return names and types of the columns."""
        return self._file.schema_arrow.remove_metadata()

    @cached_property
    def typed(self) -> list[str]:
        """Return the names of the recipe's typed columns."""
        return [name for name in self.schema.names if name not in SCHEMA.names]

    @cached_property
    def ends(self) -> Positions:
        """Return the position behind each shard's last video: the table has a row group for each."""
        facts = self._file.metadata
        return np.cumsum([facts.row_group(number).num_rows for number in range(facts.num_row_groups)], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all videos."""
        kind = self.schema.field(name).type if name in self.schema.names else pa.null()
        chunks = [self._group(number, [name])[name] for number in range(len(self.ends))]
        return pa.chunked_array([chunk for column in chunks for chunk in column.chunks], kind)

    def batches(self, columns: list[str]) -> Any:
        """Yield these columns of all videos, a shard at a time."""
        for number in range(len(self.ends)):
            yield self._group(number, columns)

    def take(self, positions: Sequence[int] | Positions, columns: list[str] | None = None) -> pa.Table:
        """Return the videos at positions, in that order; only their shards are read."""
        wanted = np.asarray(positions, np.int64)
        shards = np.searchsorted(self.ends, wanted, side="right")
        firsts = np.concatenate([[0], self.ends])
        pieces, order = [], []
        for shard in np.unique(shards):
            inside = np.flatnonzero(shards == shard)
            pieces.append(self._group(int(shard), columns).take(pa.array(wanted[inside] - firsts[shard])))
            order.append(inside)
        if not pieces:
            return self.schema.empty_table().select(columns or self.schema.names)
        back = np.argsort(np.concatenate(order), kind="stable")
        return pa.concat_tables(pieces).take(pa.array(back))

    def position(self, video: str) -> int:
        """Return where a video stands, given its id or its address on YouTube.

        Raises:
            UsageError: the atlas has no such video.
        """
        for key in (video, youtube_id(video)):
            at = -1 if key is None else int(pc.index(self._ids, key).as_py())
            if at >= 0:
                return at
        raise UsageError(f"no video {video!r} in {self._store.url!r}. Ids are in embeddings/*.parquet.")

    @cached_property
    def _ids(self) -> pa.ChunkedArray:
        return self.column("id")

    @cached_property
    def _groups(self) -> tuple[NDArray[np.int32], dict[str, int]]:
        return self._coded("group")

    @cached_property
    def _homes(self) -> tuple[NDArray[np.int32], dict[str, int]]:
        return self._coded("in_group")

    def _coded(self, name: str) -> tuple[NDArray[np.int32], dict[str, int]]:
        """Return a number per video for its value in a column, and the number of each value."""
        numbers: dict[str, int] = {}
        pieces = [np.empty(0, np.int32)]
        for table in self.batches([name]):
            coded = table[name].combine_chunks().dictionary_encode()
            here = [numbers.setdefault(value, len(numbers)) for value in coded.dictionary.to_pylist()]
            pieces.append(np.array(here, np.int32)[coded.indices.to_numpy()])
        return np.concatenate(pieces), numbers

    @cached_property
    def _subcategories(self) -> NDArray[np.int32]:
        return np.asarray(self.column("subcategory").to_numpy(), np.int32)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Return the number of videos of each category."""
        codes, numbers = self._groups
        counts = np.bincount(codes, minlength=len(numbers)).tolist()
        return {group: counts[code] for group, code in numbers.items()}

    def of_group(self, group: str) -> Mask:
        """Return which videos are of a category."""
        codes, numbers = self._groups
        return np.asarray(codes == numbers.get(group, -1))

    def inside(self, in_group: str, subcategory: int) -> Mask:
        """Return which videos are in a subcategory."""
        codes, numbers = self._homes
        return np.asarray((codes == numbers.get(in_group, -1)) & (self._subcategories == subcategory))

    def numbers(self, name: str) -> Floats:
        """Return a column as float64 [videos], NaN where it is empty; days or milliseconds of dates and times."""
        found: Floats = self._numbers(name)
        return found

    @cached_property
    def _numbers(self) -> Any:
        @cache
        def read(name: str) -> Floats:
            column = self.column(name)
            if pa.types.is_date(column.type):
                column = column.cast(pa.int32())
            elif pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)

        return read

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
        values = self.numbers(name)
        keep = ~np.isnan(values)
        if low is not None:
            keep &= values >= _number(low, self.ranged[name], last=False)
        if high is not None:
            keep &= values <= _number(high, self.ranged[name], last=True)
        return keep

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

    def _order(self, group: str, subcategory: int | None, by: str) -> Positions:
        mask = self.of_group(group) if subcategory is None else self.inside(group, subcategory)
        found = np.flatnonzero(mask)
        if by == TITLE:
            titles = pc.utf8_lower(self.take(found, [TITLE])[TITLE])
            order: Positions = pc.array_sort_indices(titles.combine_chunks()).to_numpy().astype(np.int64)
            return found[order]
        values = self.numbers("distance")[found] if by == NEARNESS else -self.numbers(by)[found]
        return found[np.argsort(values, kind="stable")]


def _number(bound: Any, kind: pa.DataType, last: bool) -> float:
    """Return a bound as ``Videos.numbers`` has its column; a day that ends a range of times belongs to it."""
    try:
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
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise UsageError(f"{bound!r} bounds no range of {kind}: {error}. Write 2020-01-31, or a number.") from error
