"""The whole job on one to ten million generated videos: seconds, memory and disk, and what grows.

Run python -m benchmarks.scale --folder FOLDER (10 million need about 40 GB there). Each stage runs in a process of its
own with Ray's workers below it; memory that is shared (mapped files, Ray's object store) is not counted. The encoder
hashes pieces of words, which takes about half of embedding's processor time: these are the rates of everything but a
real model. With --resume, embedding is killed once a third of the shards is done, and the seconds are told until the
second run commits its first shard.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

import vidatlas
from benchmarks.generate import write
from benchmarks.machine import machine
from vidatlas.types import Event, Json, Options

STAGES = ("plan", "embed", "reduce", "publish")
MIB = 2**20


@dataclass
class Use:
    """Hold what a stage took: seconds in all and by step, processor seconds, and peaks of memory in bytes."""

    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the driver and all below it."""
    driver_cpu: float = 0.0
    """Those of the driver alone: more workers do not shorten them."""
    driver: int = 0
    worker: int = 0
    steps: dict[str, float] = field(default_factory=dict)


def settings(dim: int) -> dict[str, object]:
    """Return the changes to the recipe ``topics``."""
    return {"encoder": {"kind": "hashing", "dim": dim}, "source.shard_rows": 10_000}


def run_stage(stage: str, videos: str, atlas: str, dim: int, runner: str) -> None:
    """Run a stage in this process; print a line of JSON for each change of step."""

    def listen(event: Event) -> None:
        step = event.facts.get("step", event.stage)
        print(json.dumps({"at": time.time(), "step": step, "done": event.done, "total": event.total}), flush=True)

    options = Options(runner="serial" if runner == "serial" else "ray", max_rejects=0.01)
    if stage in ("plan", "embed"):
        recipe = vidatlas.load_recipe("topics", settings(dim))
        (vidatlas.plan if stage == "plan" else vidatlas.embed)(recipe, videos, atlas, options, listen)
    else:
        (vidatlas.reduce if stage == "reduce" else vidatlas.publish)(atlas, None, options, listen)


def measure(command: list[str], until: Callable[[Json], bool] = lambda _: False) -> Use:
    """Run a command and watch it and all below it; kill them once ``until`` holds of a line it printed."""
    use, started, step, since = Use(), time.time(), "start", time.time()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    os.set_blocking(child.stdout.fileno(), False)
    cpu: dict[int, float] = {}
    rest, ended = b"", False
    while not ended:
        ended = child.poll() is not None  # before reading: nothing comes after it
        _watch(child.pid, use, cpu)
        # What has been written so far may end in the middle of a line.
        *lines, rest = (rest + (child.stdout.read() or b"")).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["step"] != step:
                use.steps[step] = use.steps.get(step, 0.0) + event["at"] - since
                step, since = event["step"], event["at"]
            if not ended and until(event):
                os.killpg(child.pid, signal.SIGKILL)
        time.sleep(0.2)
    use.steps[step] = use.steps.get(step, 0.0) + time.time() - since
    use.seconds, use.cpu, use.driver_cpu = time.time() - started, sum(cpu.values()), cpu.get(child.pid, 0.0)
    if child.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return use


def _watch(pid: int, use: Use, cpu: dict[int, float]) -> None:
    try:
        driver = psutil.Process(pid)
        below = driver.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for process in (driver, *below):
        try:
            memory, times = process.memory_info(), process.cpu_times()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        cpu[process.pid] = times.user + times.system
        own = memory.rss - memory.shared
        if process.pid == pid:
            use.driver = max(use.driver, own)
        else:
            use.worker = max(use.worker, own)


def command(stage: str, options: argparse.Namespace, videos: Path, atlas: Path) -> list[str]:
    """Return the command that runs a stage."""
    line = [sys.executable, "-m", "benchmarks.scale", "--child", stage, "--videos", str(videos), "--atlas", str(atlas)]
    return [*line, "--dim", str(options.dim), "--runner", options.runner]


def whole(rows: int, options: argparse.Namespace, found: dict[int, dict[str, Use]]) -> None:
    """Make the videos if they are not there, and run all stages on them; figures are kept stage by stage."""
    videos = options.folder / f"{rows}.jsonl.gz"
    if not videos.exists():
        started, plain = time.time(), write(videos, rows)
        print(f"generated {rows:,} videos, {plain / 1e9:.1f} GB, in {time.time() - started:.0f} s", file=sys.stderr)
    atlas = options.folder / f"atlas-{rows}-{options.dim}"
    uses = found[rows] = {}
    for stage in STAGES:
        uses[stage] = measure(command(stage, options, videos, atlas))
        print(f"{rows:,} {stage}: {uses[stage]}", file=sys.stderr, flush=True)
        if options.json:
            keep(found, options)


def resume(rows: int, options: argparse.Namespace) -> float:
    """Kill embedding when a third of its shards is done; return the seconds until a second run has one more."""
    videos, atlas = options.folder / f"{rows}.jsonl.gz", options.folder / f"killed-{rows}-{options.dim}"
    line, third = command("embed", options, videos, atlas), rows // 10_000 // 3
    measure(line, lambda event: event["step"] == "embed" and event["done"] >= third)
    before, started = set((atlas / "receipts").iterdir()), time.time()
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, start_new_session=True) as child:
        while child.poll() is None and before.issuperset((atlas / "receipts").iterdir()):
            time.sleep(0.1)
        seconds = time.time() - started
        os.killpg(child.pid, signal.SIGKILL)
    return seconds


def table(found: dict[int, dict[str, Use]]) -> None:
    """Print a table of stages, and one of their steps."""
    print(
        "| videos | stage | s | rows/s | processor s | of the driver | rows per processor s | driver, MiB "
        "| largest worker, MiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for rows, uses in found.items():
        for stage, use in uses.items():
            rates = f"{use.seconds:,.0f} | {rows / use.seconds:,.0f} | {use.cpu:,.0f} | {use.driver_cpu:,.0f}"
            rates += f" | {rows / use.cpu:,.0f}"
            print(f"| {rows:,} | {stage} | {rates} | {use.driver // MIB:,} | {use.worker // MIB:,} |")
    print()
    for rows, uses in found.items():
        for stage, use in uses.items():
            steps = sorted(use.steps.items(), key=lambda pair: -pair[1])[:6]
            print(f"{rows:,} {stage}: " + ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in steps))


def on_disk(rows: int, options: argparse.Namespace) -> dict[str, int]:
    """Return the bytes of each file and folder of an atlas."""
    atlas = options.folder / f"atlas-{rows}-{options.dim}"
    return {
        path.name: sum(f.stat().st_size for f in (path, *path.rglob("*")) if f.is_file()) for path in atlas.iterdir()
    }


def keep(found: dict[int, dict[str, Use]], options: argparse.Namespace) -> None:
    """Write the figures so far: an hour of measuring is not lost with the next stage."""
    figures = {
        rows: {"stages": {stage: asdict(use) for stage, use in uses.items()}, "disk": on_disk(rows, options)}
        for rows, uses in found.items()
    }
    about = {"machine": machine(), "dim": options.dim}
    options.json.write_text(json.dumps({**about, "videos": figures}, indent=2) + "\n")


def main() -> None:
    """Run every size and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--runner", choices=("ray", "serial"), default="ray")
    parser.add_argument("--json", type=Path, help="keep the figures there, for benchmarks.cost")
    parser.add_argument("--resume", action="store_true", help="only kill embedding at the first size, and resume it")
    parser.add_argument("--child", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--videos", help=argparse.SUPPRESS)
    parser.add_argument("--atlas", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_stage(options.child, options.videos, options.atlas, options.dim, options.runner)
        return
    print(machine(), "\n")
    if options.resume:
        print(f"first new shard of {options.rows[0]:,} videos after {resume(options.rows[0], options):.1f} s")
        return
    found: dict[int, dict[str, Use]] = {}
    for rows in options.rows:
        whole(rows, options, found)
    table(found)
    for rows in found:
        largest = sorted(on_disk(rows, options).items(), key=lambda pair: -pair[1])[:6]
        print(f"{rows:,} on disk: " + ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in largest))


if __name__ == "__main__":
    main()
