"""CLIP's text tower as an encoder: raw projected features, as the model returns them (Radford et al., 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from vidatlas.encode.checkpoint import open_checkpoint
from vidatlas.encode.device import Dtype
from vidatlas.encode.inspection import Inspection, inspect_checkpoint
from vidatlas.encode.transformer import (
    Compute,
    Placement,
    TransformerEncoder,
    load_model,
    load_tokenizer,
    place,
    plain,
)

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
    engine: Literal["tree", "plain"] = "tree"
    """tree: each distinct token prefix once; plain: transformers' own forward, batches of equal length."""
    batch_tokens: Annotated[int, Field(ge=1)] = 2048
    """Most nodes of one tree, or tokens of one batch."""

    def inspect(self) -> Inspection:
        """Return width and cost from the checkpoint's files alone."""
        return inspect_checkpoint(self.model, self.revision, "projection_dim", ("embedding", "vision", "visual"))

    def load(self, threads: int) -> TransformerEncoder:
        """Load the text tower and its projection onto this process's device."""
        from transformers import CLIPTextModelWithProjection

        checkpoint = open_checkpoint(self.model, self.revision)
        placement = place(self.dtype, threads)
        # The tree engine folds factors into the weights, which must happen before they are rounded.
        loaded = Placement("cpu", "float32", threads) if self.engine == "tree" else placement
        model = load_model(CLIPTextModelWithProjection, checkpoint, loaded)
        dim = int(model.config.projection_dim)
        return TransformerEncoder(
            checkpoint=checkpoint,
            tokenizer=load_tokenizer(checkpoint, model.config.max_position_embeddings),
            compute=self._compute(model, dim, placement),
            dim=dim,
            placement=placement,
            engine=self.engine,
            width=int(model.config.hidden_size),
            flops_per_node=self.inspect().flops_per_token or 0.0,
        )

    def _compute(self, model: Any, dim: int, placement: Placement) -> Compute:
        if self.engine == "tree":
            from vidatlas.encode.clip_tower import TreeTower

            return TreeTower(model, placement.device, placement.dtype, self.batch_tokens).encode

        def forward(ids: torch.Tensor) -> torch.Tensor:
            return cast("torch.Tensor", model(input_ids=ids).text_embeds)

        return plain(forward, dim, placement, self.batch_tokens)
