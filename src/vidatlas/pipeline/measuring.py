"""How good a reduction is: figures of each group from samples drawn by seed, and of the whole atlas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from vidatlas.quality import Silhouette, agreement, davies_bouldin, silhouette, stability
from vidatlas.recipe import ReduceSpec
from vidatlas.reducers.backend import KMeans
from vidatlas.reducers.kmeans import assign, fit_clusters, sample_rows
from vidatlas.threads import one_thread
from vidatlas.types import Floats, Json


@dataclass(frozen=True, slots=True)
class GroupQuality:
    """Hold the figures of one group's clusters; None where they are not defined or were not wanted."""

    silhouette: Silhouette
    davies_bouldin: float | None = None
    stability: float | None = None


def measure_group(vectors: Floats, centroids: Floats, spec: ReduceSpec, seed: int, backend: KMeans) -> GroupQuality:
    """Return the figures of clusters from vectors float32 [n, dim] of their group, the sample they were fitted on.

    Stability is that of fitting as many clusters anew, with other seeds, on at most ``stability_rows`` of the vectors.
    """
    wanted, how = spec.quality, replace(spec.clusters.fitting, starts=1)
    checked = vectors[sample_rows(len(vectors), wanted.silhouette_rows, seed + 1)]
    fitted = vectors[sample_rows(len(vectors), wanted.stability_rows, seed + 2)]
    again = [
        fit_clusters(fitted, len(centroids), seed + number, backend, how).centroids
        for number in range(wanted.stability_seeds)
    ]
    with one_thread():
        labels = assign(checked, centroids).labels
        runs = [assign(fitted, other).labels for other in again]
    return GroupQuality(silhouette(checked, labels), davies_bouldin(checked, labels), stability(runs))


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
