"""CLIP as an image encoder: its settings; the tower itself is loaded with torch, which recipes do without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from vidatlas.encoders.transformer.checkpoint import Checkpoint, open_checkpoint
from vidatlas.encoders.transformer.device import Dtype

if TYPE_CHECKING:
    from vidatlas.encoders.images.tower import ImageTower

_MODEL = "openai/clip-vit-large-patch14"
_REVISION = "32bd64288804d66eefd0ccbe215aa642df71cc41"


class ClipPicturesSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose a CLIP checkpoint whose image tower encodes images; nothing is trained."""

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
        from vidatlas.encoders.images.tower import ImageTower

        return ImageTower(self.find(), self.dtype, self.batch)
