"""Publish: the map, the search index, the report and the data card, from sealed data only."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import Any

from vidatlas import store as layout
from vidatlas.lock import Lock
from vidatlas.pipeline.absences import absence_words
from vidatlas.pipeline.accounts import (
    LIBRARIES,
    alike_words,
    are_clusters,
    encoder_words,
    facts_of,
    limits_of,
    making_words,
    naming_words,
    normalisation_words,
    version,
    weights_words,
)
from vidatlas.pipeline.imaging import make_pictures, picture_facts
from vidatlas.pipeline.indexing import index_fact, make_index
from vidatlas.pipeline.mapping import make_map
from vidatlas.pipeline.maps import draw_map, map_fact
from vidatlas.pipeline.planning import RunOptions
from vidatlas.pipeline.probing import PREDICTIONS
from vidatlas.pipeline.trainings import tuning_fact
from vidatlas.pipeline.vectors import sealed_shards
from vidatlas.recipe import Recipe
from vidatlas.store import Files, Store
from vidatlas.types import Event, Json, Listener, Reason, Runner
from vidatlas.views.card import Card, render_card
from vidatlas.views.figures import quality_figures
from vidatlas.views.histograms import Grid, grid_of
from vidatlas.views.losses import losses_of
from vidatlas.views.page import Category, Counts, Reject, Report, Stage, Subcategory
from vidatlas.views.report import render

TIMINGS = "timings.json"
NAMED = 50
"""Names of groups or files without records that the report lists."""


def publish(recipe: Recipe, atlas: str, runner: Runner, options: RunOptions, listener: Listener) -> Json:
    """Write map, search index, report.html and README.md of a reduced atlas; return the sealed stage's entry."""
    store = Store(atlas)
    reduced = store.stage("reduce")
    manifest = store.manifest()
    sealed = manifest["stages"].get("publish")
    fingerprint = recipe.fingerprint("publish")
    if (
        sealed
        and sealed["upstream"] == reduced["digest"]
        and sealed["fingerprint"] == fingerprint
        and store.intact(sealed["files"])
    ):
        return dict(sealed)
    with Lock(store, options.take_over, listener) as lock:
        store.unseal(["publish"])
        files, facts = _publish(recipe, store, runner, listener)
        lock.confirm()
        entry = {
            "fingerprint": fingerprint,
            "upstream": reduced["digest"],
            "versions": {name: version(name) for name in LIBRARIES},
            "content_sha256": content_sha256(manifest),
            **facts,
            "digest": layout.digest_of(files),
            "files": files,
        }
        store.seal("publish", entry, recipe.model_dump(mode="json"))
        listener(Event("publish", 4, 4, {"step": "done"}))
    return entry


def _publish(recipe: Recipe, store: Store, runner: Runner, listener: Listener) -> tuple[Files, Json]:
    """Write everything; return the files, and what the manifest says of map, index and pictures."""
    manifest = store.manifest()
    reduced = manifest["stages"]["reduce"]
    shards = list(sealed_shards(manifest["stages"]["embed"]))
    listener(Event("publish", 0, 4, {"step": "map"}))
    mapped, laid_out, points = make_map(recipe, store, shards, runner)
    listener(Event("publish", 1, 4, {"step": "search index"}))
    indexes, indexed = make_index(recipe, store, shards)
    pictures, learned = make_pictures(recipe, store, shards, runner)
    listener(Event("publish", 2, 4, {"step": "report"}))
    facts = facts_of(recipe, manifest) | {
        "Map": map_fact(laid_out, recipe.publish.nouns),
        "Search index": index_fact(indexed, recipe.publish.nouns),
    }
    table, metrics = _subcategories(store, reduced), store.read_json(layout.METRICS)
    facts |= picture_facts(learned) | tuning_fact(recipe, metrics)
    drawn, drawing = draw_map(recipe, store, points, reduced["counts"]["rows"])
    report = replace(_report(recipe, store, table, metrics, facts), drawing=drawing, losses=losses_of(metrics, learned))
    files = mapped | indexes | pictures | drawn | store.put(layout.REPORT, render(report).encode())
    listener(Event("publish", 3, 4, {"step": "data card"}))
    files |= store.put(layout.README, render_card(_card(recipe, manifest, facts)).encode())
    return files, {"layout": laid_out, "index": indexed, **({"pictures": learned} if learned else {})}


def content_sha256(manifest: Json) -> str:
    """Return one hash over all that plan, embed and reduce wrote: two atlases with the same one hold the same bytes."""
    digests = [manifest["stages"][stage]["digest"] for stage in ("plan", "embed", "reduce")]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _subcategories(store: Store, reduced: Json) -> list[Json]:
    rows: list[Json] = store.table(layout.SUBCATEGORIES, reduced["files"][layout.SUBCATEGORIES]).to_pylist()
    return rows


def _categories(recipe: Recipe, table: list[Json], metrics: Json) -> tuple[Category, ...]:
    groups: dict[str, list[Subcategory]] = defaultdict(list)
    clustered = are_clusters(recipe)
    for row in table:
        groups[row["group"]].append(
            Subcategory(
                number=row["subcategory"],
                name=row["name"],
                size=row["size"],
                terms=tuple(zip(row["terms"], row["scores"], strict=True)),
                exemplars=tuple(row["exemplar_titles"]),
                silhouette=row["silhouette"] if clustered else None,
                mean_distance=row["mean_distance"] if clustered else None,
            )
        )
    return tuple(
        Category(
            name,
            sum(found.size for found in inside),
            metrics["groups"][name]["silhouette"],
            tuple(inside),
            metrics["groups"][name]["stability"],
            tuple((k, left) for k, left in metrics["groups"][name]["curve"]),
        )
        for name, inside in groups.items()
    )


def _report(recipe: Recipe, store: Store, table: list[Json], metrics: Json, facts: dict[str, str]) -> Report:
    manifest = store.manifest()
    planned, reduced = manifest["stages"]["plan"], manifest["stages"]["reduce"]
    counts = planned["counts"]
    reasons = dict(counts["rejects"])
    return Report(
        recipe_name=recipe.name,
        title=recipe.publish.title,
        nouns=recipe.publish.nouns,
        absences=absence_words(planned, recipe.publish.nouns, NAMED),
        clustered=are_clusters(recipe),
        making=making_words(recipe, reduced),
        naming=naming_words(recipe, reduced["counts"]["groups"]),
        members=recipe.reduce.naming.terms if recipe.reduce.naming.by == "members" else None,
        alike=alike_words(recipe),
        inputs=tuple(url.rsplit("/", 1)[-1] for url in planned["inputs"]),
        counts=Counts(counts["read"], counts["kept"], counts["rejected"], counts["duplicates"]),
        categories=_categories(recipe, table, metrics),
        rejects=tuple(Reject(reason, count, Reason(reason).meaning) for reason, count in reasons.items()),
        explained_variance=tuple(metrics["explained_variance"]["ratio"]),
        figures=quality_figures(metrics, recipe.publish.nouns),
        encoder=encoder_words(manifest),
        stages=_stages(store, manifest, recipe.publish.nouns.record[1]),
        facts=tuple(facts.items()),
        recipe_yaml=recipe.to_yaml(),
        content_sha256=content_sha256(manifest),
        notes=(*limits_of(recipe, manifest), *reduced["notes"]),
        told=_told(store, reduced, metrics.get("probe")),
    )


def _told(store: Store, reduced: Json, probed: Json | None) -> Grid | None:
    """Return what was told of each record, None where too few records let none be told."""
    if probed is None or not (probed["by_group"] or probed["by_record"]):
        return None
    table = store.table(PREDICTIONS, reduced["files"][PREDICTIONS])
    told = zip(table["group"].to_pylist(), table["told"].to_pylist(), strict=True)
    return grid_of(told, unseen=probed["by_group"] is not None)


def _stages(store: Store, manifest: Json, many: str) -> tuple[Stage, ...]:
    timings = store.read_json(TIMINGS) if store.folder.size(TIMINGS) is not None else {}
    embedded = manifest["stages"]["embed"]["counts"]
    rows = {"plan": embedded["rows"], "embed": embedded["kept"], "reduce": embedded["kept"]}
    return tuple(
        Stage(stage, seconds, f"{rows[stage] / seconds:,.0f} {many}/s" if seconds else "")
        for stage, seconds in timings.items()
        if stage in rows
    )


def _card(recipe: Recipe, manifest: Json, facts: dict[str, str]) -> Card:
    stages = manifest["stages"]
    counts, reduced = stages["plan"]["counts"], stages["reduce"]["counts"]
    rejects: Any = [(f"rejected: {reason}", f"{count:,}") for reason, count in counts["rejects"].items()]
    rows = [
        ("read", f"{counts['read']:,}"),
        ("kept", f"{counts['kept']:,}"),
        ("duplicates", f"{counts['duplicates']:,}"),
        ("rejected", f"{counts['rejected']:,}"),
        *rejects,
        (recipe.publish.nouns.group[1], f"{reduced['groups']:,}"),
        ("subcategories", f"{reduced['subcategories']:,}"),
    ]
    return Card(
        title=recipe.publish.title,
        version=version("vidatlas"),
        recipe_name=recipe.name,
        about=recipe.about,
        counts=tuple(rows),
        facts=(("Encoder", encoder_words(manifest)), *facts.items()),
        weights=weights_words(recipe),
        normalisation=normalisation_words(recipe),
        making=making_words(recipe, stages["reduce"]),
        dim=stages["embed"]["encoder"]["dim"],
        limits=(*limits_of(recipe, manifest), *stages["reduce"]["notes"]),
        content_sha256=content_sha256(manifest),
    )
