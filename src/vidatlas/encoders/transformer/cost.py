"""The cost of a checkpoint (width, FLOPs per token), from its files alone: without torch or loading weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from vidatlas.encoders.transformer.checkpoint import Checkpoint, open_checkpoint
from vidatlas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Inspection:
    """Hold a model's name, width and cost.

    Attributes:
        model: name, with its revision.
        dim: dimensions of its vectors.
        flops_per_token: floating-point operations of a forward pass per token; None without a model.
        count_tokens: returns the number of tokens of some texts.
        weights_sha256: hash of the weights; None if there are none.
    """

    model: str
    dim: int
    flops_per_token: float | None
    count_tokens: Callable[[list[str]], int]
    weights_sha256: str | None = None


def inspect_checkpoint(model: str, revision: str | None, dim: str, skip: tuple[str, ...]) -> Inspection:
    """Return the width of a vector, under the key ``dim`` of the configuration, and the cost of a checkpoint.

    Weights whose name contains one of ``skip`` do not take part in encoding a token.
    """
    checkpoint = open_checkpoint(model, revision)
    config = checkpoint.config
    width = config.get(dim) or config.get("text_config", {}).get(dim)
    name = f"{model} at {checkpoint.revision[:12]}" if checkpoint.revision else model
    cost = 2.0 * _parameters(checkpoint, skip)
    return Inspection(name, int(width), cost, lambda texts: _count(checkpoint, texts), checkpoint.weights_sha256)


def _parameters(checkpoint: Checkpoint, skip: tuple[str, ...]) -> int:
    """Count the weights that multiply every token: matrices, without embedding tables."""
    from safetensors import SafetensorError, safe_open

    total = 0
    for file in checkpoint.path.glob("*.safetensors"):
        try:
            with safe_open(str(file), framework="numpy") as weights:
                shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise UsageError(
                f"model {checkpoint.model} cannot be loaded: {error}. Download it again or choose another."
            ) from error
        total += sum(
            prod(shape) for name, shape in shapes.items() if len(shape) == 2 and not any(part in name for part in skip)
        )
    return total


def about_tokens(texts: list[str]) -> int:
    """Estimate the number of tokens of some texts without a tokenizer."""
    return sum(len(text) // 4 + 2 for text in texts)


def _count(checkpoint: Checkpoint, texts: list[str]) -> int:
    from tokenizers import Tokenizer

    path = checkpoint.path / "tokenizer.json"
    if not path.exists():
        return about_tokens(texts)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    return sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts))
