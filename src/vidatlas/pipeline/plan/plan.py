"""Plan: read every input file once, decide which rows are kept, and record where each shard starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import cast

import pandas as pd
import pyarrow as pa

from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.plan.duplicates import repeats, retitled
from vidatlas.pipeline.plan.hints import Hints
from vidatlas.pipeline.plan.inputs import expand_all, files_beside, known_inputs, plan_inputs, unchanged
from vidatlas.pipeline.plan.missing import absences
from vidatlas.pipeline.plan.values import value_facts
from vidatlas.pipeline.stage import Run, commit, committed
from vidatlas.recipe import Recipe, differences, recipe_of
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import PartFacts
from vidatlas.storage.manifest import Given, PlanCounts, PlanEntry, PlanFacts, RecipeEntry
from vidatlas.storage.store import Files, Store
from vidatlas.types import Reason

_LOCATION = ("encoder.model:", "encoder.revision:", "encoder.ratings.file:", "encoder.file:")


def refuse_other_recipe(store: Store, recipe: Recipe) -> None:
    """Raise ConflictError, naming the differences, where vectors are there that another recipe made.

    Where model and ratings lie does not count: what they hold is compared when it is needed. A plan without vectors may
    be replaced.
    """
    if not has_vectors(store):
        return
    if "recipe" not in store.manifest():
        raise InputError(
            f"{store.url} holds vectors but no {layout.MANIFEST}. Restore it, or choose another output folder."
        )
    before = recipe_of(store)
    changes = [
        change
        for stage in ("plan", "embed")
        for change in differences(before.settings(stage), recipe.settings(stage))
        if not change.startswith(_LOCATION)
    ]
    if changes:
        raise ConflictError(
            f"{store.url} was made by another recipe ({'; '.join(list(dict.fromkeys(changes))[:5])}). "
            "Choose another output folder, or go back to the old settings."
        )


def has_vectors(store: Store) -> bool:
    """Tell whether any shard of an atlas may have been embedded."""
    return store.folder.size(layout.ENCODER) is not None or "embed" in store.manifest()["stages"]


def plan(run: Run, inputs: Iterable[str]) -> PlanEntry:
    """Plan an atlas; return the plan's entry of the manifest. A plan that is there and still fits is kept.

    Raises:
        InputError: an input file is absent or damaged, or too many rows cannot be used.
        ConflictError: the atlas was begun with another recipe or other input, or is locked by another run.
    """
    store, urls, beside = run.store, expand_all(inputs), files_beside(run.recipe)
    if beside and len(urls) > 1:
        raise UsageError(
            f"{beside[0]} holds the vectors of one input file, and there are {len(urls):,}. "
            "Join them into one, or put the vectors into a column (encoder.column)."
        )
    refuse_other_recipe(store, run.recipe)
    made_of = {"fingerprint": run.recipe.fingerprint("plan"), "inputs": urls}
    entry, known = committed(run, PlanEntry, made_of), known_inputs(store)
    there = entry and all(unchanged(url, known) and known[url]["part"] in entry["parts"] for url in urls)
    if entry and there and all(unchanged(file, known) for file in beside):
        _refuse_rejects(entry["counts"], run.options.max_rejects)
        return entry
    _refuse_other_inputs(store, urls)
    return commit(run, PlanEntry, made_of, partial(_planned_all, run, urls), replaces=False)


def _refuse_other_inputs(store: Store, urls: list[str]) -> None:
    planned = store.manifest()["stages"].get("plan")
    before = planned["inputs"] if planned else urls
    if before != urls and has_vectors(store):
        raise ConflictError(
            f"{store.url} was planned from {', '.join(before)}, not "
            f"from {', '.join(urls)}. Choose another output folder."
        )


def _planned_all(run: Run, urls: list[str]) -> tuple[Files, PlanFacts]:
    """Plan every input file; return the plan's files, and what the manifest says of it."""
    store, before = run.store, run.store.manifest()["stages"].get("plan")
    if before and before.get("fingerprint") != run.recipe.fingerprint("plan") and not has_vectors(store):
        store.unseal(["plan"])  # what it lists is about to be replaced
    store.write_manifest({**store.manifest(), "recipe": cast(RecipeEntry, run.recipe.model_dump(mode="json"))})
    parts, files = plan_inputs(run, urls)
    return _finish(run, urls, parts, files)


def _finish(run: Run, urls: list[str], parts: list[str], files: Files) -> tuple[Files, PlanFacts]:
    """Find the duplicates among all parts, add everything up, and refuse input that is mostly unusable."""
    store = run.store
    facts = [store.read_json(layout.plan_files(part)[0], PartFacts) for part in parts]
    _refuse_missing_columns(urls, facts)
    repeated = repeats([partial(_row_groups, store, layout.plan_files(part)[2]) for part in parts])
    duplicates = repeated[repeated["later"]]
    files = files | store.put_table(layout.DUPLICATES, _by_part(parts, duplicates))
    if run.recipe.record.count:
        first = repeated[~repeated["later"]]
        counted = _by_part(parts, first).append_column("count", pa.array(first["count"], pa.int64()))
        files |= store.put_table(layout.OCCURRENCES, counted)
    rejected: Counter[str] = Counter()
    for fact in facts:
        rejected.update(fact["rejects"])
    read = sum(fact["rows"] for fact in facts)
    counts: PlanCounts = {
        "read": read,
        "kept": read - rejected.total() - len(duplicates),
        "rejected": rejected.total(),
        "duplicates": len(duplicates),
        "rejects": dict(sorted(rejected.items())),
    }
    _refuse_rejects(counts, run.options.max_rejects, _first_reject(urls, facts))
    return files, {
        "parts": parts,
        "shards": sum(fact["shards"] for fact in facts),
        "complete": all(fact["complete"] for fact in facts) and len(parts) == len(urls),
        "counts": counts,
        **absences(urls, facts),
        **_vectors(urls, facts),
        **value_facts(run.recipe.record, facts),
        **retitled(run, urls, parts, duplicates),
    }


def _row_groups(store: Store, name: str) -> Iterator[pa.Table]:
    """Yield a stored table piece by piece: there may be more ids than fit into memory."""
    with store.parquet(name) as file:
        yield file.schema_arrow.empty_table()
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


def _vectors(urls: list[str], facts: list[PartFacts]) -> Given:
    """Return what the plan's entry says of given vectors; nothing where none are given.

    Raises:
        InputError: files differ in the dimensions of their vectors, or no row has a usable one.
    """
    found = {fact["vectors"]["dim"]: url for url, fact in zip(urls, facts, strict=False) if "vectors" in fact}
    widths = {dim: url for dim, url in found.items() if dim is not None}
    if len(widths) > 1:
        (one, first), (other, second) = list(widths.items())[:2]
        raise InputError(
            f"vectors have {one:,} dimensions in {first} and {other:,} in {second}. "
            "Make an atlas of each, or set encoder.dim to reject the others."
        )
    if found and not widths:
        raise InputError(f"no row of {next(iter(found.values()))} has a usable vector. Check encoder.column.")
    for fact in facts:
        if "vectors" in fact and fact["vectors"]["dim"]:
            return {"vectors": {**fact["vectors"], "dim": fact["vectors"]["dim"]}}
    return {}


def _by_part(parts: list[str], rows: pd.DataFrame) -> pa.Table:
    names = pa.array([parts[number] for number in rows["part"]], pa.string())
    return pa.table({"part": names, "row": pa.array(rows["row"], pa.int64())})


def _refuse_missing_columns(urls: list[str], facts: list[PartFacts]) -> None:
    """Raise UsageError where the recipe names a column that no file of the input has."""
    lacking = [fact["lacking"] for fact in facts if "lacking" in fact]
    if not lacking or len(lacking) < sum(bool(fact["columns"]) for fact in facts):
        return
    missing = [name for name in lacking[0]["columns"] if all(name in found["columns"] for found in lacking)]
    if missing:
        there = dict.fromkeys(name for fact in facts for name in fact["columns"])
        names = dict.fromkeys(name for found in lacking for name in found["names"])
        Hints(urls[0], names=names).refuse_columns(missing, there, f"The {len(urls):,} files have")


def _first_reject(urls: list[str], facts: list[PartFacts]) -> str:
    """Return where the first of many rejects stands, and what to set if its column holds objects."""
    for url, fact in zip(urls, facts, strict=False):
        if first := fact.get("first_reject"):
            hint = f"{first['hint']}. " if first["hint"] else ""
            return f"The first: {url}, line {first['line']:,} ({first['reason']}). {hint}"
    return ""


def _refuse_rejects(counts: PlanCounts, most: float, first: str = "") -> None:
    """Raise InputError where too many rows cannot be used; blank ones and those the recipe leaves out do not count."""
    unusable = {reason: count for reason, count in counts["rejects"].items() if not Reason(reason).asked_for}
    unusable.pop(Reason.BLANK_LINE, None)
    rejected, read = sum(unusable.values()), counts["read"]
    if rejected <= most * read:
        return
    by_count = sorted(unusable.items(), key=lambda item: -item[1])
    reasons = "; ".join(f"{count:,} {reason} ({Reason(reason).meaning})" for reason, count in by_count)
    raise InputError(
        f"{rejected:,} of {read:,} rows cannot be used ({rejected / read:.1%}, allowed {most:.1%}): {reasons}. {first}"
        "Check the recipe's columns, or allow more with --max-rejects."
    )
