"""A shard through the job's own worker: opened on an atlas in the scratch folder, measured by its receipts."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.bench import Bench, attention_of
from vidatlas.pipeline.embed.worker import EmbedWorker, open_worker
from vidatlas.storage import store as layout
from vidatlas.storage.store import Store
from vidatlas.types import Json


def open_worker_of(bench: Bench, engine: str, atlas: str, dtype: str = "auto", **encoder: Any) -> EmbedWorker:
    """Return a worker as an actor of the job opens it."""
    recipe = bench.recipe(engine, dtype, **encoder)
    folder = bench.options.scratch / f"{atlas}-{engine.replace(', ', '-').replace(' ', '-')}"
    with attention_of(engine):
        return open_worker(Store(folder), recipe, bench.options.threads)


def named(table: Any, shard: str, rows: int | None = None) -> Any:
    """Return a table's first rows as a shard of another name."""
    some = table if rows is None else table.slice(0, rows)
    return some.replace_schema_metadata({"shard": shard, "rows": str(some.num_rows)})


def bytes_of(receipt: Json) -> str:
    """Return the hash of the Parquet file that a receipt names."""
    return str(receipt["files"][layout.embeddings(receipt["shard"])]["sha256"])
