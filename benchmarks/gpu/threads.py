"""Feeding: how many shards in hand keep the card computing, and how many cores the rest of the work takes."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from benchmarks.feeding import Shard
from benchmarks.gpu.bench import FUSED, GATHERED, Bench
from benchmarks.gpu.clock import in_turn, timed
from benchmarks.gpu.rows import Row
from benchmarks.gpu.shard import named, open_worker_of
from vidatlas.types import Json


def feeding(bench: Bench) -> Iterator[Row]:
    """Run one to four worker threads on the device, then the steps besides the model on one core."""
    engine = FUSED if bench.device == "cuda" else GATHERED
    table, worker = bench.table(bench.pick(5_000, 150, 30)), open_worker_of(bench, engine, "feeding")
    worker(named(table, "warm", bench.pick(1000, 20, 10)))
    speeds = []
    for threads in bench.pick((1, 2, 3, 4), (1, 2), (1, 2)):
        row, receipts = _side_by_side(bench, table, worker, threads)
        speeds += [receipt["nodes"] / receipt["compute_seconds"] for receipt in receipts if receipt["compute_seconds"]]
        yield row
    yield from _one_core(bench, statistics.median(speeds) if speeds else 0.0)


def _side_by_side(bench: Bench, table: Any, worker: Any, threads: int) -> tuple[Row, list[Json]]:
    """Let so many threads work on a shard each until each has had two; leave out how the first began."""
    count = bench.pick(max(3, 2 * threads), 2 * threads, 2 * threads)
    shards = [named(table, f"threads-{threads}-{number}") for number in range(count)]
    busy = time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        seconds, receipts = timed(bench.device, lambda: list(pool.map(worker, shards)))
    busy = time.process_time() - busy
    computing = sum(receipt["compute_seconds"] for receipt in receipts)
    figures = {
        "videos/s": sum(receipt["kept"] for receipt in receipts) / seconds,
        "nodes/s": sum(receipt["nodes"] for receipt in receipts) / seconds,
        "device idle": max(0.0, 1 - computing / seconds),
        "cores busy": busy / seconds,
    }
    note = f"{count} shards of {receipts[0]['kept']:,} videos; {bench.cores} cores; waiting for the device spins a core"
    return Row(f"{threads} shard{'s' if threads > 1 else ''} in hand", figures, note), receipts


def _one_core(bench: Bench, device_nodes: float) -> Iterator[Row]:
    """Measure each step besides the model on one core, and count the cores that keep up with the device."""
    with _tokenizer_on_one_core():
        shard = Shard(str(bench.videos_file), bench.checkpoint, min(bench.videos, bench.pick(5_000, 300, 60)))
        times = in_turn(bench.device, shard.steps(), bench.pick(5, 3, 1), warm=False)
    seconds = {name: statistics.median(taken) for name, taken in times.items()}
    for name, taken in seconds.items():
        figures = {"videos/s": shard.videos / taken, "nodes/s": shard.nodes / taken}
        yield Row(f"one core: {name}", figures, f"{shard.videos:,} videos; median of {len(times[name])}")
    texts = shard.distinct
    total, tokenising = sum(seconds.values()), seconds["tokenise"]
    figures = {
        "device, nodes/s": device_nodes,
        "it waits below, distinct texts tokenised/s": device_nodes * texts / shard.nodes,
        "a core tokenises, texts/s": texts / tokenising,
        "cores for tokenising": device_nodes * tokenising / shard.nodes,
        "cores for all steps": device_nodes * total / shard.nodes,
    }
    yield Row("cores that keep the device computing", figures, "one core's medians over the device's median rate")


@contextmanager
def _tokenizer_on_one_core() -> Iterator[None]:
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
