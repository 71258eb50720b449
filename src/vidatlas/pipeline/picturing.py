"""Open the encoder of an atlas's pictures: an auto-encoder that is trained on them first, or CLIP's image tower."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from safetensors.numpy import save as save_tensors

from vidatlas import store as layout
from vidatlas.encode.clip_pictures import ClipPicturesSpec
from vidatlas.encode.denoising import Denoiser, DenoisingSpec, Progress, train
from vidatlas.pictures import Pictures, grey_picture, locate
from vidatlas.recipe import Recipe, canonical
from vidatlas.reducers.kmeans import sample_rows
from vidatlas.store import Files, Store
from vidatlas.tensors import read_tensors
from vidatlas.threads import one_thread
from vidatlas.types import ConflictError, Floats, Json

if TYPE_CHECKING:
    from vidatlas.encode.image_tower import ImageTower

MODEL = "model/pictures.safetensors"
CHECKPOINT = "model/pictures-checkpoint.safetensors"
_EVERY = 5
"""Epochs between checkpoints."""


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


def learn_pictures(recipe: Recipe, store: Store, names: list[str]) -> tuple[Files, Json]:
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
    there, encoder = store.read_json(layout.PICTURE_FACTS).get("encoder", {}), open_pictures(store, recipe)
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
