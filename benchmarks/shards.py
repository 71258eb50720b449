"""Many shards: what the driver spends on each, stage by stage, and whether that grows with their number.

Run python -m benchmarks.shards. Invented videos are cut into shards of five, so that all cost is cost per shard; the
encoder hashes words. Each number of shards runs in a process of its own. Processor seconds are counted, as others may
use the machine: those of the driver, and those inside tasks, which other cores and nodes share. With --runner ray only
the driver's are counted, since its tasks run elsewhere. TMPDIR says where the atlas lies.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vidatlas
from benchmarks.machine import machine
from benchmarks.scaling import write_input
from vidatlas.pipeline.embed.embed import embed
from vidatlas.pipeline.explore.status import status, verify
from vidatlas.pipeline.plan.plan import plan
from vidatlas.pipeline.publish.publish import publish
from vidatlas.pipeline.reduce.reduce import reduce
from vidatlas.pipeline.stage import Run
from vidatlas.storage import store as layout
from vidatlas.storage.store import Store
from vidatlas.types import Json, Options, R, Runner, Shard, T, ignore

ROWS = 5
"""Videos of a shard."""
SETTINGS: dict[str, object] = {
    "encoder": {"kind": "hashing", "dim": 16},
    "source.shard_rows": ROWS,
    "reduce.pca.components": 8,
    "reduce.lexical": None,
    "reduce.clusters.max_k": 10,
    "publish.layout": {"method": "pca", "sample": 1_000},
}


@dataclass
class Timed:
    """Run as the serial runner does, and count the processor seconds inside tasks."""

    inside: float = 0.0

    def __call__(self, function: Callable[[T], R], item: T) -> R:
        """Call a function and count its seconds."""
        started = time.process_time()
        try:
            return function(item)
        finally:
            self.inside += time.process_time() - started

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        """Yield ``function(item)`` for every item."""
        return (self(function, item) for item in items)

    def embed(
        self, read: Callable[[Shard], Any], open_worker: Callable[[], Any], shards: list[Shard], gpus: bool = False
    ) -> Iterator[Json]:
        """Yield the receipt of each shard."""
        worker = open_worker()
        return (self(lambda one: worker(read(one)), shard) for shard in shards)

    def lost(self) -> str:
        """Return an empty text, as a plain loop does."""
        return ""


def child(shards: int, kind: str) -> None:
    """Make an atlas of so many shards; print the seconds of each stage, of the driver and inside tasks, as JSON."""
    recipe = vidatlas.load_recipe("demo", SETTINGS)
    options = Options(runner="serial" if kind == "serial" else "ray", max_rejects=1)
    timed = Timed()
    with tempfile.TemporaryDirectory() as folder:
        videos, atlas = f"{folder}/videos.jsonl", f"{folder}/atlas"
        write_input(Path(f"{videos}.gz"), ROWS * shards)
        # Of a gzip, a shard this small would cost the decompression of all that lies before it.
        Path(videos).write_bytes(gzip.decompress(Path(f"{videos}.gz").read_bytes()))
        store = Store(atlas)

        def staged(runner: Runner) -> None:
            run = Run(recipe, store, runner, options, ignore)
            stages: dict[str, Callable[[], object]] = {
                "plan": lambda: plan(run, [videos]),
                "embed": lambda: embed(run),
                "status of an unfinished run": lambda: unfinished(store),
                "embed, all receipts there": lambda: embed(run),
                "reduce": lambda: reduce(run),
                "publish": lambda: publish(run),
                "publish, nothing to do": lambda: publish(run),
                "opening the manifest": lambda: store.checked_manifest(store.read(layout.MANIFEST)),
                "status": lambda: status(atlas),
                "verify": lambda: verify(atlas),
            }
            for name, work in stages.items():
                began, inside = time.process_time(), timed.inside
                work()
                tasks = timed.inside - inside
                print(json.dumps([name, time.process_time() - began - tasks, tasks]), flush=True)

        if kind == "serial":
            staged(timed)
            return
        from vidatlas.runners.on_ray import RayRunner

        with RayRunner(options) as runner:
            staged(runner)


def unfinished(store: Store) -> None:
    """Ask for the status of a run that was interrupted before it listed its shards in the manifest."""
    store.unseal(["embed"])
    status(store.url)


def main() -> None:
    """Print a table for every number of shards, and the growth of the cost per shard."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shards", description=__doc__)
    parser.add_argument("--shards", type=int, nargs=2, default=[2_000, 20_000], help="fewer and more")
    parser.add_argument("--runner", choices=("serial", "ray"), default="serial")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.runner)
        return
    print(f"{machine()} · {options.runner}\n")
    found: list[dict[str, tuple[float, float]]] = []
    for shards in options.shards:
        command = [sys.executable, "-m", "benchmarks.shards", "--child", str(shards), "--runner", options.runner]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            lines = []
            for line in process.stdout:
                print(f"{shards:,}: {line}", end="", file=sys.stderr, flush=True)
                lines.append(json.loads(line))
        found.append({name: (driver, tasks) for name, driver, tasks in lines})
    few, many = options.shards
    print(f"| processor s per 1,000 shards | driver, {few:,} | driver, {many:,} | ratio | tasks, {few:,} | {many:,} |")
    print("|---|---|---|---|---|---|")
    for name in found[-1]:
        (driver, tasks), (driver_of_many, tasks_of_many) = found[0][name], found[1][name]
        each = [1_000 * value / few for value in (driver, tasks)]
        of_many = [1_000 * value / many for value in (driver_of_many, tasks_of_many)]
        ratio = of_many[0] / each[0] if each[0] else 0.0
        print(f"| {name} | {each[0]:.3f} | {of_many[0]:.3f} | {ratio:.2f} | {each[1]:.2f} | {of_many[1]:.2f} |")


if __name__ == "__main__":
    main()
