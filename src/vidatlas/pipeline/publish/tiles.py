"""Tiles of the map: the points and titles of more videos than a page holds, in files it fetches as they come into view.

A video's random key gives its level: level 0, a sample, is in the page itself; each further level has three times as
many videos as all before it, drawn from everywhere alike, and the last one has the rest. So every video is in the page
or in one tile, and the levels up to any one are a fair sample: no tile looks denser than its neighbour. A tile holds
videos of one level that follow each other on a Hilbert curve, which keeps them close together.

They are sorted outside of memory: videos are counted, cut into buckets of some tiles, and each bucket is written alone.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vidatlas.pipeline.publish.map import HOME, TITLED, codes_of, keys_of, order_of, subcategory_rows
from vidatlas.pipeline.publish.videos import columns_of, videos_of
from vidatlas.pipeline.reduce.assignments import read_assignments
from vidatlas.recipe import Recipe
from vidatlas.sources.fields import RecordSpec
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import SealedShard, blocks_of, read_embeddings
from vidatlas.types import Mapper
from vidatlas.views.map_data import LONGEST_TITLE, MOST_CODES, quantised
from vidatlas.views.text import shown

Ints = NDArray[np.int64]
Keys = NDArray[np.float64]
INDEX = "map/tiles.json"
TILE = 16_384
"""Most videos of a tile; the page reserves room for so many (``SLOT`` in views/map/tiles.js)."""
GROWTH = 4
"""Videos of all levels up to one, relative to those up to the one before."""
BUCKET = 32
"""Tiles that are written at once: what a task holds in memory."""
_BITS = 20
"""Of a place on the Hilbert curve, in a key of level and place by which videos are counted and cut into buckets."""
_ROWS = "map/rows-"
"""What the files begin with that are sorted on the way."""
_PLACE, _ORDER, _CODE, _KEY = "/place", "/order", "/code", "/key"
"""Columns beside those of the recipe, whose names have no slash."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Hold how videos are divided.

    Attributes:
        rates: the first key above each level, ascending [levels].
        first: the first level and place of each bucket, ascending [buckets].
        numbers: level, and number in it of the first tile, of each bucket [buckets, 2].
    """

    rates: Keys
    first: Ints
    numbers: Ints


Box = list[int]
"""A tile in the index: its videos, and the smallest and largest x and y of them."""


def make_tiles(recipe: Recipe, store: Store, shards: list[SealedShard], runner: Mapper) -> Files:
    """Write ``map/`` of an atlas with more videos than its page holds; return its files."""
    total = store.stage("reduce")["counts"]["rows"]
    for left in store.folder.list("map"):
        # An interrupted publication leaves what it sorted.
        if left.startswith(_ROWS):
            store.folder.delete(left)
    if total <= recipe.publish.map_points:
        return {}
    rates = rates_of(total, min(TITLED, recipe.publish.map_points))
    blocks = blocks_of(shards)
    counts = np.zeros(len(rates) << _BITS, np.int64)
    for keys, videos in runner.map(partial(_count_block, store, recipe, rates), blocks):
        counts[keys] += videos
    cut = cut_of(rates, counts)
    sorted_rows = list(runner.map(partial(_sort_block, store, recipe, cut), enumerate(blocks)))
    files: Files = {}
    levels: list[list[Box]] = [[] for _ in rates[1:]]
    write = partial(_write_bucket, store, recipe.record, sorted_rows, cut)
    for level, (written, boxes) in zip(cut.numbers[:, 0], runner.map(write, range(len(cut.first))), strict=True):
        files |= written
        levels[level - 1] += boxes
    for name in sorted_rows:
        store.folder.delete(name)
    return files | store.put(INDEX, orjson.dumps({"total": total, "levels": levels}))


def tile(level: int, number: int) -> tuple[str, str]:
    """Return the file names of the points and of the titles of a tile."""
    return f"map/{level}/{number}.bin", f"map/{level}/{number}.titles.bin"


def rates_of(total: int, first: int) -> Keys:
    """Return the first key above each level: so many videos are in the page, GROWTH times as many in the next level."""
    levels = 1
    while first * GROWTH ** (levels - 1) < total:
        levels += 1
    return np.minimum([first / total * GROWTH**level for level in range(levels)], 1.0)


def _placed(store: Store, recipe: Recipe, rates: Keys, shard: str) -> tuple[Ints, NDArray[np.uint16], Ints, Keys]:
    """Return of each video that is in tiles its row, its place in 16-bit steps, its level and place, and its key."""
    table = store.table(layout.positions(shard), columns=["x", "y"])
    keys = keys_of(recipe, shard, len(table))
    levels = np.searchsorted(rates, keys, side="right")
    rows = np.flatnonzero(levels)
    places = quantised(np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)[rows])
    return rows, places, levels[rows] << 32 | along_curve(places), keys[rows]


def along_curve(places: NDArray[np.uint16]) -> Ints:
    """Return the number of each place [n, 2] on a Hilbert curve through all of them, below 2³²."""
    x, y = places.astype(np.int64).T
    found = np.zeros(len(places), np.int64)
    for bit in reversed(range(16)):
        right, upper = x >> bit & 1, y >> bit & 1
        found = found << 2 | (3 * right) ^ upper
        turned = (upper == 0) & (right == 1)
        x, y = np.where(turned, 65_535 - x, x), np.where(turned, 65_535 - y, y)
        x, y = np.where(upper == 0, y, x), np.where(upper == 0, x, y)
    return found


def _count_block(store: Store, recipe: Recipe, rates: Keys, block: list[SealedShard]) -> tuple[Ints, Ints]:
    """Count the videos of some shards by level and place."""
    found = np.concatenate([_placed(store, recipe, rates, shard)[2] for shard, _ in block])
    keys, videos = np.unique(found >> (32 - _BITS), return_counts=True)
    return keys, videos


def cut_of(rates: Keys, counts: Ints) -> Cut:
    """Cut each level into buckets of at most BUCKET full tiles, or of one place with more.

    Args:
        rates: the first key above each level.
        counts: the number of videos by level and place.
    """
    first, numbers = [], []
    for level in range(1, len(rates)):
        sums = np.cumsum(counts[level << _BITS : (level + 1) << _BITS])
        done, number = 0, 0
        while done < sums[-1]:
            begin = int(np.searchsorted(sums, done, side="right"))
            end = max(begin + 1, int(np.searchsorted(sums, done + BUCKET * TILE, side="right")))
            first.append(level << _BITS | begin)
            numbers.append((level, number))
            number += -(-int(sums[end - 1] - done) // TILE)
            done = int(sums[end - 1])
    return Cut(rates, np.array(first, np.int64), np.array(numbers, np.int64).reshape(-1, 2))


def told(record: RecordSpec) -> RecordSpec:
    """Return the record without the fields whose words a page searches: a tile has titles alone."""
    return record.model_copy(update={"fields": {record.title: record.fields[record.title]}})


def _sort_block(store: Store, recipe: Recipe, cut: Cut, numbered: tuple[int, list[SealedShard]]) -> str:
    """Write the videos of some shards, a row group for each bucket; return the name of the file."""
    number, block = numbered
    order, reduced, record = order_of(subcategory_rows(store)), store.stage("reduce"), told(recipe.record)
    pieces = []
    for shard, facts in block:
        rows, places, along, keys = _placed(store, recipe, cut.rates, shard)
        codes = codes_of(read_assignments(store, shard, reduced, HOME), order)[rows]
        own = {_PLACE: places.view(np.uint32)[:, 0], _ORDER: along, _CODE: codes, _KEY: keys}
        table = read_embeddings(store, shard, facts, columns_of(record)).take(pa.array(rows))
        for name, values in own.items():
            table = table.append_column(name, pa.array(values))
        pieces.append(table)
    table = pa.concat_tables(pieces)
    homes = np.searchsorted(cut.first, table[_ORDER].to_numpy() >> (32 - _BITS), side="right") - 1
    name = f"{_ROWS}{number}.parquet"
    store.put(name, _by_bucket(table.take(pa.array(np.argsort(homes, kind="stable"))), np.sort(homes)))
    return name


def _by_bucket(table: pa.Table, homes: Ints) -> bytes:
    """Return a table, sorted by bucket, as Parquet with a row group for each bucket of which it has rows."""
    present, starts = np.unique(homes, return_index=True)
    ends = [*starts[1:], len(homes)]
    data, out = table.replace_schema_metadata({"buckets": orjson.dumps(present.tolist())}), io.BytesIO()
    with pq.ParquetWriter(out, data.schema, compression="zstd", write_page_checksum=True) as writer:
        for begin, end in zip(starts, ends, strict=True):
            writer.write_table(data.slice(begin, end - begin), row_group_size=max(1, len(homes)))
    return out.getvalue()


def _read_bucket(store: Store, names: list[str], number: int) -> Iterator[pa.Table]:
    for name in names:
        with store.parquet(name) as file:
            present = orjson.loads(file.schema_arrow.metadata[b"buckets"])
            if number in present:
                yield file.read_row_group(present.index(number)).replace_schema_metadata(None)


def _write_bucket(store: Store, record: RecordSpec, names: list[str], cut: Cut, number: int) -> tuple[Files, list[Box]]:
    """Write the tiles of a bucket; return their files, and what the index says of each."""
    table = pa.concat_tables(_read_bucket(store, names, number))
    order = np.lexsort((table[_KEY].to_numpy(), table[_ORDER].to_numpy()))
    codes = np.minimum(table[_CODE].to_numpy(), MOST_CODES).astype("<u2")
    places = np.ascontiguousarray(table[_PLACE].to_numpy()).view(np.uint16).reshape(-1, 2)
    level, first = cut.numbers[number].tolist()
    files: Files = {}
    boxes = []
    for at in range(0, len(order), TILE):
        rows = order[at : at + TILE]
        # Like titles side by side compress better.
        rows = rows[np.argsort(codes[rows], kind="stable")]
        points, titles = tile(level, first + at // TILE)
        planes = np.concatenate([places[rows].T.reshape(-1), codes[rows]]).astype("<u2")
        files |= store.put_all({points: _packed(planes.tobytes()), titles: _titles(record, table, rows)})
        low, high = places[rows].min(axis=0), places[rows].max(axis=0)
        boxes.append([len(rows), int(low[0]), int(low[1]), int(high[0]), int(high[1])])
    return files, boxes


def _titles(record: RecordSpec, table: pa.Table, rows: Ints) -> bytes:
    videos = videos_of(told(record), table, rows)
    return _packed(
        orjson.dumps(
            {
                "ids": videos.ids,
                "titles": [shown(title, LONGEST_TITLE) if title else "" for title in videos.titles],
                "notes": [shown(note, LONGEST_TITLE) if note else "" for note in videos.notes],
                "links": videos.links,
                "columns": {column.name: column.values for column in videos.columns},
            }
        )
    )


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)
