"""Publish: map, search index, report and data card, from committed data only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vidatlas.errors import InputError
from vidatlas.pipeline.names.accepted import ByHand, fingerprint_with, put_accepted, read_accepted, with_names
from vidatlas.pipeline.publish.images import make_pictures, picture_facts
from vidatlas.pipeline.publish.index import index_fact, make_index
from vidatlas.pipeline.publish.map import draw_map, make_map, map_fact
from vidatlas.pipeline.publish.poster import make_poster, poster_fact, put_poster, social_card
from vidatlas.pipeline.publish.regions import regions_of
from vidatlas.pipeline.publish.report import Found, card_of, report_of
from vidatlas.pipeline.publish.tiles import make_tiles
from vidatlas.pipeline.publish.trends import make_trends
from vidatlas.pipeline.publish.wording import facts_of, names_fact, tuning_fact, versions
from vidatlas.pipeline.stage import Run, commit, committed
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Metrics
from vidatlas.storage.manifest import PublishEntry, PublishFacts
from vidatlas.storage.store import Files, Store, content_sha256
from vidatlas.storage.tables import sealed_shards
from vidatlas.types import Event
from vidatlas.views.card import render_card
from vidatlas.views.charts import losses_of
from vidatlas.views.poster.social import with_card
from vidatlas.views.report import render

FORMAT = 3
"""Of the files that publish writes: one more whenever they change, so that an older atlas is published anew."""


def publish(run: Run) -> PublishEntry:
    """Write map, search index, report.html and README.md of a reduced atlas; return the stage's manifest entry."""
    upstream = run.store.stage("reduce")["digest"]
    accepted = read_accepted(run.store)
    fingerprint = fingerprint_with(accepted, run.recipe.fingerprint("publish"))
    made_of = {"fingerprint": fingerprint, "upstream": upstream, "format": FORMAT}
    entry = committed(run, PublishEntry, made_of)
    if entry:
        return entry
    entry = commit(run, PublishEntry, made_of, partial(_publish, run, accepted))
    run.listener(Event("publish", 4, 4, {"step": "done"}))
    return entry


def _publish(run: Run, accepted: ByHand) -> tuple[Files, PublishFacts]:
    """Write everything; return the files, and what the manifest says of map, index and pictures."""
    recipe, store, runner, listener = run.recipe, run.store, run.runner, run.listener
    manifest = store.manifest()
    reduced = manifest["stages"]["reduce"]
    shards = list(sealed_shards(manifest["stages"]["embed"]))
    listed = store.listed(reduced["files"], layout.SUBCATEGORIES)
    table = with_names(store.table(layout.SUBCATEGORIES, listed).to_pylist(), accepted)
    metrics = _metrics(store, {row["group"] for row in table})
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
    trends = make_trends(recipe, store, shards, runner)
    poster = make_poster(recipe, store, points, regions_of(recipe, store, shards, runner), trends.years)
    facts["Poster"] = poster_fact(poster)
    card = social_card(recipe, poster)
    facts |= picture_facts(learned) | tuning_fact(recipe, metrics) | names_fact(len(accepted), len(table))
    drawn, drawing = draw_map(recipe, store, points, accepted, poster, card)
    drawn |= make_tiles(recipe, store, shards, runner)
    found = Found(table, metrics, trends, facts)
    report = replace(report_of(recipe, store, manifest, found), drawing=drawing, losses=losses_of(metrics, learned))
    files = mapped | indexes | pictures | drawn | put_poster(store, poster) | put_accepted(store, accepted)
    files |= trends.files | store.put(layout.REPORT, with_card(render(report), card, layout.REPORT).encode())
    listener(Event("publish", 3, 4, {"step": "data card"}))
    files |= store.put(layout.README, render_card(card_of(recipe, manifest, found)).encode())
    said: PublishFacts = {
        "versions": versions(),
        "content_sha256": content_sha256(manifest),
        "layout": laid_out,
        "index": indexed,
    }
    if learned:
        said["pictures"] = learned
    return files, said


def _metrics(store: Store, groups: set[str]) -> Metrics:
    """Return the metrics of an atlas, which must have figures of each of its groups."""
    metrics = store.read_json(layout.METRICS, Metrics)
    absent = groups - metrics["groups"].keys()
    if absent:
        raise InputError(
            f"{store.url}/{layout.METRICS} has no figures of group {min(absent)!r}. "
            "Delete it and rerun the command that made this atlas; it writes it again."
        )
    return metrics
