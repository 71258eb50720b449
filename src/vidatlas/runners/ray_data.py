"""Ray Data's end points: the data source that reads shards, and the actor that encodes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pyarrow as pa
from ray._private.worker import global_worker
from ray.data import Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask
from ray.util.metrics import Counter, Gauge

from vidatlas.errors import VidatlasError
from vidatlas.runners.remote import carry
from vidatlas.storage.parquet import read_stream
from vidatlas.types import Json, Shard

MAX_READS = 5
"""Attempts at reading a shard: Ray itself would retry for ever. A preempted node costs one of them."""
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
    return read_stream(batch["rows"][0].as_buffer())


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
            _refuse_deadly(shard)
            table = read(shard)
        except VidatlasError as error:
            table = pa.table({"carried": [orjson.dumps(carry(error)).decode()]})
        yield pack(shard.name, table)

    metadata = BlockMetadata(num_rows=1, size_bytes=shard.length, input_files=[shard.url], exec_stats=None)
    return ReadTask(run, metadata, schema=SHARD_SCHEMA)


def _refuse_deadly(shard: Shard) -> None:
    """Raise VidatlasError where this shard ended, or lost, its reader's process time and again."""
    if global_worker.core_worker.get_current_task_attempt_number() >= MAX_READS:
        raise VidatlasError(
            f"shard {shard.name} of {shard.url} crashed its reader {MAX_READS} times, most likely out of memory. "
            "Use machines with more, or a new atlas with --set source.shard_rows=1000."
        )


class Meters:
    """Count for Prometheus what this process has committed; a receipt is the truth, and these die with the process."""

    def __init__(self) -> None:
        self._counters = {key: Counter(f"vidatlas_{name}", text) for key, (name, text) in COUNTED.items()}
        self._rejects = Counter("vidatlas_rejects", "Rows left out, by reason.", tag_keys=("reason",))
        self._shards = Counter("vidatlas_shards", "Shards committed.")
        self._idle = Gauge("vidatlas_device_idle_share", "Share of its time that the device waited for shards.")
        self._waited, self._worked = 0.0, 0.0

    def count(self, receipt: Json) -> None:
        """Add a shard's receipt."""
        self._shards.inc()
        for key, counter in self._counters.items():
            # Ray refuses to add nothing.
            if receipt.get(key, 0) > 0:
                counter.inc(receipt[key])
        for reason, count in receipt.get("rejects", {}).items():
            self._rejects.inc(count, tags={"reason": str(reason)})
        self._waited += receipt.get("idle_seconds", 0.0)
        self._worked += receipt.get("compute_seconds", 0.0)
        if self._waited + self._worked > 0:
            self._idle.set(self._waited / (self._waited + self._worked))


COUNTED = {
    "kept": ("videos", "Videos embedded."),
    "texts": ("texts", "Texts of those videos."),
    "distinct": ("distinct_texts", "Texts that were encoded: each once a shard."),
    "nodes": ("nodes", "Tokens computed: rows of hidden states."),
    "seconds": ("shard_seconds", "Seconds spent on shards, by all threads."),
    "compute_seconds": ("compute_seconds", "Seconds that the device computed."),
}


class EncodeActor:
    """Hold one worker, and with it the model, for as long as the actor lives."""

    def __init__(self, open_worker: Callable[[], Callable[[pa.Table], Json]]) -> None:
        self._failed: Json | None = None
        self._meters = Meters()
        try:
            self._worker = open_worker()
        except VidatlasError as error:
            self._failed = carry(error)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Encode and commit one shard; return its receipt, or what went wrong, as JSON."""
        return pa.table({"receipt": [orjson.dumps(self._work(unpack(batch))).decode()]})

    def _work(self, rows: pa.Table) -> Json:
        if self._failed:
            return self._failed
        if "carried" in rows.column_names:
            return dict(orjson.loads(rows["carried"][0].as_py()))
        try:
            receipt = self._worker(rows)
        except VidatlasError as error:
            return carry(error)
        self._meters.count(receipt)
        return receipt
