"""Search: the videos that fit a text, by words and by vectors, or that are nearest to a video of the atlas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.embed.encoder import same_encoder
from vidatlas.pipeline.embed.rows import schema
from vidatlas.pipeline.embed.vectors import vectors_of
from vidatlas.pipeline.explore.videos import Mask, Videos
from vidatlas.pipeline.explore.words import Words
from vidatlas.pipeline.names.accepted import BySubcategory, names_of
from vidatlas.pipeline.publish.index import open_index
from vidatlas.pipeline.reduce.assignments import ALL
from vidatlas.recipe import Recipe, recipe_of
from vidatlas.search_index import SearchIndex, unit
from vidatlas.sources.values.links import link_of
from vidatlas.storage import store as layout
from vidatlas.storage.manifest import IndexFacts
from vidatlas.storage.mapped import MappedFiles
from vidatlas.storage.store import Store
from vidatlas.storage.tables import SealedShard, matrix, sealed_shards
from vidatlas.threads import once
from vidatlas.types import EncodeStats, Floats, Json, Kind

if TYPE_CHECKING:
    import pandas as pd

Range = tuple[str, Any, Any]
"""A typed column and its lowest and highest value, both included; None: no bound."""
_IN_EACH_LIST = 300
_DAMPING = 60
"""As in the paper: how little the very first ranks count above the next."""
_EVERY_WORD, _SOME_WORDS = 1.25, 0.5
"""Weights of ranks by words beside those by vectors: titles with all words stand before what only vectors find."""
_LISTED = 12
_DIGITS = 18
"""Most of a number: Python refuses to read thousands."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Say which videos may be found; None stands for all."""

    group: str | None = None
    subcategory: int | str | None = None
    """Number or name."""
    ranges: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """Say where a video that was found stands in the index, and why it was found."""

    row: int
    cosine: float | None
    """None where the text has no vector."""
    match: Literal["title", "words", "meaning"]
    """It has the text as its title; words of it in the title; a vector near that of the text."""


def fuse(lists: Iterable[tuple[float, Iterable[int]]]) -> dict[int, float]:
    """Return the score of each row of some weighted lists, the best first.

    It is the sum of weight / (60 + rank) over the lists: reciprocal rank fusion (Cormack et al., 2009).
    """
    scores: dict[int, float] = defaultdict(float)
    for weight, rows in lists:
        for rank, row in enumerate(rows, 1):
            scores[row] += weight / (_DAMPING + rank)
    return {row: scores[row] for row in sorted(scores, key=lambda row: (-scores[row], row))}


class Search:
    """Answer queries on a published atlas; index and encoder are loaded with the first query that needs them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files = MappedFiles(store)
        self.videos = Videos(store)

    def by_text(self, text: str, k: int, only: Filter) -> pd.DataFrame:
        """Return the k videos that fit a text best, by words and by vectors."""
        return self._frame(self.hits(text, k, only))

    def hits(self, text: str, k: int, only: Filter, vectors: bool = True) -> list[Hit]:
        """Return the k videos that fit a text best: with it as their title, with a rare word of it, then all others.

        Those are ordered by words and by vectors, lists that are fused by reciprocal rank.

        Args:
            text: is compared with titles, and embedded as a title without tags.
            k: how many.
            only: which may be found.
            vectors: whether to compare vectors, for which the encoder is loaded.

        Raises:
            UsageError: no text, no index, nothing passes the filter, or neither words nor vectors say anything.
            ConflictError: the encoder on this machine is not the one the atlas was made with.
        """
        _check(k)
        if not text.strip():
            raise UsageError("the text to search for is empty. Write what the videos should be about.")
        among, depth = self.among(only), max(k, _IN_EACH_LIST)
        vector = self._encoded(text) if vectors else None
        near = dict(self.near_vector(vector, depth, among)) if vector is not None else {}
        named = self.words.find(text, depth, among, list(near) if vector is not None else None)
        exact = self.words.exact(text, depth, among)
        if vectors and vector is None and not (exact or named.every or named.some):
            raise self._says_nothing(text)
        rest = fuse(((1.0, near), (_EVERY_WORD, named.every), (_SOME_WORDS, named.some)))
        first = [*sorted(exact, key=lambda row: (-near.get(row, 0), row)), *named.rare]
        best, has = list(dict.fromkeys([*first, *rest]))[:k], {*named.rare, *named.every, *named.some}
        if vector is not None:
            near |= self._cosines(vector, [row for row in best if row not in near])
        return [
            Hit(row, near.get(row), "title" if row in set(exact) else "words" if row in has else "meaning")
            for row in best
        ]

    def text_vector(self, text: str) -> Floats:
        """Return the unit vector float32 [1, dim] of a text, as of the title where titles are embedded.

        Raises:
            UsageError: there is none, vectors were given, or the encoder, which knows what it learned, knows nothing in
                it.
        """
        vector = self._encoded(text)
        if vector is None:
            raise self._says_nothing(text)
        return vector

    def _encoded(self, text: str) -> Floats | None:
        if self.recipe.encoder.kind == "given":
            return None
        record, embedded = self.recipe.record, self.recipe.record.embedded()
        field = record.title if record.title in embedded else next(iter(embedded))
        table = pa.Table.from_pylist([{"line": 0, "id": "query", "group": "", field: [text]}], schema=schema(record))
        vector = vectors_of(table, self.recipe, self.encoder, EncodeStats(), query=True)
        return unit(vector) if vector.any() else None

    def _says_nothing(self, text: str) -> UsageError:
        instead = f"search by an id: vidatlas similar {self._store.url} ID"
        if self.recipe.encoder.kind == "given":
            return UsageError(
                f"no title in {self._store.url} has the words {text!r}, and its vectors were given, so nothing here "
                f"can encode words. Use other words, or {instead}"
            )
        return UsageError(
            f"the encoder of {self._store.url} ({self.recipe.encoder.kind}) knows nothing in {text!r}, and no title "
            f"has it. Use other words, or {instead}"
        )

    def by_id(self, video: str, k: int, only: Filter) -> pd.DataFrame:
        """Return the k videos nearest to one of the atlas, itself left out."""
        _check(k)
        found = self.near(self.position(video), k, self.among(only))
        return self._frame([Hit(row, cosine, "meaning") for row, cosine in found])

    def position(self, video: str) -> int:
        """Return where a video stands in the index, given its id or its address on YouTube."""
        return self.videos.position(video)

    def near(self, at: int, k: int, among: Mask | None) -> list[tuple[int, float]]:
        """Return position and cosine of the k videos nearest to the one at a position, itself left out."""
        found = self.near_vector(self.vector(at), k + 1, among)
        return [(row, cosine) for row, cosine in found if row != at][:k]

    def near_vector(self, vector: Floats, k: int, among: Mask | None = None) -> list[tuple[int, float]]:
        """Return position and cosine of the k videos nearest to a unit vector [1, dim]."""
        rows, cosines = self.index.search(vector, k, among)
        return [(row, cosine) for row, cosine in zip(rows[0].tolist(), cosines[0].tolist(), strict=True) if row >= 0]

    def _cosines(self, vector: Floats, rows: list[int]) -> dict[int, float]:
        if not rows:
            return {}
        among = np.zeros(len(self.videos), bool)
        among[rows] = True
        return dict(self.near_vector(vector, len(rows), among))

    def vector(self, at: int) -> Floats:
        """Return the unit vector float32 [1, dim] of the video at a position, as it was embedded."""
        ((shard, row),) = self._places([at])
        return unit(matrix(self._embedded(shard, ["embedding"])["embedding"])[row : row + 1])

    def records(self, positions: Sequence[int]) -> list[Json]:
        """Return id, group, subcategory, title, author, image, typed columns of the videos at positions."""
        records: list[Json] = self.videos.take(positions).to_pylist()
        return [{"author": None, "image": None, **record} for record in records]

    def tags(self, positions: Sequence[int]) -> list[list[str]]:
        """Return the tags of the videos at positions: the values of their fields that have several."""
        several = [name for name, field in self.recipe.record.fields.items() if field.separator]
        places = self._places(positions)
        if not several:
            return [[] for _ in places]
        texts = {shard: self._embedded(shard, several) for shard in sorted({shard for shard, _ in places})}
        rows = (texts[shard].slice(row, 1).to_pylist()[0] for shard, row in places)
        return [[tag for name in several for tag in row[name] or []] for row in rows]

    def _embedded(self, shard: int, columns: list[str]) -> pa.Table:
        name, facts = self._shards[shard]
        name = layout.embeddings(name)
        with self._store.readable(name):
            table = self._files.open(name, facts).read(columns=columns)
        absent = [column for column in columns if column not in table.column_names]
        if absent:
            raise InputError(f"{self._store.url}/{name} has no column {absent[0]!r}. {self._store.remedy(name)}")
        return table

    def _places(self, positions: Sequence[int]) -> list[tuple[int, int]]:
        """Return shard and row of each position.

        Raises:
            InputError: the table of videos has another number of row groups than there are shards.
        """
        if len(self.videos.ends) != len(self._shards):
            raise self._store.altered(layout.INDEX_VIDEOS)
        shards = np.searchsorted(self.videos.ends, positions, side="right")
        firsts = np.concatenate([[0], self.videos.ends])[shards]
        return [(int(shard), int(at - first)) for shard, at, first in zip(shards, positions, firsts, strict=True)]

    @cached_property
    def _shards(self) -> list[SealedShard]:
        return list(sealed_shards(self._store.stage("embed")))

    @cached_property
    def recipe(self) -> Recipe:
        """Return the recipe of the atlas."""
        return recipe_of(self._store)

    @once
    def encoder(self) -> Any:
        """Return the encoder, loaded at the first call."""
        return same_encoder(self._store, self.recipe)

    @once
    def words(self) -> Words:
        """Return the index of the words in titles, made at the first call."""
        return Words(self.videos, self.videos.facts["sha256"])

    @once
    def index(self) -> SearchIndex:
        """Return the index of vectors, loaded at the first call."""
        facts = self._store.read_json(layout.INDEX_FACTS, IndexFacts)
        dim = self._store.stage("embed")["encoder"]["dim"]
        return open_index(self._store, layout.INDEX, facts, len(self.videos), dim)

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Return what kind of values each typed column holds."""
        return dict(self._store.stage("plan").get("columns", {}))

    @cached_property
    def names(self) -> dict[tuple[str, int], str]:
        """Return the name of every subcategory by group and number."""
        names = {(row["group"], row["subcategory"]): str(row["name"]) for row in self.subcategories}
        return BySubcategory(self._store, names)

    @cached_property
    def subcategories(self) -> list[Json]:
        """Return place, name, size, terms and core of every subcategory, largest first."""
        columns = ["group", "levels", "subcategory", "size", "terms", "silhouette", "peripheral", "core_distance"]
        rows = self._store.table(layout.SUBCATEGORIES, columns=columns).to_pylist()
        names = names_of(self._store)
        found: list[Json] = [{**row, "name": names[row["group"], row["subcategory"]]} for row in rows]
        return sorted(found, key=lambda row: (-row["size"], row["group"], row["name"]))

    def name_of(self, video: Json) -> str:
        """Return the name of a video's subcategory."""
        return self.names[video["in_group"], video["subcategory"]]

    @cached_property
    def _reach(self) -> Mapping[tuple[str, int], float | None]:
        known = ((row, row["core_distance"] if row["peripheral"] is not None else None) for row in self.subcategories)
        return BySubcategory(self._store, {(row["group"], row["subcategory"]): reach for row, reach in known})

    def part_of(self, video: Mapping[str, Any]) -> str | None:
        """Return whether a video is "core" or "peripheral" in its subcategory; None where there are no centroids."""
        reach = self._reach[video["in_group"], video["subcategory"]]
        return None if reach is None else "core" if video["distance"] <= reach else "peripheral"

    def _frame(self, hits: Sequence[Hit]) -> pd.DataFrame:
        import pandas as pd

        table = self.videos.take([hit.row for hit in hits])
        rows = [self._shown(row, hit) for row, hit in zip(table.to_pylist(), hits, strict=True)]
        frame = pd.DataFrame(rows, columns=["id", "title", "group", "subcategory", "name", "cosine"])
        for name in self.videos.typed:
            # Integers that may be empty: plain pandas would make them floats.
            frame[name] = table[name].to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        if self.recipe.record.url:
            frame["url"] = [row["url"] for row in rows]
        return frame

    def _shown(self, row: Json, hit: Hit) -> Json:
        cosine = None if hit.cosine is None else min(max(hit.cosine, -1.0), 1.0)
        shown = {"name": self.name_of(row), "cosine": cosine}
        return {**row, **shown, "url": link_of(self.recipe.record.url, row) or None}

    def among(self, only: Filter) -> Mask | None:
        """Return which videos a filter lets through, or None for all of them.

        Raises:
            UsageError: it lets none through; the message says what there is.
        """
        if only == Filter():
            return None
        keep = np.ones(len(self.videos), bool)
        if only.group is not None:
            keep &= self.videos.of_group(self.group_named(only.group))
        if only.subcategory is not None:
            keep &= self._inside(only)
        for column, low, high in only.ranges:
            keep &= self.videos.within(column, low, high)
        if not keep.any():
            raise UsageError("no video passes all filters together. Use fewer or wider ones.")
        return keep

    def group_named(self, group: str) -> str:
        """Return the name of a category as the atlas has it, whatever its case in the question.

        Raises:
            UsageError: there is none; the message names those that there are.
        """
        if group in (groups := self._named_groups):
            return group
        alike = [name for name in groups if name.casefold() == group.casefold()]
        if len(alike) == 1:
            return alike[0]
        raise UsageError(
            f"{self._store.url} has no {self.recipe.publish.nouns.group[0]} {group!r}{_listed(group, groups)}"
        )

    @cached_property
    def _named_groups(self) -> list[str]:
        """Return the categories, and the group of all videos where they were clustered together."""
        together = any(group == ALL for group, _ in self.names)
        return [*self.groups, *([ALL] if together and ALL not in self.groups else [])]

    @cached_property
    def groups(self) -> dict[str, int]:
        """Return the number of videos of each category, largest first."""
        sizes = self.videos.sizes
        return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))

    def _inside(self, only: Filter) -> Mask:
        keep = np.zeros(len(self.videos), bool)
        for home in self.homes(only):
            keep |= self.videos.inside(*home)
        return keep

    def homes(self, only: Filter) -> list[tuple[str, int]]:
        """Return the subcategories of a number or name, in one category or any: category and number of each.

        Raises:
            UsageError: there is none; the message names those that there are.
        """
        wanted, names = str(only.subcategory), self._names_of(only.group)
        number = int(wanted) if wanted.isdecimal() and len(wanted) <= _DIGITS else None
        found = [home for home, name in names.items() if name.casefold() == wanted.casefold() or home[1] == number]
        inside = [
            repr(sub["name"]) for sub in self.subcategories if wanted.casefold() in map(str.casefold, sub["levels"])
        ]
        if not found and inside:
            raise UsageError(f"{wanted!r} is a topic of {len(inside)} subcategories. Name one: {', '.join(inside[:9])}")
        if not found:
            raise UsageError(
                f"{self._store.url} has no subcategory {wanted[:80]!r}{_listed(wanted, list(names.values()))}"
            )
        return found

    def _names_of(self, group: str | None) -> dict[tuple[str, int], str]:
        """Return the names of a category's subcategories; all where they were clustered over all categories."""
        own = None if group is None else self.group_named(group)
        inside = {home: name for home, name in self.names.items() if home[0] == own}
        return inside or self.names


def _listed(wanted: str, names: list[str]) -> str:
    """Return the end of a sentence on what there is in place of a name that there is not."""
    near = get_close_matches(wanted.casefold(), {name.casefold() for name in names}, 1, 0.6)
    meant = next((f". Did you mean {name!r}?" for name in names if name.casefold() in near), ".")
    shown = ", ".join(map(repr, names[:_LISTED]))
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"{meant} There are: {shown}{more}. See them with: vidatlas list"


def _check(k: int) -> None:
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least one video.")
