"""What every transformer encoder shares: safe loading, tokenising in bulk, equal-length batches on one device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vidatlas.encode.batches import Ids, encode_sequences
from vidatlas.encode.checkpoint import Checkpoint
from vidatlas.encode.device import Dtype, choose_device, choose_dtype, device_name, environment, product_speed
from vidatlas.types import EncodeStats, Floats, Json, UsageError

if TYPE_CHECKING:
    import torch

Tokenizer = Callable[[list[str]], list[list[int]]]
Compute = Callable[[list[list[int]], EncodeStats], Floats]
"""Token sequences -> float32 [sequences, dim], in their order."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Say where a model runs."""

    device: str
    dtype: str
    threads: int


@dataclass
class TransformerEncoder:
    """Encode texts with a transformer: tokenise, batch by equal length, forward, float32 out."""

    checkpoint: Checkpoint
    tokenizer: Tokenizer
    compute: Compute
    dim: int
    placement: Placement
    engine: str
    width: int
    """Of the model's hidden states."""
    flops_per_node: float
    identity: Json = field(init=False)
    """What must be equal for two workers to compute the same vectors."""

    def __post_init__(self) -> None:
        self.identity = {
            "model": self.checkpoint.model,
            "revision": self.checkpoint.revision,
            "weights_sha256": self.checkpoint.weights_sha256,
            "dim": self.dim,
            "engine": self.engine,
            **environment(self.placement.device, self.placement.dtype, self.placement.threads),
        }

    @property
    def hardware(self) -> str:
        """Return the name of the device this encoder runs on."""
        return device_name(self.placement.device)

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        sequences = self.tokenizer(texts)
        started = time.perf_counter()
        vectors = self.compute(sequences, stats)
        stats.seconds += time.perf_counter() - started
        return vectors

    def limit(self) -> float:
        """Measure the FLOP/s of this encoder's device in a matrix product of its model's shape."""
        return product_speed(self.placement.device, self.placement.dtype, self.width)


def place(wanted: Dtype, threads: int) -> Placement:
    """Choose device and precision for this process, and bind it to ``threads`` CPU threads."""
    import torch

    torch.set_num_threads(threads)
    device = choose_device()
    return Placement(device, choose_dtype(wanted, device), threads)


def plain(
    forward: Callable[[torch.Tensor], torch.Tensor], dim: int, placement: Placement, batch_tokens: int
) -> Compute:
    """Return a model's own forward over batches of equal length.

    Args:
        forward: token ids [batch, length] on the device -> vectors [batch, dim].
        dim: of the vectors.
        placement: where it runs.
        batch_tokens: most tokens of a batch.
    """
    import torch

    def run(ids: Ids) -> Floats:
        vectors = forward(torch.from_numpy(ids).to(placement.device))
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    def compute(sequences: list[list[int]], stats: EncodeStats) -> Floats:
        with torch.inference_mode():
            return encode_sequences(sequences, run, dim, batch_tokens, stats)

    return compute


def load_model(kind: Any, checkpoint: Checkpoint, placement: Placement) -> Any:
    """Load a transformers model from safetensors, complete or not at all, ready for inference.

    Raises:
        UsageError: weights are missing, cut off, or of another architecture.
    """
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    dtype = getattr(torch, placement.dtype)
    source = str(checkpoint.path)
    try:
        model, info = kind.from_pretrained(
            source, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(
            f"model {checkpoint.model} cannot be loaded: {first}. Download it again or choose another."
        ) from error
    missing = sorted(name for name in info["missing_keys"] if not name.endswith("position_ids"))
    if missing:
        raise UsageError(
            f"model {checkpoint.model} lacks {len(missing)} weights "
            f"({missing[0]}, …) of a {kind.__name__}. Choose another."
        )
    return model.eval().to(placement.device)


def load_tokenizer(checkpoint: Checkpoint, max_tokens: int) -> Tokenizer:
    """Load the checkpoint's tokenizer; texts are cut at ``max_tokens`` tokens, special ones included."""
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(str(checkpoint.path), local_files_only=True)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"model {checkpoint.model} has no usable tokenizer ({error}). Choose a complete checkpoint."
        ) from error
    backend = loaded.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_tokens)

    def tokenize(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in backend.encode_batch_fast(texts)]

    return tokenize
