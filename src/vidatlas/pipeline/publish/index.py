"""The search index: built from committed embeddings in manifest order, its recall measured against brute force."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vidatlas.clustering.kmeans import sample_rows
from vidatlas.errors import InputError
from vidatlas.pipeline.embed.rows import titles_of
from vidatlas.pipeline.reduce import assignments
from vidatlas.recipe import Recipe
from vidatlas.search_index import QUERIES, BruteForce, K, SearchIndex, training_rows, unit
from vidatlas.sources.values.columns import ARROW
from vidatlas.storage import store as layout
from vidatlas.storage.index_bytes import BadIndexError
from vidatlas.storage.manifest import IndexFacts, PictureFacts
from vidatlas.storage.mapped import MappedFiles
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.storage.tables import SealedShard, matrix, read_embeddings
from vidatlas.types import Floats
from vidatlas.views.nouns import Nouns

_PLACED = ["group", "in_group", "subcategory", "distance"]
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        *(assignments.SCHEMA.field(name) for name in _PLACED),
        ("title", pa.string()),
        ("author", pa.string()),  # null where the recipe has none
        ("image", pa.string()),  # its file, if the recipe has images
    ]
)
"""Of the table of videos, before the recipe's typed columns."""


def make_index(recipe: Recipe, store: Store, shards: list[SealedShard]) -> tuple[Files, IndexFacts]:
    """Write ``index/``; return its files and its facts. Vectors pass through one shard at a time."""
    spec = recipe.publish.index
    if spec.kind == "none":
        return {}, {"kind": "none"}
    rows = _Rows(store, shards)
    training = rows.take(sample_rows(rows.total, training_rows(spec, rows.total), spec.seed))
    own = sample_rows(rows.total, min(QUERIES, rows.total), spec.seed + 1)
    queries = rows.take(own)
    index = SearchIndex.empty(spec, rows.total, rows.dim, training)
    videos = _fill(recipe, rows, index, brute := BruteForce(queries, K + 1))
    truth = np.array([[row for row in found if row != mine][:K] for found, mine in zip(brute.rows, own, strict=True)])
    recall = index.tune(queries, own, truth.reshape(len(own), -1), spec.recall)
    data = index.to_bytes()
    facts: IndexFacts = {
        "kind": f"ivf, {index.lists} cells, {spec.codec}" if index.lists else "flat, float16",
        "metric": "cosine",
        "rows": rows.total,
        "dim": rows.dim,
        "bytes": len(data),
        "lists": index.lists,
        "probes": index.probes,
        "recall_at_10": recall,
        "queries": len(own),
    }
    files = store.put(layout.INDEX, data) | store.put(layout.INDEX_VIDEOS, videos)
    return files | store.put(layout.INDEX_FACTS, to_json(facts)), facts


def open_index(store: Store, name: str, facts: IndexFacts | PictureFacts, rows: int, dim: int) -> SearchIndex:
    """Return a published index of so many rows and dimensions; ``facts`` says into how many cells to look.

    Raises:
        InputError: the file is missing or altered, or not what ``make_index`` writes.
    """
    path = MappedFiles(store).path(name, store.listed(store.stage("publish")["files"], name))
    try:
        probes = facts.get("probes")
        if probes is None:
            raise BadIndexError("its facts do not say into how many cells to look")
        return SearchIndex.from_file(path, probes, rows, dim)
    except BadIndexError as error:
        raise InputError(
            f"{store.url}/{name} is no search index of vidatlas: {error}. Make it again: vidatlas publish {store.url}"
        ) from error


def index_fact(facts: IndexFacts, nouns: Nouns) -> str:
    """Return in words what the index is and how good."""
    if facts["kind"] == "none":
        return "none"
    return (
        f"{facts['kind']}; finds {facts['recall_at_10']:.1%} of the ten nearest of {nouns.records(facts['queries'])} "
        "(recall@10, beside brute force)"
    )


def _fill(recipe: Recipe, rows: _Rows, index: SearchIndex, brute: BruteForce) -> bytes:
    """Add every vector; return what ``SCHEMA`` says of each video as Parquet, a row group a shard."""
    out, record = io.BytesIO(), recipe.record
    known = ["author"] * bool(record.author) + ["image"] * bool(record.image)
    reduced, more = rows.store.stage("reduce"), list(record.columns)
    kinds = rows.store.stage("plan").get("columns", {})
    schema = pa.schema([*SCHEMA, *(pa.field(name, ARROW[kinds.get(name, "text")]) for name in more)])
    with pq.ParquetWriter(out, schema, compression="zstd", write_page_checksum=True) as writer:
        for shard, facts in rows.shards:
            table = read_embeddings(rows.store, shard, facts, ["id", record.title, *known, *more, "embedding"])
            vectors = unit(matrix(table["embedding"]))
            index.add(vectors)
            brute.add(vectors)
            placed = assignments.read_assignments(rows.store, shard, reduced, _PLACED)
            titles = pa.array(titles_of(table, record.title, np.arange(len(vectors))), pa.string())
            nothing = pa.nulls(len(vectors), pa.string())
            own = (table[name] if name in known else nothing for name in ("author", "image"))
            columns = [table["id"], *placed.columns, titles, *own, *(table[name] for name in more)]
            writer.write_table(pa.table(columns, schema=schema))
    return out.getvalue()


@dataclass
class _Rows:
    """Find rows of all shards by their number, in manifest order."""

    store: Store
    shards: list[SealedShard]

    def __post_init__(self) -> None:
        self.sizes = [self._size(shard) for shard, _ in self.shards]
        self.total = sum(self.sizes)
        self.dim = self.store.stage("embed")["encoder"]["dim"]

    def _size(self, shard: str) -> int:
        with self.store.parquet(layout.embeddings(shard)) as file:
            return int(file.metadata.num_rows)

    def take(self, chosen: NDArray[np.int64]) -> Floats:
        """Return the unit vectors of some rows by their ascending numbers; other shards stay closed."""
        pieces, first = [np.empty((0, self.dim), np.float32)], 0
        for (shard, facts), rows in zip(self.shards, self.sizes, strict=True):
            low, high = np.searchsorted(chosen, [first, first + rows])
            if high > low:
                table = read_embeddings(self.store, shard, facts, ["embedding"])
                pieces.append(unit(matrix(table["embedding"])[chosen[low:high] - first]))
            first += rows
        return np.concatenate(pieces)
