"""The search index: built by tasks from committed embeddings, merged on disk, its recall measured by brute force.

A task encodes the rows of a block of shards. One process then writes all blocks cell by cell into the file of the
index, so no process holds more than a block, or the sample that cells are trained on. Rows count in manifest order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vidatlas.clustering.kmeans import sample_rows
from vidatlas.errors import InputError
from vidatlas.pipeline.embed.rows import titles_of
from vidatlas.pipeline.reduce import assignments
from vidatlas.pipeline.stage import Steps
from vidatlas.recipe import Recipe
from vidatlas.search_index import QUERIES, BruteForce, IndexSpec, K, SearchIndex, training_rows, unit
from vidatlas.sources.values.columns import ARROW
from vidatlas.storage import store as layout
from vidatlas.storage.index_bytes import BadIndexError, merged
from vidatlas.storage.manifest import IndexFacts, PictureFacts
from vidatlas.storage.mapped import MappedFiles
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.storage.tables import SealedShard, blocks_of, matrix, read_embeddings, split_rows
from vidatlas.types import Floats, Mapper
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
_UNIT = 10**6
"""Bytes after which it is told how much of an index is written."""


def make_index(recipe: Recipe, store: Store, shards: list[SealedShard], steps: Steps) -> tuple[Files, IndexFacts]:
    """Write ``index/``; return its files and its facts."""
    spec = recipe.publish.index
    _remove_parts(store)
    if spec.kind == "none":
        return {}, {"kind": "none"}
    blocks = blocks_of(shards)
    sizes = [rows for found in steps.run.runner.map(partial(_sizes, store), blocks) for rows in found]
    steps.begin("training the search index")
    rows = Vectors(
        steps.run.runner, numbered(shards, sizes), partial(_vectors, store), store.stage("embed")["encoder"]["dim"]
    )
    index = trained(spec, rows)
    own = sample_rows(rows.total, min(QUERIES, rows.total), spec.seed + 1)
    queries = rows.take(own)
    files: Files = {}
    cells, brute = [], BruteForce(queries, K + 1)
    work = partial(_index_block, store, recipe, index, queries)
    with (
        store.writing(layout.INDEX_VIDEOS, files) as out,
        pq.ParquetWriter(out, _schema(recipe, store), compression="zstd", write_page_checksum=True) as videos,
    ):
        for found in steps.of("building the search index").map(work, rows.blocks):
            for table in found.videos:  # a row group a shard
                videos.write_table(table)
            cells.append(found.cells)
            brute.take(found.rows, found.cosines)
    size = index.bytes_for(rows.total) // _UNIT
    steps.begin("writing the search index", size, "MB")
    files |= write_index(store, layout.INDEX, index, cells, lambda done: steps.tell(min(done // _UNIT, size)))
    path = MappedFiles(store).path(layout.INDEX, files[layout.INDEX])
    index = SearchIndex.from_file(path, 1, rows.total, rows.dim)
    facts = _measured(index, spec, own, queries, brute)
    facts |= {"rows": rows.total, "dim": rows.dim, "bytes": files[layout.INDEX]["bytes"]}
    return files | store.put(layout.INDEX_FACTS, to_json(facts)), facts


def _measured(
    index: SearchIndex, spec: IndexSpec, own: NDArray[np.int64], queries: Floats, brute: BruteForce
) -> IndexFacts:
    """Search as many cells of an index as the wanted recall needs; return its facts."""
    truth = np.array([[row for row in found if row != mine][:K] for found, mine in zip(brute.rows, own, strict=True)])
    recall = index.tune(queries, own, truth.reshape(len(own), -1), spec.recall)
    return {
        "kind": f"ivf, {index.lists} cells, {spec.codec}" if index.lists else "flat, float16",
        "metric": "cosine",
        "lists": index.lists,
        "probes": index.probes,
        "recall_at_10": recall,
        "queries": len(own),
    }


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


@dataclass(frozen=True, slots=True)
class Block:
    """Hold consecutive shards.

    Attributes:
        number: of the block.
        shards: with their rows.
        first: the number of the first row.
    """

    number: int
    shards: list[tuple[SealedShard, int]]
    first: int


def numbered(shards: list[SealedShard], sizes: list[int]) -> list[Block]:
    """Return shards of these sizes in blocks, with the numbers of their rows."""
    found: list[Block] = []
    at = first = 0
    for number, block in enumerate(blocks_of(shards)):
        rows = sizes[at : at + len(block)]
        found.append(Block(number, list(zip(block, rows, strict=True)), first))
        at, first = at + len(block), first + sum(rows)
    return found


@dataclass(frozen=True, slots=True)
class Vectors:
    """Find unit vectors of all shards by their row number.

    Attributes:
        runner: spreads the reading.
        blocks: all rows.
        read: returns the vectors float32 [n, dim] of a shard.
        dim: their dimensions.
    """

    runner: Mapper
    blocks: list[Block]
    read: Callable[[SealedShard], Floats]
    dim: int

    @property
    def total(self) -> int:
        """Return the number of rows."""
        return sum(rows for block in self.blocks for _, rows in block.shards)

    def take(self, chosen: NDArray[np.int64]) -> Floats:
        """Return the vectors float32 [n, dim] of some rows by their ascending numbers; other shards stay closed."""
        sized = ((block, sum(rows for _, rows in block.shards)) for block in self.blocks)
        wanted = list(split_rows(sized, chosen))
        # In place: at 16,384 cells the sample alone takes gigabytes.
        found, at = np.empty((len(chosen), self.dim), np.float32), 0
        for vectors in self.runner.map(partial(_taken, self.read), wanted):
            found[at : at + len(vectors)] = vectors
            at += len(vectors)
        return found


def _taken(read: Callable[[SealedShard], Floats], wanted: tuple[Block, NDArray[np.int64]]) -> Floats:
    block, chosen = wanted
    return np.concatenate([read(shard)[rows] for shard, rows in split_rows(block.shards, chosen)])


def trained(spec: IndexSpec, rows: Vectors) -> SearchIndex:
    """Return an index without rows, trained on a sample of them."""
    sample = sample_rows(rows.total, training_rows(spec, rows.total), spec.seed)
    return SearchIndex.empty(spec, rows.total, rows.dim, rows.take(sample))


def put_block(
    store: Store, name: str, index: SearchIndex, block: Block, vectors: Iterable[Floats]
) -> NDArray[np.int64]:
    """Store the rows of a block, encoded, until ``write_index`` reads them; return how many each cell has."""
    data, cells = index.encoded(vectors, block.first)
    store.folder.put(layout.index_part(name, block.number), data)
    return cells


def write_index(
    store: Store,
    name: str,
    index: SearchIndex,
    cells: list[NDArray[np.int64]],
    tell: Callable[[int], None] = lambda done: None,
) -> Files:
    """Merge the blocks of an index into its file and remove them; return its files.

    Args:
        store: of the atlas.
        name: of the index.
        index: trained, without rows.
        cells: how many rows each cell has, by block.
        tell: called with the bytes written so far.
    """
    files: Files = {}
    parts = [partial(store.folder.read, layout.index_part(name, number)) for number in range(len(cells))]
    done = 0
    with store.writing(name, files) as out:
        for piece in merged(index.to_bytes(), index.width, list(zip(parts, cells, strict=True))):
            before, done = done, done + out.write(piece)
            if before // _UNIT < done // _UNIT:
                tell(done)
    _remove_parts(store)
    return files


def _remove_parts(store: Store) -> None:
    """Remove blocks of indexes: those that are merged, and those of a run that was interrupted."""
    for name in store.folder.list("index"):
        if name.endswith(".part"):
            store.folder.delete(name)


@dataclass(frozen=True, slots=True)
class _Found:
    """Hold what a task found out about a block.

    Attributes:
        videos: the table of each shard.
        cells: how many rows each cell has.
        rows: the nearest of each query [q, k] by brute force, with their ``cosines``.
    """

    videos: list[pa.Table]
    cells: NDArray[np.int64]
    rows: NDArray[np.int64]
    cosines: Floats


def _index_block(store: Store, recipe: Recipe, index: SearchIndex, queries: Floats, block: Block) -> _Found:
    brute, record, videos = BruteForce(queries, K + 1, block.first), recipe.record, []
    known = ["author"] * bool(record.author) + ["image"] * bool(record.image)
    more, reduced, schema = list(record.columns), store.stage("reduce"), _schema(recipe, store)

    def pieces() -> Iterator[Floats]:
        for (shard, facts), _ in block.shards:
            table = read_embeddings(store, shard, facts, ["id", record.title, *known, *more, "embedding"])
            yield (vectors := unit(matrix(table["embedding"])))
            brute.add(vectors)
            placed = assignments.read_assignments(store, shard, reduced, _PLACED)
            titles = pa.array(titles_of(table, record.title, np.arange(len(vectors))), pa.string())
            nothing = pa.nulls(len(vectors), pa.string())
            own = (table[name] if name in known else nothing for name in ("author", "image"))
            columns = [table["id"], *placed.columns, titles, *own, *(table[name] for name in more)]
            videos.append(pa.table(columns, schema=schema))

    cells = put_block(store, layout.INDEX, index, block, pieces())
    return _Found(videos, cells, brute.rows, brute.cosines)


def _schema(recipe: Recipe, store: Store) -> pa.Schema:
    kinds = store.stage("plan").get("columns", {})
    return pa.schema([*SCHEMA, *(pa.field(name, ARROW[kinds.get(name, "text")]) for name in recipe.record.columns)])


def _sizes(store: Store, block: list[SealedShard]) -> list[int]:
    sizes = []
    for shard, _ in block:
        with store.parquet(layout.embeddings(shard)) as file:
            sizes.append(int(file.metadata.num_rows))
    return sizes


def _vectors(store: Store, shard: SealedShard) -> Floats:
    return unit(matrix(read_embeddings(store, *shard, ["embedding"])["embedding"]))
