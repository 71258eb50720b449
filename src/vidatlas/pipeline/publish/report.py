"""Contents of the report and the data card, gathered from committed tables and metrics."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from vidatlas.pipeline.embed.preview import language_words
from vidatlas.pipeline.publish.linked import link_exemplars
from vidatlas.pipeline.publish.trends import Trends
from vidatlas.pipeline.publish.wording import (
    absence_words,
    alike_words,
    encoder_words,
    limits_of,
    making_words,
    naming_words,
    normalisation_words,
    weights_words,
)
from vidatlas.pipeline.reduce.assignments import SCHEMA
from vidatlas.recipe import Recipe
from vidatlas.storage.json_files import Metrics, ProbeFacts, Timings
from vidatlas.storage.manifest import Manifest, ReduceEntry, content_sha256
from vidatlas.storage.store import PREDICTIONS, TIMINGS, Store
from vidatlas.types import Json, Reason
from vidatlas.views.card import render_card
from vidatlas.views.charts import Grid, grid_of
from vidatlas.views.figures import quality_figures
from vidatlas.views.page import Category, Report, Subcategory

NAMED = 50
"""Names of groups or files without records that the report lists."""


@dataclass(frozen=True)
class Found:
    """Hold what report and data card are made of, besides recipe and manifest.

    Attributes:
        table: rows of ``subcategories.parquet``.
        metrics: figures of the atlas.
        trends: views, dates and scripts of the videos.
        facts: what a reader may want to know of the making, each under its name.
    """

    table: list[Json]
    metrics: Metrics
    trends: Trends
    facts: dict[str, str]


def _categories(recipe: Recipe, store: Store, found: Found) -> tuple[Category, ...]:
    table, metrics = found.table, found.metrics
    linked = link_exemplars(recipe, store, table)
    groups: dict[str, list[Subcategory]] = defaultdict(list)
    clustered = recipe.reduce.clusterer.has_centres
    for row in table:
        groups[row["group"]].append(
            Subcategory(
                number=row["subcategory"],
                name=row["name"],
                size=row["size"],
                terms=tuple(zip(row["terms"], row["scores"], strict=True)),
                exemplars=tuple(row["exemplar_titles"]),
                ids=tuple(row["exemplars"]),
                links=tuple(linked.links.get(key, "") for key in row["exemplars"]) if linked.links else (),
                images=tuple(linked.images.get(key, "") for key in row["exemplars"]) if linked.images else (),
                trend=found.trends.of.get((row["group"], row["subcategory"])),
                silhouette=row["silhouette"] if clustered else None,
                mean_distance=row["mean_distance"] if clustered else None,
                coverage=row["coverage"],
                levels=tuple(row["levels"]),
                peripheral=row["peripheral"],
            )
        )
    return tuple(
        Category(
            name,
            sum(sub.size for sub in inside),
            metrics["groups"][name]["silhouette"],
            tuple(inside),
            metrics["groups"][name]["stability"],
            tuple((int(k), left) for k, left in metrics["groups"][name]["curve"]),
        )
        for name, inside in groups.items()
    )


def report_of(recipe: Recipe, store: Store, manifest: Manifest, found: Found) -> Report:
    """Return what the report of an atlas shows, but for map and training losses."""
    metrics, trends = found.metrics, found.trends
    titles = sum(trends.scripts.values())
    planned, reduced = manifest["stages"]["plan"], manifest["stages"]["reduce"]
    counts = planned["counts"]
    return Report(
        recipe_name=recipe.name,
        title=recipe.publish.title,
        nouns=recipe.publish.nouns,
        absences=absence_words(planned, recipe.publish.nouns, NAMED),
        clustered=recipe.reduce.clusterer.has_centres,
        making=making_words(recipe, reduced),
        naming=naming_words(recipe, reduced["counts"]["groups"]),
        members=recipe.reduce.naming.terms if recipe.reduce.naming.by == "members" else None,
        alike=alike_words(recipe),
        inputs=tuple(url.rsplit("/", 1)[-1] for url in planned["inputs"]),
        counts=counts,
        categories=_categories(recipe, store, found),
        rejects=tuple((reason, count, Reason(reason).meaning) for reason, count in counts["rejects"].items()),
        explained_variance=tuple(metrics["explained_variance"]["ratio"]),
        figures=quality_figures(metrics, recipe.publish.nouns),
        encoder=encoder_words(manifest),
        stages=_stages(store, manifest, recipe.publish.nouns.record[1]),
        facts=tuple(found.facts.items()),
        recipe_yaml=recipe.to_yaml(),
        content_sha256=content_sha256(manifest),
        notes=(*limits_of(recipe, manifest), *reduced["notes"]),
        told=_told(store, reduced, metrics.get("probe")),
        span=trends.span,
        window=trends.window,
        scripts=tuple((name, count / titles) for name, count in trends.scripts.most_common()),
        warning=language_words(recipe.encoder.languages, trends.scripts),
    )


def _told(store: Store, reduced: ReduceEntry, probed: ProbeFacts | None) -> Grid | None:
    """Return what was told of each record, None where too few records let none be told."""
    if probed is None or not (probed["by_group"] or probed["by_record"]):
        return None
    table = store.table(PREDICTIONS, store.listed(reduced["files"], PREDICTIONS))
    told = zip(table["group"].to_pylist(), table["told"].to_pylist(), strict=True)
    return grid_of(told, unseen=probed["by_group"] is not None)


def _stages(store: Store, manifest: Manifest, many: str) -> tuple[tuple[str, float, str], ...]:
    timings = store.read_json_if_valid(TIMINGS, Timings) or {}
    embedded = manifest["stages"]["embed"]["counts"]
    rows = {"plan": embedded["rows"], "embed": embedded["kept"], "reduce": embedded["kept"]}
    return tuple(
        (stage, seconds, f"{rows[stage] / seconds:,.0f} {many}/s" if seconds else "")
        for stage, seconds in timings.items()
        if stage in rows
    )


def card_of(recipe: Recipe, manifest: Manifest, report: Report) -> str:
    """Return the data card of an atlas."""
    dim = manifest["stages"]["embed"]["encoder"]["dim"]
    return render_card(report, recipe.about, weights_words(recipe), normalisation_words(recipe), dim, SCHEMA.names)
