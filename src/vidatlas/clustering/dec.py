"""Deep Embedded Clustering (DEC): soft labels, their target distribution, and the divergence between them.

Xie, Girshick and Farhadi, "Unsupervised Deep Embedding for Clustering Analysis" (ICML 2016), section 3.1: a Student-t
kernel (van der Maaten and Hinton, 2008) gives soft labels q; their squares, normalised by cluster size, are the target
p; the encoder and the centroids are trained to minimise KL(p || q).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.types import Floats


class DecSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose how DEC tunes the encoder, starting from k-means clusters (``reduce.clusters``)."""

    kind: Literal["dec"] = "dec"
    method: ClassVar[str] = "Deep Embedded Clustering, from k-means,"
    has_centres: ClassVar[bool] = True
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    batch_rows: Annotated[int, Field(ge=1)] = 256
    interval: Annotated[int, Field(ge=1)] = 140
    """Steps between two updates of the target."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Stop when fewer than this share of rows change cluster between two updates."""
    max_updates: Annotated[int, Field(ge=1)] = 100
    """Most updates of the target."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    """Updates between checkpoints, from which an interrupted run resumes."""


def soft_labels(codes: Floats, centroids: Floats) -> Floats:
    """Return q float32 [n, k]: how much each row belongs to each centroid, by a Student-t kernel of one degree."""
    squares = np.square(codes, dtype=np.float64).sum(axis=1)[:, None] + np.square(centroids, dtype=np.float64).sum(
        axis=1
    )
    apart = np.maximum(squares - 2 * (codes.astype(np.float64) @ centroids.T.astype(np.float64)), 0)
    kernel = 1 / (1 + apart)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float32)


def target(q: Floats) -> Floats:
    """Return p float32 [n, k]: q squared over the size of each soft cluster, each row summing to 1."""
    weights = np.square(q, dtype=np.float64) / q.sum(axis=0, dtype=np.float64)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def divergence(p: Floats, q: Floats) -> float:
    """Return the mean over rows of KL(p || q), in nats."""
    tiny = np.finfo(np.float32).tiny
    logs: NDArray[np.float64] = np.log(np.maximum(p, tiny), dtype=np.float64) - np.log(
        np.maximum(q, tiny), dtype=np.float64
    )
    return float((p * logs).sum(axis=1).mean())
