"""Break a command at every system call that writes, repeat it once, and compare: prints one line per fault found.

Run as: python crash_points.py WORLD_PY SCRATCH kill|error [EVERY [run|export|assign]], with OMP_NUM_THREADS=1.
Every broken run is a forked child; the parent has run once, so that children find every library loaded.
"""

import errno
import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from vidatlas.cli.exit import guard
from vidatlas.pipeline.explore.assign import assign
from vidatlas.pipeline.publish.export import export_embedding_atlas, export_hub_folder
from vidatlas.views.poster import raster

# Children inherit what the whole run drew: the posters, half of a run's time, need not be drawn at every point.
raster.png_of = lru_cache(raster.png_of)
LANES = 2
CALLS = ("fsync", "replace", "link", "unlink")
Break = Callable[[str, int, tuple[Any, ...]], None]


def load_world(path: str) -> Any:
    """Return the module that knows the tiny world."""
    spec = importlib.util.spec_from_file_location("world", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def watch(at_call: Break) -> None:
    """Call ``at_call(name, n, arguments)`` before the n-th writing system call of this process."""
    count = 0
    for name in CALLS:
        real = getattr(os, name)

        def broken(*arguments: Any, name: str = name, real: Any = real, **options: Any) -> Any:
            nonlocal count
            count += 1
            at_call(name, count, arguments)
            # The machine does not lose power here, so nothing need really be flushed: it would only take time.
            return None if name == "fsync" else real(*arguments, **options)

        setattr(os, name, broken)


def in_child(task: Callable[[], int], log: Path) -> int:
    """Run a task in a forked process, its output in a file; return its exit code."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = 70
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = task()
    finally:
        sys.stderr.flush()
        os._exit(code)


def killed_at(target: int) -> Break:
    """Die before the call; what is not yet flushed is half lost, as after a power cut."""

    def at_call(name: str, count: int, arguments: tuple[Any, ...]) -> None:
        if count == target:
            if name == "fsync" and stat.S_ISREG(os.fstat(arguments[0]).st_mode):
                os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
            os._exit(9)

    return at_call


def failing_at(target: int) -> Break:
    """Report an error: a full disk from this call on where the target is even, one passing error where it is odd."""

    def at_call(name: str, count: int, arguments: tuple[Any, ...]) -> None:
        if count == target or (count > target and target % 2 == 0):
            code = errno.EIO if target % 2 else errno.ENOSPC
            raise OSError(code, os.strerror(code))

    return at_call


class Lab:
    """Run a job of the tiny world into scratch folders, broken and whole."""

    def __init__(self, world_py: str, scratch: Path, mode: str, job: str) -> None:
        self.module = load_world(world_py)
        self.world = self.module.World(scratch / "input", rows=14)
        self.recipe = self.module.recipe(source__shard_rows=16)
        self.scratch, self.mode, self.job = scratch, mode, job
        self.log = scratch / f"log-{os.getpid()}"
        if job != "run":
            self.world.run(scratch / "atlas", made_by=self.recipe)
        self.make(scratch / "whole")
        self.whole = self.module.World.hashes(scratch / "whole")

    def make(self, folder: Path) -> None:
        """Do the job: make an atlas, or write files about one."""
        if self.job == "run":
            self.world.run(folder, made_by=self.recipe)
        elif self.job == "export":
            export_embedding_atlas(self.scratch / "atlas", folder)
            export_hub_folder(self.scratch / "atlas", folder)
        else:
            folder.mkdir(exist_ok=True)
            assign(self.scratch / "atlas", self.world.inputs[0], folder / "new.parquet")

    def run(self, atlas: Path, at_call: Break) -> int:
        """Run in this process with a fault."""
        watch(at_call)
        return guard(lambda: self.make(atlas))

    def calls(self) -> int:
        """Return how many writing system calls a whole run takes."""
        counted = self.scratch / "count"

        def count(name: str, number: int, arguments: tuple[Any, ...]) -> None:
            counted.write_text(str(number))

        assert in_child(lambda: self.run(self.scratch / "counted", count), self.log) == 0, self.log.read_text()
        return int(counted.read_text())

    def fault(self, target: int) -> str:
        """Break a run at one call and resume it; return what is wrong afterwards, or nothing."""
        atlas = self.scratch / f"broken-{target}"
        plan, expected = (killed_at, 9) if self.mode == "kill" else (failing_at, 5)
        code = in_child(lambda: self.run(atlas, plan(target)), self.log)
        said = self.log.read_text()
        if code != expected:
            return f"exit {code} instead of {expected}: {said}"
        if self.mode == "error" and (said.count("\n") != 1 or not said.startswith("vidatlas: ")):
            return f"not one line: {said}"
        shown = self.module.World.hashes(atlas) if atlas.exists() else {}
        half = [name for name, digest in shown.items() if self.whole.get(name) != digest]
        if half:
            return f"half or other files before the resume: {half}"
        finished = '"publish"' in (atlas / "atlas.json").read_text() if (atlas / "atlas.json").exists() else False
        # Resumed right here: the lane is a process of its own, and it is warm.
        resumed = guard(lambda: self.make(atlas))
        if resumed:
            return f"the resume ended with {resumed}"
        mended, left = self.module.World.hashes(atlas), self.module.World.leftovers(atlas)
        shutil.rmtree(atlas)
        if mended != self.whole:
            return f"files differ: {self.whole.items() ^ mended.items()}"
        # A finished run touches nothing, so what broke after the last seal stays where it is. Outside an atlas nobody
        # knows whether a temporary file is still being written; from an even target on, it cannot be removed.
        spared = finished if self.job == "run" else self.mode == "kill" or target % 2 == 0
        return f"left behind: {left}" if left and not spared else ""


def main(world_py: str, scratch: str, mode: str, every: str = "1", job: str = "run") -> int:
    """Try every (or every so many-th) point, in two lanes; return 1 where any went wrong."""
    lab = Lab(world_py, Path(scratch), mode, job)
    calls = lab.calls()
    points = range(1, calls + 1, int(every))
    lanes = []
    for lane in range(LANES):
        process = os.fork()
        if process:
            lanes.append(process)
            continue
        lab.log = lab.scratch / f"log-{os.getpid()}"
        watch(lambda name, count, arguments: None)
        found = [f"{mode} at {n}: {said}" for n in points[lane::LANES] if (said := lab.fault(n))]
        sys.stdout.write("".join(f"{fault}\n" for fault in found))
        sys.stdout.flush()
        os._exit(bool(found))
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in lanes]
    print(f"{len(points)} of {calls} points tried")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
