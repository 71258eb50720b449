"""Links of the report: the address of each exemplar, made from its id and its typed columns."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from vidatlas.recipe import Recipe
from vidatlas.sources.values.links import link_of, names_in
from vidatlas.storage.store import Store, embeddings
from vidatlas.storage.tables import sealed_shards
from vidatlas.types import Json


def exemplar_links(recipe: Recipe, store: Store, table: Iterable[Json]) -> dict[str, str]:
    """Return the link of each exemplar in rows of ``subcategories.parquet``; nothing where the recipe makes none."""
    template = recipe.record.url
    if template is None:
        return {}
    ids = dict.fromkeys(key for row in table for key in row["exemplars"])
    names = [name for name in names_in(template) if name != "id"]
    if not names:
        return {key: link_of(template, {"id": key}) for key in ids}
    wanted = pa.array(ids, pa.string())
    found: dict[str, str] = {}
    for shard, _ in sealed_shards(store.stage("embed")):
        if len(found) == len(ids):
            break
        # Without the vectors; the hash of each file was verified when the map was made.
        with store.parquet(embeddings(shard)) as file:
            rows = file.read(columns=list(dict.fromkeys(["id", *names])))
        for row in rows.filter(pc.is_in(rows["id"], value_set=wanted)).to_pylist():
            found[row["id"]] = link_of(template, row)
    return found
