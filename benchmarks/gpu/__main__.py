"""Prove and measure the GPU path in one run: python -m benchmarks.gpu (see benchmarks/README.md).

Needs torch, transformers, numpy, scipy, pyarrow, pydantic and orjson; no network, no Ray. Steps run in processes of
their own, so that one which crashes or hangs costs itself alone; what was measured is in the JSON file after every row.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.gpu.child import NO_DEVICE, POISONED
from benchmarks.gpu.plan import NAMES, groups, limit
from benchmarks.gpu.rows import Figures, Row, line, markdown, read, write

NEEDED = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "scipy",
    "pyarrow",
    "pydantic",
    "orjson",
    "yaml",
)
MOST_MINUTES = 4.0
"""Of a run on a GPU, unless told otherwise: steps that have not begun by then are left out."""


_LATE = "late"
Message = dict[str, Any]


class NoDeviceError(Exception):
    """Say that torch sees no GPU."""


def main(arguments: list[str] | None = None) -> int:
    """Run the steps, show each row as it comes, and print Markdown at the end."""
    asked = _options(arguments)
    if asked.report:
        print(markdown(*read(asked.report)))
        return 0
    if missing := [name for name in NEEDED if not find_spec(name)]:
        print(
            f"not installed here: {', '.join(missing)}. benchmarks/README.md says how to bring them.", file=sys.stderr
        )
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="vidatlas-gpu-") as scratch:
        run = Run(asked, Path(scratch))
        try:
            run.all()
        except NoDeviceError:
            print("torch sees no GPU here. Check the driver (nvidia-smi), or pass --device cpu.", file=sys.stderr)
            if run.rows:
                print(f"\n{markdown(run.about, run.rows)}")
            return 5
        except KeyboardInterrupt:
            return 130
    print(f"\n{markdown(run.about, run.rows)}")
    return int(any(row.status == "failed" for row in run.rows))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="a tiny checkpoint and few videos: does the script run?")
    parser.add_argument("--data", type=Path, help="folder with youtube/videos.jsonl.gz and clip-tokenizer/")
    parser.add_argument("--videos", type=int, help="of the shard; 10,000 on a GPU")
    parser.add_argument("--seconds", type=float, help="for which each way of the model alone is watched in each round")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    parser.add_argument(
        "--euros-an-hour", type=float, default=2.5, help="price of the device, for the cost of all videos"
    )
    parser.add_argument("--minutes", type=float, help="begin no step after so many; 4 on a GPU")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="STEP", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="written after every row")
    parser.add_argument(
        "--report", type=Path, metavar="JSON", help="print the Markdown of an earlier run, measure nothing"
    )
    return parser.parse_args(arguments)


class Run:
    """Hold a run's rows, and start a process for each group of steps."""

    def __init__(self, asked: argparse.Namespace, scratch: Path) -> None:
        self._asked, self._started = asked, time.monotonic()
        self.about: Figures = {}
        self.rows: list[Row] = []
        self.took: dict[str, float] = {}
        minutes = asked.minutes or (MOST_MINUTES if asked.device == "cuda" else None)
        self._until = self._started + 60 * minutes if minutes else float("inf")
        given = {"device": asked.device, "quick": asked.quick, "scratch": str(scratch), "videos": asked.videos}
        given |= {"data": str(asked.data) if asked.data else None, "seconds": asked.seconds}
        self._given = json.dumps(given | {"threads": asked.threads, "euros": asked.euros_an_hour})

    def all(self) -> None:
        """Run every step that was asked for; a process that ends early is followed by one for the steps left."""
        for group in groups(self._asked.only):
            left = group
            while left:
                if time.monotonic() > self._until:
                    self._leave_out(left)
                    break
                left = self.child(left, self._command(left))
        seconds = time.monotonic() - self._started
        each = ", ".join(f"{name} {taken}" for name, taken in self.took.items())
        self._add(Row("all steps", {"s": seconds}, f"of which {each}", step="the run"))

    def _leave_out(self, steps: list[str]) -> None:
        why = "no time was left for it: --minutes gives more, --only repeats a step"
        for name in steps:
            self._add(Row(name, note=why, status="skipped", step=name))

    def _command(self, steps: list[str]) -> list[str]:
        return [sys.executable, "-m", "benchmarks.gpu.child", *steps, "--options", self._given]

    def child(self, steps: list[str], command: list[str]) -> list[str]:
        """Run a process that is to do these steps; return those that are left for another.

        Raises:
            NoDeviceError: the process sees no GPU.
        """
        here = {"HF_HUB_OFFLINE": "1"} | ({"CUDA_VISIBLE_DEVICES": ""} if self._asked.device == "cpu" else {})
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env={**os.environ, **here}, **pipes)
        messages: queue.Queue[Message | None] = queue.Queue()
        said: deque[str] = deque(maxlen=1)
        threading.Thread(target=_pass_on, args=(process, messages), daemon=True).start()
        complaints = threading.Thread(target=_repeat, args=(process, said), daemon=True)
        complaints.start()
        left = list(steps)
        try:
            stopped = self._listen(messages, left)
            code = _ended(process) if left and not stopped else None
        finally:
            process.kill()
            process.wait()
            complaints.join(timeout=5)
        if code == NO_DEVICE:
            raise NoDeviceError
        if left and stopped != _LATE and code != POISONED:
            name = left.pop(0)
            self._add(Row(name, note=stopped or f"the process ended {_ending(code, said)}", status="failed", step=name))
        return left

    def _listen(self, messages: queue.Queue[Message | None], left: list[str]) -> str:
        """Take messages until the process ends, and steps that ended from those left; say why it is to be stopped."""
        until = time.monotonic() + limit(left[0], self._asked.device)
        while left:
            try:
                message = messages.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return f"stopped: it took longer than {limit(left[0], self._asked.device):.0f} s"
            if message is None:
                return ""
            if self._take(message, left):
                if time.monotonic() > self._until:
                    return _LATE
                until = time.monotonic() + limit(left[0], self._asked.device) if left else 0.0
        return ""

    def _take(self, message: Message, left: list[str]) -> bool:
        """Keep what a message says; tell whether a step ended."""
        self.about |= message.get("about", {})
        if "row" in message:
            self._add(Row(**message["row"]))
        if "end" not in message:
            return False
        left.remove(message["end"])
        self.took[message["end"]] = message["seconds"]
        return True

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        write(self._asked.json, self.about, self.rows)
        print(line(row), flush=True)


def _pass_on(process: subprocess.Popen[str], messages: queue.Queue[Message | None]) -> None:
    """Queue what a process writes, and None at its end."""
    assert process.stdout
    for text in process.stdout:
        try:
            messages.put(json.loads(text))
        except ValueError:
            break  # it was killed within a line
    messages.put(None)


def _ended(process: subprocess.Popen[str]) -> int | None:
    """Return the exit code of a process that has closed its pipe; None where it does not come to an end."""
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        return None


def _repeat(process: subprocess.Popen[str], said: deque[str]) -> None:
    """Show what a process complains of, and keep its last line."""
    assert process.stderr
    for text in process.stderr:
        sys.stderr.write(text)
        if text.strip():
            said.append(text.strip()[:300])


def _ending(code: int | None, said: deque[str]) -> str:
    """Say how a process ended."""
    if code is None:
        return "its messages, but not itself"
    if code >= 0:
        return f"with exit code {code}{': ' if said else ''}{''.join(said)}"
    return f"by {signal.Signals(-code).name}"


if __name__ == "__main__":
    sys.exit(main())
