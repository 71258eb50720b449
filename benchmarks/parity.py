"""Does the job compute what the notebook computed, and how much faster?

Run python -m benchmarks.parity --data FOLDER, where FOLDER holds youtube/videos.jsonl.gz (YouNiverse's layout) and
clip-tokenizer/ (CLIP's vocab.json and merges.txt). The vectors compared are those that the job wrote (float16 in
Parquet); the rates are measured alternately, slice by slice.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import vidatlas
from benchmarks.checkpoints import random_clip
from benchmarks.machine import machine
from benchmarks.notebook_loop import NotebookLoop
from vidatlas.encoders.clip import ClipSpec
from vidatlas.pipeline.embed.vectors import vectors_of
from vidatlas.types import EncodeStats

SLICES = 5
NEIGHBOURS = 10
DTYPES = ("float32", "bfloat16")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoint = random_clip(folder / "clip", options.data / "clip-tokenizer")
        lines = first_lines(options.data / "youtube" / "videos.jsonl.gz", options.videos)
        print(machine(), f"· {options.threads} threads", f"· {len(lines)} videos\n")
        loop, slices = NotebookLoop(checkpoint), np.array_split(np.arange(len(lines)), SLICES)
        encoders = {dtype: _encoder(checkpoint, dtype, options.threads) for dtype in DTYPES}
        times: dict[str, list[float]] = {name: [] for name in ("notebook", *DTYPES)}
        expected = []
        for rows in slices:
            some = [lines[row] for row in rows]
            pairs = [(json.loads(line)["title"] or "", json.loads(line)["tags"] or "") for line in some]
            seconds, vectors = timed(lambda pairs=pairs: loop.videos(pairs))  # type: ignore[misc]
            times["notebook"].append(seconds)
            expected.append(vectors)
            for dtype, encode in encoders.items():
                times[dtype].append(timed(lambda encode=encode, some=some: encode(some))[0])  # type: ignore[misc]
        report(np.concatenate(expected), lines, checkpoint, times, folder)


def first_lines(path: Path, count: int) -> list[bytes]:
    """Return the first lines of a gzipped file."""
    with gzip.open(path) as file:
        return list(itertools.islice(file, count))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long some work took, and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _recipe(checkpoint: Path, dtype: str) -> vidatlas.Recipe:
    changes = {"encoder.model": str(checkpoint), "encoder.revision": None, "encoder.dtype": dtype}
    return vidatlas.load_recipe("youniverse", changes)


def _encoder(checkpoint: Path, dtype: str, threads: int) -> Callable[[list[bytes]], Any]:
    recipe = _recipe(checkpoint, dtype)
    assert isinstance(recipe.encoder, ClipSpec)
    encoder = recipe.encoder.load(threads)

    def encode(lines: list[bytes]) -> Any:
        rows = [json.loads(line) for line in lines]
        texts = {"title": [[row["title"]] if row["title"] else [] for row in rows]}
        texts["tags"] = [[tag.strip() for tag in (row["tags"] or "").split(",") if tag.strip()] for row in rows]
        table = pa.table({name: pa.array(values, pa.list_(pa.string())) for name, values in texts.items()})
        return vectors_of(table, recipe, encoder, EncodeStats())

    return encode


def report(expected: Any, lines: list[bytes], checkpoint: Path, times: dict[str, list[float]], folder: Path) -> None:
    """Print cosines between the job's vectors and the loop's, and the ratios of the rates."""
    source = folder / "videos.jsonl"
    source.write_bytes(b"".join(lines))
    unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    others = (unit @ unit.T)[~np.eye(len(unit), dtype=bool)]
    print(f"cosine between different videos (how far from trivial this is): mean {others.mean():.3f}\n")
    rounded = overlap(expected, expected.astype(np.float16).astype(np.float32))
    print(f"the notebook's own vectors, rounded to float16 as they are stored: overlap@{NEIGHBOURS} {rounded:.4f}\n")
    columns = ("vectors", "least cosine", "mean cosine", "largest difference", "of a norm of", f"overlap@{NEIGHBOURS}")
    print("| " + " | ".join((*columns, "videos/s, times the notebook's")) + " |")
    print("|---|---|---|---|---|---|---|")
    for dtype in DTYPES:
        atlas = folder / f"atlas-{dtype}"
        vidatlas.embed(_recipe(checkpoint, dtype), str(source), str(atlas), vidatlas.Options(runner="serial"))
        vectors = vidatlas.Atlas(str(atlas)).embeddings()[1].astype(np.float32)
        cosine = (vectors * expected).sum(axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(expected, axis=1)
        difference, norm = np.abs(vectors - expected).max(), np.linalg.norm(expected, axis=1).mean()
        ratios = [slow / fast for slow, fast in zip(times["notebook"], times[dtype], strict=True)]
        spread = f"{statistics.median(ratios):.1f} (median of {SLICES}; {min(ratios):.1f} to {max(ratios):.1f})"
        print(
            f"| {dtype} | {cosine.min():.7f} | {cosine.mean():.7f} | {difference:.1e} | {norm:.1f} "
            f"| {overlap(expected, vectors):.4f} | {spread} |"
        )
    print(f"\nnotebook: {len(lines) / sum(times['notebook']):.1f} videos/s")


def overlap(exact: Any, other: Any) -> float:
    """Return the mean share of each vector's nearest neighbours (by cosine) that both sets of vectors agree on."""
    found = [_neighbours(vectors) for vectors in (exact, other)]
    shared = [len(set(left) & set(right)) for left, right in zip(*found, strict=True)]
    return sum(shared) / (NEIGHBOURS * len(shared))


def _neighbours(vectors: Any) -> list[list[int]]:
    doubles = vectors.astype(np.float64)
    unit = doubles / np.linalg.norm(doubles, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    found: list[list[int]] = np.argsort(-alike, axis=1, kind="stable")[:, :NEIGHBOURS].tolist()
    return found


if __name__ == "__main__":
    main()
