"""Batches of sequences of equal length for a model's own forward pass: no padding, each distinct sequence once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from vidatlas.encoders.transformer.distinct import Index, Sequences
from vidatlas.encoders.transformer.feeding import Feed
from vidatlas.types import EncodeStats

Forward = Callable[[torch.Tensor], torch.Tensor]
"""Token ids [batch, length] on the device -> vectors [batch, dim] there."""


def equal_length(sequences: Sequences, budget: int) -> Iterator[Index]:
    """Yield batches of sequences of equal length, of at most ``budget`` tokens; more only for a single sequence."""
    order = np.argsort(sequences.lengths, kind="stable")
    lengths = sequences.lengths[order]
    values, starts = np.unique(lengths, return_index=True)
    for length, rows in zip(values, np.split(order, starts[1:]), strict=True):
        size = max(1, budget // max(int(length), 1))
        yield from (rows[at : at + size] for at in range(0, len(rows), size))


class PlainEngine:
    """Compute vectors batch by batch with a model's own forward pass, and pooling or projection of its states."""

    name = "plain"

    def __init__(self, forward: Forward, feed: Feed) -> None:
        self._forward, self._feed = forward, feed

    def launch(self, sequences: Sequences, budget: int, stats: EncodeStats) -> torch.Tensor:
        """Return vectors [sequences, dim] on the device, computed in batches of at most ``budget`` tokens."""
        batches = list(equal_length(sequences, budget))
        with torch.inference_mode():
            vectors = torch.cat([self._forward(self._feed.upload(self._ids(sequences, rows))) for rows in batches])
            place = np.empty(len(sequences.lengths), np.int64)
            place[np.concatenate(batches)] = np.arange(len(place))
            stats.nodes += int(sequences.lengths.sum())
            return vectors[self._feed.upload(place)]

    def _ids(self, sequences: Sequences, rows: Index) -> Index:
        return sequences.tokens[rows, : sequences.lengths[rows[0]]]
