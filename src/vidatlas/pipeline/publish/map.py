"""The map: a sample of videos laid out in two dimensions, all others placed, labels and pages written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from vidatlas.decomposition.tsne import LayoutSpec, Placing, cells_of, engine, lay_out
from vidatlas.pipeline.names.accepted import ByHand, with_names
from vidatlas.pipeline.publish.videos import columns_of, videos_of
from vidatlas.pipeline.reduce.assignments import read_assignments
from vidatlas.pipeline.stage import Steps
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.manifest import LayoutFacts
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import SealedShard, blocks_of, ordered_components, read_embeddings
from vidatlas.storage.tensors import Tensors, read_tensors
from vidatlas.types import Floats, Json
from vidatlas.views.map_data import (
    Drawing,
    Points,
    drawing_of,
    merge_points,
    quantised,
)
from vidatlas.views.nouns import Nouns
from vidatlas.views.poster.poster import Poster, data_uri
from vidatlas.views.poster.social import SocialCard, with_card
from vidatlas.views.report import render_map

SAMPLE = "model/layout.safetensors"
TITLED = 100_000
"""Videos whose titles the pages hold; the report shows these alone."""
HOME = ["in_group", "subcategory"]
"""Columns of the assignments that ``codes_of`` reads."""
_LEAST = 3
"""Videos of every subcategory that the sample should hold, where there are so many."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Hold the rows of one shard that are in the sample."""

    shard: str
    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    components: Floats


def make_map(
    recipe: Recipe, store: Store, shards: list[SealedShard], steps: Steps
) -> tuple[Files, LayoutFacts, Points]:
    """Write ``layout/``; return its files, what the manifest says of it, and the points that pages show."""
    blocks = blocks_of(shards)
    draw = partial(_draw_block, store, recipe)
    drawn = [found for block in steps.of("drawing a sample for the map").map(draw, blocks) for found in block]
    vectors = np.concatenate([found.components for found in drawn])
    neighbours = steps.of("finding neighbours in the sample")

    def told(done: int, of: int) -> None:
        if not done:
            steps.begin("laying out the sample", of, "iterations")
        steps.tell(done)

    positions = lay_out(vectors, recipe.publish.layout, neighbours.map, told)
    first = np.cumsum([0, *(len(found.rows) for found in drawn)])
    arrays = {"components": vectors, "positions": positions, "codes": np.concatenate([found.codes for found in drawn])}
    steps.begin("finding cells of the sample")
    arrays["cells"] = cells_of(vectors, recipe.publish.layout.seed)
    # By name: each shard finds its own rows of the sample, which keep the places they were given.
    arrays |= {f"rows/{found.shard}": np.stack([found.rows, at + np.arange(len(found.rows))])
               for found, at in zip(drawn, first.tolist(), strict=False)}  # fmt: skip
    files = store.put(SAMPLE, bytes(save_tensors(arrays)))
    points = []
    for written, shown in steps.of("placing videos").map(partial(_place_block, store, recipe), blocks):
        files |= written
        points.append(shown)
    facts = cast(LayoutFacts, {**recipe.publish.layout.model_dump(mode="json"), "sampled": len(vectors)})
    if engine() != "openTSNE":
        facts["engine"] = engine()
    return files, facts, merge_points(points)


def _draw_block(store: Store, recipe: Recipe, block: list[SealedShard]) -> list[Drawn]:
    subcategories, reduced = subcategory_rows(store), store.stage("reduce")
    rates, order = sample_rates(subcategories, recipe), order_of(subcategories)
    found = []
    for shard, _ in block:
        random = _random(recipe.publish.layout.seed, shard, 0)
        codes = codes_of(read_assignments(store, shard, reduced, HOME), order)
        rows = np.flatnonzero(random.random(len(codes)) < rates[codes])
        found.append(Drawn(shard, rows, codes[rows], ordered_components(store, shard)[rows]))
    return found


def _random(seed: int, shard: str, purpose: int) -> np.random.Generator:
    """Return a generator for one shard: what is drawn there depends on no other."""
    return np.random.default_rng([seed, purpose, zlib.crc32(shard.encode())])


def keys_of(recipe: Recipe, shard: str, rows: int) -> NDArray[np.float64]:
    """Return the random keys of a shard's videos: the page shows those with the lowest."""
    return _random(recipe.publish.layout.seed, shard, 1).random(rows)


def sample_rates(subcategories: list[Json], recipe: Recipe) -> NDArray[np.float64]:
    """Return, by code, the share of a subcategory that is drawn: the same of all, but a few videos of the smallest."""
    sizes = np.array([row["size"] for row in subcategories], np.float64)
    share = recipe.publish.layout.sample / max(sizes.sum(), 1)
    return np.asarray(np.minimum(np.maximum(share, _LEAST / sizes), 1.0), np.float64)


def subcategory_rows(store: Store) -> list[Json]:
    """Return the subcategories with name, size and silhouette, the largest first; the place is the code."""
    facts = store.listed(store.stage("reduce")["files"], layout.SUBCATEGORIES)
    columns = ["group", "subcategory", "name", "size", "silhouette"]
    rows: list[Json] = store.table(layout.SUBCATEGORIES, facts, columns).to_pylist()
    return sorted(rows, key=lambda row: (-row["size"], row["group"], row["subcategory"]))


Order = dict[tuple[str, int], int]


def order_of(subcategories: list[Json]) -> Order:
    """Return the code of every (group, subcategory)."""
    return {(row["group"], row["subcategory"]): code for code, row in enumerate(subcategories)}


def codes_of(assigned: pa.Table, order: Order) -> NDArray[np.int64]:
    """Return the code of each row's subcategory."""
    homes = zip(assigned["in_group"].to_pylist(), assigned["subcategory"].to_pylist(), strict=True)
    return np.array([order[home] for home in homes], np.int64)


@lru_cache(maxsize=1)
def _load_sample(atlas: str, data: bytes, spec: LayoutSpec) -> tuple[Tensors, Placing]:
    sample = read_tensors(data, f"{atlas}/{SAMPLE}")
    return sample, Placing(sample["components"], sample["positions"], sample["cells"], spec)


def _place_block(store: Store, recipe: Recipe, block: list[SealedShard]) -> tuple[Files, Points]:
    """Write the places of some shards' videos; return those that pages show."""
    sample, placing = _load_sample(store.url, store.read(SAMPLE), recipe.publish.layout)
    order = order_of(subcategory_rows(store))
    reduced = store.stage("reduce")
    total = reduced["counts"]["rows"]
    files: Files = {}
    points = []
    for shard, facts in block:
        assigned = read_assignments(store, shard, reduced, ["id", *HOME])
        vectors = ordered_components(store, shard)
        rows, places = sample[f"rows/{shard}"]
        found = np.empty((len(vectors), 2), np.float32)
        found[rows] = sample["positions"][places]
        others = np.delete(np.arange(len(vectors)), rows)
        found[others] = placing.of(vectors[others])
        columns = {"id": assigned["id"], "x": pa.array(found[:, 0]), "y": pa.array(found[:, 1])}
        files |= store.put_table(layout.positions(shard), pa.table(columns))
        keys = keys_of(recipe, shard, len(found))
        shown = np.argsort(keys, kind="stable")[: int((keys < recipe.publish.map_points / total).sum())]
        titled = shown[keys[shown] < TITLED / total]
        videos = videos_of(recipe.record, read_embeddings(store, shard, facts, columns_of(recipe.record)), titled)
        codes = codes_of(assigned, order)[shown]
        points.append(Points(keys[shown], quantised(found[shown]), codes, videos))
    return files, merge_points(points)


def read_positions(store: Store, shards: list[SealedShard]) -> Iterator[pa.Table]:
    """Yield id, x and y of every video, shard by shard."""
    published = store.stage("publish")["files"]
    for name in (layout.positions(shard) for shard, _ in shards):
        yield store.table(name, store.listed(published, name))


def draw_map(
    recipe: Recipe, store: Store, points: Points, accepted: ByHand, poster: Poster, card: SocialCard
) -> tuple[Files, Drawing]:
    """Write map.html, which has tiles if it cannot hold all; return the report's drawing, of at most 100,000 videos."""
    rows, titled = store.stage("reduce")["counts"]["rows"], len(points.videos.ids)
    table, nouns = with_names(subcategory_rows(store), accepted), recipe.publish.nouns
    about, tiled = f"all {nouns.records(rows)}", 0
    if rows > recipe.publish.map_points:
        about, tiled = f"{about}, loaded as they come into view", rows
        first = slice(0, titled)
        points = replace(points, keys=points.keys[first], places=points.places[first], codes=points.codes[first])
    elif titled < rows:
        about = f"{about}; titles of {titled:,}"
    drawn = drawing_of(points, table, poster.regions, poster.land, titled)
    whole = replace(drawn, poster=data_uri(poster), tiled=tiled)
    page = render_map(recipe.publish.title, about, whole, nouns)
    few = replace(whole, points=whole.points[:1], total=titled, tiled=0)
    return store.put(layout.MAP, with_card(page, card, layout.MAP).encode()), few


def map_fact(laid_out: LayoutFacts, nouns: Nouns) -> str:
    """Return in words how the map was drawn."""
    few = nouns.records(laid_out["sampled"])
    if laid_out["method"] == "pca":
        return f"the first two principal components of {few}"
    by = f" by {laid_out['engine']}, without exaggeration" if "engine" in laid_out else ""
    return (
        f"t-SNE of {few}{by} (perplexity {laid_out['perplexity']:g}, exaggeration {laid_out['exaggeration']:g}, seed "
        f"{laid_out['seed']}); others stand between their {laid_out['neighbours']} nearest among them"
    )
