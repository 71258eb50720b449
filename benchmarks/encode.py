"""How fast is each way of embedding a shard of real videos with CLIP's text tower, and how near the machine's limit?

Run python -m benchmarks.encode --data FOLDER (see benchmarks/README.md); with --device cuda on a GPU, where Ray need
not be installed. The work of each way on the whole shard (padded tokens, tokens, tree nodes) is counted exactly; its
speed is measured on batches drawn by seed from that same work, all ways in turn within each round, beside the machine's
matrix product at the model's shapes. Memory is that of a process of its own for each way.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import torch

from benchmarks.checkpoints import random_clip
from benchmarks.machine import machine
from benchmarks.videos import Videos, read
from benchmarks.ways import FIRST, PEER, WAYS, Setting, Work
from vidatlas.encoders.clip import MOST_ON_CPU
from vidatlas.encoders.transformer.budget import choose_budget
from vidatlas.encoders.transformer.device import product_speed

WIDTH, LAYERS = 768, 12
FLOPS_PER_ROW = 2 * LAYERS * 12 * WIDTH * WIDTH
"""Of the matrix products with weights, per row of hidden states; attention adds a few per cent."""
YOUNIVERSE = 72_900_000
DTYPES = ("float32", "bfloat16")


@dataclass
class Timed:
    """Hold one way in one precision, and how many rows of states it computed a second in each round."""

    name: str
    dtype: str
    work: Work
    speeds: list[float] = field(default_factory=list)

    def measure(self, draw: random.Random, seconds: float, device: str) -> None:
        """Compute batches drawn in proportion to their rows for a while; remember rows per second."""
        # Summed beforehand: of the notebook's many batches a sum takes as long as a GPU needs for a tenth of one.
        summed = list(accumulate(self.work.rows))
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            at = draw.choices(range(len(summed)), cum_weights=summed)[0]
            self.work.compute(self.work.batches[at])
            done += self.work.rows[at]
        _wait(device)
        self.speeds.append(done / (time.perf_counter() - started))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure and print a Markdown table."""
    options = _options()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = options.checkpoint or random_clip(Path(scratch), options.data / "clip-tokenizer")
        videos = read(options.data, options.videos, checkpoint)
        if options.memory_of:
            _one_way(options, videos, checkpoint)
            return
        ways, limits = measure(options, videos, checkpoint)
        memory = {
            (way.name, way.dtype): _memory(options, way.name, way.dtype, checkpoint)
            for way in ways
            if options.device == "cpu"
        }
    print(machine(), f"· {options.threads} thread(s) · {len(videos):,} consecutive videos · {options.rounds} rounds\n")
    report(ways, limits, memory, videos)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each way in each round")
    parser.add_argument("--budget", type=int, help="most nodes of a tree; chosen by the device's memory if absent")
    parser.add_argument("--checkpoint", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--memory-of", nargs=2, metavar=("WAY", "DTYPE"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _setting(options: argparse.Namespace, checkpoint: Path, dtype: str) -> Setting:
    row_bytes = WIDTH * getattr(torch, dtype).itemsize
    budget = options.budget or choose_budget("auto", options.device, row_bytes, MOST_ON_CPU)
    return Setting(checkpoint, options.device, dtype, budget)


def measure(
    options: argparse.Namespace, videos: Videos, checkpoint: Path
) -> tuple[list[Timed], dict[str, list[float]]]:
    """Run all ways in turn, a matrix product before each; return them and the products' FLOP/s by precision."""
    names = [(name, dtype) for dtype in DTYPES for name in WAYS if name != FIRST or dtype == "float32"]
    ways = [Timed(name, dtype, WAYS[name](videos, _setting(options, checkpoint, dtype))) for name, dtype in names]
    limits: dict[str, list[float]] = {dtype: [] for dtype in DTYPES}
    draw = random.Random(0)
    with torch.inference_mode():
        for way in ways:
            way.work.compute(way.work.batches[0])
        for _ in range(options.rounds):
            for way in ways:
                limits[way.dtype].append(product_speed(options.device, way.dtype, WIDTH))
                way.measure(draw, options.seconds, options.device)
    return ways, limits


def _memory(options: argparse.Namespace, name: str, dtype: str, checkpoint: Path) -> float:
    """Return the most memory, in GiB, of a process that loads the videos and runs this way alone."""
    command = [sys.executable, "-m", "benchmarks.encode", "--data", str(options.data), "--videos", str(options.videos)]
    command += ["--checkpoint", str(checkpoint), "--threads", str(options.threads), "--memory-of", name, dtype]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _one_way(options: argparse.Namespace, videos: Videos, checkpoint: Path) -> None:
    name, dtype = options.memory_of
    way = Timed(name, dtype, WAYS[name](videos, _setting(options, checkpoint, dtype)))
    with torch.inference_mode():
        way.measure(random.Random(0), options.seconds, options.device)
    # Not getrusage: its peak begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 2**20)


def report(
    ways: list[Timed], limits: dict[str, list[float]], memory: dict[tuple[str, str], float], videos: Videos
) -> None:
    """Print work, speed, share of the limit, memory, and how many times the notebook's and the careful user's rate."""
    columns = ("way", "precision", "rows of states", "rows/s", "share of GEMM", "videos/s", "texts/s", "GiB")
    print("| " + " | ".join((*columns, "times the notebook", "times distinct, sorted")) + " |")
    print("|---" * 10 + "|")
    first = next(way for way in ways if way.name == FIRST)
    texts = len(videos.texts()) / len(videos)
    for way in ways:
        peer = next(other for other in ways if other.name == PEER and other.dtype == way.dtype)
        speed, limit = statistics.median(way.speeds), statistics.median(limits[way.dtype])
        rate = statistics.median(_rates(way, len(videos)))
        used = f"{memory[way.name, way.dtype]:.1f}" if memory else ""
        print(
            f"| {way.name} | {way.dtype} | {sum(way.work.rows):,} | {speed:,.0f} | {speed * FLOPS_PER_ROW / limit:.0%} "
            f"| {rate:.2f} | {rate * texts:,.0f} | {used} | {_ratio(way, first)} | {_ratio(way, peer)} |"
        )
    gemm = ", ".join(f"{dtype} {statistics.median(speeds) / 1e9:,.0f} GFLOP/s" for dtype, speeds in limits.items())
    best = max(statistics.median(_rates(way, len(videos))) for way in ways)
    print(f"\nGEMM at 2048 rows (32,768 on GPUs) x {WIDTH} x {4 * WIDTH}: {gemm}")
    print(
        f"\nYouNiverse's {YOUNIVERSE:,} videos at the best rate: {YOUNIVERSE / best / 3600:,.1f} hours, if all videos "
        "are as these, one such device computes without a pause, and the rest keeps up (benchmarks.feeding)"
    )


def _rates(way: Timed, videos: int) -> list[float]:
    return [videos * speed / sum(way.work.rows) for speed in way.speeds]


def _ratio(over: Timed, under: Timed) -> str:
    ratios = [a / b for a, b in zip(_rates(over, 1), _rates(under, 1), strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
