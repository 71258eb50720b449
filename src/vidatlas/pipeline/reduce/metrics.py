"""Metrics of a reduction (``metrics.json``): explained variance, and the quality of clusters and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from vidatlas.clustering.choose_k import CRITERION
from vidatlas.clustering.quality import agreement
from vidatlas.decomposition.pca import Pca
from vidatlas.pipeline.reduce.clusters import GroupFit, Placed
from vidatlas.recipe import Recipe
from vidatlas.types import Json

_OF_CLUSTERS = ("inertia", "silhouette", "silhouette_rows", "davies_bouldin")
"""Figures that say nothing of axes, whose centroids lie far outside."""
CURVE = 256
"""Most directions whose share of the variance is listed."""


NOTHING_LEFT_OUT: Json = {
    "explained_variance": {"components": 0, "total": 1.0, "ratio": [], "cumulative": [], "dimensions": 0}
}
"""What a recipe without a reducer keeps."""


def variance_of(pca: Pca) -> Json:
    """Return how much of the variance principal components keep."""
    ratio = [float(share) for share in pca.explained_variance_ratio]
    kept = {"components": len(ratio), "total": sum(ratio), "ratio": ratio}
    curve = pca.curve(CURVE).cumsum().tolist()
    return {"explained_variance": {**kept, "cumulative": curve, "dimensions": len(pca.mean)}}


def variance_of_codes(facts: Json) -> Json:
    """Return how much of the variance of its sample an auto-encoder restores from codes, and how its training went."""
    kept = {"components": facts["latent"], "total": facts["restored"], "ratio": [], "cumulative": []}
    return {"explained_variance": {**kept, "dimensions": facts["dimensions"]}, "network": facts}


def metrics_of(recipe: Recipe, variance: Json, fits: list[GroupFit], placed: Placed, subcategories: pa.Table) -> Json:
    """Return what is known of the reducer, of clusters and names, of each group and of the whole."""
    spec = recipe.reduce
    no_clusters = {} if spec.clusterer.has_centres else dict.fromkeys(_OF_CLUSTERS)
    groups = {found.group: _group(found, placed, subcategories) | no_clusters for found in fits}
    return {
        "rows": sum(found.rows for found in fits),
        **variance,
        "k": {"rule": spec.clusters.k, "criterion": CRITERION if spec.clusters.k == "auto" else None},
        "silhouette": {
            "sample": f"at most {spec.quality.silhouette_rows:,} rows of each "
            f"group, drawn by seed {spec.clusters.seed}",
            "space": spec.reducer.space,
        },
        "stability": {
            "seeds": spec.quality.stability_seeds,
            "sample": f"at most {spec.quality.stability_rows:,} rows of each group",
        },
        "overall": overall(groups, subcategories),
        "agreement": agreement_facts(placed.against),
        "labels": agreement_facts(placed.labelled),
        "groups": groups,
    }


def _group(found: GroupFit, placed: Placed, subcategories: pa.Table) -> Json:
    """Return the figures of one group; inertia is the sum of squared distances over all its rows."""
    return {
        "rows": found.rows,
        "subcategories": len(found.centroids),
        "inertia": placed.inertia[found.group],
        "silhouette": found.silhouette.mean,
        "silhouette_rows": found.silhouette.rows,
        "davies_bouldin": found.quality.davies_bouldin,
        "stability": found.quality.stability,
        "coherence": coherence_of(found.group, subcategories),
        "curve": [list(point) for point in found.choice.curve],
        "notes": list(found.notes),
    }


def overall(groups: Mapping[str, Json], subcategories: pa.Table) -> Json:
    """Return the figures of all groups together, each weighing as many rows as it has, and of all names."""
    found = {
        key: _mean((facts[key], facts["rows"]) for facts in groups.values())
        for key in ("silhouette", "davies_bouldin", "stability")
    }
    return {**found, "coherence": _mean((value, 1) for value in subcategories["coherence"].to_pylist())}


def coherence_of(group: str, subcategories: pa.Table) -> float | None:
    """Return the mean coherence of a group's names."""
    columns = zip(subcategories["group"].to_pylist(), subcategories["coherence"].to_pylist(), strict=True)
    return _mean((value, 1) for name, value in columns if name == group)


def _mean(weighted: Iterable[tuple[float | None, int]]) -> float | None:
    known: Sequence[tuple[float, int]] = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def agreement_facts(counts: Mapping[tuple[Any, str], int]) -> Json | None:
    """Return how far clusters agree with groups or labels, from the rows of each pair of both."""
    found: Any = agreement(counts)
    return {**asdict(found), "clusters": len({label for label, _ in counts})} if found else None
