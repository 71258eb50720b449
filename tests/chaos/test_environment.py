"""The machine runs out of something in the middle of a run: disk, handles, shared memory. As root."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems: run it as root"),
]
FULL = ("No space left on device", "Choose a folder on a larger disk")
"""What says so: the write that failed, or the estimate before the first shard."""


class Disk:
    """A file system of its own, in memory, whose size and rights change under a run."""

    def __init__(self, at: Path) -> None:
        self.at = at
        at.mkdir()
        mount("-t", "tmpfs", "-o", "size=64m", "vidatlas-test", str(at))

    def change(self, how: str) -> bool:
        """Mount it anew with other options; tell whether that was possible."""
        command = ["mount", "-o", f"remount,{how}", str(self.at)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def fill(self, left: int) -> None:
        """Take all but so many bytes away."""
        state = os.statvfs(self.at)
        kilobytes = ((state.f_blocks - state.f_bfree) * state.f_frsize + left) // 1024
        assert self.change(f"size={kilobytes}k")


def mount(*arguments: str) -> None:
    """Mount a file system."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    subprocess.run(["umount", "--lazy", str(made.at)], check=True)


def one_line(said: str) -> str:
    """Return the last line of what a command said, after checking that it is ours and no traceback came before."""
    assert "Traceback" not in said, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("vidatlas: "), said
    return last


def files_in(folder: Path) -> int:
    """Return how many files are there."""
    return sum(len(names) for _, _, names in os.walk(folder))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
def test_a_full_disk_ends_a_run_and_room_lets_it_go_on(
    share: float, disk: Disk, processes: Any, world: Any, whole: Path, until: Callable[..., bool]
) -> None:
    """B1. The disk fills up when so many of the atlas's files are there: each share is another stage."""
    atlas = disk.at / "atlas"
    process = processes.start(world.arguments("run", atlas), slow=0.02)
    assert until(lambda: process.poll() is not None or files_in(atlas) >= share * files_in(whole))
    disk.fill(0)
    code, said = process.wait(timeout=150), processes.said(process)
    assert (code, any(words in one_line(said) for words in FULL)) == (5, True), said
    assert disk.change("size=64m")
    code, said = processes.finish(world.arguments("run", atlas))
    assert code == 0, said
    assert world.hashes(atlas) == world.hashes(whole)
    assert not world.leftovers(atlas)


@pytest.mark.parametrize("files", [3, 12, 30])
def test_a_disk_that_becomes_read_only_ends_a_run(
    files: int, disk: Disk, processes: Any, world: Any, whole: Path, until: Callable[..., bool]
) -> None:
    """B2. As a kernel does with a damaged disk."""
    atlas = disk.at / "atlas"
    process = processes.start(world.arguments("run", atlas), slow=0.05)
    assert until(lambda: files_in(atlas) >= files)
    assert until(lambda: disk.change("ro"), 20)  # refused while a file is open for writing
    code, said = process.wait(timeout=150), processes.said(process)
    assert disk.change("rw")
    assert (code, "Read-only file system" in one_line(said)) == (5, True), said
    code, said = processes.finish(world.arguments("run", atlas))
    assert code == 0, said
    assert world.hashes(atlas) == world.hashes(whole)


def test_a_temporary_folder_without_room_is_named_or_not_needed(
    disk: Disk, processes: Any, world: Any, whole: Path, tmp_path: Path
) -> None:
    """G3. Nothing that an atlas needs goes through the temporary folder in a plain loop."""
    disk.fill(0)
    code, said = processes.finish(world.arguments("run", tmp_path / "atlas"), TMPDIR=str(disk.at))
    if code:
        assert (code, str(disk.at) in one_line(said)) == (2, True), said
    else:
        assert world.hashes(tmp_path / "atlas") == world.hashes(whole)


def shell(command: str, processes: Any, arguments: list[str]) -> Any:
    """Run a command of ours behind a line of shell, which may change limits and mounts for it alone."""
    return processes.finish(arguments, before=("unshare", "--mount", "bash", "-c", f'{command} && exec "$@"', "bash"))


@pytest.mark.parametrize("runner", ["serial", "ray"])
def test_little_shared_memory_is_enough(runner: str, processes: Any, world: Any, world_class: Any, whole: Path) -> None:
    """G3. Containers have 64 MB in /dev/shm unless they are told otherwise; Ray then uses the disk."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # tests themselves may lie in /dev/shm
        atlas, same = Path(folder, "atlas"), world_class(Path(folder))
        little = "mount -t tmpfs -o size=1m none /dev/shm"
        code, said = shell(little, processes, same.arguments("run", atlas, runner=runner))
        assert code == 0, said
        assert world.hashes(atlas) == world.hashes(whole)


@pytest.mark.parametrize(("handles", "runner"), [(64, "serial"), (256, "ray"), (64, "ray")])
def test_few_file_handles_are_enough_or_said(
    handles: int, runner: str, processes: Any, world: Any, whole: Path, tmp_path: Path
) -> None:
    """G3. One line and code 5 where a library needs more."""
    atlas = tmp_path / "atlas"
    code, said = shell(f"ulimit -n {handles}", processes, world.arguments("run", atlas, runner=runner))
    if code:
        assert code == 5, said
        one_line(said)
        code, said = processes.finish(world.arguments("run", atlas))
    assert code == 0, said
    assert world.hashes(atlas) == world.hashes(whole)
