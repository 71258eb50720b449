"""Plan: read every input file once, decide which rows are kept, and record where each shard starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.plan.duplicates import Repeats, repeats
from vidatlas.pipeline.plan.missing import absences
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import known_inputs
from vidatlas.pipeline.stage import Run, commit, committed
from vidatlas.recipe import Recipe, differences
from vidatlas.storage import store as layout
from vidatlas.storage.folder import expand, input_state
from vidatlas.storage.store import INPUTS, Files, Store, to_json
from vidatlas.storage.tables import to_parquet
from vidatlas.types import Event, Json, Listener, Reason, Runner

_LOCATION = ("encoder.model:", "encoder.revision:", "encoder.ratings.file:")


def refuse_other_recipe(store: Store, recipe: Recipe) -> None:
    """Raise ConflictError, naming the differences, where vectors are there that another recipe made.

    Where model and ratings lie does not count: what they hold is compared when it is needed. A plan without vectors may
    be replaced.
    """
    if not has_vectors(store):
        return
    made = store.manifest().get("recipe")
    if made is None:
        raise InputError(
            f"{store.url} holds vectors but no {layout.MANIFEST}. Restore it, or choose another output folder."
        )
    before = Recipe.model_validate(made)
    changes = [
        change
        for stage in ("plan", "embed")
        for change in differences(before.settings(stage), recipe.settings(stage))
        if not change.startswith(_LOCATION)
    ]
    if changes:
        raise ConflictError(
            f"{store.url} was made by another recipe ({'; '.join(changes[:5])}). "
            "Choose another output folder, or go back to the old settings."
        )


def has_vectors(store: Store) -> bool:
    """Tell whether any shard of an atlas may have been embedded."""
    return store.folder.size(layout.ENCODER) is not None


def plan(run: Run, inputs: Iterable[str]) -> Json:
    """Plan an atlas; return the plan's entry of the manifest. A plan that is there and still fits is kept.

    Raises:
        InputError: an input file is absent or damaged, or too many rows cannot be used.
        ConflictError: the atlas was begun with another recipe or other input, or is locked by another run.
    """
    store, urls = run.store, _expand_all(inputs)
    refuse_other_recipe(store, run.recipe)
    made_of = {"fingerprint": run.recipe.fingerprint("plan"), "inputs": urls}
    entry, known = committed(run, "plan", made_of), known_inputs(store)
    if entry and all(_unchanged(url, known) for url in urls):
        _refuse_rejects(entry["counts"], run.options.max_rejects)
        return entry
    _refuse_other_inputs(store, urls)
    return commit(run, "plan", made_of, partial(_planned_all, run, urls), replaces=False)


def _refuse_other_inputs(store: Store, urls: list[str]) -> None:
    before = store.manifest()["stages"].get("plan", {}).get("inputs", urls)
    if before != urls and has_vectors(store):
        raise ConflictError(
            f"{store.url} was planned from {', '.join(before)}, not "
            f"from {', '.join(urls)}. Choose another output folder."
        )


def _planned_all(run: Run, urls: list[str]) -> tuple[Files, Json]:
    """Plan every input file; return the plan's files, and what the manifest says of it."""
    store = run.store
    store.write_manifest({**store.manifest(), "recipe": run.recipe.model_dump(mode="json")})
    return _finish(run, urls, _plan_parts(store, run.recipe, urls, run.runner, run.listener))


def _expand_all(inputs: Iterable[str]) -> list[str]:
    urls = []
    for pattern in inputs:
        found = expand(pattern)
        if not found:
            raise UsageError(f"no file matches {pattern}. Check it; ** stands for any folders.")
        urls += found
    repeated = [url for url, count in Counter(urls).items() if count > 1]
    if not urls or repeated:
        raise UsageError(
            f"{repeated[0]} is named twice. Name each part once." if repeated else "no input. Name at least one file."
        )
    return urls


def _unchanged(url: str, known: Json) -> bool:
    try:
        return url in known and [known[url]["bytes"], known[url]["modified"]] == list(input_state(url))
    except FileNotFoundError:
        return False


def _plan_parts(store: Store, recipe: Recipe, urls: list[str], runner: Runner, listener: Listener) -> list[str]:
    """Plan the parts that are not planned yet; return all part keys in the order of the inputs."""
    known = known_inputs(store)
    limit = recipe.source.limit
    todo = [
        url
        for url in urls
        if limit is not None or not (_unchanged(url, known) and _is_planned(store, known[url], recipe))
    ]
    meter = _Meter(listener, sum(_size(url) for url in todo))
    for url, part in _planned(todo, recipe, runner, meter):
        facts, shards, ids = layout.plan_files(part.part)
        # The facts come last: where they are, the tables are too.
        store.put(shards, to_parquet(part.shards))
        store.put(ids, to_parquet(part.ids))
        store.put(facts, to_json(part.facts))
        size, modified = input_state(url)
        known[url] = {"part": part.part, "plan": recipe.fingerprint("plan"), "bytes": size, "modified": modified}
        store.folder.put(INPUTS, to_json(known))
        meter.finish(size, part.facts["rows"])
    chosen = {url: known[url]["part"] for url in urls if url in known}
    same = [url for url, part in chosen.items() if list(chosen.values()).count(part) > 1]
    if same:
        raise UsageError(f"{same[0]} and {same[1]} hold the same rows. Name each part once.")
    return list(chosen.values())


@dataclass(slots=True)
class _Meter:
    """Tell a listener how many bytes of all parts have been read."""

    listener: Listener
    total: int
    done: int = 0
    rows: int = 0

    def __call__(self, rows: int, at: int) -> None:
        self.listener(Event("plan", self.done + at, self.total, {"rows": self.rows + rows}))

    def finish(self, size: int, rows: int) -> None:
        self.done += size
        self.rows += rows
        self(0, 0)


def _is_planned(store: Store, known: Json, recipe: Recipe) -> bool:
    there = all(store.folder.size(name) is not None for name in layout.plan_files(known["part"]))
    return there and bool(known["plan"] == recipe.fingerprint("plan"))


def _size(url: str) -> int:
    try:
        return input_state(url)[0]
    except FileNotFoundError as error:
        raise InputError(f"no such file: {url}. Check the path; quote patterns such as 'data/*.jsonl.gz'.") from error


def _planned(
    urls: list[str], recipe: Recipe, runner: Runner, progress: Callable[[int, int], None]
) -> Iterable[tuple[str, PartPlan]]:
    spec = PlanSpec(recipe.record, recipe.source.shard_rows, rows=recipe.source.rows)
    limit = recipe.source.limit
    if limit is None and len(urls) > 1:
        yield from zip(urls, runner.map(partial(_plan_silently, spec=spec), urls), strict=True)
        return
    left = limit
    for url in urls:
        if left == 0:
            return
        part = plan_part(url, replace(spec, limit=left), progress)
        left = None if left is None else max(0, left - int(part.facts["rows"]))
        yield url, part


def _plan_silently(url: str, spec: PlanSpec) -> PartPlan:
    return plan_part(url, spec, lambda rows, at: None)


def _finish(run: Run, urls: list[str], parts: list[str]) -> tuple[Files, Json]:
    """Find the duplicates among all parts, add everything up, and refuse input that is mostly unusable."""
    store = run.store
    facts = [store.read_json(layout.plan_files(part)[0]) for part in parts]
    repeated = repeats([store.table(layout.plan_files(part)[2]) for part in parts])
    table = _by_part(parts, [found.rows for found in repeated])
    files = store.put(layout.DUPLICATES, to_parquet(table))
    if run.recipe.record.count:
        files |= store.put(layout.OCCURRENCES, to_parquet(_occurrences(parts, repeated)))
    for part in parts:
        for name in layout.plan_files(part):
            files |= store.entry(name)
    rejected: Counter[str] = Counter()
    for fact in facts:
        rejected.update(fact["rejects"])
    read, duplicates = sum(fact["rows"] for fact in facts), table.num_rows
    counts = {
        "read": read,
        "kept": read - rejected.total() - duplicates,
        "rejected": rejected.total(),
        "duplicates": duplicates,
        "rejects": dict(sorted(rejected.items())),
    }
    _refuse_rejects(counts, run.options.max_rejects)
    return files, {
        "parts": parts,
        "shards": sum(fact["shards"] for fact in facts),
        "complete": all(fact["complete"] for fact in facts) and len(parts) == len(urls),
        "counts": counts,
        **absences(urls, facts),
    }


def _by_part(parts: list[str], rows: list[Any]) -> pa.Table:
    names = [part for part, inside in zip(parts, rows, strict=True) for _ in inside]
    return pa.table({"part": pa.array(names, pa.string()), "row": pa.array(_joined(rows), pa.int64())})


def _occurrences(parts: list[str], repeated: list[Repeats]) -> pa.Table:
    """Return part and row of each id that stands in several rows, and in how many."""
    counts = pa.array(_joined([found.counts for found in repeated]), pa.int64())
    return _by_part(parts, [found.first for found in repeated]).append_column("count", counts)


def _joined(pieces: list[Any]) -> Any:
    return np.concatenate(pieces) if pieces else []


def _refuse_rejects(counts: Json, most: float) -> None:
    """Raise InputError where too many rows cannot be used; blank ones and those the recipe leaves out do not count."""
    unusable = {reason: count for reason, count in counts["rejects"].items() if not Reason(reason).asked_for}
    unusable.pop(Reason.BLANK_LINE, None)
    rejected, read = sum(unusable.values()), counts["read"]
    if rejected <= most * read:
        return
    by_count = sorted(unusable.items(), key=lambda item: -item[1])
    reasons = "; ".join(f"{count:,} {reason} ({Reason(reason).meaning})" for reason, count in by_count)
    raise InputError(
        f"{rejected:,} of {read:,} rows cannot be used ({rejected / read:.1%}, allowed {most:.1%}): {reasons}. "
        "Check the recipe's columns, or allow more with --max-rejects."
    )
