"""CLIP's image tower: how it turns images into vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vidatlas.encoders.images.preprocessing import read_preparation
from vidatlas.encoders.transformer.checkpoint import Checkpoint
from vidatlas.encoders.transformer.device import Dtype, choose_device, choose_dtype, environment
from vidatlas.encoders.transformer.loading import load_model
from vidatlas.errors import UnavailableError
from vidatlas.sources.images import Pictures, colour_picture
from vidatlas.types import Floats, Json


class ImageTower:
    """Encode images with a CLIP checkpoint, ``batch`` at a time, on one CPU thread or a GPU.

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
