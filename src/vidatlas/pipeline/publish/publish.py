"""Publish: map, search index, report and data card, from committed data only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from vidatlas.errors import InputError
from vidatlas.pipeline.names.accepted import ByHand, fingerprint_with, put_accepted, read_accepted, with_names
from vidatlas.pipeline.publish.images import make_pictures, picture_facts
from vidatlas.pipeline.publish.index import index_fact, make_index
from vidatlas.pipeline.publish.map import draw_map, make_map, map_fact
from vidatlas.pipeline.publish.poster import make_poster, poster_fact, put_poster
from vidatlas.pipeline.publish.regions import regions_of
from vidatlas.pipeline.publish.report import Found, card_of, report_of
from vidatlas.pipeline.publish.tiles import make_tiles
from vidatlas.pipeline.publish.trends import make_trends
from vidatlas.pipeline.publish.wording import facts_of, names_fact, tuning_fact, versions
from vidatlas.pipeline.stage import Run, Steps, commit, committed
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Metrics
from vidatlas.storage.manifest import PublishEntry, PublishFacts, content_sha256
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import sealed_shards
from vidatlas.views.charts import losses_of
from vidatlas.views.poster.social import SocialCard, with_card
from vidatlas.views.report import render

FORMAT = 3
"""Of the files that publish writes: one more whenever they change, so that an older atlas is published anew."""
_STEPS = 9
"""Of every publication: sample, neighbours, layout, cells and places of the map, trends, regions, pages, report."""
_OF_THE_INDEX, _OF_IMAGES = 3, 2
"""Of the search index, and of the images, where there are any."""


def publish(run: Run) -> PublishEntry:
    """Write map, search index, report.html and README.md of a reduced atlas; return the stage's manifest entry."""
    upstream = run.store.stage("reduce")["digest"]
    accepted = read_accepted(run.store)
    fingerprint = fingerprint_with(accepted, run.recipe.fingerprint("publish"))
    made_of = {"fingerprint": fingerprint, "upstream": upstream, "format": FORMAT}
    entry = committed(run, PublishEntry, made_of)
    if entry:
        return entry
    tiled = run.store.stage("reduce")["counts"]["rows"] > run.recipe.publish.map_points
    more = _OF_THE_INDEX * (run.recipe.publish.index.kind != "none") + _OF_IMAGES * bool(run.recipe.publish.pictures)
    steps = Steps(run, "publish", _STEPS + more + tiled)
    entry = commit(run, PublishEntry, made_of, partial(_publish, run, accepted, steps))
    steps.end()
    return entry


def _publish(run: Run, accepted: ByHand, steps: Steps) -> tuple[Files, PublishFacts]:
    """Write everything; return the files, and what the manifest says of map, index and pictures."""
    recipe, store = run.recipe, run.store
    manifest = store.manifest()
    reduced = manifest["stages"]["reduce"]
    shards = list(sealed_shards(manifest["stages"]["embed"]))
    listed = store.listed(reduced["files"], layout.SUBCATEGORIES)
    table = with_names(store.table(layout.SUBCATEGORIES, listed).to_pylist(), accepted)
    metrics = _metrics(store, {row["group"] for row in table})
    mapped, laid_out, points = make_map(recipe, store, shards, steps)
    indexes, indexed = make_index(recipe, store, shards, steps)
    pictures, learned = make_pictures(recipe, store, shards, steps)
    facts = facts_of(recipe, manifest) | {
        "Map": map_fact(laid_out, recipe.publish.nouns),
        "Search index": index_fact(indexed, recipe.publish.nouns),
    }
    trends = make_trends(recipe, store, shards, steps.of("counting views and dates"))
    regions = regions_of(recipe, store, shards, steps.of("naming regions of the map", "levels"))
    steps.begin("drawing the map")
    poster = make_poster(recipe, store, points, regions, trends.years)
    facts["Poster"] = poster_fact(poster)
    card = SocialCard(recipe.publish.title, ", ".join(poster.counts), layout.POSTER, recipe.publish.url)
    facts |= picture_facts(learned) | tuning_fact(recipe, metrics) | names_fact(len(accepted), len(table))
    drawn, drawing = draw_map(recipe, store, points, accepted, poster, card)
    drawn |= make_tiles(recipe, store, shards, steps.of("writing tiles of the map"))
    steps.begin("writing the report")
    found = Found(table, metrics, trends, facts)
    report = replace(report_of(recipe, store, manifest, found), drawing=drawing, losses=losses_of(metrics, learned))
    files = mapped | indexes | pictures | drawn | put_poster(store, poster) | put_accepted(store, accepted)
    files |= trends.files | store.put(layout.REPORT, with_card(render(report), card, layout.REPORT).encode())
    files |= store.put(layout.README, card_of(recipe, manifest, report).encode())
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
            f"{store.url}/{layout.METRICS} has no figures of group {min(absent)!r}. {store.remedy(layout.METRICS)}"
        )
    return metrics
