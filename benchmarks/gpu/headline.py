"""The headline: a shard through the job's own worker, and the model alone beside what others would write."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch

from benchmarks.encode import Timed
from benchmarks.gpu.bench import ENGINES, FUSED, GATHERED, YOUNIVERSE, Bench, attention_of
from benchmarks.gpu.clock import in_turn, timed
from benchmarks.gpu.rows import Attempt, Figures, Row, skipped
from benchmarks.gpu.shard import bytes_of, named, open_worker_of
from benchmarks.ways import FIRST, WAYS, Setting, distinct_by_length_wide
from vidatlas.encoders.clip import MOST_ON_CPU
from vidatlas.encoders.transformer.budget import choose_budget
from vidatlas.encoders.transformer.cost import inspect_checkpoint
from vidatlas.encoders.transformer.device import choose_dtype, product_speed
from vidatlas.types import Json

SORTED, SORTED_WIDE = "transformers: distinct texts by length, 256", "transformers: distinct texts by length, 4,096"
OURS_PLAIN = "vidatlas, plain engine"
PEER, TREE = "sentence-transformers: distinct texts, 32 at a time", "vidatlas, tree engine"


def headline(bench: Bench) -> Iterator[Row | Attempt]:
    """Measure a shard from its rows to its committed Parquet file, with each engine, in turn; then two at a time."""
    table = bench.table()
    workers: dict[str, Any] = {}

    def warm(engine: str) -> None:
        worker = open_worker_of(bench, engine, "headline")
        worker(named(table, "warm", bench.pick(1000, 20, 10)))
        workers[engine] = worker

    for engine in ENGINES:
        what = f"{engine}: a shard, from rows to a committed file"
        why = bench.lacks(engine)
        yield skipped(what, why) if why else Attempt(what, partial(warm, engine))
    receipts: dict[str, list[Json]] = {engine: [] for engine in workers}
    shard = named(table, "headline")
    ways = {
        engine: partial(lambda engine, worker: receipts[engine].append(worker(shard)), engine, worker)
        for engine, worker in workers.items()
    }
    times = in_turn(bench.device, ways, bench.pick(5, 3, 2), warm=bench.device == "cuda")
    for engine, seconds in times.items():
        yield _whole(bench, f"{engine}: a shard, from rows to a committed file", seconds, receipts[engine])
    best = FUSED if FUSED in workers else GATHERED
    yield _two_at_a_time(bench, table, workers[best], best)


def costs(bench: Bench, videos_a_second: float) -> Figures:
    """Return hours and euros for all of YouNiverse, if all its videos are as these and one such device computes."""
    hours = YOUNIVERSE / videos_a_second / 3600
    return {
        f"hours for {YOUNIVERSE / 1e6:.1f} million": hours,
        f"euros at {bench.options.euros:.2f} an hour": hours * bench.options.euros,
    }


def _whole(bench: Bench, what: str, seconds: list[float], receipts: list[Json]) -> Row:
    """Return what the clock and the last receipts say."""
    taken, last = statistics.median(seconds), receipts[-1]
    some = receipts[-len(seconds) :]
    computing = statistics.median(receipt["compute_seconds"] for receipt in some)
    possible = sum(receipt["possible_flops"] for receipt in some)
    figures = {
        "videos/s": last["kept"] / taken,
        "texts/s": last["texts"] / taken,
        "nodes/s": last["nodes"] / taken,
        "nodes/s while the device computes": last["nodes"] / max(computing, 1e-3),
        "share of GEMM meanwhile": sum(receipt["flops"] for receipt in some) / max(possible, 1.0),
        "device idle": max(0.0, 1 - computing / taken),
        **costs(bench, last["kept"] / taken),
    }
    equal = len({bytes_of(receipt) for receipt in receipts}) == 1
    return Row(what, figures, _facts(last, len(seconds), equal))


def _facts(receipt: Json, rounds: int, equal: bool) -> str:
    return (
        f"{receipt['kept']:,} videos, {receipt['texts']:,} texts, {receipt['distinct']:,} distinct, "
        f"{receipt['nodes']:,} nodes, {receipt['batch_tokens']:,} together; median of {rounds}; "
        f"bytes {'equal' if equal else 'NOT equal'} in all rounds"
    )


def _two_at_a_time(bench: Bench, table: Any, worker: Any, engine: str) -> Row:
    """Run shards as an actor does, two in hand, and read from their receipts how long the device waited."""
    count = bench.pick(6, 2, 3)
    shards = [named(table, f"pair-{number}") for number in range(count)]
    with ThreadPoolExecutor(2) as pool:
        seconds, receipts = timed(bench.device, lambda: list(pool.map(worker, shards)))
    busy = sum(receipt["compute_seconds"] for receipt in receipts)
    rate = sum(receipt["kept"] for receipt in receipts) / seconds
    figures = {
        "videos/s": rate,
        "texts/s": sum(receipt["texts"] for receipt in receipts) / seconds,
        "nodes/s": sum(receipt["nodes"] for receipt in receipts) / seconds,
        "nodes/s while the device computes": sum(receipt["nodes"] for receipt in receipts) / max(busy, 1e-3),
        "share of GEMM meanwhile": sum(receipt["flops"] for receipt in receipts)
        / max(sum(receipt["possible_flops"] for receipt in receipts), 1.0),
        "device idle": max(0.0, 1 - busy / seconds),
        **costs(bench, rate),
    }
    return Row(f"{engine}: two shards in hand, as an actor works", figures, f"{count} shards, one after the other")


def alone(bench: Bench) -> Iterator[Row | Attempt]:
    """Measure the model without tokenising, mixing and writing: ours, the notebook's batches, a careful user's."""
    half = choose_dtype("auto", bench.device)
    names = [(FIRST, "", "float32"), (SORTED, "", half), (OURS_PLAIN, "", half)]
    names += bench.pick([(SORTED_WIDE, "", half)], [], [(SORTED_WIDE, "", half)])
    names += [(TREE, GATHERED, half), (TREE, FUSED, half), (TREE, FUSED, "float16"), (TREE, FUSED, "float32")]
    possible = [(way, engine, dtype) for way, engine, dtype in names if not bench.lacks(engine, dtype)]
    for _, engine, dtype in names:
        if why := bench.lacks(engine, dtype):
            yield skipped(f"{TREE} ({engine}), {dtype}", why)
    yield from _compared(bench, possible, FIRST)


def peers(bench: Bench) -> Iterator[Row | Attempt]:
    """Measure sentence-transformers beside our tree, where it is installed."""
    if not find_spec("sentence_transformers"):
        yield skipped(PEER, "not installed")
        return
    half = choose_dtype("auto", bench.device)
    best = FUSED if bench.device == "cuda" else GATHERED
    yield from _compared(bench, [(PEER, "", half), (TREE, best, half)], PEER)


def _compared(bench: Bench, names: list[tuple[str, str, str]], first: str) -> Iterator[Row | Attempt]:
    """Compute batches drawn by seed from each way's work, all ways in turn, beside the product of the same shape."""
    ways: list[Timed] = []
    for name, engine, dtype in names:
        what = f"{name}{f' ({engine})' if engine else ''}"
        yield Attempt(f"{what}, {dtype}", partial(_prepare, bench, ways, (name, engine, dtype), what))
    limits: dict[str, list[float]] = {dtype: [] for _, _, dtype in names}
    draw = random.Random(0)
    with torch.inference_mode():
        for _ in range(bench.rounds):
            for way in ways:
                limits[way.dtype].append(product_speed(bench.device, way.dtype, bench.pick(768, 768, 32)))
                way.measure(draw, bench.seconds, bench.device)
    flops = inspect_checkpoint(str(bench.checkpoint), None, "projection_dim", ("embedding",)).flops_per_token or 0.0
    base = next((way for way in ways if way.name.startswith(first)), ways[0])
    for way in ways:
        yield _alone_row(bench, way, base, flops, statistics.median(limits[way.dtype]))


def _prepare(bench: Bench, ways: list[Timed], name: tuple[str, str, str], what: str) -> None:
    """Add a way to those that are compared, once its first batch is computed."""
    way, engine, dtype = name
    with attention_of(engine), torch.inference_mode():
        work = (WAYS | {SORTED_WIDE: distinct_by_length_wide})[way](bench.tokens, _setting(bench, dtype))
        timed(bench.device, partial(work.compute, work.batches[0]))
    ways.append(Timed(what, dtype, work))


def _setting(bench: Bench, dtype: str) -> Setting:
    row_bytes = bench.pick(768, 768, 32) * getattr(torch, dtype).itemsize
    budget = choose_budget("auto", bench.device, row_bytes, MOST_ON_CPU)
    return Setting(bench.checkpoint, bench.device, dtype, budget)


def _alone_row(bench: Bench, way: Timed, base: Timed, flops: float, limit: float) -> Row:
    videos, rows, texts = len(bench.tokens), sum(way.work.rows), len(bench.tokens.texts())
    speed = statistics.median(way.speeds)
    rate = videos * speed / rows
    ratios = [
        mine / rows / (theirs / sum(base.work.rows)) for mine, theirs in zip(way.speeds, base.speeds, strict=True)
    ]
    figures = {
        "precision": way.dtype,
        "rows of states": rows,
        "rows/s": speed,
        "share of GEMM": speed * flops / limit,
        "videos/s": rate,
        "texts/s": rate * texts / videos,
        f"times {base.name.split(':')[0]}": statistics.median(ratios),
        **costs(bench, rate),
    }
    note = (
        f"{len(way.work.batches):,} batches of {videos:,} videos, drawn for {bench.seconds} s; median of {bench.rounds}"
    )
    return Row(way.name, figures, note)
