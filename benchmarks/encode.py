"""How fast is each way of embedding a shard of real videos with CLIP's text tower, and how near the machine's limit?

Run python -m benchmarks.encode --data FOLDER (see benchmarks/README.md). The work of each way on the whole shard
(padded tokens, tokens, tree nodes) is counted exactly; its speed is measured on batches drawn by seed from that same
work, all ways in turn within each round, beside the machine's matrix product at the model's shapes.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.checkpoints import random_clip
from benchmarks.machine import machine
from benchmarks.notebook_loop import TAGS_AT_ONCE
from benchmarks.parity import first_lines
from vidatlas.encode.clip_tower import TreeTower
from vidatlas.encode.prefix_tree import build, cut, sort_distinct

WIDTH, LAYERS = 768, 12
FLOPS_PER_ROW = 2 * LAYERS * 12 * WIDTH * WIDTH
"""Of the matrix products with weights, per row of hidden states; attention adds a few per cent."""
BATCH_TEXTS = 256
Texts = list[list[int]]
Batch = Any


@dataclass
class Way:
    """Hold one way of embedding: its batches, the rows each costs, and how a batch is computed."""

    name: str
    dtype: str
    batches: list[Batch]
    rows: list[int]
    compute: Callable[[Batch], object]
    speeds: list[float] = field(default_factory=list)

    def measure(self, draw: random.Random, seconds: float) -> None:
        """Compute batches drawn in proportion to their rows for a while; remember rows per second."""
        done, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < seconds:
            at = draw.choices(range(len(self.batches)), self.rows)[0]
            self.compute(self.batches[at])
            done += self.rows[at]
        self.speeds.append(done / spent)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each way in each round")
    parser.add_argument("--budget", type=int, default=2048)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = random_clip(Path(scratch), options.data / "clip-tokenizer")
        videos = read(options.data, options.videos, checkpoint)
        ways = all_ways(checkpoint, videos, options.budget)
        limits: dict[str, list[float]] = {dtype: [] for dtype in ("float32", "bfloat16")}
        draw = random.Random(0)
        with torch.inference_mode():
            for way in ways:
                way.compute(way.batches[0])
            for _ in range(options.rounds):
                for way in ways:
                    limits[way.dtype].append(product_speed(way.dtype))
                    way.measure(draw, options.seconds)
    print(machine(), f"· {options.threads} thread(s) · {len(videos):,} consecutive videos · {options.rounds} rounds\n")
    report(ways, limits, len(videos))


def read(data: Path, count: int, checkpoint: Path) -> list[tuple[Texts, Texts]]:
    """Return title and tags of each video as token ids."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint).backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(77)
    rows = [json.loads(line) for line in first_lines(data / "youtube" / "videos.jsonl.gz", count)]
    titles = [[row["title"][:77]] if (row["title"] or "").strip() else [] for row in rows]
    tags = [[tag.strip()[:77] for tag in (row["tags"] or "").split(",") if tag.strip()] for row in rows]
    flat = sorted({text for texts in (*titles, *tags) for text in texts})
    ids = {text: code.ids for text, code in zip(flat, tokenizer.encode_batch_fast(flat), strict=True)}
    return [([ids[text] for text in one], [ids[text] for text in many]) for one, many in zip(titles, tags, strict=True)]


def all_ways(checkpoint: Path, videos: list[tuple[Texts, Texts]], budget: int) -> list[Way]:
    """Return the ways that are compared; every one computes the vectors of the same texts."""
    from transformers import CLIPTextModelWithProjection

    texts = [text for title, tags in videos for text in (*title, *tags)]
    distinct = [list(text) for text in sorted({tuple(text) for text in texts})]
    ways = []
    for dtype in ("float32", "bfloat16"):
        model = CLIPTextModelWithProjection.from_pretrained(checkpoint, dtype=getattr(torch, dtype)).eval()
        master = CLIPTextModelWithProjection.from_pretrained(checkpoint).eval()
        if dtype == "float32":
            ways.append(_padded("notebook: a title, 15 tags at a time", dtype, _notebook(videos), model))
        ways.append(_padded("transformers: all texts by length, 256 at a time", dtype, _by_length(texts), model))
        ways.append(_padded("transformers: distinct texts by length, 256", dtype, _by_length(distinct), model))
        ways.append(_padded("vidatlas, plain engine", dtype, _equal_length(distinct, budget), model))
        ways.append(_tree(dtype, distinct, TreeTower(master, "cpu", dtype, budget), budget))
    return ways


def _notebook(videos: list[tuple[Texts, Texts]]) -> list[Texts]:
    batches = []
    for title, tags in videos:
        batches += [title] if title else []
        batches += [tags[at : at + TAGS_AT_ONCE] for at in range(0, len(tags), TAGS_AT_ONCE)]
    return batches


def _by_length(texts: Texts) -> list[Texts]:
    ordered = sorted(texts, key=len)
    return [ordered[at : at + BATCH_TEXTS] for at in range(0, len(ordered), BATCH_TEXTS)]


def _equal_length(distinct: Texts, budget: int) -> list[Texts]:
    by_length: dict[int, Texts] = {}
    for text in distinct:
        by_length.setdefault(len(text), []).append(text)
    batches = []
    for length, same in sorted(by_length.items()):
        size = max(1, budget // length)
        batches += [same[at : at + size] for at in range(0, len(same), size)]
    return batches


def _padded(name: str, dtype: str, batches: list[Texts], model: Any) -> Way:
    end = batches[0][0][-1]

    def compute(batch: Texts) -> object:
        longest = max(map(len, batch))
        ids = torch.tensor([[*text, *[end] * (longest - len(text))] for text in batch])
        ragged = min(map(len, batch)) < longest
        mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in batch]) if ragged else None
        return model(input_ids=ids, attention_mask=mask).text_embeds

    return Way(name, dtype, batches, [len(batch) * max(map(len, batch)) for batch in batches], compute)


def _tree(dtype: str, distinct: Texts, tower: TreeTower, budget: int) -> Way:
    sequences, _ = sort_distinct(distinct)
    runs = list(cut(sequences, budget))
    rows = [len(build(sequences, run).tokens) for run in runs]
    return Way("vidatlas, tree engine", dtype, runs, rows, lambda run: tower.forward(build(sequences, run)))


def product_speed(dtype: str) -> float:
    """Return this machine's FLOP/s in the model's largest matrix product."""
    left, right = (torch.randn(2048, WIDTH), torch.randn(4 * WIDTH, WIDTH))
    left, right = left.to(getattr(torch, dtype)), right.to(getattr(torch, dtype))
    best = 0.0
    for _ in range(5):
        started = time.perf_counter()
        torch.nn.functional.linear(left, right)
        best = max(best, 2 * 2048 * 4 * WIDTH * WIDTH / (time.perf_counter() - started))
    return best


def report(ways: list[Way], limits: dict[str, list[float]], videos: int) -> None:
    """Print work, speed, share of the limit, and how many times the notebook's rate."""
    first = ways[0]
    columns = ("way", "precision", "rows of states", "rows/s", "share of GEMM", "videos/s")
    print("| " + " | ".join((*columns, "times the notebook", "times distinct, sorted")) + " |")
    print("|---|---|---|---|---|---|---|---|")
    peers = {way.dtype: way for way in ways if "distinct texts" in way.name}
    for way in ways:
        speed, limit = statistics.median(way.speeds), statistics.median(limits[way.dtype])
        share = speed * FLOPS_PER_ROW / limit
        rate = [videos * one / sum(way.rows) for one in way.speeds]
        gain = _ratio(rate, [videos * one / sum(first.rows) for one in first.speeds])
        peer = peers[way.dtype]
        over = _ratio(rate, [videos * one / sum(peer.rows) for one in peer.speeds])
        print(
            f"| {way.name} | {way.dtype} | {sum(way.rows):,} | {speed:,.0f} | {share:.0%} | "
            f"{statistics.median(rate):.2f} | {gain} | {over} |"
        )
    gemm = ", ".join(f"{dtype} {statistics.median(speeds) / 1e9:,.0f} GFLOP/s" for dtype, speeds in limits.items())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nGEMM at 2048 x {WIDTH} x {4 * WIDTH}: {gemm}; peak memory of all ways together {memory:.1f} GiB")


def _ratio(over: list[float], under: list[float]) -> str:
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
