"""CLIP's image tower: its settings, and how it turns images into vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidatlas.encoders.images.preprocessing import read_preparation
from vidatlas.encoders.transformer.checkpoint import Checkpoint, open_checkpoint
from vidatlas.encoders.transformer.device import Dtype, choose_device, choose_dtype, environment
from vidatlas.encoders.transformer.loading import load_model
from vidatlas.errors import UnavailableError
from vidatlas.sources.images import Pictures, colour_picture
from vidatlas.types import Floats, Json


class ImageTower:
    """Encode images with a CLIP checkpoint, on one CPU thread or a GPU.

    Args:
        checkpoint: a checkpoint with an image tower and its projection.
        dtype: precision of weights and states.
        batch: images per batch.

    Raises:
        UsageError: the checkpoint has no image tower, or needs other preprocessing than CLIP's.
    """

    def __init__(self, checkpoint: Checkpoint, dtype: Dtype, batch: int) -> None:
        from transformers import CLIPVisionModelWithProjection

        self._device, self._batch = choose_device(), batch
        chosen = choose_dtype(dtype, self._device)
        self._dtype: torch.dtype = getattr(torch, chosen)
        self._model = load_model(CLIPVisionModelWithProjection, checkpoint, self._device, chosen)
        self._preparation = read_preparation(checkpoint, int(self._model.config.image_size))
        self._mean, self._std = (
            torch.tensor(values, device=self._device)[:, None, None]
            for values in (self._preparation.mean, self._preparation.std)
        )
        self.dim = int(self._model.config.projection_dim)
        self.identity: Json = {
            "model": checkpoint.model,
            "revision": checkpoint.revision,
            "weights_sha256": checkpoint.weights_sha256,
            "dim": self.dim,
            **environment(self._device, chosen, 1),
        }

    def read(self, path: Path) -> Pictures:
        """Return an image, preprocessed for the tower, uint8 [side, side, 3].

        Raises:
            UnreadablePictureError: the file is not a usable image.
        """
        return colour_picture(path, self._preparation.edge, self._preparation.side)

    def encode(self, pictures: Pictures) -> Floats:
        """Return CLIP features float32 [n, dim] of images uint8 [n, side, side, 3].

        Raises:
            UnavailableError: the device runs out of memory.
        """
        found = [np.empty((0, self.dim), np.float32)]
        try:
            with torch.inference_mode():
                for at in range(0, len(pictures), self._batch):
                    pixels = self._pixels(pictures[at : at + self._batch])
                    found.append(self._model(pixel_values=pixels).image_embeds.float().cpu().numpy())
        except torch.OutOfMemoryError as error:
            raise UnavailableError(
                f"the device has no memory for {self._batch} images at a time. Set a smaller publish.pictures.batch."
            ) from error
        return np.concatenate(found)

    def _pixels(self, pictures: Pictures) -> torch.Tensor:
        scaled = torch.tensor(pictures, device=self._device).permute(0, 3, 1, 2).float() / 255
        return ((scaled - self._mean) / self._std).to(self._dtype)


_MODEL = "openai/clip-vit-large-patch14"
_REVISION = "32bd64288804d66eefd0ccbe215aa642df71cc41"


class ClipPicturesSpec(BaseModel):
    """Choose a CLIP checkpoint whose image tower encodes images; nothing is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["clip"] = "clip"
    model: str = _MODEL
    """A local checkpoint folder or a hub id; safetensors only."""
    revision: str | None = None
    """Revision on the hub; the default model's is fixed."""
    dtype: Dtype = "auto"
    batch: Annotated[int, Field(ge=1, le=4096)] = 32
    """Images per batch."""

    @model_validator(mode="before")
    @classmethod
    def _fixed(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("model", _MODEL) == _MODEL:
            return {"revision": _REVISION, **data}
        return data

    def find(self) -> Checkpoint:
        """Return the CLIP checkpoint, downloaded if necessary; load nothing.

        Raises:
            UsageError: it is missing, or not plain data.
            UnavailableError: it is not on this machine, and the hub cannot be reached.
        """
        return open_checkpoint(self.model, self.revision, "publish.pictures.model")

    def load(self) -> ImageTower:
        """Load CLIP's image tower and its projection onto this process's device."""
        return ImageTower(self.find(), self.dtype, self.batch)
