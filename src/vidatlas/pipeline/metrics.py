"""``metrics.json``: how much the components keep, and how good clusters and names are."""

from __future__ import annotations

import pyarrow as pa

from vidatlas.pipeline.clustering import GroupFit, Placed
from vidatlas.pipeline.measuring import agreement_facts, coherence_of, overall
from vidatlas.recipe import Recipe
from vidatlas.reducers.choosing import CRITERION
from vidatlas.reducers.pca import Pca
from vidatlas.types import Json

CURVE = 256
"""Most directions whose share of the variance is listed."""


def metrics_of(recipe: Recipe, pca: Pca, fits: list[GroupFit], placed: Placed, subcategories: pa.Table) -> Json:
    """Return what is known of components, clusters and names, of each group and of the whole."""
    spec = recipe.reduce
    ratio = [float(share) for share in pca.explained_variance_ratio]
    groups = {found.group: _group(found, placed, subcategories) for found in fits}
    return {
        "rows": sum(found.rows for found in fits),
        "explained_variance": {
            "components": len(ratio),
            "total": sum(ratio),
            "ratio": ratio,
            "cumulative": pca.curve(CURVE).cumsum().tolist(),
            "dimensions": len(pca.mean),
        },
        "k": {"rule": spec.clusters.k, "criterion": CRITERION if spec.clusters.k == "auto" else None},
        "silhouette": {
            "sample": f"at most {spec.quality.silhouette_rows:,} rows of each "
            f"group, drawn by seed {spec.clusters.seed}",
            "space": f"the {len(ratio)} principal components, Euclidean",
        },
        "stability": {
            "seeds": spec.quality.stability_seeds,
            "sample": f"at most {spec.quality.stability_rows:,} rows of each group",
        },
        "overall": overall(groups, subcategories),
        "agreement": agreement_facts(placed.against),
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
