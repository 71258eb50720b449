"""Tables of an atlas as Parquet: writing them, and reading shards, groups and vectors back."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vidatlas.storage import store as layout
from vidatlas.storage.folder import is_remote, local_path
from vidatlas.storage.manifest import EmbedEntry
from vidatlas.storage.parquet import open_dataset, to_parquet
from vidatlas.storage.remote import open_filesystem
from vidatlas.storage.store import Store
from vidatlas.types import FileFacts, Floats, T

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

TABLES = {
    "videos": layout.INDEX_VIDEOS,
    "subcategories": layout.SUBCATEGORIES,
    **{name: f"{name}/*.parquet" for name in ("assignments", "embeddings")},
}
"""The tables that a hub shows of an uploaded atlas, and their files."""
MOST_BLOCKS = 512
"""Most blocks of shards; the split depends on the shards alone, so sums are the same bytes everywhere."""
SealedShard = tuple[str, FileFacts]
"""Name and manifest entry of a committed shard of embeddings."""
Places = list[tuple[str, int]]
"""The shards that hold rows of a group, in manifest order, with the number of rows in each."""


def grouped_parquet(table: pa.Table, components: Floats) -> bytes:
    """Return a table of ids, groups and components as Parquet; ``row`` is the row in the embeddings file."""
    groups = table["group"].to_numpy(zero_copy_only=False).astype(str)
    order = np.argsort(groups, kind="stable")
    present = sorted(set(groups.tolist()))
    lists = pa.FixedSizeListArray.from_arrays(pa.array(components[order].reshape(-1)), components.shape[1])
    columns = {
        "id": table["id"].take(order),
        "group": table["group"].take(order),
        "row": pa.array(order.astype(np.int32)),
    }
    data = pa.table({**columns, "components": lists}).replace_schema_metadata({"groups": orjson.dumps(present)})
    out = io.BytesIO()
    options: Any = {
        "compression": "zstd",
        "use_dictionary": ["group"],
        "use_byte_stream_split": ["components.list.element"],
    }
    with pq.ParquetWriter(out, data.schema, write_page_checksum=True, **options) as writer:
        for group in present:
            at = np.searchsorted(groups[order], [group], side="left")[0]
            writer.write_table(data.slice(at, int((groups == group).sum())))
    return out.getvalue()


def group_rows(store: Store, shard: str, group: str | None) -> Floats:
    """Return the reduced vectors of one group in one shard, reading nothing else; None means all groups."""
    with store.parquet(layout.reduced(shard)) as file:
        if group is None:
            return matrix(file.read(columns=["components"])["components"])
        groups = orjson.loads(file.schema_arrow.metadata[b"groups"])
        if group not in groups:
            return np.empty((0, 0), np.float32)
        return matrix(file.read_row_group(groups.index(group), columns=["components"])["components"])


def ordered_components(store: Store, shard: str) -> Floats:
    """Return a shard's reduced vectors in the order of its embeddings."""
    reduced = store.table(layout.reduced(shard))
    sorted_rows = matrix(reduced["components"])
    components = np.empty_like(sorted_rows)
    components[reduced["row"].to_numpy()] = sorted_rows
    return components


def draw_rows(store: Store, places: Places, group: str | None, chosen: NDArray[np.int64]) -> Floats:
    """Return chosen rows of a group, by ascending row number over its shards; opens only the shards it needs."""
    return np.concatenate([group_rows(store, shard, group)[rows] for shard, rows in split_rows(places, chosen)])


def split_rows(sized: Iterable[tuple[T, int]], chosen: NDArray[np.int64]) -> Iterator[tuple[T, NDArray[np.int64]]]:
    """Yield tables, given with their sizes, that hold any of some rows, and which; ascending numbers go over all."""
    first = 0
    for table, rows in sized:
        low, high = np.searchsorted(chosen, [first, first + rows])
        if high > low:
            yield table, chosen[low:high] - first
        first += rows


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table of embeddings (one shard) as Parquet, in one row group.

    Byte-stream split would be 7 % smaller, but DuckDB 2.0 cannot read it for float16.
    """
    return to_parquet(table, use_dictionary=["group"], row_group_size=max(table.num_rows, 1))


def sealed_shards(entry: EmbedEntry) -> Iterator[SealedShard]:
    """Yield (shard name, manifest entry) of every committed embeddings table, in manifest order."""
    for name, facts in entry["files"].items():
        if name.startswith("embeddings/"):
            yield name.removeprefix("embeddings/").removesuffix(".parquet"), facts


def read_embeddings(store: Store, shard: str, facts: FileFacts, columns: list[str] | None = None) -> pa.Table:
    """Return the embeddings table of a committed shard after verifying its hash."""
    return store.table(layout.embeddings(shard), facts, columns)


def matrix(column: Any) -> np.ndarray[Any, Any]:
    """Return a fixed-size-list column as a 2-D array without copying element by element."""
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(combined.flatten().to_numpy(zero_copy_only=False)).reshape(len(combined), combined.type.list_size)


def blocks_of(shards: list[SealedShard]) -> list[list[SealedShard]]:
    """Split shards into at most 512 blocks of consecutive shards."""
    size = max(1, -(-len(shards) // MOST_BLOCKS))
    return [shards[at : at + size] for at in range(0, len(shards), size)]


def dataset(store: Store, names: Sequence[str]) -> Dataset:
    """Return stored Parquet tables of one schema as a pyarrow dataset; the footer of each was checked.

    Raises:
        InputError: one is missing, not Parquet, or has an unsafe extension type.
    """
    for name in names:
        with store.parquet(name):
            pass
    filesystem, path = open_filesystem(store.url) if is_remote(store.url) else (None, str(local_path(store.url)))
    return open_dataset([f"{path.rstrip('/')}/{name}" for name in names], filesystem)
