"""Cost: hours, euros, disk and memory of 72.9 million and a billion videos, computed from what was measured.

Run python -m benchmarks.cost. Inputs: a file that ``benchmarks.scale --json`` wrote, by default that of the ten million
of RESULTS.md, and the rates and prices below, each with where it was measured, or that it was not. A stage takes what
its driver computes alone, and what its tasks compute, divided by the cores. Cores are taken to be as fast as those of
the measurement; waiting for disks and networks is not counted. So hours are lower bounds. Of the largest number of
videos that was measured, the steps ``BOUNDED`` grow as the code bounds them, and all others with the videos.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.generate import SHARES
from vidatlas.clustering.kmeans import ClusterSpec
from vidatlas.search_index import IndexSpec, training_rows

MEASURED = Path(__file__).parent / "figures" / "ten-million.json"
STAGES = ("plan", "embed", "reduce", "publish")
SIZES = {"72.9 million": 72_900_000, "1 billion": 1_000_000_000}
H100_FLOPS = 989e12
"""Dense bfloat16 operations per second of an H100 SXM, from its data sheet."""
USED = 0.4
"""The share of them that the encoder is assumed to reach. Not measured: there was no GPU."""
NODE_FLOPS = 2 * 85e6
"""Operations per node of the prefix trees: twice the weights of the transformer in CLIP ViT-L/14's text tower."""
NODES = 48.0
"""Nodes per video: 480,457 of 10,000 videos (RESULTS.md, "Ways of embedding one shard")."""
FEEDING = 1_052.0
"""Videos per second that one core reads, tokenises and writes for CLIP (RESULTS.md, "The steps other than …")."""
GPU_HOUR, CORE_HOUR = 2.5, 0.04
"""Euros, assumed: change them to yours."""
IDS = 46
"""Bytes per video that the driver of ``plan`` holds, calculated: 26 of ids, and about 20 while they are written."""


@dataclass(frozen=True)
class Way:
    """Hold how videos are embedded: on how many cores and GPUs, and without a GPU at how many videos/s per core."""

    name: str
    cores: int
    gpus: int = 0
    rate: float = 0.0

    def embedding(self, rows: int) -> float:
        """Return the seconds that embedding takes: of the GPUs, or of the cores that feed them if they are longer."""
        if not self.gpus:
            return rows / (self.cores * self.rate)
        return rows / min(self.gpus * gpu_rate(), self.cores * FEEDING)

    def euros(self, seconds: float, with_gpus: bool) -> float:
        """Return the price of so many seconds; GPUs are rented only while videos are embedded."""
        return seconds / 3600 * (self.cores * CORE_HOUR + self.gpus * GPU_HOUR * with_gpus)


# Rates per core: RESULTS.md, "Static vectors" (fast, topics), "Ways of embedding one shard" (CLIP, tree, bfloat16).
WAYS = (
    Way("laptop, 8 cores, `fast`", 8, rate=1_983),
    Way("laptop, 8 cores, `topics`", 8, rate=120),
    Way("64 cores, `topics`", 64, rate=120),
    Way("64 cores, CLIP", 64, rate=14.5),
    Way("1 H100 and 48 cores, CLIP", 48, 1),
    Way("8 H100 and 384 cores, CLIP", 384, 8),
    Way("64 H100 and 3,072 cores, CLIP", 3_072, 64),
)


def gpu_rate() -> float:
    """Return the videos per second of one H100 that is fed."""
    return H100_FLOPS * USED / NODE_FLOPS / NODES


def once(rows: int) -> float:
    """Return the work of a step on a sample whose size is fixed."""
    return 1.0


def cells(rows: int) -> float:
    """Return the work of training the cells of the search index: each of the sample beside each cell."""
    return float(training_rows(IndexSpec(), rows)) ** 2


def clustered(rows: int) -> float:
    """Return how many videos k-means is fitted on: of each category at most ``reduce.clusters.fit_rows``."""
    return sum(min(rows * share, ClusterSpec().fit_rows) for share in SHARES.values()) / sum(SHARES.values())


BOUNDED: dict[str, tuple[str, Callable[[int], float]]] = {
    "clustering": ("tasks", clustered),
    "finding neighbours in the sample": ("tasks", once),
    "laying out the sample": ("driver", once),
    "finding cells of the sample": ("driver", once),
    "training the search index": ("driver", cells),
}
"""Steps whose work stops growing: who computes them, and the work for a number of videos."""
CORES = {"driver": 1, "tasks": 2}
"""Cores on which such a step computed: tasks on both of the measurement, the driver on one at least."""


def stage_seconds(measured: dict[int, Any], stage: str, rows: int, cores: int) -> float:
    """Return the seconds of a stage: the driver's, and those of its tasks by the cores."""
    count = max(size for size, found in measured.items() if stage in found["stages"])
    use = measured[count]["stages"][stage]
    whole: dict[str, float] = {"driver": use["driver_cpu"], "tasks": use["cpu"] - use["driver_cpu"]}
    grown = dict.fromkeys(whole, 0.0)
    for step, (of, work) in BOUNDED.items():
        seconds = min(CORES[of] * use["steps"].get(step, 0.0), whole[of])
        whole[of] -= seconds
        grown[of] += seconds * work(rows) / work(count)
    driver, tasks = (grown[of] + whole[of] * rows / count for of in whole)
    return driver + tasks / cores


def hours_table(measured: dict[int, Any]) -> None:
    """Print hours of each stage and euros, for each way and size."""
    print("| videos | embedded by | plan, h | embed, h | reduce, h | publish, h | all, h | euros |")
    print("|---|---|---|---|---|---|---|---|")
    for name, rows in SIZES.items():
        for way in WAYS:
            seconds = {stage: stage_seconds(measured, stage, rows, way.cores) for stage in STAGES}
            seconds["embed"] = way.embedding(rows)
            euros = sum(way.euros(taken, stage == "embed") for stage, taken in seconds.items())
            hours = " | ".join(f"{seconds[stage] / 3600:,.1f}" for stage in STAGES)
            price = "" if way.name.startswith("laptop") else f"{euros:,.0f}"
            print(f"| {name} | {way.name} | {hours} | {sum(seconds.values()) / 3600:,.1f} | {price} |")


def space_table(measured: dict[int, Any], dim: int) -> None:
    """Print bytes per further video on disk, and what that is for each size; vectors grow with their dimensions."""
    whole = [size for size, found in measured.items() if "publish" in found["stages"]]
    first, last = min(whole), max(whole)
    print(f"| folder | bytes per further video ({dim} dimensions) | " + " | ".join(SIZES) + " |")
    print("|---|---|" + "---|" * len(SIZES))
    for folder, size in sorted(measured[last]["disk"].items(), key=lambda item: -item[1]):
        before = measured[first]["disk"].get(folder, 0) if first < last else 0
        each = (size - before) / (last - first or last)
        if each >= 1:
            print(
                f"| {folder} | {each:,.0f} | " + " | ".join(f"{each * n / 1e9:,.0f} GB" for n in SIZES.values()) + " |"
            )


def memory_table(measured: dict[int, Any]) -> None:
    """Print the peak of each stage's driver and largest task, and by how much it grew between the sizes measured."""
    sizes = sorted(measured)
    drivers = " | ".join(f"driver, {size:,}" for size in sizes)
    print(f"| stage | {drivers} | bytes per further video | largest task |")
    print("|---|" + "---|" * (len(sizes) + 2))
    for stage in STAGES:
        uses = {size: measured[size]["stages"][stage] for size in sizes if stage in measured[size]["stages"]}
        peaks = " | ".join(f"{uses[size]['driver'] / 1e6:,.0f} MB" if size in uses else "" for size in sizes)
        first, last = min(uses), max(uses)
        grown = (uses[last]["driver"] - uses[first]["driver"]) / (last - first) if last > first else None
        said = "" if grown is None else f"{grown:,.0f}"
        print(f"| {stage} | {peaks} | {said} | {max(use['worker'] for use in uses.values()) / 1e6:,.0f} MB |")


def main() -> None:
    """Print hours and euros, memory and disk."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("scale", type=Path, nargs="?", default=MEASURED, help="figures of benchmarks.scale --json")
    found = json.loads(parser.parse_args().scale.read_text(encoding="utf-8"))
    measured = {int(rows): figures for rows, figures in found["videos"].items()}
    print(found["machine"], "\n")
    rate = gpu_rate()
    print(f"an H100 at {USED:.0%} of its peak: {rate:,.0f} videos/s; cores that feed it: {rate / FEEDING:,.0f}\n")
    hours_table(measured)
    print()
    memory_table(measured)
    print()
    space_table(measured, found["dim"])
    ids = ", ".join(f"{rows * IDS / 1e9:,.1f} GB for {name}" for name, rows in SIZES.items())
    print(f"\nids in the driver of plan, {IDS} bytes each: {ids}")


if __name__ == "__main__":
    main()
