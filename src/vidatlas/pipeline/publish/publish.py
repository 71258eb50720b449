"""Publish: the map, the search index, the report and the data card, from sealed data only."""

from __future__ import annotations

from dataclasses import replace

from vidatlas.pipeline.plan.plan import RunOptions
from vidatlas.pipeline.publish.images import make_pictures, picture_facts
from vidatlas.pipeline.publish.index import index_fact, make_index
from vidatlas.pipeline.publish.map import draw_map, make_map, map_fact
from vidatlas.pipeline.publish.report import card_of, report_of, subcategory_table
from vidatlas.pipeline.publish.wording import (
    LIBRARIES,
    facts_of,
    tuning_fact,
    version,
)
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.lock import Lock
from vidatlas.storage.store import Files, Store, content_sha256
from vidatlas.storage.tables import sealed_shards
from vidatlas.types import Event, Json, Listener, Runner
from vidatlas.views.card import render_card
from vidatlas.views.charts import losses_of
from vidatlas.views.report import render


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
    table, metrics = subcategory_table(store, reduced), store.read_json(layout.METRICS)
    facts |= picture_facts(learned) | tuning_fact(recipe, metrics)
    drawn, drawing = draw_map(recipe, store, points, reduced["counts"]["rows"])
    report = replace(
        report_of(recipe, store, table, metrics, facts), drawing=drawing, losses=losses_of(metrics, learned)
    )
    files = mapped | indexes | pictures | drawn | store.put(layout.REPORT, render(report).encode())
    listener(Event("publish", 3, 4, {"step": "data card"}))
    files |= store.put(layout.README, render_card(card_of(recipe, manifest, facts)).encode())
    return files, {"layout": laid_out, "index": indexed, **({"pictures": learned} if learned else {})}
