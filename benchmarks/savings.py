"""How does the saving of distinct texts and distinct prefixes grow with the size of a shard?

Run python -m benchmarks.savings --data FOLDER (see benchmarks/README.md). Rows of hidden states are counted, nothing is
computed, so the figures are exact: for consecutive videos as they lie in the file, and for videos drawn by seed.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from benchmarks.checkpoints import random_clip
from benchmarks.machine import machine
from benchmarks.notebook_loop import TAGS_AT_ONCE
from benchmarks.videos import Ids, read
from vidatlas.encoders.prefix_tree.tree import build, cut
from vidatlas.encoders.transformer.distinct import sort_distinct

SIZES = (1_000, 3_000, 10_000, 30_000)
BUDGET = 2048
Video = tuple[list[Ids], list[Ids]]


def main() -> None:
    """Count and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = random_clip(Path(scratch), options.data / "clip-tokenizer")
        videos = read(options.data, max(SIZES) * 5, checkpoint).tokens()
    print(machine(), f"· trees of at most {BUDGET:,} nodes\n")
    columns = (
        "videos of a shard",
        "order",
        "notebook, padded",
        "unpadded",
        "distinct texts",
        "tree nodes",
        "notebook / tree",
    )
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for size in SIZES:
        for order, shard in (("file", videos[:size]), ("drawn", random.Random(0).sample(videos, size))):
            padded, plain, distinct, nodes = count(shard)
            print(f"| {size:,} | {order} | {padded:,} | {plain:,} | {distinct:,} | {nodes:,} | {padded / nodes:.2f} |")


def count(shard: list[Video]) -> tuple[int, int, int, int]:
    """Return the rows of states of the notebook, without its padding, of distinct texts, and of prefix trees."""
    texts = [text for title, tags in shard for text in (*title, *tags)]
    padded = sum(len(text) for title, _ in shard for text in title)
    for _, tags in shard:
        for at in range(0, len(tags), TAGS_AT_ONCE):
            batch = tags[at : at + TAGS_AT_ONCE]
            padded += len(batch) * max(map(len, batch))
    sequences, _ = sort_distinct(texts)
    nodes = sum(len(build(sequences, run).tokens) for run in cut(sequences, BUDGET))
    return padded, sum(map(len, texts)), int(sequences.lengths.sum()), nodes


if __name__ == "__main__":
    main()
