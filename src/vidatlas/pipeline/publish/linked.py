"""Links and images of the report: the address of each exemplar, and a small image where the atlas has one."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vidatlas.recipe import Recipe
from vidatlas.sources.images import UnreadablePictureError, locate, thumbnail
from vidatlas.sources.values.links import link_of, names_in
from vidatlas.storage.store import Store, embeddings
from vidatlas.storage.tables import sealed_shards
from vidatlas.types import Json

THUMBNAIL = (144, 108)
"""Most pixels of a small image, across and down."""
MOST_IMAGE_BYTES = 1_500_000
"""Of all small images together; those of the largest subcategories come first, one for each before a second."""


@dataclass(frozen=True)
class Linked:
    """Hold the address and the image of each exemplar, by id; an exemplar without one is absent."""

    links: Mapping[str, str]
    images: Mapping[str, str]


def link_exemplars(recipe: Recipe, store: Store, table: Iterable[Json]) -> Linked:
    """Return links and images of the exemplars in rows of ``subcategories.parquet``."""
    record, rows = recipe.record, sorted(table, key=lambda row: -row["size"])
    names = [name for name in names_in(record.url or "") if name != "id"]
    ids = _in_turn([row["exemplars"] for row in rows])
    found: dict[str, dict[str, Any]] = {key: {"id": key} for key in ids}
    if names or record.image:
        found = _values(store, ids, [*names, *(["image"] if record.image else [])])
    links = {key: link for key in ids if (link := link_of(record.url, found.get(key, {})))}
    files = {key: found[key]["image"] for key in ids if key in found and found[key].get("image")}
    return Linked(links, _images(record.image.folder, files) if record.image else {})


def _in_turn(lists: list[list[str]]) -> list[str]:
    """Return the first of every list, then the second of every list, and so on."""
    longest = max(map(len, lists), default=0)
    return list(dict.fromkeys(found[at] for at in range(longest) for found in lists if at < len(found)))


def _values(store: Store, ids: list[str], names: list[str]) -> dict[str, dict[str, Any]]:
    wanted = pa.array(ids, pa.string())
    found: dict[str, dict[str, Any]] = {}
    for shard, _ in sealed_shards(store.stage("embed")):
        if len(found) == len(ids):
            break
        # Without the vectors; the hash of each file was verified when the map was made.
        with store.parquet(embeddings(shard)) as file:
            rows = file.read(columns=list(dict.fromkeys(["id", *names])))
        found |= {row["id"]: row for row in rows.filter(pc.is_in(rows["id"], value_set=wanted)).to_pylist()}
    return found


def _images(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    """Return images as data: URIs, as many as fit; one that cannot be read is left out."""
    found, room = {}, MOST_IMAGE_BYTES
    for key, name in files.items():
        try:
            data = thumbnail(locate(folder, name), THUMBNAIL)
        except UnreadablePictureError:
            continue
        room -= len(data)
        if room < 0:
            break
        found[key] = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return found
