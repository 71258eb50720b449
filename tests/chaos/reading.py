"""Plan a file and read its shards back, as a process of its own: prints what came of it, and the memory it took.

Run as: python reading.py FILE FORMAT [LIMIT]
"""

import json
import sys
from pathlib import Path

import numpy as np
from rapidgzip import RapidgzipFile  # noqa: F401 - loaded before memory is measured

from vidatlas.errors import VidatlasError
from vidatlas.pipeline.embed.rows import kept, read_shard
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.recipe import load_recipe


def peak() -> int:
    """Return the most memory that this process ever had, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def main(file: str, form: str, limit: str = "") -> None:
    """Read the file, and say in JSON: rows, rejects, records read back, an error's words, bytes of memory."""
    recipe = load_recipe("demo", {"source.format": form})
    before, said = peak(), {}
    try:
        spec = PlanSpec(recipe.record, 1_000, int(limit) if limit else None, rows=recipe.rows)
        plan = plan_part(file, spec, lambda rows, at: None)
        said = {"rows": plan.facts["rows"], "rejects": plan.facts["rejects"]}
        shards = descriptors(plan.facts, plan.shards, file, np.empty(0, np.int64))
        said["kept"] = sum(kept(read_shard(one, recipe.record, recipe.rows)).num_rows for one in shards)
    except VidatlasError as error:
        said["error"] = str(error)
    print(json.dumps({**said, "more": peak() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
