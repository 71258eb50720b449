"""Export an atlas to formats that other tools open."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import chain
from os import fspath

import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.errors import UsageError
from vidatlas.pipeline.names.accepted import names_of
from vidatlas.pipeline.publish.index import SCHEMA
from vidatlas.pipeline.publish.map import read_positions
from vidatlas.recipe import recipe_of
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.values.links import link_of
from vidatlas.storage import store as layout
from vidatlas.storage.mapped import MappedFiles
from vidatlas.storage.parquet import to_parquet
from vidatlas.storage.store import Store
from vidatlas.storage.tables import sealed_shards
from vidatlas.types import Place
from vidatlas.views.card import front_matter

VIDEOS, LABELS = "videos.parquet", "labels.parquet"
HUB_ROWS = 500_000
"""Videos in a file for a hub."""
_OF_ATLAS = re.compile(r"Open `report.html`[^\n]*\n\n|## Files\n.*?(?=## Known limits)", re.DOTALL)
"""What a data card says of files that are only in the atlas."""


def export_embedding_atlas(atlas: Place, folder: Place) -> str:
    """Write the videos and labels that Embedding Atlas (Ren et al., 2025) reads; return the command that opens them.

    ``videos.parquet``: id, title, category, subcategory (its name), x, y, the recipe's typed
    columns, and url where it makes links. ``labels.parquet``: x, y, text, level,
    priority.

    Raises:
        UsageError: the atlas has no map, or no table of its videos (``publish.index.kind=none``).
    """
    store, target = Store(atlas), Store(folder)
    tables = _videos(store)
    first = next(tables)
    with target.writing(VIDEOS, {}) as file, pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        for table in chain([first], tables):
            writer.write_table(table)
    target.put_table(LABELS, _labels(store))
    at = shlex.quote(fspath(folder).rstrip("/"))
    return f"uvx embedding-atlas {at}/{VIDEOS} --text title --x x --y y --labels {at}/{LABELS}"


def export_hub_folder(atlas: Place, folder: Place) -> str:
    """Write a folder that a hub shows as a data set; return the command that uploads it.

    ``README.md``: the data card; ``data/videos-<n>.parquet``: the columns of ``export_embedding_atlas``, in row
    groups of 10,000 with a page index, so that a viewer reads the rows that it shows; ``data/subcategories.parquet``.

    Raises:
        UsageError: as ``export_embedding_atlas``.
    """
    store, target = Store(atlas), Store(folder)
    ahead, number = [], 0
    for table in _videos(store):
        ahead.append(table)
        if sum(map(len, ahead)) >= HUB_ROWS:
            ahead, number = _put_videos(target, ahead, number), number + 1
    if ahead or not number:
        _put_videos(target, ahead, number)
    target.put_table(f"data/{layout.SUBCATEGORIES}", _named_subcategories(store))
    tables = {"videos": "data/videos-*.parquet", "subcategories": f"data/{layout.SUBCATEGORIES}"}
    front = front_matter(recipe_of(store).publish.title, store.stage("plan")["counts"]["kept"], tables)
    card = store.read(layout.README).decode()
    body = _OF_ATLAS.sub("", card.partition("\n---\n")[2] if card.startswith("---\n") else card)
    target.put(layout.README, (front + body).encode())
    target.put(layout.POSTER, store.read(layout.POSTER))
    return f"hf upload --repo-type dataset NAME {shlex.quote(fspath(folder).rstrip('/'))}"


def _put_videos(target: Store, tables: list[pa.Table], number: int) -> list[pa.Table]:
    data = to_parquet(pa.concat_tables(tables), row_group_size=10_000, write_page_index=True)
    target.put(f"data/videos-{number:05d}.parquet", data)
    return []


def _named_subcategories(store: Store) -> pa.Table:
    table = store.table(layout.SUBCATEGORIES)
    names = names_of(store)
    named = [names[home] for home in zip(table["group"].to_pylist(), table["subcategory"].to_pylist(), strict=True)]
    return table.set_column(table.column_names.index("name"), "name", pa.array(named, pa.string()))


def _videos(store: Store) -> Iterator[pa.Table]:
    """Yield the videos of each shard as they are exported."""
    published = store.stage("publish")["files"]
    if layout.INDEX_VIDEOS not in published:
        raise UsageError(
            f"{store.url} has no {layout.INDEX_VIDEOS}. Make one with: "
            f"vidatlas publish {store.url} --set publish.index.kind=auto"
        )
    record, names = recipe_of(store).record, names_of(store)
    videos = MappedFiles(store).open(layout.INDEX_VIDEOS, published[layout.INDEX_VIDEOS])
    # A row group of this table is a shard.
    for number, places in enumerate(read_positions(store, list(sealed_shards(store.stage("embed"))))):
        with store.readable(layout.INDEX_VIDEOS):
            shard = videos.read_row_group(number)
        if len(shard) != len(places["id"]):
            raise store.altered(layout.INDEX_VIDEOS)
        yield _described(_joined(shard, places, names), record)


def _joined(videos: pa.Table, places: pa.Table, names: dict[tuple[str, int], str]) -> pa.Table:
    homes = zip(videos["in_group"].to_pylist(), videos["subcategory"].to_pylist(), strict=True)
    named = [names[home] for home in homes]
    return pa.table(
        {
            "id": videos["id"],
            "title": videos["title"],
            "category": videos["group"],
            "subcategory": pa.array(named, pa.string()),
            "x": places["x"],
            "y": places["y"],
            **{name: videos[name] for name in videos.column_names if name not in SCHEMA.names},
        }
    )


def _described(table: pa.Table, record: RecordSpec) -> pa.Table:
    """Return exported videos with their links, where the recipe makes any."""
    if not record.url:
        return table
    known = table.select(["id", *record.columns]).to_pylist()
    return table.append_column("url", pa.array([link_of(record.url, row) or None for row in known], pa.string()))


def _labels(store: Store) -> pa.Table:
    labels = store.table(layout.LABELS)
    renamed = {"x": "x", "y": "y", "text": "name", "level": "level", "priority": "size"}
    return pa.table({theirs: labels[ours] for theirs, ours in renamed.items()})
