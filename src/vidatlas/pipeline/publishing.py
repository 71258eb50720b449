"""Publish: the map, the search index, the report and the data card, from sealed data only."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from dataclasses import replace
from importlib.metadata import version as installed
from typing import Any

import pyarrow.parquet as pq

from vidatlas import store as layout
from vidatlas.lock import Lock
from vidatlas.pipeline.imaging import make_pictures, picture_facts
from vidatlas.pipeline.indexing import index_fact, make_index
from vidatlas.pipeline.mapping import make_map
from vidatlas.pipeline.maps import draw_map, map_fact
from vidatlas.pipeline.planning import RunOptions
from vidatlas.pipeline.probing import PREDICTIONS
from vidatlas.pipeline.vectors import sealed_shards
from vidatlas.recipe import Recipe
from vidatlas.store import Files, Store
from vidatlas.types import Event, Json, Listener, Reason, Runner
from vidatlas.version import __version__
from vidatlas.views.card import Card, render_card
from vidatlas.views.figures import quality_figures
from vidatlas.views.histograms import Grid, grid_of
from vidatlas.views.losses import losses_of
from vidatlas.views.page import Category, Counts, Reject, Report, Stage, Subcategory
from vidatlas.views.report import render

TIMINGS = "timings.json"
LIBRARIES = (
    "vidatlas",
    "torch",
    "transformers",
    "tokenizers",
    "scikit-learn",
    "numpy",
    "pyarrow",
    "openTSNE",
    "faiss-cpu",
    "ray",
)


def version(name: str) -> str:
    """Return a library's version; vidatlas itself may run from a checkout that is not installed."""
    return __version__ if name == "vidatlas" else installed(name)


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
    with Lock(store, options.take_over) as lock:
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
    facts = _facts(recipe, manifest) | {"Map": map_fact(laid_out), "Search index": index_fact(indexed)}
    facts |= picture_facts(learned)
    drawn, drawing = draw_map(recipe, store, points, reduced["counts"]["rows"])
    table, metrics = _subcategories(store, reduced), store.read_json(layout.METRICS)
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
    data = store.check(layout.SUBCATEGORIES, reduced["files"][layout.SUBCATEGORIES])
    rows: list[Json] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def _categories(table: list[Json], metrics: Json) -> tuple[Category, ...]:
    groups: dict[str, list[Subcategory]] = defaultdict(list)
    for row in table:
        groups[row["group"]].append(
            Subcategory(
                number=row["subcategory"],
                name=row["name"],
                size=row["size"],
                terms=tuple(zip(row["terms"], row["scores"], strict=True)),
                exemplars=tuple(row["exemplar_titles"]),
                silhouette=row["silhouette"],
                mean_distance=row["mean_distance"],
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
        inputs=tuple(url.rsplit("/", 1)[-1] for url in planned["inputs"]),
        counts=Counts(counts["read"], counts["kept"], counts["rejected"], counts["duplicates"]),
        categories=_categories(table, metrics),
        rejects=tuple(Reject(reason, count, Reason(reason).meaning) for reason, count in reasons.items()),
        explained_variance=tuple(metrics["explained_variance"]["ratio"]),
        figures=quality_figures(metrics),
        encoder=_encoder(manifest),
        stages=_stages(store, manifest),
        facts=tuple(facts.items()),
        recipe_yaml=recipe.to_yaml(),
        content_sha256=content_sha256(manifest),
        notes=(*_limits(manifest), *reduced["notes"]),
        told=_told(store, reduced),
    )


def _told(store: Store, reduced: Json) -> Grid | None:
    if PREDICTIONS not in reduced["files"]:
        return None
    table = pq.read_table(io.BytesIO(store.check(PREDICTIONS, reduced["files"][PREDICTIONS])))
    return grid_of(zip(table["group"].to_pylist(), table["told"].to_pylist(), strict=True))


def _encoder(manifest: Json) -> str:
    encoder = manifest["stages"]["embed"]["encoder"]
    revision = f" at revision {encoder['revision']}" if encoder.get("revision") else ""
    return f"{encoder['model']}{revision}, {encoder['dim']} dimensions"


def _stages(store: Store, manifest: Json) -> tuple[Stage, ...]:
    timings = store.read_json(TIMINGS) if store.folder.size(TIMINGS) is not None else {}
    embedded = manifest["stages"]["embed"]["counts"]
    rows = {"plan": embedded["rows"], "embed": embedded["kept"], "reduce": embedded["kept"]}
    return tuple(
        Stage(stage, seconds, f"{rows[stage] / seconds:,.0f} videos/s" if seconds else "")
        for stage, seconds in timings.items()
        if stage in rows
    )


def _normalisation(recipe: Recipe) -> str:
    fields = "each field's mean is scaled to unit length, then " if recipe.mix.normalize_fields else ""
    if recipe.mix.normalize:
        return f"{fields}every record's vector is scaled to unit length"
    if fields:
        return f"{fields}nothing after the weighted sum"
    return "none after the mean (the notebook's rule: the encoder's raw features)"


def _weights(recipe: Recipe) -> str:
    parts = []
    for name, field in recipe.record.embedded().items():
        cut = f", cut at {field.max_chars} characters" if field.max_chars else ""
        many = f", split at {field.separator!r} and averaged" if field.separator else ""
        parts.append(f"{field.weight:g} × {name}{many}{cut}")
    return " + ".join(parts)


def _facts(recipe: Recipe, manifest: Json) -> dict[str, str]:
    embedded, reduced = manifest["stages"]["embed"], manifest["stages"]["reduce"]
    encoder, counts = embedded["encoder"], embedded["counts"]
    facts = {
        "Weights (sha256)": str(encoder.get("weights_sha256", "no weights")),
        "Precision": f"{encoder.get('dtype', 'float32')} on {', '.join(embedded['hardware'])}, stored as float16",
        "Field weights": _weights(recipe),
        "Normalisation": _normalisation(recipe),
        "Texts": f"{counts['texts']:,} in all, {counts['distinct']:,} encoded (each once per shard)",
        "Tokens": f"{counts['tokens']:,}, of which {counts['nodes']:,} were computed (a shared beginning once)",
        "Reduction": f"{_dimensions(recipe, reduced)}, {_clusters(recipe, reduced)}",
        **({"Held-out error of ratings": f"RMSE {encoder['rmse']:.3f}"} if "rmse" in encoder else {}),
        "Versions": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }
    return facts


def _dimensions(recipe: Recipe, reduced: Json) -> str:
    lexical = recipe.reduce.lexical
    words = f" and {lexical.components} dimensions of words (weight {lexical.weight:g})" if lexical else ""
    count = reduced["counts"]["components"]
    kinds = {"pca": f"{count} principal components", "autoencoder": f"codes of {count} dimensions", "none": "none"}
    return f"{kinds[recipe.reduce.reducer.kind]}{words}"


def _clusters(recipe: Recipe, reduced: Json) -> str:
    spec, backend = recipe.reduce.clusters, reduced["backend"]
    where = "over all categories" if spec.within == "all" else "inside each category"
    if recipe.reduce.clusterer.kind == "axes":
        return "one subcategory for each dimension of the vectors"
    method = {"kmeans": "k-means", "dec": "Deep Embedded Clustering, from k-means,"}[recipe.reduce.clusterer.kind]
    return f"{method} {where} (k: {spec.k}; {backend['name']} {backend['version']} on {backend['device']})"


def _limits(manifest: Json) -> tuple[str, ...]:
    planned = manifest["stages"]["plan"]
    limits = [
        "Names are statistics of words, not judgements; a video stands in the category its uploader chose.",
        "Distances mean little across categories: each category was clustered on its own.",
    ]
    if not planned["complete"]:
        limits.append("Only the first rows of the input were read (source.limit); the rest was not checked for damage.")
    return tuple(limits)


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
        ("categories", f"{reduced['groups']:,}"),
        ("subcategories", f"{reduced['subcategories']:,}"),
    ]
    return Card(
        title=recipe.publish.title,
        version=version("vidatlas"),
        recipe_name=recipe.name,
        about=recipe.about,
        counts=tuple(rows),
        facts=(("Encoder", _encoder(manifest)), *facts.items()),
        weights=_weights(recipe),
        normalisation=_normalisation(recipe),
        components=reduced["components"],
        dim=stages["embed"]["encoder"]["dim"],
        limits=(*_limits(manifest), *stages["reduce"]["notes"]),
        content_sha256=content_sha256(manifest),
    )
