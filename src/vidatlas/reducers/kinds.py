"""The reducers and clusterers that a recipe may name and that have hardly any settings here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PcaReducer(_Kind):
    """Keep principal components; ``reduce.pca`` says how many and how they are found."""

    kind: Literal["pca"] = "pca"


class NoReducer(_Kind):
    """Cluster the vectors as they are."""

    kind: Literal["none"] = "none"


class KMeansClusterer(_Kind):
    """Cluster by k-means; ``reduce.clusters`` says how."""

    kind: Literal["kmeans"] = "kmeans"


class AxesClusterer(_Kind):
    """Take each dimension of the vectors for a subcategory: a record lies in that of its largest number."""

    kind: Literal["axes"] = "axes"
    top: Annotated[int, Field(ge=1)] = 5
    """Dimensions that are a record's classes, the largest first."""
