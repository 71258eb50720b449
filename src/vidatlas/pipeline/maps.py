"""What is made of the points of a map: labels as a table, the drawing in the report, and a page of its own for many."""

from __future__ import annotations

from dataclasses import asdict, replace

import pyarrow as pa

from vidatlas import store as layout
from vidatlas.parts import to_parquet
from vidatlas.pipeline.mapping import TITLED, subcategory_rows
from vidatlas.recipe import Recipe
from vidatlas.store import Files, Store
from vidatlas.types import Json
from vidatlas.views.drawing import Drawing, drawing_of, labels_of
from vidatlas.views.nouns import Nouns
from vidatlas.views.points import Points
from vidatlas.views.report import render_map

_SCHEMA = pa.schema(
    [
        ("level", pa.int8()),
        ("group", pa.string()),
        ("subcategory", pa.int32()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("x", pa.float32()),
        ("y", pa.float32()),
    ]
)


def draw_map(recipe: Recipe, store: Store, points: Points, rows: int) -> tuple[Files, Drawing]:
    """Write the labels and map.html; return the drawing of the report, which holds at most 100,000 videos."""
    table = subcategory_rows(store)
    labels = labels_of(points, table)
    # From the steps of the drawing back to the square from -1 to 1.
    placed = [asdict(replace(label, x=label.x / 32767.5 - 1, y=label.y / 32767.5 - 1)) for label in labels]
    files = store.put(layout.LABELS, to_parquet(pa.Table.from_pylist(placed, schema=_SCHEMA)))
    shown = len(points.codes)
    nouns = recipe.publish.nouns
    which = f"all {nouns.records(rows)}" if shown == rows else f"{shown:,} of {nouns.records(rows)}, drawn by chance"
    about = which if len(points.titles) == shown else f"{which}; titles of {len(points.titles):,}"
    drawing = drawing_of(points, table, labels, TITLED)
    files |= store.put(layout.MAP, render_map(recipe.publish.title, about, drawing, nouns).encode())
    if len(points.titles) == shown:
        return files, drawing
    first = slice(0, len(points.titles))
    few = replace(points, keys=points.keys[first], places=points.places[first], codes=points.codes[first])
    return files, drawing_of(few, table, labels, len(few.codes))


def map_fact(laid_out: Json, nouns: Nouns) -> str:
    """Return in words how the map was drawn."""
    few = nouns.records(laid_out["sampled"])
    if laid_out["method"] == "pca":
        return f"the first two principal components of {few}"
    return (
        f"t-SNE of {few} (perplexity {laid_out['perplexity']:g}, exaggeration {laid_out['exaggeration']:g}, seed "
        f"{laid_out['seed']}); others stand between their {laid_out['neighbours']} nearest among them"
    )
