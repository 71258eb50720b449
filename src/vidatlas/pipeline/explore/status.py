"""Status and verification of an atlas: progress, counts, timings, checksums."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import Any, cast

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.embed.totals import Totals
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Holder, Inputs, ProgressFacts, Timings
from vidatlas.storage.lock import STALE_SECONDS, is_dead, is_here
from vidatlas.storage.manifest import STAGES, Stages, content_sha256, entries
from vidatlas.storage.store import INPUTS, LOCK, TIMINGS, Store
from vidatlas.types import FileFacts, Json, Place, T


def status(atlas: Place) -> Json:
    """Return the status of an atlas from its files alone; no cluster is asked.

    Returns:
        ``recipe``, ``stages`` (sealed or not), ``files`` (how many are sealed), ``shards`` (done, total), ``counts``,
        ``embedded`` (sums of the receipts), ``notes`` (what a reader must know of the reduction), ``progress`` (what
        the last run wrote), ``timings`` (seconds), ``held`` (by which run), ``damaged`` (a sentence on each file that
        cannot be read and that no result depends on).
    """
    store = Store(atlas)
    manifest = store.manifest()
    if not manifest.get("recipe"):
        raise UsageError(f"{atlas} is not an atlas. Make one with: vidatlas run RECIPE INPUT… {atlas}")
    stages, damaged = manifest["stages"], list[str]()
    planned, embedded, reduced = stages.get("plan"), stages.get("embed"), stages.get("reduce")
    receipts = store.receipts() if planned and not embedded else {}
    total = planned["shards"] if planned else 0
    _optional(store, INPUTS, Inputs, damaged)
    last = _optional(store, layout.PROGRESS, ProgressFacts, damaged)
    return {
        "atlas": store.folder.url,
        "recipe": manifest["recipe"]["name"],
        "stages": {stage: stage in stages for stage in STAGES},
        "files": sum(len(entry["files"]) for entry in entries(manifest)),
        "shards": {"done": total if embedded else len(receipts), "total": total},
        "counts": planned["counts"] if planned else {},
        "embedded": embedded["counts"] if embedded else Totals(receipts.values()).facts(),
        "reduced": reduced["counts"] if reduced else {},
        "notes": reduced["notes"] if reduced else [],
        "progress": {**last, "age_seconds": max(0.0, round(time.time() - last["updated"], 1))} if last else {},
        "timings": _optional(store, TIMINGS, Timings, damaged) or {},
        "held": _holder(store, damaged),
        "content_sha256": content_sha256(manifest) if reduced else None,
        "damaged": damaged,
    }


def _holder(store: Store, damaged: list[str]) -> Json:
    holder = _optional(store, LOCK, Holder, damaged)
    if not holder or is_dead(holder):
        return {}
    # Of another machine, as far as the two clocks agree: a run that wants the lock waits for a heartbeat instead.
    return {**holder} if is_here(holder) or time.time() - holder["beat"] < STALE_SECONDS else {}


def _optional(store: Store, name: str, kind: type[T], damaged: list[str]) -> T | None:
    """Return a file that an atlas can do without; where it is damaged, add the error to a list."""
    if store.folder.size(name) is None:
        return None
    try:
        return store.read_json(name, kind)
    except InputError as error:
        damaged.append(str(error))
        return None


def verify(atlas: Place) -> dict[str, int]:
    """Verify every committed file's checksum, and that the row counts add up; return what was checked.

    Raises:
        InputError: a file is missing or altered, or a sum is off; the message names the first and how many there are.
    """
    store = Store(atlas)
    manifest = store.manifest()
    stages = manifest["stages"]
    if not stages:
        raise UsageError(f"{atlas} has nothing sealed yet. See: vidatlas status {atlas}")
    checked, broken = 0, []
    for entry in entries(manifest):
        for name, facts in entry["files"].items():
            checked += 1
            if not _is_whole(store, name, facts):
                broken.append(name)
    if broken:
        raise InputError(
            f"{store.folder.url}/{broken[0]} is missing or altered ({len(broken)} of {checked} files). "
            "Delete those files and rerun the command that made this atlas; it rebuilds only those."
        )
    sums = _sums(store, stages)
    return {"files": checked, **sums}


LARGE = 64 << 20
"""Bytes from which a file is verified in pieces: an index can have many gigabytes."""


def _is_whole(store: Store, name: str, facts: FileFacts) -> bool:
    """Tell whether a file is the one that the manifest lists."""
    try:
        if facts["bytes"] >= LARGE:
            with store.folder.open(name) as file:
                return hashlib.file_digest(cast(Any, file), "sha256").hexdigest() == facts["sha256"]
        store.read(name, facts)
    except (FileNotFoundError, InputError):
        return False
    return True


def _sums(store: Store, stages: Stages) -> dict[str, int]:
    """Count rows in the files themselves and hold them against the manifest."""
    counts = stages["plan"]["counts"]
    expected = {"read": counts["kept"] + counts["rejected"] + counts["duplicates"]}
    found = {"read": counts["read"]}
    for entry, directory in ((stages.get("embed"), "embeddings/"), (stages.get("reduce"), "assignments/")):
        if entry:
            expected[directory], found[directory] = counts["kept"], _rows(store, entry["files"], directory)
    if "reduce" in stages:
        table = store.table(layout.SUBCATEGORIES, columns=["size"])
        expected["subcategory sizes"], found["subcategory sizes"] = counts["kept"], sum(table["size"].to_pylist())
    wrong = [what for what in expected if expected[what] != found[what]]
    if wrong:
        raise InputError(
            f"{store.folder.url}: {wrong[0]} should be {expected[wrong[0]]:,} "
            f"rows and is {found[wrong[0]]:,}. Make the atlas again."
        )
    return {"read": counts["read"], **{kind: counts[kind] for kind in ("kept", "rejected", "duplicates")}}


def _rows(store: Store, files: Iterable[str], directory: str) -> int:
    rows = 0
    for name in files:
        if name.startswith(directory):
            with store.parquet(name) as file:
                rows += int(file.metadata.num_rows)
    return rows
