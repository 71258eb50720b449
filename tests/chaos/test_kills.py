"""Kill the driver, its actors, and its successors, again and again: the atlas comes out as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidatlas

pytestmark = pytest.mark.timeout(900)
SLOW = 0.03
SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130}
GRACE = 10.0
HARMLESS = ("ray::Dashboard", "ray::RuntimeEnv", "ray::IDLE")
"""What of Ray may outlive a node that was killed: agents, and workers that had no work. The test ends them."""
DYING = 90.0
"""Seconds given to Ray's workers to notice that their node is dead: up to 26 were seen."""


def finished(atlas: Path) -> int:
    """Return how many files of an atlas are in place."""
    return sum(not name.startswith(".tmp-") for _, _, names in os.walk(atlas) for name in names)


class Nemesis:
    """Start a command, and end it at moments that a seed decides, counted in files put in place."""

    def __init__(self, processes: Any, until: Callable[..., bool], arguments: list[str], atlas: Path) -> None:
        self.processes, self.until, self.arguments, self.atlas = processes, until, arguments, atlas
        self.seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
        print(f"CHAOS_SEED={self.seed}")
        self.rng = random.Random(self.seed)

    def start(self, most: int) -> Any:
        """Start the command and return it once it has put some files (at most so many) in place, or has ended."""
        process, before, wanted = (
            self.processes.start(self.arguments, slow=SLOW),
            finished(self.atlas),
            self.rng.randint(1, most),
        )
        assert self.until(lambda: process.poll() is not None or finished(self.atlas) - before >= wanted)
        return process

    def strike(self, times: int, most: int, stop: int = signal.SIGKILL) -> None:
        """Start and stop the command so often; its actors are left to die by themselves while the next one starts."""
        for _ in range(times):
            process = self.start(most)
            if process.poll() is None:
                os.kill(process.pid, stop)
            process.wait(timeout=60)

    def kill_while_it_holds(self, seconds: float) -> None:
        """Start the command and kill it so long after it took the lock, unless it has ended by then."""
        process = self.processes.start(self.arguments, slow=SLOW)
        self.until(lambda: (self.atlas / "lock").exists() or process.poll() is not None)
        self.until(lambda: process.poll() is not None, seconds)
        process.kill()
        process.wait(timeout=60)

    def at_work(self) -> list[str]:
        """Return the names of the processes of its commands that could still write."""
        return [name for name in self.processes.alive().values() if not name.startswith(HARMLESS)]

    def complete(self) -> None:
        """Give the command again until it is done: the first time, unless something is wrong."""
        code, said = self.processes.finish(self.arguments)
        assert code == 0, said


@pytest.fixture
def nemesis(processes: Any, until: Callable[..., bool], world: Any, tmp_path: Path) -> Callable[..., Nemesis]:
    def make(verb: str = "run", runner: str = "ray") -> Nemesis:
        atlas = tmp_path / "atlas"
        return Nemesis(processes, until, world.arguments(verb, atlas, runner=runner), atlas)

    return make


def as_if_nothing_happened(nemesis: Nemesis, world: Any, whole: Path) -> None:
    """Hold an atlas against the undisturbed one, and the machine against how it was found."""
    assert world.hashes(nemesis.atlas) == world.hashes(whole)
    assert not world.leftovers(nemesis.atlas)
    vidatlas.verify(str(nemesis.atlas))
    nemesis.until(lambda: not nemesis.at_work(), DYING)
    assert not nemesis.at_work()


@pytest.mark.chaos
def test_a_run_on_ray_survives_two_kills(nemesis: Callable[..., Nemesis], world: Any, whole: Path) -> None:
    """A plain loop finishes while the dead run's actors may still write."""
    chaos = nemesis()
    chaos.strike(2, most=15)
    chaos.arguments = world.arguments("run", chaos.atlas, runner="serial")
    chaos.complete()
    as_if_nothing_happened(chaos, world, whole)


@pytest.mark.chaos
@pytest.mark.parametrize("runner", ["ray", "serial"])
def test_a_run_survives_many_kills(runner: str, nemesis: Callable[..., Nemesis], world: Any, whole: Path) -> None:
    chaos = nemesis(runner=runner)
    chaos.strike(8, most=15)
    chaos.complete()
    as_if_nothing_happened(chaos, world, whole)


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("stop", "runner"),
    [
        (signal.SIGTERM, "serial"),
        (signal.SIGINT, "serial"),
        (signal.SIGINT, "ray"),
        (signal.SIGTERM, "ray"),
    ],
)
def test_a_signal_ends_a_run_soon_and_leaves_it_to_go_on(
    stop: signal.Signals, runner: str, nemesis: Callable[..., Nemesis], world: Any, whole: Path
) -> None:
    chaos = nemesis("embed", runner)
    process = chaos.start(most=12)
    os.kill(process.pid, stop)
    code, said = process.wait(timeout=GRACE), chaos.processes.said(process)
    assert not chaos.processes.gone()
    assert not (chaos.atlas / "lock").exists()
    chaos.arguments = world.arguments("run", chaos.atlas, runner="serial")
    chaos.complete()
    as_if_nothing_happened(chaos, world, whole)
    assert code == SIGNALS[stop], said
    assert said.splitlines()[-1].startswith("vidatlas: stopped."), said


@pytest.mark.chaos
def test_actors_that_are_killed_are_replaced(nemesis: Callable[..., Nemesis], world: Any, whole: Path) -> None:
    """Kill a worker of Ray each time a shard is committed; the driver must not notice."""
    chaos = nemesis()
    process, kills, seen = chaos.processes.start(chaos.arguments, slow=0.1), 0, 0
    while process.poll() is None:
        assert chaos.until(lambda seen=seen: process.poll() is not None or finished(chaos.atlas / "receipts") > seen)
        seen = finished(chaos.atlas / "receipts")
        actors = [found for found, name in chaos.processes.alive().items() if name.startswith("ray::Map")]
        if actors and kills < 4:
            kills += 1
            os.kill(chaos.rng.choice(actors), signal.SIGKILL)
        elif kills == 4 or seen == len(list((whole / "receipts").iterdir())):
            process.wait(timeout=150)
    assert process.returncode == 0, chaos.processes.said(process)
    assert kills
    as_if_nothing_happened(chaos, world, whole)


STALLED = "embed finished no shard for 0.3 minutes; it waits for "


@pytest.mark.chaos
@pytest.mark.parametrize(("stopped", "words"), [("ray::Map", STALLED), ("raylet", "rerun the same command to resume")])
def test_a_run_whose_processes_are_stopped_ends_and_says_so(
    stopped: str, words: str, nemesis: Callable[..., Nemesis], world: Any, whole: Path
) -> None:
    """Stop every actor that works on a shard, or Ray's own process: the run ends by itself; the next one goes on."""
    chaos = nemesis()
    process = chaos.processes.start([*chaos.arguments, "--stalled-after", "0.3"], slow=0.1)
    assert chaos.until(lambda: process.poll() is not None or finished(chaos.atlas / "receipts") > 0)
    for found, name in chaos.processes.alive().items():
        if name.startswith(stopped):
            os.kill(found, signal.SIGSTOP)
    code, said = process.wait(timeout=150), chaos.processes.said(process)
    assert code == 5, said
    assert words in said.splitlines()[-1], said
    chaos.complete()
    as_if_nothing_happened(chaos, world, whole)


@pytest.mark.chaos
@pytest.mark.parametrize("verb", ["reduce", "publish"])
def test_reduce_and_publish_survive_kills(
    verb: str, nemesis: Callable[..., Nemesis], world: Any, whole: Path, tmp_path: Path
) -> None:
    """Files are replaced, so the moment is counted in time: a reader meets the old stage, the new one, or none."""
    chaos = nemesis(runner="serial")
    shutil.copytree(whole, chaos.atlas)
    setting = "reduce.clusters.k=3" if verb == "reduce" else "publish.title=Other"
    runner = ["--runner", "serial"] if verb == "reduce" else []
    chaos.arguments = [verb, str(chaos.atlas), "--set", setting, *runner]
    for _ in range(8):
        chaos.kill_while_it_holds(chaos.rng.uniform(0, 1.5))
        vidatlas.verify(str(chaos.atlas))
    chaos.complete()
    vidatlas.verify(str(chaos.atlas))
    other = tmp_path / "other"
    shutil.copytree(whole, other)
    assert chaos.processes.finish([verb, str(other), "--set", setting, *runner])[0] == 0
    assert world.hashes(chaos.atlas) == world.hashes(other)


@pytest.mark.chaos
@pytest.mark.parametrize("mode", ["kill", "error"])
@pytest.mark.parametrize("job", ["run", "export", "assign"])
def test_every_write_can_be_the_last(mode: str, job: str, tmp_path: Path) -> None:
    """The whole of what the contract tests sample."""
    here = Path(__file__).parent
    world = here.parent / "contract" / "world.py"
    command = [sys.executable, here / "crash_points.py", world, tmp_path, mode, "1", job]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    print(done.stdout)  # how many points were tried
    assert done.returncode == 0, done.stdout + done.stderr
