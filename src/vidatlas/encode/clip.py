"""CLIP's text tower as an encoder: raw projected features, as the model returns them (Radford et al., 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from vidatlas.encode.checkpoint import open_checkpoint
from vidatlas.encode.device import Dtype
from vidatlas.encode.inspection import Inspection, inspect_checkpoint
from vidatlas.encode.transformer import TransformerEncoder, load_model, load_tokenizer, place

if TYPE_CHECKING:
    import torch


class ClipSpec(BaseModel):
    """Choose a CLIP checkpoint and how it is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["clip"] = "clip"
    model: str
    """A local checkpoint folder or a hub id; safetensors only."""
    revision: str | None = None
    dtype: Dtype = "auto"
    batch_tokens: Annotated[int, Field(ge=1)] = 4096
    """Most tokens in one forward pass."""

    def inspect(self) -> Inspection:
        """Return width and cost from the checkpoint's files alone."""
        return inspect_checkpoint(self.model, self.revision, "projection_dim", ("embedding", "vision", "visual"))

    def load(self, threads: int) -> TransformerEncoder:
        """Load the text tower and its projection onto this process's device."""
        from transformers import CLIPTextModelWithProjection

        checkpoint = open_checkpoint(self.model, self.revision)
        placement = place(self.dtype, threads)
        model = load_model(CLIPTextModelWithProjection, checkpoint, placement)

        def forward(ids: torch.Tensor) -> torch.Tensor:
            return cast("torch.Tensor", model(input_ids=ids).text_embeds)

        return TransformerEncoder(
            checkpoint=checkpoint,
            tokenizer=load_tokenizer(checkpoint, model.config.max_position_embeddings),
            forward=forward,
            dim=int(model.config.projection_dim),
            placement=placement,
            batch_tokens=self.batch_tokens,
        )
