"""Real vidatlas processes for tests: started in a session of their own, marked, and gone when the test ends."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

SLOW_DISK = Path(__file__).parents[1] / "chaos" / "slow_disk"
PATIENCE = 150.0


class Processes:
    """Start vidatlas commands; a mark in their environment finds them and every Ray process they started."""

    def __init__(self, logs: Path) -> None:
        self.mark, self.logs, self._count = uuid.uuid4().hex, logs, 0
        logs.mkdir(parents=True, exist_ok=True)

    def start(
        self, arguments: list[str], slow: float = 0.0, before: tuple[str, ...] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a command, behind the words ``before``; its output goes to ``said``."""
        self._count += 1
        log = self.logs / f"{self._count}.log"
        path = os.pathsep.join([str(SLOW_DISK), *filter(None, [os.environ.get("PYTHONPATH")])])
        marked = {"VIDATLAS_TEST_MARK": self.mark, "SLOW_FSYNC": str(slow), "PYTHONPATH": path, "COLUMNS": "200"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "vidatlas", *arguments],
                env={**os.environ, **marked, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process.log = log  # type: ignore[attr-defined]
        return process

    @staticmethod
    def said(process: subprocess.Popen[bytes]) -> str:
        """Return what a process has printed so far."""
        return str(process.log.read_text(errors="replace"))  # type: ignore[attr-defined]

    def finish(
        self, arguments: list[str], slow: float = 0.0, before: tuple[str, ...] = (), **environment: str
    ) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it printed."""
        process = self.start(arguments, slow, before, **environment)
        return process.wait(timeout=PATIENCE), self.said(process)

    def alive(self) -> dict[int, str]:
        """Return the running processes that carry the mark: id -> name."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "comm").read_text().strip()
            except OSError:
                continue
        return found

    def gone(self, seconds: float = 30.0) -> dict[int, str]:
        """Wait until no marked process is left; return those that are still there after so many seconds."""
        until(lambda: not self.alive(), seconds)
        return self.alive()

    def end(self) -> None:
        """Kill every marked process."""
        for process in self.alive():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
