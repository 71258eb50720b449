"""Search: the videos nearest to a text, or to a video of the atlas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vidatlas.errors import UsageError
from vidatlas.pipeline.embed.encoder import same_encoder
from vidatlas.pipeline.embed.rows import schema
from vidatlas.pipeline.embed.vectors import vectors_of
from vidatlas.pipeline.names.accepted import names_of
from vidatlas.pipeline.publish.index import SCHEMA, open_index
from vidatlas.recipe import Recipe, recipe_of
from vidatlas.search_index import SearchIndex, unit
from vidatlas.sources.values.links import link_of, youtube_id
from vidatlas.storage import store as layout
from vidatlas.storage.manifest import IndexFacts
from vidatlas.storage.store import Store
from vidatlas.storage.tables import SealedShard, matrix, read_embeddings, sealed_shards
from vidatlas.types import EncodeStats, Floats, Json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Filter:
    """Say which videos may be found; None stands for all."""

    group: str | None = None
    subcategory: int | str | None = None
    """Number or name."""


class Search:
    """Answer queries on a published atlas; index and encoder are loaded with the first query that needs them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def by_text(self, text: str, k: int, only: Filter) -> pd.DataFrame:
        """Return the k videos nearest to a text, embedded by the rule of the records that have nothing but a title."""
        return self._nearest(self.text_vector(text), k, only, None)

    def text_vector(self, text: str) -> Floats:
        """Return the unit vector float32 [1, dim] of a text, as of the title where titles are embedded.

        Raises:
            UsageError: there is none, vectors were given, or the encoder, which knows what it learned, knows nothing in
                it.
        """
        if self.recipe.encoder.kind == "given":
            raise UsageError(
                f"the vectors of {self._store.url} were given, so nothing here can encode words. "
                f"Search by an id: vidatlas similar {self._store.url} ID"
            )
        if not text.strip():
            raise UsageError("the text to search for is empty. Write what the videos should be about.")
        record, embedded = self.recipe.record, self.recipe.record.embedded()
        field = record.title if record.title in embedded else next(iter(embedded))
        table = pa.Table.from_pylist([{"line": 0, "id": "query", "group": "", field: [text]}], schema=schema(record))
        vector = vectors_of(table, self.recipe, self._encoder, EncodeStats(), query=True)
        if not vector.any():
            raise UsageError(
                f"the encoder of {self._store.url} ({self.recipe.encoder.kind}) knows nothing in {text!r}. "
                f"Use other words, or search by an id: vidatlas similar {self._store.url} ID"
            )
        return unit(vector)

    def by_id(self, video: str, k: int, only: Filter) -> pd.DataFrame:
        """Return the k videos nearest to one of the atlas, itself left out."""
        at = self.position(video)
        return self._nearest(self.vector(at), k, only, at)

    def position(self, video: str) -> int:
        """Return where a video stands in the index, given its id or its address on YouTube.

        Raises:
            UsageError: the atlas has no such video.
        """
        for key in (video, youtube_id(video)):
            at = -1 if key is None else int(pc.index(self.videos["id"], key).as_py())
            if at >= 0:
                return at
        raise UsageError(f"no video {video!r} in {self._store.url!r}. Ids are in embeddings/*.parquet.")

    def near(self, at: int, k: int, among: NDArray[np.bool_] | None) -> list[tuple[int, float]]:
        """Return position and cosine of the k videos nearest to the one at a position, itself left out."""
        found = self.near_vector(self.vector(at), k + 1, among)
        return [(row, cosine) for row, cosine in found if row != at][:k]

    def near_vector(self, vector: Floats, k: int, among: NDArray[np.bool_] | None = None) -> list[tuple[int, float]]:
        """Return position and cosine of the k videos nearest to a unit vector [1, dim]."""
        rows, cosines = self._index.search(vector, k, among)
        return [(row, cosine) for row, cosine in zip(rows[0].tolist(), cosines[0].tolist(), strict=True) if row >= 0]

    def vector(self, at: int) -> Floats:
        """Return the unit vector float32 [1, dim] of the video at a position, as it was embedded."""
        ((shard, row),) = self._places([at])
        table = read_embeddings(self._store, *self._shards[shard], ["embedding"])
        return unit(matrix(table["embedding"])[row : row + 1])

    def records(self, positions: Sequence[int]) -> list[Json]:
        """Return id, group, subcategory, title, author and image (where known) and tags of the videos at positions."""
        spec = self.recipe.record
        several = [name for name, field in spec.fields.items() if field.separator]
        columns = [*(["author"] if spec.author else []), *(["image"] if spec.image else []), *several]
        places = self._places(positions)
        texts: dict[int, pa.Table] = {
            shard: read_embeddings(self._store, *self._shards[shard], columns)
            for shard in sorted({shard for shard, _ in places})
        }
        known: list[Json] = self.videos.take(pa.array(positions, pa.int64())).to_pylist()
        for record, (shard, row) in zip(known, places, strict=True):
            (more,) = texts[shard].slice(row, 1).to_pylist()
            record["tags"] = [tag for name in several for tag in more[name] or []]
            record["author"], record["image"] = more.get("author"), more.get("image")
        return known

    def of_group(self, group: str) -> NDArray[np.bool_]:
        """Return which videos are of a group."""
        return np.asarray(pc.equal(self.videos["group"], group).to_numpy(), bool)

    def inside(self, in_group: str, subcategory: int) -> NDArray[np.bool_]:
        """Return which videos are in a subcategory."""
        same = pc.equal(self.videos["in_group"], in_group).to_numpy()
        return np.asarray(same & (self.videos["subcategory"].to_numpy() == subcategory), bool)

    def _places(self, positions: Sequence[int]) -> list[tuple[int, int]]:
        """Return shard and row of each position."""
        shards = np.searchsorted(self._ends, positions, side="right")
        firsts = np.concatenate([[0], self._ends])[shards]
        return [(int(shard), int(at - first)) for shard, at, first in zip(shards, positions, firsts, strict=True)]

    @cached_property
    def _shards(self) -> list[SealedShard]:
        return list(sealed_shards(self._store.stage("embed")))

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Return the position behind each shard's last video; the table of videos has a row group for each."""
        with self._store.parquet(self._published(layout.INDEX_VIDEOS)) as file:
            facts = file.metadata
        return np.cumsum([facts.row_group(number).num_rows for number in range(facts.num_row_groups)])

    @cached_property
    def videos(self) -> pa.Table:
        """Return id, groups, subcategory, title and typed columns of every video, in the order of the index."""
        return self._store.table(self._published(layout.INDEX_VIDEOS)).combine_chunks()

    @cached_property
    def recipe(self) -> Recipe:
        """Return the recipe of the atlas."""
        return recipe_of(self._store)

    @cached_property
    def _encoder(self) -> Any:
        return same_encoder(self._store, self.recipe)

    @cached_property
    def _index(self) -> SearchIndex:
        facts = self._store.read_json(self._published(layout.INDEX_FACTS), IndexFacts)
        dim = self._store.stage("embed")["encoder"]["dim"]
        return open_index(self._store, layout.INDEX, facts, self.videos.num_rows, dim)

    @cached_property
    def names(self) -> dict[tuple[str, int], str]:
        """Return the name of every subcategory by group and number."""
        return names_of(self._store)

    def name_of(self, video: Json) -> str:
        """Return the name of a video's subcategory."""
        return self.names[video["in_group"], video["subcategory"]]

    def _published(self, name: str) -> str:
        if name not in self._store.stage("publish")["files"]:
            raise UsageError(
                f"{self._store.url} has no search index. Make one with: "
                f"vidatlas publish {self._store.url} --set publish.index.kind=auto"
            )
        return name

    def _nearest(self, query: Floats, k: int, only: Filter, own: int | None) -> pd.DataFrame:
        import pandas as pd

        if k < 1:
            raise UsageError(f"k is {k}; ask for at least one video.")
        near, cosines = self._index.search(query, k + 1, self.among(only))
        pairs = [(row, cosine) for row, cosine in zip(near[0], cosines[0], strict=True) if row >= 0 and row != own]
        table = self.videos.take(pa.array([row for row, _ in pairs[:k]], pa.int64()))
        rows = [self._shown(row, float(cosine)) for row, (_, cosine) in zip(table.to_pylist(), pairs, strict=False)]
        frame = pd.DataFrame(rows, columns=["id", "title", "group", "subcategory", "name", "cosine"])
        for name in (name for name in table.column_names if name not in SCHEMA.names):
            # Integers that may be empty: plain pandas would make them floats.
            frame[name] = table[name].to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        if self.recipe.record.url:
            frame["url"] = [row["url"] for row in rows]
        return frame

    def _shown(self, row: Json, cosine: float) -> Json:
        shown = {"name": self.name_of(row), "cosine": min(max(cosine, -1.0), 1.0)}
        return {**row, **shown, "url": link_of(self.recipe.record.url, row) or None}

    def among(self, only: Filter) -> NDArray[np.bool_] | None:
        """Return which videos a filter lets through, or None for all of them.

        Raises:
            UsageError: it lets none through.
        """
        if only.group is None and only.subcategory is None:
            return None
        keep = np.ones(self.videos.num_rows, bool)
        if only.group is not None:
            keep &= self.of_group(only.group)
        if only.subcategory is not None:
            keep &= self._inside(only.subcategory)
        if not keep.any():
            raise UsageError(
                f"no video is in group {only.group!r}, subcategory {only.subcategory!r}. "
                f"See them with: duckdb -c \"from '{self._store.url}/{layout.SUBCATEGORIES}'\""
            )
        return keep

    def _inside(self, subcategory: int | str) -> NDArray[np.bool_]:
        """Return which videos are in a subcategory given by number, or by its name in any group."""
        keep = np.zeros(self.videos.num_rows, bool)
        if str(subcategory).isdecimal():
            keep |= self.videos["subcategory"].to_numpy() == int(subcategory)
        for home in (home for home, name in self.names.items() if name == subcategory):
            keep |= self.inside(*home)
        return keep
