"""Metrics of a reduction (``metrics.json``): explained variance, and the quality of clusters and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import pyarrow as pa

from vidatlas.clustering.choose_k import CRITERION
from vidatlas.clustering.quality import STABILITY_ROWS, agreement
from vidatlas.decomposition.pca import Pca
from vidatlas.pipeline.reduce.clusters import GroupFit, Placed
from vidatlas.recipe import Recipe
from vidatlas.storage.json_files import (
    AgreementFacts,
    GroupFigures,
    Measured,
    Metrics,
    NetworkFacts,
    Overall,
    Reduced,
    Variance,
)

CURVE = 256
"""Most directions whose share of the variance is listed."""


NOTHING_LEFT_OUT: Reduced = {
    "explained_variance": {"components": 0, "total": 1.0, "ratio": [], "cumulative": [], "dimensions": 0}
}
"""What a recipe without a reducer keeps."""


def variance_of(pca: Pca) -> Reduced:
    """Return how much of the variance principal components keep."""
    ratio = [float(share) for share in pca.explained_variance_ratio]
    curve = pca.curve(CURVE).cumsum().tolist()
    return {
        "explained_variance": {
            "components": len(ratio),
            "total": sum(ratio),
            "ratio": ratio,
            "cumulative": curve,
            "dimensions": len(pca.mean),
        }
    }


def variance_of_codes(facts: NetworkFacts) -> Reduced:
    """Return how much of the variance of its sample an auto-encoder restores from codes, and how its training went."""
    kept: Variance = {
        "components": facts["latent"],
        "total": facts["restored"],
        "ratio": [],
        "cumulative": [],
        "dimensions": facts["dimensions"],
    }
    return {"explained_variance": kept, "network": facts}


def metrics_of(
    recipe: Recipe, variance: Reduced, fits: list[GroupFit], placed: Placed, subcategories: pa.Table
) -> Metrics:
    """Return what is known of the reducer, of clusters and names, of each group and of the whole."""
    spec = recipe.reduce
    groups = {found.group: _group(found, placed, subcategories) for found in fits}
    if not spec.clusterer.has_centres:
        # Centroids of axes lie far outside: such figures would say nothing.
        for figures in groups.values():
            figures["inertia"] = figures["silhouette"] = figures["davies_bouldin"] = None
            figures["silhouette_rows"] = None
    measured: Measured = {
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
            "sample": f"at most {STABILITY_ROWS:,} rows of each group",
        },
        "overall": overall(groups, subcategories),
        "agreement": agreement_facts(placed.against),
        "labels": agreement_facts(placed.labelled),
        "groups": groups,
    }
    return cast(Metrics, measured)


def _group(found: GroupFit, placed: Placed, subcategories: pa.Table) -> GroupFigures:
    """Return the figures of one group; inertia is the sum of squared distances over all its rows."""
    return {
        "rows": found.rows,
        "subcategories": len(found.centroids),
        "inertia": placed.inertia[found.group],
        "silhouette": found.quality.silhouette.mean,
        "silhouette_rows": found.quality.silhouette.rows,
        "davies_bouldin": found.quality.davies_bouldin,
        "stability": found.quality.stability,
        "coherence": coherence_of(found.group, subcategories),
        "curve": [list(point) for point in found.choice.curve],
        "notes": list(found.notes),
    }


def overall(groups: Mapping[str, GroupFigures], subcategories: pa.Table) -> Overall:
    """Return the figures of all groups together, each weighing as many rows as it has, and of all names."""
    found = groups.values()
    return {
        "silhouette": _mean((facts["silhouette"], facts["rows"]) for facts in found),
        "davies_bouldin": _mean((facts["davies_bouldin"], facts["rows"]) for facts in found),
        "stability": _mean((facts["stability"], facts["rows"]) for facts in found),
        "coherence": _mean((value, 1) for value in subcategories["coherence"].to_pylist()),
    }


def coherence_of(group: str, subcategories: pa.Table) -> float | None:
    """Return the mean coherence of a group's names."""
    columns = zip(subcategories["group"].to_pylist(), subcategories["coherence"].to_pylist(), strict=True)
    return _mean((value, 1) for name, value in columns if name == group)


def _mean(weighted: Iterable[tuple[float | None, int]]) -> float | None:
    known: Sequence[tuple[float, int]] = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def agreement_facts(counts: Mapping[tuple[Any, str], int]) -> AgreementFacts | None:
    """Return how far clusters agree with groups or labels, from the rows of each pair of both."""
    found = agreement(counts)
    if found is None:
        return None
    return cast(AgreementFacts, {**asdict(found), "clusters": len({label for label, _ in counts})})
