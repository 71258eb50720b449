"""Images of an atlas: the model that encodes them, one vector per image, and their search index."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from vidatlas.clustering.kmeans import sample_rows
from vidatlas.encoders.images.autoencoder import Denoiser, DenoisingSpec, Progress, train
from vidatlas.encoders.images.clip import ClipPicturesSpec
from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.publish.index import open_index
from vidatlas.recipe import Recipe, canonical
from vidatlas.search_index import SearchIndex, training_rows, unit
from vidatlas.sources.images import Pictures, UnreadablePictureError, grey_picture, locate
from vidatlas.storage import store as layout
from vidatlas.storage.manifest import EncoderIdentity, PictureFacts, Training
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.storage.tables import SealedShard, read_embeddings
from vidatlas.storage.tensors import read_tensors
from vidatlas.threads import one_thread
from vidatlas.types import Floats, Json, Runner

if TYPE_CHECKING:
    from vidatlas.encoders.images.tower import ImageTower


MODEL = "model/pictures.safetensors"
CHECKPOINT = "model/pictures-checkpoint.safetensors"
_EVERY = 5
"""Epochs between checkpoints."""
_ROWS = 256
"""Images in memory at once: those of a shard may be more than it holds."""


def make_pictures(
    recipe: Recipe, store: Store, shards: list[SealedShard], runner: Runner
) -> tuple[Files, PictureFacts | None]:
    """Write the model, if one is trained, ``pictures/`` and their index; return the files and their facts.

    Raises:
        UsageError: the recipe names no images, or no record has one.
        InputError: an image can no longer be read.
        ConflictError: workers have different encoders.
    """
    spec = recipe.publish.pictures
    if spec is None:
        return {}, None
    if recipe.record.image is None:
        raise UsageError("publish.pictures needs record.image: name the column and the folder of images.")
    names = list(runner.map(partial(_names, store), shards))
    flat = [name for found in names for name in found if name]
    if not flat:
        raise UsageError(f"no record of {store.url} has an image in column {recipe.record.image.column!r}.")
    files, learned = learn_pictures(recipe, store, flat)
    encode = partial(_encode_shard, store, recipe)
    vectors, positions, identities, first = [], [], [], 0
    for found, encoded, present, identity in runner.map(encode, shards, gpus=isinstance(spec, ClipPicturesSpec)):
        files |= found
        vectors.append(encoded)
        positions.append(first + np.flatnonzero(present))
        identities.append(identity)
        first += len(present)
    facts = cast(PictureFacts, {"pictures": len(flat), "encoder": _one_of(identities), **learned})
    return files | _index(recipe, store, np.concatenate(vectors), np.concatenate(positions), facts), facts


def picture_facts(facts: PictureFacts | None) -> dict[str, str]:
    """Return in words what the images were encoded by; nothing where there are none."""
    if not facts:
        return {}
    count, encoder = f"{facts['pictures']:,}", facts["encoder"]
    if "losses" not in facts:
        revision = f" at revision {encoder['revision']}" if encoder["revision"] else ""
        tower = f"CLIP's image tower of {encoder['model']}{revision}, {encoder['dim']} numbers each"
        precision = f"{encoder['dtype']} on {encoder['device']}"
        return {
            "Images": f"{count}; {tower}, {precision}",
            "Weights of images (sha256)": str(encoder["weights_sha256"]),
        }
    losses = facts["losses"]
    steps = sorted({0, *range(4, len(losses), max(5, len(losses) // 6)), len(losses) - 1})
    curve = ", ".join(f"{losses[step]:.4f} (epoch {step + 1})" for step in steps)
    return {
        "Images": f"{count}; a denoising auto-encoder learned from {facts['learned_from']:,}",
        "Reconstruction error": f"mean square of a range of 1: {curve}",
    }


def _names(store: Store, shard: SealedShard) -> list[str | None]:
    names: list[str | None] = read_embeddings(store, *shard, ["image"])["image"].to_pylist()
    return names


def _one_of(identities: list[EncoderIdentity]) -> EncoderIdentity:
    """Return the identity of all workers' encoders."""
    first = identities[0]
    for other in identities:
        if other != first:
            key = next(key for key in {**first, **other} if first.get(key) != other.get(key))
            raise ConflictError(
                f"workers encode pictures with different {key}: {first.get(key)} and {other.get(key)}. "
                "Use machines of one kind, with one model."
            )
    return first


def _encode_shard(
    store: Store, recipe: Recipe, shard: SealedShard
) -> tuple[Files, Floats, NDArray[np.bool_], EncoderIdentity]:
    table = read_embeddings(store, *shard, ["id", "image"])
    names = table["image"].to_pylist()
    present = np.array([bool(name) for name in names], bool)
    encoder, image = open_pictures(store, recipe), recipe.record.image
    assert image
    vectors = _encode(encoder, image.folder, [name for name in names if name])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    kept = pa.table({"id": table["id"].filter(pa.array(present)), "vector": lists})
    identity = cast(EncoderIdentity, encoder.identity)
    return store.put_table(layout.pictures(shard[0]), kept), vectors, present, identity


def _encode(encoder: PictureEncoder, folder: str, names: list[str]) -> Floats:
    """Return float32 [n, dim]: the vectors of images by name."""
    found = [np.empty((0, encoder.dim), np.float32)]
    try:
        for at in range(0, len(names), _ROWS):
            pictures = np.array([encoder.read(locate(folder, name)) for name in names[at : at + _ROWS]], np.uint8)
            with one_thread():
                found.append(encoder.encode(pictures))
    except UnreadablePictureError as error:
        raise InputError(f"an image was removed or changed after it was planned: {error}. Restore it.") from error
    return np.concatenate(found)


def _index(recipe: Recipe, store: Store, vectors: Floats, positions: NDArray[np.int64], facts: PictureFacts) -> Files:
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
        facts = store.read_json(layout.PICTURE_FACTS, PictureFacts)
        tensors = store.tensors("model/pictures.index.safetensors")
        self._mean, self.positions = tensors["mean"], tensors["positions"]
        self._index = open_index(store, layout.PICTURE_INDEX, facts, len(self.positions), len(self._mean))

    @cached_property
    def _encoder(self) -> PictureEncoder:
        return same_pictures(self._store, self._recipe)

    def near(self, image: Path, k: int) -> list[tuple[int, float]]:
        """Return position in the atlas and cosine of the k pictures nearest to a file.

        Raises:
            UnreadablePictureError: the file is no picture.
            ConflictError: the encoder of the atlas's pictures is not on this machine, but another in its place.
        """
        picture = self._encoder.read(image)
        with one_thread():
            query = unit(self._encoder.encode(picture[None]) - self._mean)
        rows, cosines = self._index.search(query, min(k, len(self.positions)))
        pairs = zip(rows[0].tolist(), cosines[0].tolist(), strict=True)
        return [(int(self.positions[row]), cosine) for row, cosine in pairs if row >= 0]


class PictureEncoder(Protocol):
    """Turn files into pictures, and pictures into vectors."""

    dim: int
    identity: Json
    """What must be equal for two vectors to lie in one space: among others weights_sha256 and dim."""

    def read(self, path: Path) -> Pictures:
        """Return a picture as this encoder takes it; raise UnreadablePictureError where the file is none."""
        ...

    def encode(self, pictures: Pictures) -> Floats:
        """Return float32 [n, dim] for n pictures."""
        ...


def learn_pictures(recipe: Recipe, store: Store, names: list[str]) -> tuple[Files, Training]:
    """Train the encoder that a recipe names, if it is one that learns; return its files and how it went.

    Args:
        recipe: with ``publish.pictures`` and ``record.image``.
        store: of the atlas; holds checkpoints.
        names: of all images.
    """
    spec = recipe.publish.pictures
    if not isinstance(spec, DenoisingSpec):
        return {}, {}
    chosen = sample_rows(len(names), min(spec.pictures, len(names)), spec.seed)
    progress = _trained(spec, recipe, store, [names[row] for row in chosen])
    weights = {name: value for name, value in progress.tensors.items() if name.startswith("model.")}
    files = store.put(MODEL, bytes(save_tensors(weights)))
    return files, {"learned_from": len(chosen), "losses": list(progress.losses)}


def open_pictures(store: Store, recipe: Recipe) -> PictureEncoder:
    """Return the encoder of an atlas's pictures: the one that was trained, or the checkpoint that the recipe names."""
    spec = recipe.publish.pictures
    assert spec
    if isinstance(spec, ClipPicturesSpec):
        return _tower(spec, spec.find().weights_sha256)
    return Denoiser(spec, store.read(MODEL), f"{store.url}/{MODEL}")


def same_pictures(store: Store, recipe: Recipe) -> PictureEncoder:
    """Return the encoder of an atlas's pictures, for one that is not in the atlas.

    Raises:
        ConflictError: it is not the one that the atlas was made with.
    """
    there, encoder = store.read_json(layout.PICTURE_FACTS, PictureFacts)["encoder"], open_pictures(store, recipe)
    for key in ("weights_sha256", "dim"):
        if there.get(key) != encoder.identity[key]:
            raise ConflictError(
                f"the pictures of {store.url} were encoded with {key} {there.get(key)}, but here it is "
                f"{encoder.identity[key]}: new vectors would lie in another space. Use the same model."
            )
    return encoder


@lru_cache(maxsize=1)
def _tower(spec: ClipPicturesSpec, weights: str) -> ImageTower:
    """Load a tower once per process; other weights in the same place are another tower."""
    return spec.load()


def _trained(spec: DenoisingSpec, recipe: Recipe, store: Store, names: list[str]) -> Progress:
    """Train, going on from the checkpoint of the same recipe and images, if there is one."""
    key = hashlib.sha256(canonical({"spec": spec.model_dump(mode="json"), "names": names})).hexdigest()
    begun = _checkpoint(store, key)
    if begun and begun.epoch >= spec.epochs:
        return begun
    image = recipe.record.image
    assert image
    size = spec.width, spec.height
    pictures = np.array([grey_picture(locate(image.folder, name), size) for name in names], np.uint8)
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
    tensors = read_tensors(data, f"{store.url}/{CHECKPOINT}")
    losses = tuple(float(loss) for loss in tensors.pop("losses"))
    return Progress(len(losses), losses, tensors)
