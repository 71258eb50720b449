"""Kinds of reducers and clusterers that a recipe can name; axes, each of which is a class."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vidatlas.types import Floats


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PcaReducer(_Kind):
    """Keep principal components; ``reduce.pca`` says how many and how they are found."""

    kind: Literal["pca"] = "pca"
    space: ClassVar[str] = "the principal components, Euclidean"
    """Where clusters lie, as ``metrics.json`` says it."""
    made: ClassVar[str] = "{} principal components"
    """What a report calls so many of its numbers."""


class NoReducer(_Kind):
    """Cluster the vectors as they are."""

    kind: Literal["none"] = "none"
    space: ClassVar[str] = "the vectors, Euclidean"
    made: ClassVar[str] = "none"


class KMeansClusterer(_Kind):
    """Cluster by k-means; ``reduce.clusters`` says how."""

    kind: Literal["kmeans"] = "kmeans"
    method: ClassVar[str] = "k-means"
    """What a report calls it."""
    has_centres: ClassVar[bool] = True
    """Whether records lie around centroids: distances and silhouettes say nothing where they do not."""


class AxesClusterer(_Kind):
    """Take each dimension of the vectors for a subcategory: a record lies in that of its largest number."""

    kind: Literal["axes"] = "axes"
    method: ClassVar[str] = "one subcategory for each dimension of the vectors"
    has_centres: ClassVar[bool] = False
    top: Annotated[int, Field(ge=1)] = 5
    """Dimensions that are a record's classes, the largest first."""


_FAR = 10
"""Lengths of the longest vector from zero to a centroid."""


def axes(vectors: Floats) -> Floats:
    """Return centroids float32 [dim, dim] for vectors [n, dim].

    Of centroids c times a unit vector, c > 0, the nearest to x is that with the largest x, for the squared distance is
    that of x and zero, plus c squared, minus 2 c x. With c far outside, the rows with the largest number are nearest.
    """
    far = _FAR * float(np.linalg.norm(vectors, axis=1).max(initial=0.0)) or 1.0
    return np.eye(vectors.shape[1], dtype=np.float32) * np.float32(far)
