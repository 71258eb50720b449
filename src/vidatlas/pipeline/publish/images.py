"""Images of an atlas: the model that encodes them, one vector per image, and their search index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from vidatlas.clustering.kmeans import sample_rows
from vidatlas.encoders.images.autoencoder import Denoiser, DenoisingSpec, train
from vidatlas.encoders.images.clip import ClipPicturesSpec
from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.embed.encoder import refuse_other
from vidatlas.pipeline.publish.index import Block, Vectors, numbered, open_index, put_block, trained, write_index
from vidatlas.pipeline.stage import Steps
from vidatlas.recipe import Recipe, canonical
from vidatlas.search_index import SearchIndex, unit
from vidatlas.sources.images import UnreadablePictureError, grey_picture, locate
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import TrainedPictures
from vidatlas.storage.manifest import EncoderIdentity, PictureFacts, Training
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.storage.tables import SealedShard, matrix, read_embeddings
from vidatlas.storage.training import SavedTraining
from vidatlas.threads import one_thread
from vidatlas.types import Floats

if TYPE_CHECKING:
    from vidatlas.encoders.images.tower import ImageTower

    PictureEncoder = Denoiser | ImageTower

MODEL = "model/pictures.safetensors"
TRAINED = "model/pictures.json"
"""What the model was trained on, and how it went: training is not repeated for the same."""
_ROWS = 256
"""Images in memory at once: those of a shard may be more than it holds."""


def make_pictures(
    recipe: Recipe, store: Store, shards: list[SealedShard], steps: Steps
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
    names = list(steps.run.runner.map(partial(_names, store), shards))
    flat = [name for found in names for name in found if name]
    if not flat:
        raise UsageError(f"no record of {store.url} has an image in column {recipe.record.image.column!r}.")
    files, learned = learn_pictures(recipe, store, flat)
    encode, runner = partial(_encode_shard, store, recipe), steps.of("encoding images", "shards")
    sums, positions, identities, first = [], [], [], 0
    encoded: Files = {}
    for found, summed, present, identity in runner.map(encode, shards, gpus=isinstance(spec, ClipPicturesSpec)):
        encoded |= found
        sums.append(summed)
        positions.append(first + np.flatnonzero(present))
        identities.append(identity)
        first += len(present)
    facts = cast(PictureFacts, {"pictures": len(flat), "encoder": _one_of(identities), **learned})
    mean = (np.sum(sums, axis=0) / len(flat)).astype(np.float32)
    pictured = [(shard, encoded[layout.pictures(shard)]) for shard, _ in shards]
    blocks = numbered(pictured, [len(found) for found in positions])
    rows = Vectors(steps.run.runner, blocks, partial(_centred, store, mean), len(mean))
    index = trained(recipe.publish.index, rows)
    runner = steps.of("indexing images")
    cells = list(runner.map(partial(_index_block, store, rows.read, index), blocks))
    files |= encoded | write_index(store, layout.PICTURE_INDEX, index, cells)
    tensors = {"mean": mean, "positions": np.concatenate(positions)}
    files |= store.put("model/pictures.index.safetensors", bytes(save_tensors(tensors)))
    return files | store.put(layout.PICTURE_FACTS, to_json({**facts, "probes": max(1, index.lists // 8)})), facts


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
) -> tuple[Files, NDArray[np.float64], NDArray[np.bool_], EncoderIdentity]:
    """Write the vectors of a shard's images; return their file, sum, which rows have one, and the encoder."""
    table = read_embeddings(store, *shard, ["id", "image"])
    names = table["image"].to_pylist()
    present = np.array([bool(name) for name in names], bool)
    encoder, image = open_pictures(store, recipe), recipe.record.image
    assert image
    vectors = _encode(encoder, image.folder, [name for name in names if name])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    kept = pa.table({"id": table["id"].filter(pa.array(present)), "vector": lists})
    identity = cast(EncoderIdentity, encoder.identity)
    return store.put_table(layout.pictures(shard[0]), kept), vectors.sum(axis=0, dtype=np.float64), present, identity


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


def _centred(store: Store, mean: Floats, shard: SealedShard) -> Floats:
    """Return the unit vectors of a shard's images around the mean of all."""
    name, facts = shard
    return unit(matrix(store.table(layout.pictures(name), facts, ["vector"])["vector"]) - mean)


def _index_block(
    store: Store, read: Callable[[SealedShard], Floats], index: SearchIndex, block: Block
) -> NDArray[np.int64]:
    return put_block(store, layout.PICTURE_INDEX, index, block, (read(shard) for shard, _ in block.shards))


class PictureSearch:
    """Find pictures that look alike."""

    def __init__(self, store: Store, recipe: Recipe) -> None:
        files = store.stage("publish")["files"]
        if layout.PICTURE_INDEX not in files:
            raise UsageError(f"{store.url} has no pictures to compare: its recipe has no publish.pictures.")
        self._store, self._recipe = store, recipe
        self._facts = facts = store.read_json(layout.PICTURE_FACTS, PictureFacts)
        tensors = store.tensors("model/pictures.index.safetensors")
        self._mean, self.positions = tensors["mean"], tensors["positions"]
        self._index = open_index(store, layout.PICTURE_INDEX, facts, len(self.positions), len(self._mean))

    @cached_property
    def _encoder(self) -> PictureEncoder:
        encoder = open_pictures(self._store, self._recipe)
        refuse_other(f"the pictures of {self._store.url} were encoded", self._facts["encoder"], encoder)
        return encoder

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


def learn_pictures(recipe: Recipe, store: Store, names: list[str]) -> tuple[Files, Training]:
    """Train the encoder that a recipe names, if it is one that learns; return its files and how it went.

    Args:
        recipe: with ``publish.pictures`` and ``record.image``.
        store: of the atlas; holds the model if it was trained before, or the state of an interrupted training.
        names: of all images.
    """
    spec = recipe.publish.pictures
    if not isinstance(spec, DenoisingSpec):
        return {}, {}
    chosen = [names[row] for row in sample_rows(len(names), min(spec.pictures, len(names)), spec.seed)]
    made_of = hashlib.sha256(canonical({"spec": spec.model_dump(mode="json"), "names": chosen})).hexdigest()
    trained = store.read_json_if_valid(TRAINED, TrainedPictures)
    there = store.entry(MODEL) if store.folder.size(MODEL) is not None else {}
    if trained is None or (trained["made_of"], trained["files"]) != (made_of, there):
        trained = _train(spec, recipe, store, chosen, made_of)
    return trained["files"], {"learned_from": trained["learned_from"], "losses": trained["losses"]}


def _train(spec: DenoisingSpec, recipe: Recipe, store: Store, names: list[str], made_of: str) -> TrainedPictures:
    """Train on the images of these names and store the model; return what ``TRAINED`` says of it."""
    state, image = SavedTraining(store, "pictures", made_of), recipe.record.image
    assert image
    size = spec.width, spec.height
    pictures = np.array([grey_picture(locate(image.folder, name), size) for name in names], np.uint8)
    weights, losses = train(pictures, spec, state)
    files = store.put(MODEL, bytes(save_tensors(weights)))
    trained: TrainedPictures = {"made_of": made_of, "files": files, "learned_from": len(names), "losses": list(losses)}
    # It comes last: where it is, the model is too.
    store.put(TRAINED, to_json(trained))
    state.delete()
    return trained


def open_pictures(store: Store, recipe: Recipe) -> PictureEncoder:
    """Return the encoder of an atlas's pictures: the one that was trained, or the checkpoint that the recipe names."""
    spec = recipe.publish.pictures
    assert spec
    if isinstance(spec, ClipPicturesSpec):
        return _tower(spec, spec.find().weights_sha256)
    return Denoiser(spec, store.read(MODEL), f"{store.url}/{MODEL}")


@lru_cache(maxsize=1)
def _tower(spec: ClipPicturesSpec, weights: str) -> ImageTower:
    """Load a tower once per process; other weights in the same place are another tower."""
    return spec.load()
