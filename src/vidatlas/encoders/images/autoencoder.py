"""A convolutional denoising auto-encoder: its latent code of an image is the image's vector.

Denoising auto-encoders are due to Vincent et al. (2008): noise is added to the input, and the loss compares the output
with the clean image.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from vidatlas.sources.images import Pictures, grey_picture
from vidatlas.storage.tensors import read_tensors
from vidatlas.storage.training import SavedTraining
from vidatlas.threads import one_thread
from vidatlas.types import Floats, Json

if TYPE_CHECKING:
    import torch


Tensors = dict[str, NDArray[Any]]
EVERY = 5
"""Epochs between two saves of the training state."""


class DenoisingSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the shape and training of the denoising auto-encoder."""

    kind: Literal["autoencoder"] = "autoencoder"
    width: Annotated[int, Field(ge=8, le=1024)] = 96
    height: Annotated[int, Field(ge=8, le=1024)] = 72
    channels: Annotated[tuple[int, ...], Field(min_length=1, max_length=6)] = (16, 32, 64)
    """Channels per layer; each layer halves width and height."""
    latent: Annotated[int, Field(ge=2, le=4096)] = 64
    noise: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Standard deviation of the noise added to the input, whose range is 1."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 30
    batch: Annotated[int, Field(ge=1)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    pictures: Annotated[int, Field(ge=1)] = 50_000
    """Most images to train on, sampled by seed."""
    seed: int = 0

    @model_validator(mode="after")
    def _halves(self) -> DenoisingSpec:
        step = 2 ** len(self.channels)
        if self.width % step or self.height % step:
            raise ValueError(f"width and height must be multiples of {step}: each layer halves them")
        return self


def train(pictures: Pictures, spec: DenoisingSpec, state: SavedTraining) -> tuple[Tensors, tuple[float, ...]]:
    """Train the auto-encoder on images uint8 [n, height, width], resuming if its state was saved.

    Return its weights, and the mean squared error of each epoch.
    """
    import torch  # before one_thread, which limits what is loaded

    torch.manual_seed(spec.seed)
    model = _network(spec)
    adam = torch.optim.Adam(model.parameters(), lr=spec.learning_rate)
    weights = {f"model.{name}": tensor for name, tensor in model.named_parameters()}
    saved = state.resume(weights, adam)
    losses: list[float] = saved["losses"].tolist() if saved else []
    with one_thread():
        for epoch in range(len(losses), spec.epochs):
            # Order and noise depend on the epoch alone, not on those before it.
            random = torch.Generator().manual_seed(spec.seed * 1_000_003 + epoch)
            total = 0.0
            for rows in torch.randperm(len(pictures), generator=random).split(spec.batch):
                clean = _scaled(pictures[rows.numpy()])
                noisy = clean + spec.noise * torch.randn(clean.shape, generator=random)
                adam.zero_grad()
                loss = torch.nn.functional.mse_loss(model(noisy), clean)
                loss.backward()
                adam.step()
                total += float(loss.detach()) * len(rows)
            losses.append(total / len(pictures))
            if (epoch + 1) % EVERY == 0 and epoch + 1 < spec.epochs:
                state.save(weights, adam, {"losses": losses})
    return {name: tensor.detach().numpy() for name, tensor in weights.items()}, tuple(losses)


def encode_pictures(pictures: Pictures, spec: DenoisingSpec, tensors: Tensors, rows: int = 256) -> Floats:
    """Return the auto-encoder's codes float32 [n, latent] of clean images uint8 [n, height, width]."""
    import torch

    model = _network(spec)
    model.load_state_dict({name: torch.from_numpy(tensors[f"model.{name}"].copy()) for name in model.state_dict()})
    found = [np.empty((0, spec.latent), np.float32)]
    with one_thread(), torch.inference_mode():
        for at in range(0, len(pictures), rows):
            found.append(model[0](_scaled(pictures[at : at + rows])).numpy())
    return np.concatenate(found)


class Denoiser:
    """Encode images with a trained auto-encoder, given its settings and the bytes of its safetensors file."""

    def __init__(self, spec: DenoisingSpec, weights: bytes, where: str) -> None:
        self._spec, self._tensors = spec, read_tensors(weights, where)
        self.dim = spec.latent
        digest = hashlib.sha256(weights).hexdigest()
        self.identity: Json = {"model": spec.kind, "weights_sha256": digest, "dim": spec.latent}

    def read(self, path: Path) -> Pictures:
        """Return an image in grey, uint8 [height, width].

        Raises:
            UnreadablePictureError: the file is not a usable image.
        """
        return grey_picture(path, (self._spec.width, self._spec.height))

    def encode(self, pictures: Pictures) -> Floats:
        """Return float32 [n, latent] for images uint8 [n, height, width]."""
        return encode_pictures(pictures, self._spec, self._tensors)


def _scaled(pictures: Pictures) -> torch.Tensor:
    import torch

    return torch.from_numpy(pictures.astype(np.float32) / 255)[:, None]


def _network(spec: DenoisingSpec) -> Any:
    """Return encoder and decoder as one module."""
    from torch import nn

    step = 2 ** len(spec.channels)
    high, wide = spec.height // step, spec.width // step
    down: list[nn.Module] = []
    up: list[nn.Module] = []
    for inside, outside in zip((1, *spec.channels[:-1]), spec.channels, strict=True):
        down += [nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.ReLU()]
        last = nn.Sigmoid() if inside == 1 else nn.ReLU()
        up = [nn.ConvTranspose2d(outside, inside, 3, stride=2, padding=1, output_padding=1), last, *up]
    flat = spec.channels[-1] * high * wide
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, spec.latent))
    shape = (spec.channels[-1], high, wide)
    decoder = nn.Sequential(nn.Linear(spec.latent, flat), nn.ReLU(), nn.Unflatten(1, shape), *up)
    return nn.Sequential(encoder, decoder)
