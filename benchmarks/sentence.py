"""How fast is a sentence encoder here and in sentence-transformers, and are the vectors the same?

Run python -m benchmarks.sentence --data FOLDER (see benchmarks/README.md). Titles and tags of real videos, drawn by
seed, in slices that all ways encode in turn; a slice's texts are all different, so that nothing is won by repetition.
Times are those that the process computed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import machine
from benchmarks.parity import first_lines
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer.checkpoint import PACKAGED, open_checkpoint
from vidatlas.types import EncodeStats, Floats

THEIRS = "sentence-transformers, its defaults"
OURS = "vidatlas"
DTYPES = ("float32", "bfloat16")
Way = Callable[[list[str]], Floats]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=PACKAGED)
    parser.add_argument("--texts", type=int, default=5_000)
    parser.add_argument("--slices", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    texts = _texts(options.data, options.texts)
    ways = ways_of(options.model, options.threads)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in ways}
    vectors: dict[tuple[str, str], list[Floats]] = {key: [] for key in ways}
    for way in ways.values():
        way(texts[:10])
    for at in range(options.slices):
        some = texts[at :: options.slices]
        for key, way in ways.items():
            started = time.process_time()
            vectors[key].append(way(some))
            times[key].append(time.process_time() - started)
    print(machine(), f"· {options.threads} thread(s) · {len(texts):,} texts in {options.slices} slices\n")
    report({key: np.concatenate(found) for key, found in vectors.items()}, times, len(texts) / options.slices)


def _texts(data: Path, count: int) -> list[str]:
    import orjson

    rows = [orjson.loads(line) for line in first_lines(data / "youtube" / "videos.jsonl.gz", 3 * count)]
    every = {row["title"][:77] for row in rows if (row["title"] or "").strip()}
    every |= {tag.strip()[:77] for row in rows for tag in (row["tags"] or "").split(",") if tag.strip()}
    return random.Random(0).sample(sorted(every), count)


def ways_of(
    model: str, threads: int, device: str = "cpu", dtypes: tuple[str, ...] = DTYPES
) -> dict[tuple[str, str], Way]:
    """Return sentence-transformers' way and ours, of this model in each precision."""
    from sentence_transformers import SentenceTransformer

    folder = str(open_checkpoint(model, None).path)
    ways: dict[tuple[str, str], Way] = {}
    for dtype in dtypes:
        theirs = SentenceTransformer(folder, device=device, model_kwargs={"dtype": getattr(torch, dtype)})
        ours = SentenceSpec.model_validate({"model": model, "dtype": dtype}).load(threads)
        ways[THEIRS, dtype] = lambda texts, theirs=theirs: _theirs(theirs, texts)  # type: ignore[misc]
        ways[OURS, dtype] = lambda texts, ours=ours: ours.encode(texts, EncodeStats())  # type: ignore[misc]
    return ways


def _theirs(model: Any, texts: list[str]) -> Floats:
    return np.asarray(model.encode(texts, convert_to_tensor=True).float().cpu().numpy(), np.float32)


def report(vectors: dict[tuple[str, str], Floats], times: dict[tuple[str, str], list[float]], count: float) -> None:
    """Print rates, their ratios, and how far vectors are from sentence-transformers' in float32."""
    print("| way | precision | texts/s | times sentence-transformers | cosine distance: largest | mean |")
    print("|---|---|---|---|---|---|")
    exact = _unit(vectors[THEIRS, "float32"])
    for (name, dtype), found in vectors.items():
        distance = 1 - (_unit(found) * exact).sum(axis=1)
        ratios = [slow / fast for slow, fast in zip(times[THEIRS, dtype], times[name, dtype], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rate = count / statistics.median(times[name, dtype])
        print(f"| {name} | {dtype} | {rate:,.0f} | {spread} | {distance.max():.1e} | {distance.mean():.1e} |")


def _unit(vectors: Floats) -> Any:
    doubles = vectors.astype(np.float64)
    return doubles / np.linalg.norm(doubles, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
