"""The Atlas class: a finished atlas in Python, with its tables, counts, metrics, search and suggestions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.listing import Listing, listing
from vidatlas.pipeline.explore.search import Filter, Search
from vidatlas.pipeline.explore.suggest import METHODS, PICTURED, Method, Modality, Suggestion, alike, recommend, suggest
from vidatlas.pipeline.explore.videos import NEARNESS
from vidatlas.pipeline.names.accepted import names_of
from vidatlas.recipe import Recipe, recipe_of
from vidatlas.sources.images import UnreadablePictureError, locate, thumbnail
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Metrics
from vidatlas.storage.manifest import PlanCounts, entries
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import dataset, matrix, sealed_shards
from vidatlas.types import Place
from vidatlas.views.nouns import Nouns
from vidatlas.views.report import map_policy

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as pads


class Atlas:
    """Read a finished atlas; a file whose checksum is wrong is refused."""

    def __init__(self, url: Place) -> None:
        self._store = Store(url)
        self.url = self._store.url

    def __repr__(self) -> str:
        return f"Atlas({self.url!r})"

    def _repr_html_(self) -> str | None:
        """Return the map in a frame, which a notebook shows in place of ``repr``; None before ``publish``.

        Anyone may have written the atlas: the frame runs only vidatlas's scripts, and cannot reach the notebook's page.
        """
        if "publish" not in self._store.manifest()["stages"]:
            return None
        page = f'<meta http-equiv="Content-Security-Policy" content="{map_policy()}">{self.map}'
        frame = 'sandbox="allow-scripts allow-popups" width="100%" height="560" style="border: 0"'
        return f'<iframe {frame} title="Map of {escape(self.title)}" srcdoc="{escape(page)}"></iframe>'

    @cached_property
    def _recipe(self) -> Recipe:
        return recipe_of(self._store)

    @property
    def counts(self) -> PlanCounts:
        """Return rows read, kept, rejected and duplicate."""
        return self._store.stage("plan")["counts"]

    @property
    def title(self) -> str:
        """Return what the recipe calls the atlas."""
        return self._recipe.publish.title

    @property
    def nouns(self) -> Nouns:
        """Return what the recipe calls records and groups."""
        return self._recipe.publish.nouns

    @property
    def metrics(self) -> Metrics:
        """Return the quality figures; under "search" those of the index, once the atlas is published."""
        found = self._store.read_json(layout.METRICS, Metrics)
        published = self._store.manifest()["stages"].get("publish")
        if published and "index" in published:
            found["search"] = published["index"]
        return found

    @property
    def report(self) -> str:
        """Return the location of the atlas's report."""
        return f"{self._store.folder.url}/{layout.REPORT}"

    def subcategories(self) -> pd.DataFrame:
        """Return one row per subcategory, largest first: ``subcategories.parquet`` with the accepted names."""
        table = self._read(layout.SUBCATEGORIES, self._store.stage("reduce")["files"])
        frame: pd.DataFrame = table.to_pandas()
        names = names_of(self._store)
        frame["name"] = [names[home] for home in zip(frame["group"], frame["subcategory"], strict=True)]
        return frame.sort_values(["size", "group", "name"], ascending=[False, True, True], ignore_index=True)

    def levels(self) -> pd.DataFrame:
        """Return one row per node above the subcategories, the broadest level first: ``levels.parquet``."""
        frame: pd.DataFrame = self._read(layout.LEVELS, self._store.stage("reduce")["files"]).to_pandas()
        return frame

    def assignments(self) -> pd.DataFrame:
        """Return one row per video: id, group, in_group (where it was clustered), subcategory, distance and margin."""
        self._store.stage("reduce")
        return self.table("assignments")

    def embeddings(self) -> tuple[list[str], Any]:
        """Return all ids and float16 [videos, dim], in the order of ``assignments``; they must fit into memory."""
        files = self._store.stage("embed")["files"]
        names = [layout.embeddings(shard) for shard, _ in sealed_shards(self._store.stage("embed"))]
        table = pa.concat_tables([self._read(name, files, ["id", "embedding"]) for name in names])
        return table["id"].to_pylist(), matrix(table["embedding"])

    def positions(self) -> pd.DataFrame:
        """Return id and place x, y (from -1 to 1) of every video on the map, in the order of ``assignments``."""
        self._store.stage("publish")
        return self.table("layout")

    def table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Return a table of the atlas: a file such as ``layout/labels.parquet``, or all files of a folder in order.

        Args:
            name: of the file, or of a folder with a file per shard: embeddings, reduced, assignments, layout.
            columns: which ones, in this order; None for all.

        Raises:
            UsageError: the atlas has sealed no such table.
        """
        files = self._files(name)
        frame: pd.DataFrame = pa.concat_tables([self._read(file, files, columns) for file in files]).to_pandas()
        return frame

    def dataset(self, name: str) -> pads.Dataset:
        """Return a table as a pyarrow dataset, for tables that do not fit into memory: it reads what is asked of it.

        Checksums of pages are verified where a file has them; ``vidatlas verify`` verifies those of files.

        Args:
            name: as of ``table``.

        Raises:
            UsageError: the atlas has sealed no such table.
            InputError: a file of it is missing, damaged or has an unsafe extension type.
        """
        return dataset(self._store, list(self._files(name)))

    def _files(self, name: str) -> Files:
        files = {file: facts for entry in entries(self._store.manifest()) for file, facts in entry["files"].items()}
        shards = [f"{name}/{shard}.parquet" for shard, _ in sealed_shards(self._store.stage("embed"))]
        names = [name] if name.endswith(".parquet") else shards
        if files.keys().isdisjoint(names):
            raise UsageError(f"{self.url} has no table {name!r}. See its README.md for what it holds.")
        return {file: self._store.listed(files, file) for file in names}

    def search(
        self,
        text: str,
        k: int = 10,
        group: str | None = None,
        subcategory: int | str | None = None,
        ranges: Mapping[str, tuple[Any, Any]] | None = None,
    ) -> pd.DataFrame:
        """Return the k videos that fit a text, best first: id, title, group, subcategory, name, cosine.

        A video whose title is the text comes first; the others are ordered by words and vectors together. Then follow
        the recipe's typed columns (``record.columns``), and url where it makes links (``record.url``).

        Args:
            text: compared with titles word by word, and embedded by the atlas's own encoder as a title without tags.
            k: how many; fewer come where there are fewer.
            group: only videos of this one.
            subcategory: only videos of this one, by number or name.
            ranges: lowest and highest value of typed columns, both included; None for no bound: a number, or a date
                such as "2020-01-31".

        Raises:
            UsageError: no text, no index, nothing passes the filter, or neither words nor vectors say anything.
            ConflictError: the encoder on this machine is not the one the atlas was made with.
        """
        bounds = tuple((name, low, high) for name, (low, high) in (ranges or {}).items())
        return self.finder.by_text(text, k, Filter(group, subcategory, bounds))

    def similar(
        self, id: str, k: int = 10, group: str | None = None, subcategory: int | str | None = None
    ) -> pd.DataFrame:
        """Return the k videos nearest to one of the atlas, itself left out; columns and filters as in ``search``.

        The video is given by its id, or by its address on YouTube.
        """
        return self.finder.by_id(id, k, Filter(group, subcategory))

    def videos(self) -> pd.DataFrame:
        """Return id, groups, subcategory, title, typed columns of every video, in the order of ``assignments``."""
        table = self._store.table(layout.INDEX_VIDEOS, self.finder.videos.facts)
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def listed(self, group: str, subcategory: int | str | None = None, sort: str = NEARNESS) -> Listing:
        """Return all videos of a category or a subcategory, sorted; take what you need of it by slices.

        Args:
            group: the category, in any case.
            subcategory: only this one, by number or name.
            sort: nearness (to the centre of the subcategory), a typed column such as views or published (highest or
                latest first), or title.

        Raises:
            UsageError: there is no such category or subcategory, or they cannot be sorted so.
        """
        return listing(self.finder, group, subcategory, sort)

    @property
    def map(self) -> str:
        """Return the page with nothing but the map, as HTML."""
        return self._store.read(
            layout.MAP, self._store.listed(self._store.stage("publish")["files"], layout.MAP)
        ).decode()

    def map_file(self, name: str) -> bytes | None:
        """Return a file of ``map/``, which a map with tiles fetches; None if there is no such file."""
        facts = self._tiles.get(name)
        return facts and self._store.read(name, facts)

    @cached_property
    def _tiles(self) -> Files:
        files = self._store.stage("publish")["files"]
        return {name: facts for name, facts in files.items() if name.startswith("map/")}

    def suggest(self, id: str, k: int = 8, method: Method = "nearest") -> list[Suggestion]:
        """Return what somebody may also like who likes a video, with reasons: at most two of a channel, no title twice.

        Args:
            id: of a video of the atlas.
            k: at most so many.
            method: nearest, of all; subcategory, of the same one; elsewhere, of other categories; picture or both,
                where the atlas has pictures: by them, or by them and the words.
        """
        if method in PICTURED:
            return alike(self._store, self.finder, id, k, both=method == "both")
        return suggest(self.finder, id, k, method)

    def recommend(
        self, image: Place | None = None, title: str | None = None, k: int = 10, method: Modality = "hybrid"
    ) -> list[Suggestion]:
        """Return k videos like a title, a picture (a local file) or both; methods: text, image, hybrid.

        Raises:
            UsageError: what the method needs is not given, not in the atlas, or cannot be read.
        """
        return recommend(self._store, self.finder, image, title, k, method)

    @property
    def encodes_texts(self) -> bool:
        """Tell whether the atlas can be searched by words: not where its vectors were given."""
        return self._recipe.encoder.kind != "given"

    @cached_property
    def methods(self) -> dict[Method, str]:
        """Return the methods of ``suggest`` that this atlas has, in words."""
        pictured = layout.PICTURE_INDEX in self._store.stage("publish")["files"]
        return METHODS | (PICTURED if pictured else {})

    def thumbnail_at(self, position: int, size: tuple[int, int]) -> bytes | None:
        """Return a JPEG of the video at a position of the index; None where it has no image, or no longer one."""
        spec = self.finder.recipe.record.image
        name = self.finder.records([position])[0]["image"] if spec else None
        if spec is None or not name:
            return None
        try:
            return thumbnail(locate(spec.folder, name), size)
        except UnreadablePictureError:
            return None

    @cached_property
    def finder(self) -> Search:
        """Return what finds videos by position; the app is built on it."""
        self._store.stage("publish")
        return Search(self._store)

    def _read(self, name: str, files: Files, columns: list[str] | None = None) -> pa.Table:
        return self._store.table(name, self._store.listed(files, name), columns)


def open_atlas(url: Place) -> Atlas:
    """Return an existing atlas.

    Raises:
        UsageError: there is none, or its first run failed.
    """
    store = Store(url)
    if "recipe" not in store.manifest():
        raise UsageError(f"{url} is not an atlas. Make one with: vidatlas run RECIPE INPUT… {url}")
    store.stage("plan")
    return Atlas(url)
