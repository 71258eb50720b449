"""Export an atlas to formats that other tools open."""

from __future__ import annotations

import io
import shlex
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
from vidatlas.storage.store import Store
from vidatlas.storage.tables import sealed_shards
from vidatlas.types import Place

VIDEOS, LABELS = "videos.parquet", "labels.parquet"


def export_embedding_atlas(atlas: Place, folder: Place) -> str:
    """Write the videos and labels that Embedding Atlas (Ren et al., 2025) reads; return the command that opens them.

    ``videos.parquet``: id, title, category, subcategory (its name), x, y, the recipe's typed
    columns, and url where it makes links. ``labels.parquet``: x, y, text, level,
    priority.

    Raises:
        UsageError: the atlas has no map, or no table of its videos (``publish.index.kind=none``).
    """
    store, target = Store(atlas), Store(folder)
    published = store.stage("publish")["files"]
    if layout.INDEX_VIDEOS not in published:
        raise UsageError(
            f"{store.url} has no {layout.INDEX_VIDEOS}. Make one with: "
            f"vidatlas publish {store.url} --set publish.index.kind=auto"
        )
    record = recipe_of(store).record
    names = names_of(store)
    out, writer = io.BytesIO(), None
    videos = MappedFiles(store).open(layout.INDEX_VIDEOS, published[layout.INDEX_VIDEOS])
    # A row group of this table is a shard.
    for number, places in enumerate(read_positions(store, list(sealed_shards(store.stage("embed"))))):
        with store.readable(layout.INDEX_VIDEOS):
            shard = videos.read_row_group(number)
        table = _described(_joined(shard, places, names), record)
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()
    target.put(VIDEOS, out.getvalue())
    target.put_table(LABELS, _labels(store))
    at = shlex.quote(fspath(folder).rstrip("/"))
    return f"uvx embedding-atlas {at}/{VIDEOS} --text title --x x --y y --labels {at}/{LABELS}"


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
