"""Planned shards as a Ray Data source: one read task, one block, one row per shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pyarrow as pa
from ray.data import Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from vidatlas.runners.carried import carry
from vidatlas.types import Shard, VidatlasError

SHARD_SCHEMA = pa.schema([("shard", pa.string()), ("rows", pa.large_binary())])


def pack(name: str, table: pa.Table) -> pa.Table:
    """Return a one-row table that carries a shard's rows as Arrow IPC, so that no operator can cut or merge shards."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return pa.table(
        {"shard": [name], "rows": pa.array([sink.getvalue().to_pybytes()], pa.large_binary())}, schema=SHARD_SCHEMA
    )


def unpack(batch: pa.Table) -> pa.Table:
    """Return the shard's rows from the one-row table."""
    return pa.ipc.open_stream(batch["rows"][0].as_buffer()).read_all()


class ShardSource(Datasource):  # type: ignore[misc]
    """Read shards with ``read``, each in a task of its own."""

    def __init__(self, read: Callable[[Shard], pa.Table], shards: list[Shard]) -> None:
        super().__init__()
        self._read, self._shards = read, shards

    def estimate_inmemory_data_size(self) -> int | None:
        """Return the uncompressed bytes of all shards."""
        return sum(shard.length for shard in self._shards)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """Return one task per shard, whatever parallelism is asked for."""
        return [_task(self._read, shard) for shard in self._shards]


def _task(read: Callable[[Shard], pa.Table], shard: Shard) -> ReadTask:
    def run() -> Iterable[pa.Table]:
        try:
            table = read(shard)
        except VidatlasError as error:
            table = pa.table({"carried": [orjson.dumps(carry(error)).decode()]})
        yield pack(shard.name, table)

    metadata = BlockMetadata(num_rows=1, size_bytes=shard.length, input_files=[shard.url], exec_stats=None)
    return ReadTask(run, metadata, schema=SHARD_SCHEMA)
