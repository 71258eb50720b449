"""Sentence encoders (MiniLM, E5, …): transformers' forward pass, then the checkpoint's pooling and normalisation.

A sentence-transformers checkpoint (Reimers and Gurevych, 2019) declares both in ``modules.json`` and
``1_Pooling/config.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from vidatlas.encoders.languages import Languages, languages_of
from vidatlas.encoders.transformer.budget import BatchTokens
from vidatlas.encoders.transformer.checkpoint import Checkpoint, open_checkpoint
from vidatlas.encoders.transformer.cost import Inspection, inspect_checkpoint
from vidatlas.encoders.transformer.device import Dtype
from vidatlas.errors import UsageError

if TYPE_CHECKING:
    import torch

    from vidatlas.encoders.transformer.loading import Placement
    from vidatlas.encoders.transformer.transformer import TransformerEncoder
    from vidatlas.encoders.transformer.tuning import LastLayers


MOST_ON_CPU = 4096


class SentenceSpec(BaseModel):
    """Choose a sentence-transformers checkpoint and how to run it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sentence"] = "sentence"
    model: str
    """A local checkpoint folder, a hub id, or packaged:all-MiniLM-L6-v2."""
    revision: str | None = None
    dtype: Dtype | Literal["int8"] = "auto"
    """int8 is for CPUs: about twice as fast, and vectors are less exact."""
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

        from vidatlas.encoders.transformer.batches import PlainEngine
        from vidatlas.encoders.transformer.feeding import Feed
        from vidatlas.encoders.transformer.int8 import open_int8
        from vidatlas.encoders.transformer.loading import load_tokenizer, place
        from vidatlas.encoders.transformer.transformer import Model, TransformerEncoder

        checkpoint, facts = open_checkpoint(self.model, self.revision), self.inspect()
        pooling, normalize, max_tokens = _declared(checkpoint.path, self.model)
        int8 = self.dtype == "int8"
        placement = place(
            "float32" if self.dtype == "int8" else self.dtype, threads, self.batch_tokens, facts.dim, MOST_ON_CPU
        )
        states = open_int8(checkpoint, placement) if int8 else _open_states(checkpoint, placement)

        def forward(ids: torch.Tensor) -> torch.Tensor:
            hidden = states(ids)
            pooled = hidden[:, 0] if pooling == "cls" else hidden.mean(dim=1)
            return torch.nn.functional.normalize(pooled, dim=1) if normalize else pooled

        feed = Feed(placement.device)
        tokenizer = load_tokenizer(checkpoint, max_tokens or checkpoint.config.get("max_position_embeddings", 512))
        # The peak that is measured is that of products in torch.
        described = Model(checkpoint, facts.dim, facts.dim, 0.0 if int8 else facts.flops_per_token or 0.0)
        placement = replace(placement, dtype="int8") if int8 else placement
        return TransformerEncoder(described, tokenizer, PlainEngine(forward, feed), feed, placement)

    def last_layers(self, layers: int, texts: list[str]) -> LastLayers:
        """Load the encoder's last layers, to be tuned on some texts.

        Raises:
            UsageError: it has fewer layers, layers that cannot be run alone, or is quantised.
        """
        if self.dtype == "int8":
            raise UsageError("reduce.probe.tune cannot train an encoder in int8. Choose --set encoder.dtype=auto.")
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


def _open_states(checkpoint: Checkpoint, placement: Placement) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what computes the hidden states [texts, tokens, width] of token ids [texts, tokens]."""
    import torch
    from transformers import AutoModel

    from vidatlas.encoders.transformer.loading import load_model

    # Sums in float32, products in the chosen precision: as fast as all in low precision, and vectors are three times
    # as close to those of float32 (benchmarks.sentence).
    model = load_model(AutoModel, checkpoint, placement.device, "float32")
    dtype = getattr(torch, placement.dtype)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.to(dtype)  # as autocast does, which would cast them again for each batch

    def states(ids: torch.Tensor) -> torch.Tensor:
        with torch.autocast(placement.device, dtype, enabled=dtype != torch.float32):
            hidden: torch.Tensor = model(input_ids=ids).last_hidden_state.float()
        return hidden

    return states


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
