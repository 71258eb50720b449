"""How fast is every step of embedding besides the model, per CPU core, and how many cores does a device need?

Run python -m benchmarks.feeding --data FOLDER (see benchmarks/README.md). One shard of the first videos goes through
each step on one core, the steps in turn within each round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.checkpoints import random_clip
from benchmarks.machine import machine
from vidatlas.encoders.mix import FieldMix, distinct_texts, mix
from vidatlas.encoders.prefix_tree.tree import build, cut
from vidatlas.encoders.transformer.budget import MOST_ON_GPU
from vidatlas.encoders.transformer.checkpoint import open_checkpoint
from vidatlas.encoders.transformer.distinct import sort_distinct
from vidatlas.encoders.transformer.loading import load_tokenizer
from vidatlas.pipeline.embed.rows import kept, read_shard, texts_of
from vidatlas.pipeline.embed.vectors import embedding_table
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.recipe import load_recipe
from vidatlas.storage.tables import parquet_bytes

DIM = 768
H200_NODES = 4_600_000 * 0.4
"""Nodes a second of an H200 at 40 % of 790 TFLOP/s (170 MFLOP per node): an estimate, not measured."""


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"  # the tokenizer's threads; read when it is first used
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = random_clip(Path(scratch), options.data / "clip-tokenizer")
        shard = Shard(str(options.data / "youtube" / "videos.jsonl.gz"), checkpoint, options.videos)
        times: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for name, step in shard.steps().items():
                started = time.perf_counter()
                step()
                times.setdefault(name, []).append(time.perf_counter() - started)
    print(machine(), f"· 1 thread · {shard.videos:,} videos, {shard.nodes:,} nodes · {options.rounds} rounds\n")
    report(times, shard.videos, shard.nodes)


class Shard:
    """One shard of real videos, and what each step needs of the step before."""

    def __init__(self, url: str, checkpoint: Path, videos: int) -> None:
        self._recipe = load_recipe("youniverse", {"encoder.model": str(checkpoint), "encoder.revision": None})
        part = plan_part(url, PlanSpec(self._recipe.record, videos, videos), lambda rows, at: None)
        self._shard = next(iter(descriptors(part.facts, part.shards, url, np.array([], np.int64))))
        self._tokenizer = load_tokenizer(open_checkpoint(str(checkpoint), None), 77, to_first_end=True)
        self._read()
        self._distinct()
        self._tokenize()
        self._sort()
        self.videos, self.nodes = self._records.num_rows, self._build()
        draw = np.random.default_rng(0)
        self._vectors = draw.standard_normal((len(self._texts), DIM), np.float32)
        self._mix()

    @property
    def distinct(self) -> int:
        """Return how many distinct texts the shard has."""
        return len(self._texts)

    def steps(self) -> dict[str, Callable[[], object]]:
        """Return the steps in the order in which a shard takes them."""
        return {
            "read, decompress, parse": self._read,
            "distinct texts": self._distinct,
            "tokenise": self._tokenize,
            "sort": self._sort,
            "cut and build trees": self._build,
            "mix": self._mix,
            "write Parquet": self._write,
        }

    def _read(self) -> None:
        self._records = kept(read_shard(self._shard, self._recipe.record))

    def _distinct(self) -> None:
        fields = [
            FieldMix(texts_of(self._records, name), field.max_chars, field.weight)
            for name, field in self._recipe.record.fields.items()
        ]
        self._texts, self._weights = distinct_texts(fields)

    def _tokenize(self) -> None:
        self._ids = self._tokenizer(self._texts)

    def _sort(self) -> None:
        self._sequences = sort_distinct(self._ids)[0]

    def _build(self) -> int:
        return sum(len(build(self._sequences, run).tokens) for run in cut(self._sequences, MOST_ON_GPU))

    def _mix(self) -> None:
        self._mixed: Any = mix(self._weights, self._vectors, self._recipe.mix)

    def _write(self) -> None:
        parquet_bytes(embedding_table(self._records, self._recipe.record, self._mixed))


def report(times: dict[str, list[float]], videos: int, nodes: int) -> None:
    """Print each step's rate, and how many cores keep a large GPU busy."""
    print("| step | where | s a shard | videos/s | nodes/s |")
    print("|---|---|---|---|---|")
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for name, seconds in medians.items():
        where = "reading task" if name.startswith("read") else "actor, before its turn on the device"
        where = {"cut and build trees": "actor, its turn", "mix": "actor, after", "write Parquet": "actor, after"}.get(
            name, where
        )
        print(f"| {name} | {where} | {seconds:.2f} | {videos / seconds:,.0f} | {nodes / seconds:,.0f} |")
    total = sum(medians.values())
    print(f"| all | | {total:.2f} | {videos / total:,.0f} | {nodes / total:,.0f} |")
    print(f"\ncores of this kind that feed {H200_NODES:,.0f} nodes/s: {H200_NODES * total / nodes:.1f}")


if __name__ == "__main__":
    main()
