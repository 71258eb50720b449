"""Images of an atlas: a model learns to shorten them, every image gets a vector, and an index finds alike ones."""

from __future__ import annotations

import hashlib
import io
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from vidatlas import store as layout
from vidatlas.encode.denoising import Pictures, Progress, encode_pictures, train
from vidatlas.parts import to_parquet
from vidatlas.pictures import grey_picture, locate
from vidatlas.pipeline.projecting import SealedShard
from vidatlas.pipeline.vectors import matrix, read_embeddings
from vidatlas.recipe import Recipe, canonical
from vidatlas.reducers.kmeans import sample_rows
from vidatlas.store import Files, Store, to_json
from vidatlas.threads import one_thread
from vidatlas.types import Floats, Json, Runner, UsageError
from vidatlas.views.index import SearchIndex, training_rows, unit

MODEL = "model/pictures.safetensors"
CHECKPOINT = "model/pictures-checkpoint.safetensors"
_EVERY = 5
"""Epochs between checkpoints."""


def make_pictures(recipe: Recipe, store: Store, shards: list[SealedShard], runner: Runner) -> tuple[Files, Json]:
    """Write the model, ``pictures/`` and their index; return the files and their facts.

    Raises:
        UsageError: the recipe names no images, or no record has one.
    """
    spec = recipe.publish.pictures
    if spec is None:
        return {}, {}
    if recipe.record.image is None:
        raise UsageError("publish.pictures needs record.image: name the column and the folder of images.")
    names = list(runner.map(partial(_names, store.url), shards))
    flat = [name for found in names for name in found if name]
    if not flat:
        raise UsageError(f"no record of {store.url} has an image in column {recipe.record.image.column!r}.")
    chosen = sample_rows(len(flat), min(spec.pictures, len(flat)), spec.seed)
    progress = _trained(recipe, store, [flat[row] for row in chosen])
    weights = {name: value for name, value in progress.tensors.items() if name.startswith("model.")}
    files = store.put(MODEL, bytes(save_tensors(weights)))
    encoded = runner.map(partial(_encode_shard, store.url, recipe.model_dump(mode="json")), shards)
    vectors, positions, first = [], [], 0
    for found, latents, present in encoded:
        files |= found
        vectors.append(latents)
        positions.append(first + np.flatnonzero(present))
        first += len(present)
    facts = {"pictures": len(flat), "learned_from": len(chosen), "losses": list(progress.losses)}
    return files | _index(recipe, store, np.concatenate(vectors), np.concatenate(positions), facts), facts


def picture_facts(facts: Json) -> dict[str, str]:
    """Return in words what was learned from the images; nothing where there are none."""
    if not facts:
        return {}
    losses = facts["losses"]
    steps = sorted({0, *range(4, len(losses), max(5, len(losses) // 6)), len(losses) - 1})
    curve = ", ".join(f"{losses[step]:.4f} (epoch {step + 1})" for step in steps)
    return {
        "Images": f"{facts['pictures']:,}; a denoising auto-encoder learned from {facts['learned_from']:,}",
        "Reconstruction error": f"mean square of a range of 1: {curve}",
    }


def _names(atlas: str, shard: SealedShard) -> list[str | None]:
    names: list[str | None] = read_embeddings(Store(atlas), *shard, ["image"])["image"].to_pylist()
    return names


def load_pictures(recipe: Recipe, names: list[str]) -> Pictures:
    """Return the images of an atlas by name, uint8 [n, height, width]."""
    spec, image = recipe.publish.pictures, recipe.record.image
    assert spec
    assert image
    size = spec.width, spec.height
    found = [grey_picture(locate(image.folder, name), size) for name in names]
    return np.array(found, np.uint8).reshape(-1, spec.height, spec.width)


def _trained(recipe: Recipe, store: Store, names: list[str]) -> Progress:
    """Train, going on from the checkpoint of the same recipe and images, if there is one."""
    spec = recipe.publish.pictures
    assert spec
    key = hashlib.sha256(canonical({"spec": spec.model_dump(mode="json"), "names": names})).hexdigest()
    begun = _checkpoint(store, key)
    if begun and begun.epoch >= spec.epochs:
        return begun
    pictures = load_pictures(recipe, names)
    progress = begun
    with one_thread():
        for progress in train(pictures, spec, begun):
            if progress.epoch % _EVERY == 0 or progress.epoch == spec.epochs:
                tensors = {**progress.tensors, "losses": np.array(progress.losses)}
                store.put(CHECKPOINT, bytes(save_tensors(tensors, metadata={"key": key})))
    assert progress
    return progress


def _checkpoint(store: Store, key: str) -> Progress | None:
    if store.folder.size(CHECKPOINT) is None:
        return None
    data = store.read(CHECKPOINT)
    header = int.from_bytes(data[:8], "little")
    if key.encode() not in data[8 : 8 + header]:
        return None
    tensors = load_tensors(data)
    losses = tuple(float(loss) for loss in tensors.pop("losses"))
    return Progress(len(losses), losses, tensors)


def _encode_shard(atlas: str, recipe: Json, shard: SealedShard) -> tuple[Files, Floats, NDArray[np.bool_]]:
    store, parsed = Store(atlas), Recipe.model_validate(recipe)
    table = read_embeddings(store, *shard, ["id", "image"])
    names = table["image"].to_pylist()
    present = np.array([bool(name) for name in names], bool)
    vectors = encode(store, parsed, load_pictures(parsed, [name for name in names if name]))
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    kept = pa.table({"id": table["id"].filter(pa.array(present)), "vector": lists})
    return store.put(layout.pictures(shard[0]), to_parquet(kept)), vectors, present


def encode(store: Store, recipe: Recipe, pictures: Pictures) -> Floats:
    """Return float32 [n, latent]: the vectors of pictures by the model of an atlas."""
    spec = recipe.publish.pictures
    assert spec
    with one_thread():
        return encode_pictures(pictures, spec, load_tensors(store.read(MODEL)))


def _index(recipe: Recipe, store: Store, vectors: Floats, positions: NDArray[np.int64], facts: Json) -> Files:
    spec, mean = recipe.publish.index, vectors.mean(axis=0)
    units = unit(vectors - mean)
    index = SearchIndex.empty(spec, len(units), units.shape[1], units[: training_rows(spec, len(units))])
    index.add(units)
    index.probes = max(1, index.lists // 8)
    files = store.put(layout.PICTURE_INDEX, index.to_bytes())
    tensors = {"mean": mean, "positions": positions}
    files |= store.put("model/pictures.index.safetensors", bytes(save_tensors(tensors)))
    return files | store.put(layout.PICTURE_FACTS, to_json({**facts, "probes": index.probes}))


class PictureSearch:
    """Find pictures that look alike."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        files = store.stage("publish")["files"]
        if layout.PICTURE_INDEX not in files:
            raise UsageError(f"{store.url} has no pictures to compare: its recipe has no publish.pictures.")
        self._store, self._recipe = store, recipe
        probes = store.read_json(layout.PICTURE_FACTS)["probes"]
        self._index = SearchIndex.from_bytes(store.check(layout.PICTURE_INDEX, files[layout.PICTURE_INDEX]), probes)
        tensors = load_tensors(store.read("model/pictures.index.safetensors"))
        self._mean, self.positions = tensors["mean"], tensors["positions"]

    def near(self, picture: Pictures, k: int) -> list[tuple[int, float]]:
        """Return position in the atlas and cosine of the k pictures nearest to one, uint8 [height, width]."""
        query = unit(encode(self._store, self._recipe, picture[None]) - self._mean)
        rows, cosines = self._index.search(query, min(k, len(self.positions)))
        pairs = zip(rows[0].tolist(), cosines[0].tolist(), strict=True)
        return [(int(self.positions[row]), cosine) for row, cosine in pairs if row >= 0]


def read_latents(store: Store, shards: list[SealedShard]) -> tuple[list[str], Floats]:
    """Return ids and vectors of every image, in order."""
    files = store.stage("publish")["files"]
    names = [layout.pictures(shard) for shard, _ in shards]
    table = pa.concat_tables([pq.read_table(io.BytesIO(store.check(name, files[name]))) for name in names])
    return table["id"].to_pylist(), matrix(table["vector"])
