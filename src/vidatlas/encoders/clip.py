"""CLIP's text tower as an encoder: projected features, not normalised (Radford et al., 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from vidatlas.encoders.languages import Languages, languages_of
from vidatlas.encoders.transformer.budget import BatchTokens
from vidatlas.encoders.transformer.checkpoint import open_checkpoint
from vidatlas.encoders.transformer.cost import Inspection, inspect_checkpoint
from vidatlas.encoders.transformer.device import Dtype

if TYPE_CHECKING:
    from vidatlas.encoders.transformer.transformer import TransformerEncoder


MOST_ON_CPU = 2048
"""Most nodes whose states still fit in a core's cache."""


class ClipSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose a CLIP checkpoint and how to run it."""

    kind: Literal["clip"] = "clip"
    model: str
    """A local checkpoint folder or a hub id; safetensors only."""
    revision: str | None = None
    dtype: Dtype = "auto"
    engine: Literal["tree", "plain"] = "tree"
    """tree: each distinct token prefix once; plain: transformers' own forward, batches of equal length."""
    batch_tokens: BatchTokens = "auto"
    """Most nodes of one tree, or tokens of one batch; "auto" fits them to the device's memory and cache."""

    @property
    def languages(self) -> Languages:
        """Return which languages the model knows."""
        return languages_of(self.model)

    def inspect(self) -> Inspection:
        """Return the CLIP encoder's width and cost, from the checkpoint's files alone."""
        return inspect_checkpoint(self.model, self.revision, "projection_dim", ("embedding", "vision", "visual"))

    def load(self, threads: int) -> TransformerEncoder:
        """Load the CLIP text tower and its projection onto this process's device."""
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection

        from vidatlas.encoders.prefix_tree.tower import TreeTower
        from vidatlas.encoders.transformer.batches import PlainEngine
        from vidatlas.encoders.transformer.feeding import Feed
        from vidatlas.encoders.transformer.loading import load_model, load_tokenizer, place
        from vidatlas.encoders.transformer.transformer import Engine, Model, TransformerEncoder

        checkpoint, facts = open_checkpoint(self.model, self.revision), self.inspect()
        width = int(CLIPTextConfig.from_pretrained(str(checkpoint.path), local_files_only=True).hidden_size)
        placement = place(self.dtype, threads, self.batch_tokens, width, MOST_ON_CPU)
        feed = Feed(placement.device)
        engine: Engine
        if self.engine == "tree":
            # The tree engine folds factors into the weights, which must happen before they are rounded.
            model = load_model(CLIPTextModelWithProjection, checkpoint, "cpu", "float32")
            engine = TreeTower(model, feed, placement.dtype)
        else:
            model = load_model(CLIPTextModelWithProjection, checkpoint, placement.device, placement.dtype)
            engine = PlainEngine(lambda ids: model(input_ids=ids).text_embeds, feed)
        tokenizer = load_tokenizer(checkpoint, model.config.max_position_embeddings, to_first_end=True)
        described = Model(checkpoint, facts.dim, width, facts.flops_per_token or 0.0)
        return TransformerEncoder(described, tokenizer, engine, feed, placement)
