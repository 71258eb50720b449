"""Agreement with the notebook's loop in float32 on the same device, and of the job's bytes with themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.gpu.bench import ENGINES, Bench
from benchmarks.gpu.clock import timed
from benchmarks.gpu.rows import Attempt, Figures, Row, skipped
from benchmarks.gpu.shard import bytes_of, open_worker_of
from benchmarks.notebook_loop import NotebookLoop
from vidatlas.pipeline.embed.rows import kept
from vidatlas.pipeline.embed.vectors import vectors_of
from vidatlas.types import EncodeStats

DTYPES = ("float32", "bfloat16", "float16")
_DIGESTS = "digests.json"
_OFF = {"float32": 1e-5, "bfloat16": 1e-3, "float16": 1e-3}
"""How far the least cosine may be from 1 for vectors to agree: rounding takes a tenth of it on a CPU."""


def agreement(bench: Bench) -> Iterator[Row | Attempt]:
    """Compare every engine in every precision with the notebook's loop; then the same shard's bytes, twice."""
    table = bench.table(bench.pick(300, 40, 8))
    loop = NotebookLoop(bench.checkpoint, bench.device)
    pairs = bench.pairs(table)
    loop.videos(pairs[:2])
    seconds, expected = timed(bench.device, lambda: loop.videos(pairs))
    unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    others = (unit @ unit.T)[~np.eye(len(unit), dtype=bool)]
    figures = {"videos/s": len(pairs) / seconds, "mean cosine of two videos": float(others.mean())}
    yield Row("the notebook's loop, float32: the reference", figures, f"{len(pairs)} videos; {bench.source}")
    for dtype in DTYPES:
        for engine in ENGINES:
            if why := bench.lacks(engine, dtype):
                yield skipped(f"{engine}, {dtype}", why)
            else:
                work = partial(_beside, bench, kept(table), engine, dtype, expected)
                yield Attempt(f"{engine}, {dtype}", work)
    yield from _twice(bench, table)


def _beside(bench: Bench, records: Any, engine: str, dtype: str, expected: Any) -> Row:
    encoder = bench.encoder(engine, dtype)
    found = vectors_of(records, bench.recipe(engine, dtype), encoder, EncodeStats())
    figures = distance(expected, found)
    # A comparison with NaN, of which half precision is capable, is no agreement either.
    agrees = figures["1 - least cosine"] < _OFF[dtype]
    return Row(f"{engine}, {dtype}", {"agrees": agrees, **figures}, encoder.identity["engine"])


def distance(expected: Any, found: Any) -> Figures:
    """Return how near vectors are to those expected."""
    left, right = expected.astype(np.float64), found.astype(np.float64)
    cosine = (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)
    return {
        "1 - least cosine": float(1 - cosine.min()),
        "1 - mean cosine": float(1 - cosine.mean()),
        "largest difference": float(np.abs(left - right).max()),
        "of a mean norm of": float(np.linalg.norm(left, axis=1).mean()),
    }


def _twice(bench: Bench, table: Any) -> Iterator[Row | Attempt]:
    """Commit the same shard twice with each engine, and keep the hashes for the next process."""
    digests: dict[str, str] = {}

    def commit(engine: str) -> Row:
        worker = open_worker_of(bench, engine, "first")
        first, second = (bytes_of(worker(table)) for _ in range(2))
        digests[engine] = first
        return Row(f"{engine}: the same shard twice", {"equal bytes": first == second}, first[:16])

    for engine in ENGINES:
        what = f"{engine}: the same shard twice"
        why = bench.lacks(engine)
        yield skipped(what, why) if why else Attempt(what, partial(commit, engine))
    (bench.options.scratch / _DIGESTS).write_text(json.dumps(digests), encoding="utf-8")


def repeat(bench: Bench) -> Iterator[Row]:
    """Commit the shard once more in this process, which is another one, and compare the bytes."""
    kept_digests = bench.options.scratch / _DIGESTS
    if not kept_digests.exists():
        yield skipped("the same shard in another process", "the step agreement did not run before")
        return
    table = bench.table(bench.pick(300, 40, 8))
    for engine, digest in json.loads(kept_digests.read_text(encoding="utf-8")).items():
        found = bytes_of(open_worker_of(bench, engine, "again")(table))
        yield Row(f"{engine}: the same shard in another process", {"equal bytes": found == digest}, found[:16])
