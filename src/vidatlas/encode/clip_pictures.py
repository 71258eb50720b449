"""CLIP's image tower as an encoder of pictures: raw projected features (Radford et al., 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidatlas.encode.checkpoint import Checkpoint, open_checkpoint
from vidatlas.encode.device import Dtype

if TYPE_CHECKING:
    from vidatlas.encode.image_tower import ImageTower

_MODEL = "openai/clip-vit-large-patch14"
_REVISION = "32bd64288804d66eefd0ccbe215aa642df71cc41"


class ClipPicturesSpec(BaseModel):
    """Choose a CLIP checkpoint whose image tower makes the vectors of pictures; nothing is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["clip"] = "clip"
    model: str = _MODEL
    """A local checkpoint folder or a hub id; safetensors only."""
    revision: str | None = None
    """Of the hub; the default model's is fixed."""
    dtype: Dtype = "auto"
    batch: Annotated[int, Field(ge=1, le=4096)] = 32
    """Pictures that are computed together."""

    @model_validator(mode="before")
    @classmethod
    def _fixed(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("model", _MODEL) == _MODEL:
            return {"revision": _REVISION, **data}
        return data

    def find(self) -> Checkpoint:
        """Return the checkpoint, fetched if need be; load nothing.

        Raises:
            UsageError: it is absent, or no plain data.
            UnavailableError: it is not here, and the hub cannot be reached.
        """
        return open_checkpoint(self.model, self.revision, "publish.pictures.model")

    def load(self) -> ImageTower:
        """Load the image tower and its projection onto this process's device."""
        from vidatlas.encode.image_tower import ImageTower

        return ImageTower(self.find(), self.dtype, self.batch)
