"""The transformer encoder: tokenise, compute each distinct sequence once on one device, fetch the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import OutOfMemoryError

from vidatlas.encoders.transformer.budget import Budget
from vidatlas.encoders.transformer.checkpoint import Checkpoint
from vidatlas.encoders.transformer.device import device_name, environment, product_speed
from vidatlas.encoders.transformer.distinct import Sequences, sort_distinct
from vidatlas.encoders.transformer.feeding import Feed, Span
from vidatlas.encoders.transformer.loading import Placement, Tokenizer
from vidatlas.types import EncodeStats, Floats, Json


class Engine(Protocol):
    """A transformer on a device, and the order in which it computes."""

    name: str

    def launch(self, sequences: Sequences, budget: int, stats: EncodeStats) -> torch.Tensor:
        """Return vectors [sequences, dim] on the device, which may still be computing them."""


@dataclass(frozen=True, slots=True)
class Model:
    """Describe a transformer: its checkpoint, the widths of its vectors and states, and its cost per row of states.

    ``flops`` counts the matrix products with weights for one row of hidden states.
    """

    checkpoint: Checkpoint
    dim: int
    width: int
    flops: float


class TransformerEncoder:
    """Encode texts with a transformer: tokenise, compute each distinct sequence once, float32 out.

    Several threads may encode at once: while one's shard is on the device, another tokenises the next or fetches the
    previous one.
    """

    def __init__(self, model: Model, tokenizer: Tokenizer, engine: Engine, feed: Feed, placement: Placement) -> None:
        self._model, self.tokenizer, self._engine, self._feed = model, tokenizer, engine, feed
        self._placement, self._budget = placement, Budget(placement.batch_tokens)
        self.dim, self.flops_per_node = model.dim, model.flops
        self.hardware = device_name(placement.device)
        self.identity: Json = {
            "model": model.checkpoint.model,
            "revision": model.checkpoint.revision,
            "weights_sha256": model.checkpoint.weights_sha256,
            "dim": model.dim,
            "engine": engine.name,
            **environment(placement.device, placement.dtype, placement.threads),
        }

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim].

        Raises:
            UnavailableError: the device runs out of memory even with half its token budget.
        """
        if not texts:
            return np.empty((0, self.dim), np.float32)
        sequences, place = sort_distinct(self.tokenizer(texts))
        vectors = self._compute(sequences, stats)
        stats.texts += len(texts)
        stats.distinct += len(sequences.lengths)
        stats.tokens += int(sequences.lengths.sum())
        return vectors[place]

    def _compute(self, sequences: Sequences, stats: EncodeStats) -> Floats:
        spans: list[Span] = []
        while True:
            counted, tokens = EncodeStats(), self._budget.tokens
            try:
                with self._feed.turn(spans):
                    computed = self._engine.launch(sequences, tokens, counted)
                vectors = self._feed.fetch(computed)
                break
            except OutOfMemoryError as error:
                self._budget.halve(tokens, self.hardware, error)
            self._feed.release()
        self._feed.add_times(spans, stats)
        stats.nodes += counted.nodes
        stats.batch_tokens = tokens
        return vectors

    def limit(self) -> float:
        """Measure peak GEMM throughput (FLOP/s) on this device, for this transformer's shape."""
        return product_speed(self._placement.device, self._placement.dtype, self._model.width)
