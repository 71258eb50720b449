"""Sentence encoders (MiniLM, E5, …): transformers' own forward, then the checkpoint's own pooling and normalisation.

A sentence-transformers checkpoint (Reimers and Gurevych, 2019) declares both in ``modules.json`` and
``1_Pooling/config.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vidatlas.encode.checkpoint import open_checkpoint
from vidatlas.encode.device import Dtype
from vidatlas.encode.inspection import Inspection, inspect_checkpoint
from vidatlas.encode.transformer import TransformerEncoder, load_model, load_tokenizer, place, plain
from vidatlas.types import UsageError

if TYPE_CHECKING:
    import torch


class SentenceSpec(BaseModel):
    """Choose a sentence-transformers checkpoint and how it is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sentence"] = "sentence"
    model: str
    """A local checkpoint folder, a hub id, or packaged:all-MiniLM-L6-v2."""
    revision: str | None = None
    dtype: Dtype = "auto"
    batch_tokens: Annotated[int, Field(ge=1)] = 4096
    """Most tokens in one forward pass."""

    def inspect(self) -> Inspection:
        """Return width and cost from the checkpoint's files alone."""
        return inspect_checkpoint(self.model, self.revision, "hidden_size", ("embedding", "pooler"))

    def load(self, threads: int) -> TransformerEncoder:
        """Load the model onto this process's device."""
        from transformers import AutoModel

        checkpoint = open_checkpoint(self.model, self.revision)
        pooling, normalize, max_tokens = _declared(checkpoint.path, self.model)
        placement = place(self.dtype, threads)
        model = load_model(AutoModel, checkpoint, placement)

        dim = int(model.config.hidden_size)

        def forward(ids: torch.Tensor) -> torch.Tensor:
            import torch

            hidden = model(input_ids=ids).last_hidden_state.float()
            pooled = hidden[:, 0] if pooling == "cls" else hidden.mean(dim=1)
            return torch.nn.functional.normalize(pooled, dim=1) if normalize else pooled

        return TransformerEncoder(
            checkpoint=checkpoint,
            tokenizer=load_tokenizer(checkpoint, max_tokens or model.config.max_position_embeddings),
            compute=plain(forward, dim, placement, self.batch_tokens),
            dim=dim,
            placement=placement,
            engine="plain",
            width=dim,
            flops_per_node=self.inspect().flops_per_token or 0.0,
        )


def _declared(path: Path, model: str) -> tuple[str, bool, int | None]:
    """Return pooling ("mean" or "cls"), whether vectors are normalised, and the longest text in tokens."""
    modules = _read(path / "modules.json", model)
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    unknown = set(kinds) - {"Transformer", "Pooling", "Normalize"}
    if unknown:
        raise UsageError(
            f"model {model} has the layer {', '.join(sorted(unknown))}, which vidatlas does not run. Choose another."
        )
    pooling = _read(path / "1_Pooling" / "config.json", model)
    limits = _read(path / "sentence_bert_config.json", model)
    if pooling.get("pooling_mode_cls_token"):
        mode = "cls"
    elif pooling.get("pooling_mode_mean_tokens"):
        mode = "mean"
    else:
        raise UsageError(f"model {model} pools neither by mean nor by its first token. Choose another.")
    return mode, "Normalize" in kinds, limits.get("max_seq_length")


def _read(path: Path, model: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"model {model} is no sentence-transformers checkpoint: cannot read {path.name} ({error})."
        ) from error
