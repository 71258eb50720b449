"""A stage is watched while it prints, however its lines arrive."""

from __future__ import annotations

import sys

from benchmarks.scale import measure

SLOWLY = """
import json, sys, time
for at, step in ((1.0, "reading"), (3.0, "writing")):
    for sign in json.dumps({"at": time.time() + at, "step": step}) + "\\n":
        sys.stdout.write(sign)
        sys.stdout.flush()
        time.sleep(0.005)
"""


def test_lines_that_arrive_in_pieces_are_read_whole() -> None:
    use = measure([sys.executable, "-c", SLOWLY])
    assert list(use.steps) == ["start", "reading", "writing"]
    assert use.seconds > 0
