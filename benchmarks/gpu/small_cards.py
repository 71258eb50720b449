"""Small cards: the same shard where torch may have 4 or 16 GiB of the card, and where memory runs out once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.gpu.agreement import distance
from benchmarks.gpu.bench import FUSED, GATHERED, Bench
from benchmarks.gpu.clock import timed
from benchmarks.gpu.rows import Figures, Row, skipped
from vidatlas.encoders.transformer.budget import MOST_ON_GPU
from vidatlas.pipeline.embed.rows import kept
from vidatlas.pipeline.embed.vectors import vectors_of
from vidatlas.types import EncodeStats

LIMITS = (4, 16)
GIB = 2**30


def small_cards(bench: Bench) -> Iterator[Row]:
    """Encode without a limit, under each limit with the budget that auto gives there, and with too large a budget."""
    records = kept(bench.table(bench.pick(5_000, 40, 10)))
    expected, free = _encode(bench, records, "auto")
    yield Row("no limit", free, f"{len(records):,} videos; {bench.source}")
    for limit in LIMITS:
        what = f"{limit} GiB of the card, batch_tokens auto"
        if bench.device != "cuda":
            yield skipped(what, "not on this device: only CUDA's memory can be limited")
        elif torch.cuda.get_device_properties("cuda").total_memory <= limit * GIB:
            yield skipped(what, "the card itself has no more")
        else:
            with _limited(limit * GIB):
                found, figures = _encode(bench, records, "auto")
            yield Row(what, figures | _near(expected, found))
    if bench.device == "cuda":
        yield _provoked(bench, records, expected, int(free["nodes"]))
    else:
        yield _pretended(bench, records, expected)


@contextmanager
def _limited(size: float) -> Iterator[None]:
    """Let torch have so many bytes of the card; an allocation beyond them is out of memory, as on a small card."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(size / torch.cuda.get_device_properties("cuda").total_memory)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def _encode(bench: Bench, records: Any, batch_tokens: int | str, failing: bool = False) -> tuple[Any, Figures]:
    """Load an encoder, encode the records, and return vectors and what that took."""
    engine = FUSED if bench.device == "cuda" else GATHERED
    recipe, encoder = bench.recipe(engine), bench.encoder(engine, batch_tokens=batch_tokens)
    stats, begun = EncodeStats(), _peak(bench, reset=True)
    with _one_failure() if failing else nullcontext():
        seconds, vectors = timed(bench.device, partial(vectors_of, records, recipe, encoder, stats))
    figures: Figures = {"tokens together": stats.batch_tokens, "nodes": stats.nodes, "videos/s": len(records) / seconds}
    if bench.device == "cuda":
        figures |= {"GiB before": begun / GIB, "peak GiB": _peak(bench) / GIB}
    return vectors, figures


def _peak(bench: Bench, reset: bool = False) -> int:
    """Return the most bytes that torch has held of the card, from here on where asked."""
    if bench.device != "cuda":
        return 0
    if reset:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.max_memory_reserved())


@contextmanager
def _one_failure() -> Iterator[None]:
    """Let the first tree fail for want of memory."""
    from vidatlas.encoders.prefix_tree.tower import TreeTower

    forward, failures = TreeTower.forward, [torch.OutOfMemoryError("pretended: a CPU's memory has no limit here")]

    def first_fails(tower: Any, tree: Any) -> Any:
        if failures:
            raise failures.pop()
        return forward(tower, tree)

    with patch.object(TreeTower, "forward", first_fails):
        yield


def _near(expected: Any, found: Any) -> Figures:
    figures = distance(expected, found)
    return {name: figures[name] for name in ("1 - least cosine", "largest difference", "of a mean norm of")}


def _provoked(bench: Bench, records: Any, expected: Any, nodes: int) -> Row:
    """Limit the memory to between what a budget and its half take, and begin with the budget."""
    budget = min(MOST_ON_GPU, 1 << (nodes.bit_length() - 1))
    whole, half = (_encode(bench, records, tokens)[1]["peak GiB"] for tokens in (budget, budget // 2))
    limit = (whole + half) / 2
    with _limited(limit * GIB):
        found, figures = _encode(bench, records, budget)
    how = f"{limit:.2f} GiB of the card; {budget:,} tokens take {whole:.2f} GiB, their half {half:.2f}"
    return _halved("out of memory, provoked", budget, figures | _near(expected, found), how)


def _pretended(bench: Bench, records: Any, expected: Any) -> Row:
    """Begin with a budget whose first tree is said to be too much: a CPU has no limit to run into."""
    found, figures = _encode(bench, records, 64, failing=True)
    return _halved("out of memory, pretended", 64, figures | _near(expected, found), "a CPU has no limit to run into")


def _halved(what: str, budget: int, figures: Figures, how: str) -> Row:
    halved = figures["tokens together"] == budget // 2
    return Row(what, {"tokens at first": budget, "halved once": halved, **figures}, how)
