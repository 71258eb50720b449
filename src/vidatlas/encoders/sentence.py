"""Sentence encoders (MiniLM, E5, …): transformers' forward pass, then the checkpoint's pooling and normalisation.

A sentence-transformers checkpoint (Reimers and Gurevych, 2019) declares both in ``modules.json`` and
``1_Pooling/config.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from vidatlas.encoders.languages import Languages, languages_of
from vidatlas.encoders.transformer.budget import BatchTokens
from vidatlas.encoders.transformer.checkpoint import open_checkpoint
from vidatlas.encoders.transformer.cost import Inspection, inspect_checkpoint
from vidatlas.encoders.transformer.device import Dtype
from vidatlas.errors import UsageError

if TYPE_CHECKING:
    import torch

    from vidatlas.encoders.transformer.transformer import TransformerEncoder
    from vidatlas.encoders.transformer.tuning import LastLayers


MOST_ON_CPU = 4096


class SentenceSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose a sentence-transformers checkpoint and how to run it."""

    kind: Literal["sentence"] = "sentence"
    model: str
    """A local checkpoint folder, a hub id, or packaged:all-MiniLM-L6-v2."""
    revision: str | None = None
    dtype: Dtype = "auto"
    prefix: str = ""
    """Prepended to every text of a record; E5 needs "passage: "."""
    query_prefix: str = ""
    """Prepended to a search query; E5 needs "query: "."""
    batch_tokens: BatchTokens = "auto"
    """Most tokens in one forward pass; "auto" fits them to the device's memory and cache."""

    @property
    def languages(self) -> Languages:
        """Return which languages the model knows."""
        return languages_of(self.model)

    def inspect(self) -> Inspection:
        """Return the sentence encoder's width and cost, from the checkpoint's files alone."""
        return inspect_checkpoint(self.model, self.revision, "hidden_size", ("embedding", "pooler"))

    def load(self, threads: int) -> TransformerEncoder:
        """Load the sentence encoder onto this process's device."""
        import torch
        from transformers import AutoModel

        from vidatlas.encoders.transformer.batches import PlainEngine
        from vidatlas.encoders.transformer.feeding import Feed
        from vidatlas.encoders.transformer.loading import load_model, load_tokenizer, place
        from vidatlas.encoders.transformer.transformer import Model, TransformerEncoder

        checkpoint, facts = open_checkpoint(self.model, self.revision), self.inspect()
        pooling, normalize, max_tokens = _declared(checkpoint.path, self.model)
        placement = place(self.dtype, threads, self.batch_tokens, facts.dim, MOST_ON_CPU)
        # Sums in float32, products in the chosen precision: as fast as all in low precision, and vectors are three
        # times as close to those of float32 (benchmarks.sentence).
        model = load_model(AutoModel, checkpoint, placement.device, "float32")
        device, dtype = placement.device, getattr(torch, placement.dtype)
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                module.to(dtype)  # as autocast does, which would cast them again for each batch

        def forward(ids: torch.Tensor) -> torch.Tensor:
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                hidden = model(input_ids=ids).last_hidden_state.float()
            pooled = hidden[:, 0] if pooling == "cls" else hidden.mean(dim=1)
            return torch.nn.functional.normalize(pooled, dim=1) if normalize else pooled

        feed = Feed(placement.device)
        tokenizer = load_tokenizer(checkpoint, max_tokens or model.config.max_position_embeddings)
        described = Model(checkpoint, facts.dim, facts.dim, facts.flops_per_token or 0.0)
        return TransformerEncoder(described, tokenizer, PlainEngine(forward, feed), feed, placement)

    def last_layers(self, layers: int, texts: list[str]) -> LastLayers:
        """Load the encoder's last layers, to be tuned on some texts.

        Raises:
            UsageError: it has fewer layers, or layers that cannot be run alone.
        """
        import torch
        from transformers import AutoModel

        from vidatlas.encoders.transformer.device import choose_device, choose_dtype
        from vidatlas.encoders.transformer.loading import load_model, load_tokenizer
        from vidatlas.encoders.transformer.tuning import LastLayers

        checkpoint, device = open_checkpoint(self.model, self.revision), choose_device()
        pooling, normalize, max_tokens = _declared(checkpoint.path, self.model)
        model = load_model(AutoModel, checkpoint, device, "float32")
        tokenizer = load_tokenizer(checkpoint, max_tokens or model.config.max_position_embeddings)

        def pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            mean = (hidden * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            pooled = hidden[:, 0] if pooling == "cls" else mean
            return torch.nn.functional.normalize(pooled, dim=1) if normalize else pooled

        tokens = tokenizer([self.prefix + text for text in texts])
        return LastLayers(model, layers, tokens, pool, choose_dtype(self.dtype, device))


def _declared(path: Path, model: str) -> tuple[str, bool, int | None]:
    """Return pooling ("mean" or "cls"), whether vectors are normalised, and the longest text in tokens."""
    modules = _read(path / "modules.json", model)
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    unknown = set(kinds) - {"Transformer", "Pooling", "Normalize"}
    if unknown:
        raise UsageError(
            f"model {model} has the layer {', '.join(sorted(unknown))}, which is not supported. Choose another."
        )
    pooling = _read(path / "1_Pooling" / "config.json", model)
    limits = _read(path / "sentence_bert_config.json", model)
    if pooling.get("pooling_mode_cls_token"):
        mode = "cls"
    elif pooling.get("pooling_mode_mean_tokens"):
        mode = "mean"
    else:
        raise UsageError(f"model {model} uses neither mean nor CLS pooling. Choose another.")
    return mode, "Normalize" in kinds, limits.get("max_seq_length")


def _read(path: Path, model: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"model {model} is not a sentence-transformers checkpoint: cannot read {path.name} ({error}). "
            "Choose another."
        ) from error
