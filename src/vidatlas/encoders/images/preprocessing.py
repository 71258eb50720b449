"""Preprocessing of images for a CLIP checkpoint, according to its ``preprocessor_config.json``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from vidatlas.encoders.transformer.checkpoint import Checkpoint
from vidatlas.errors import UsageError

Channels = tuple[float, float, float]
_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
_STD: Channels = (0.26862954, 0.26130258, 0.27577711)
"""Those of CLIP's own training images (Radford et al., 2021), for a checkpoint without them."""
_BICUBIC = 3
_FILE = "preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class Preparation:
    """Describe an image's preprocessing: scale, crop, and normalise RGB in [0, 1] by mean and std."""

    edge: int
    """Pixels of the shorter side after scaling."""
    side: int
    """Pixels of the centre crop, a square."""
    mean: Channels = _MEAN
    std: Channels = _STD


class _Config(BaseModel, frozen=True, extra="ignore"):
    """The keys of the file that matter; older files hold plain numbers as sizes."""

    size: int | Annotated[dict[Literal["shortest_edge"], int], Field(min_length=1)]
    crop_size: int | dict[Literal["height", "width"], int]
    do_resize: bool = True
    do_center_crop: bool = True
    do_rescale: bool = True
    do_normalize: bool = True
    resample: int = _BICUBIC
    rescale_factor: float = 1 / 255
    image_mean: Channels = _MEAN
    image_std: Channels = _STD

    def usual(self) -> bool:
        """Return whether the preprocessing is exactly CLIP's."""
        steps = self.do_resize and self.do_center_crop and self.do_rescale and self.do_normalize
        return steps and self.resample == _BICUBIC and math.isclose(self.rescale_factor, 1 / 255, rel_tol=1e-6)


def read_preparation(checkpoint: Checkpoint, side: int) -> Preparation:
    """Return the preprocessing of images for a tower that takes ``side`` pixels; CLIP's own where there is no file.

    Raises:
        UsageError: the file cannot be read, or requires other preprocessing than CLIP's.
    """
    file = checkpoint.path / _FILE
    if not file.exists():
        return Preparation(side, side)
    try:
        found = _Config.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UsageError(f"model {checkpoint.model}: cannot read {file} ({first}). Choose another.") from error
    edge = found.size if isinstance(found.size, int) else found.size["shortest_edge"]
    square = found.crop_size in (side, {"height": side, "width": side})
    if not found.usual() or not square or edge < side or min(found.image_std) <= 0:
        raise UsageError(
            f"model {checkpoint.model}: {_FILE} requires other image preprocessing than CLIP's "
            f"(bicubic, centre crop of {side} x {side} pixels, normalised). Choose a CLIP checkpoint."
        )
    return Preparation(edge, side, found.image_mean, found.image_std)
