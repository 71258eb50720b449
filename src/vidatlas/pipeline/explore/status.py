"""Status and verification of an atlas: progress, counts, timings, checksums."""

from __future__ import annotations

import time
from collections import Counter

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.embed.embed import Totals
from vidatlas.recipe import STAGES
from vidatlas.storage import store as layout
from vidatlas.storage.lock import LOCK, is_dead
from vidatlas.storage.store import TIMINGS, Store, content_sha256
from vidatlas.types import Json, Place


def status(atlas: Place) -> Json:
    """Return the status of an atlas from its files alone; no cluster is asked.

    Returns:
        ``recipe``, ``stages`` (sealed or not), ``shards`` (done, total), ``counts``, ``embedded`` (sums of the
        receipts), ``notes`` (what a reader must know of the reduction), ``progress`` (what the last run wrote),
        ``timings`` (seconds), ``held`` (by which run).
    """
    store = Store(atlas)
    manifest = store.manifest()
    if not manifest.get("recipe"):
        raise UsageError(f"{atlas} is not an atlas. Make one with: vidatlas run RECIPE INPUT… {atlas}")
    stages = manifest["stages"]
    planned = stages.get("plan", {})
    embedded = stages.get("embed")
    receipts = store.receipts() if planned and not embedded else {}
    done = planned.get("shards", 0) if embedded else len(receipts)
    return {
        "atlas": store.folder.url,
        "recipe": manifest["recipe"]["name"],
        "stages": {stage: stage in stages for stage in STAGES},
        "shards": {"done": done, "total": planned.get("shards", 0)},
        "counts": planned.get("counts", {}),
        "embedded": embedded["counts"] if embedded else Totals(receipts.values()).facts(),
        "reduced": stages.get("reduce", {}).get("counts", {}),
        "notes": stages.get("reduce", {}).get("notes", []),
        "progress": _optional(store, layout.PROGRESS),
        "timings": _optional(store, TIMINGS),
        "held": _holder(store),
        "content_sha256": content_sha256(manifest) if "reduce" in stages else None,
    }


def _holder(store: Store) -> Json:
    holder = _optional(store, LOCK)
    return holder if holder and not is_dead(holder) else {}


def _optional(store: Store, name: str) -> Json:
    if store.folder.size(name) is None:
        return {}
    data: Json = store.read_json(name)
    if name == layout.PROGRESS:
        data["age_seconds"] = max(0.0, round(time.time() - data.get("updated", 0.0), 1))
    return data


def verify(atlas: Place) -> Json:
    """Verify every committed file's checksum, and that the row counts add up; return what was checked.

    Raises:
        InputError: a file is missing or altered, or a sum is off; the message names the first and how many there are.
    """
    store = Store(atlas)
    stages = store.manifest()["stages"]
    if not stages:
        raise UsageError(f"{atlas} has nothing sealed yet. See: vidatlas status {atlas}")
    checked, broken = 0, []
    for entry in stages.values():
        for name, facts in entry["files"].items():
            checked += 1
            try:
                store.check(name, facts)
            except InputError:
                broken.append(name)
    if broken:
        raise InputError(
            f"{store.folder.url}/{broken[0]} is missing or altered ({len(broken)} of {checked} files). "
            "Delete those files and rerun the command that made this atlas; it rebuilds only those."
        )
    sums = _sums(store, stages)
    return {"files": checked, **sums}


def _sums(store: Store, stages: Json) -> Json:
    """Count rows in the files themselves and hold them against the manifest."""
    counts = stages["plan"]["counts"]
    expected = {"read": counts["kept"] + counts["rejected"] + counts["duplicates"]}
    found = {"read": counts["read"]}
    for stage, directory in (("embed", "embeddings/"), ("reduce", "assignments/")):
        if stage in stages:
            expected[directory], found[directory] = counts["kept"], _rows(store, stages[stage]["files"], directory)
    if "reduce" in stages:
        table = store.table(layout.SUBCATEGORIES, columns=["size"])
        expected["subcategory sizes"], found["subcategory sizes"] = counts["kept"], sum(table["size"].to_pylist())
    wrong = [what for what in expected if expected[what] != found[what]]
    if wrong:
        raise InputError(
            f"{store.folder.url}: {wrong[0]} should be {expected[wrong[0]]:,} "
            f"rows and is {found[wrong[0]]:,}. Make the atlas again."
        )
    return {key: counts[key] for key in ("read", "kept", "rejected", "duplicates")}


def _rows(store: Store, files: Json, directory: str) -> int:
    rows: Counter[str] = Counter()
    for name in files:
        if name.startswith(directory):
            with store.parquet(name) as file:
                rows[directory] += file.metadata.num_rows
    return rows[directory]
