"""The child: a process that runs some steps, each in its own try, and tells the parent row by row.

A message is a line of JSON: {"about": …}, {"begin": step}, {"row": …} or {"end": step, "seconds": …}.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from benchmarks.gpu.rows import Attempt, Row

NO_DEVICE, POISONED = 3, 4
"""Exit codes: torch sees no GPU; a step left the device unusable."""
Send = Callable[[dict[str, Any]], None]


def main() -> int:
    """Run the steps that the parent names, and write messages where its pipe is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="+")
    parser.add_argument("--options", required=True, help="the parent's, as JSON")
    asked = parser.parse_args()
    send = _pipe()
    import torch

    from benchmarks.gpu.bench import Bench, Options

    given = json.loads(asked.options)
    given |= {name: Path(given[name]) if given[name] else None for name in ("scratch", "data")}
    options = Options(**given)
    if options.device == "cuda" and not torch.cuda.is_available():
        print(f"torch {torch.__version__} sees no GPU", file=sys.stderr)
        return NO_DEVICE
    torch.set_num_threads(options.threads)
    _quiet()
    bench = Bench(options)
    send({"about": _about(bench)})
    return run_steps(asked.steps, bench, send)


def _pipe() -> Send:
    """Keep the parent's pipe for messages alone: whatever libraries print goes to standard error."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return lambda message: print(json.dumps(message), file=pipe, flush=True)


def _sendable(row: Row, step: str) -> dict[str, Any]:
    """Return a row of a step as JSON knows it: numbers of numpy as Python's, what is no number as text."""
    figures = {name: value.item() if hasattr(value, "item") else value for name, value in row.figures.items()}
    odd = {name: str(value) for name, value in figures.items() if isinstance(value, float) and not isfinite(value)}
    return asdict(replace(row, step=step, figures=figures | odd))


def _quiet() -> None:
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _about(bench: Any) -> dict[str, str]:
    from benchmarks.machine import machine

    shape = "a small tower" if bench.quick else "CLIP ViT-L/14's text tower"
    return {
        "machine": machine(),
        "device": f"device {bench.device}, {bench.options.threads} thread(s) of torch on {bench.cores} cores",
        "of what": f"{shape} with seeded random weights; {bench.source}",
        "hours and euros": "hours and euros: if all videos are as these, on one such device",
    }


def run_steps(names: list[str], bench: Any, send: Send) -> int:
    """Run steps in order, whatever becomes of the ones before; return the exit code."""
    from benchmarks.gpu.steps import STEPS

    for name in names:
        send({"begin": name})
        started = time.perf_counter()
        _try(name, partial(_rows_of, STEPS[name], bench, send, name), send, name)
        send({"end": name, "seconds": round(time.perf_counter() - started, 1)})
        if not _cleared(bench.device):
            return POISONED
    return 0


def _rows_of(step: Callable[[Any], Iterable[Row | Attempt]], bench: Any, send: Send, name: str) -> None:
    """Send the rows of a step; an attempt that fails is one of them, and the step goes on."""
    for found in step(bench):
        row = _try(found.what, found.work, send, name) if isinstance(found, Attempt) else found
        if row:
            send({"row": _sendable(row, name)})


def _try(what: str, work: Callable[[], Row | None], send: Send, step: str) -> Row | None:
    """Return what some work gives; where it fails, send a row that says why."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the reason for this file: what fails costs itself alone
        why = (str(error).strip() or "no message").splitlines()[0][:300]
        send({"row": asdict(Row(what, note=f"{type(error).__name__}: {why}", status="failed", step=step))})
        return None


def _cleared(device: str) -> bool:
    """Give memory back, and tell whether the device still computes: after an illegal access it never does again."""
    import torch

    gc.collect()
    if device != "cuda":
        return True
    try:
        torch.cuda.empty_cache()
        return float(torch.ones(8, device=device).sum()) == 8
    except RuntimeError:
        return False


if __name__ == "__main__":
    sys.exit(main())
