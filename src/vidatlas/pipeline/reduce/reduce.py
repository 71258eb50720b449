"""Reduce: fewer dimensions, clusters within each group, names and quality, from committed embeddings only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import pyarrow as pa

from vidatlas.clustering.backends import choose_backend, open_backend
from vidatlas.decomposition.pca import Moments, Pca, fit_pca, merge_all
from vidatlas.errors import InputError
from vidatlas.naming.names import Map
from vidatlas.pipeline.reduce.assignments import Home, count_peripheral
from vidatlas.pipeline.reduce.clusters import GroupFit, Placed, assign_block, fit_group
from vidatlas.pipeline.reduce.components import Counted, block_moments, incremental_pca, places_of, project_block
from vidatlas.pipeline.reduce.levels import level_table, names_above
from vidatlas.pipeline.reduce.lexical import fit_words
from vidatlas.pipeline.reduce.metrics import NOTHING_LEFT_OUT, metrics_of, variance_of, variance_of_codes
from vidatlas.pipeline.reduce.models import save_centroids, save_lexical, save_pca
from vidatlas.pipeline.reduce.network import count_block, fit_network, training_notes
from vidatlas.pipeline.reduce.probe import classes_digest, probe_labels
from vidatlas.pipeline.reduce.subcategories import subcategory_table
from vidatlas.pipeline.stage import Run, Steps, commit, committed
from vidatlas.recipe import Recipe
from vidatlas.sources.values.segmentation import segmenter
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Metrics, ProbeFacts, Reduced
from vidatlas.storage.manifest import BackendIdentity, ReduceCounts, ReduceEntry, ReduceFacts
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.storage.tables import Places, SealedShard, blocks_of, sealed_shards
from vidatlas.types import Backend, Runner

_STEPS = 6
"""Of every reduction: one pass for the reducer, projection, clustering, assignment, names, names of levels."""


def reduce(run: Run) -> ReduceEntry:
    """Reduce and cluster committed embeddings; return the stage's entry of the manifest.

    Raises:
        InputError: an embedding file was altered, or there are no rows.
        UsageError: the embeddings are not committed yet, or the backend asked for cannot run here.
    """
    embedded, recipe = run.store.stage("embed"), run.recipe
    classes = classes_digest(recipe.reduce.probe)
    made_of = {
        "upstream": embedded["digest"],
        "classes": classes,
        "segmenter": segmenter(),
        "fingerprint": recipe.fingerprint("reduce"),
    }
    entry = committed(run, ReduceEntry, made_of)
    if entry and run.options.backend in (None, entry["backend"]["name"]):
        return entry
    if not embedded["counts"]["kept"]:
        raise InputError(
            f"{run.store.url} holds no embedded rows: there is nothing to reduce. "
            f"See the rejects with: vidatlas status {run.store.url}"
        )
    backend = find_backend(run.runner, run.options.backend)
    spec = recipe.reduce
    more = (spec.reducer.kind not in ("pca", "none"), spec.clusterer.has_centres, spec.probe)
    steps = Steps(run, "reduce", _STEPS + 2 * bool(spec.lexical) + sum(map(bool, more)))
    reduction = _Reduction(recipe, run.store, list(sealed_shards(embedded)), steps, backend)
    entry = commit(run, ReduceEntry, made_of, reduction.run)
    steps.end()
    return entry


def find_backend(runner: Runner, forced: Backend | None) -> Backend:
    """Return the backend for k-means, chosen once and by a worker of the kind that will run it.

    Raises:
        UsageError: the one that is asked for cannot run there.
    """
    return next(iter(runner.map(choose_backend, [forced], gpus=True)))


@dataclass(frozen=True, slots=True)
class _Reduction:
    """Run the passes of one reduction."""

    recipe: Recipe
    store: Store
    shards: list[SealedShard]
    steps: Steps
    backend: Backend

    def run(self) -> tuple[Files, ReduceFacts]:
        """Return the files written and what the manifest's entry says of them."""
        blocks = blocks_of(self.shards)
        files, variance, counts = self._reducer(blocks)
        if self.recipe.reduce.lexical:
            files |= save_lexical(self.store, fit_words(self.recipe, self.store, blocks, self.steps))
        project = partial(project_block, self.store, self.recipe)
        for written in self.steps.of("projecting vectors").map(project, blocks):
            files |= written
        fits = self._clusters(places_of(counts, self.recipe.reduce.clusters.within))
        files |= save_centroids(self.store, [(found.group, found.rows, found.centroids) for found in fits])
        placed = self._assigned(blocks)
        silhouettes = {found.group: found.quality.silhouette for found in fits}
        each = self._naming("naming subcategories")
        table = subcategory_table(placed.tallies, silhouettes, self.recipe.reduce.naming, each)
        table = self._with_peripheral(table, blocks)
        levels = self._levels(fits, placed)
        table = table.append_column("levels", names_above(levels, table))
        files |= placed.files | self.store.put_table(layout.SUBCATEGORIES, table)
        files |= self.store.put_table(layout.LEVELS, levels)
        metrics = metrics_of(self.recipe, variance, fits, placed, table)
        if self.recipe.reduce.probe:
            told, metrics["probe"] = self._probed(counts)
            files |= told
        files |= self.store.put(layout.METRICS, to_json(metrics))
        return files, self._facts(metrics, fits, table["name"].to_pylist())

    def _facts(self, metrics: Metrics, fits: list[GroupFit], names: list[str]) -> ReduceFacts:
        """Return what the manifest says of the reduction."""
        centroids = sum(len(found.centroids) for found in fits)
        notes = training_notes(self.recipe, metrics.get("network"), centroids, len(names))
        notes += [f"{found.group}: {note}" for found in fits for note in found.notes]
        counts: ReduceCounts = {
            "rows": metrics["rows"],
            "groups": len(fits),
            "subcategories": len(names),
            "components": metrics["explained_variance"]["components"],
        }
        return {"counts": counts, "backend": cast(BackendIdentity, open_backend(self.backend).identity), "notes": notes}

    def _reducer(self, blocks: list[list[SealedShard]]) -> tuple[Files, Reduced, list[Counted]]:
        """Fit the reducer; return its files, what it keeps, and the rows of each shard by group."""
        kind = self.recipe.reduce.reducer.kind
        if kind == "pca":
            pca, counts = self._components(blocks)
            return save_pca(self.store, pca), variance_of(pca), counts
        counted_blocks = self.steps.of("counting records").map(partial(count_block, self.store), blocks)
        counts = [one for inside in counted_blocks for one in inside]
        if kind == "none":
            return {}, NOTHING_LEFT_OUT, counts
        counted = self._counted(counts)
        fit = partial(fit_network, self.store, self.recipe, self.backend)
        ((files, facts),) = self.steps.of("training a network").map(fit, [counted], gpus=True)
        return files, variance_of_codes(facts), counts

    def _counted(self, counts: list[Counted]) -> list[tuple[SealedShard, int]]:
        return [(shard, sum(rows.values())) for shard, (_, rows) in zip(self.shards, counts, strict=True)]

    def _probed(self, counts: list[Counted]) -> tuple[Files, ProbeFacts]:
        run = partial(probe_labels, self.store, self.recipe)
        (told,) = self.steps.of("predicting labels").map(run, [self._counted(counts)])
        return told

    def _components(self, blocks: list[list[SealedShard]]) -> tuple[Pca, list[Counted]]:
        spec = self.recipe.reduce.pca
        if spec.solver == "incremental":
            whole = partial(incremental_pca, self.store, spec)
            ((pca, counts),) = self.steps.of("finding components").map(whole, [self.shards])
            return pca, counts
        counts = []

        def moments() -> Iterator[Moments]:
            for found, inside in self.steps.of("averaging vectors").map(partial(block_moments, self.store), blocks):
                counts.extend(inside)
                yield found

        # One after the other: the matrices of all blocks together would fill gigabytes.
        return fit_pca(merge_all(moments()), spec), counts

    def _assigned(self, blocks: list[list[SealedShard]]) -> Placed:
        placed = Placed()
        for found in self.steps.of("assigning records").map(partial(assign_block, self.store, self.recipe), blocks):
            placed.add(found)
        return placed

    def _naming(self, step: str) -> Map:
        self.steps.begin(step)
        return self.steps.of(step, "categories").map

    def _with_peripheral(self, table: pa.Table, blocks: list[list[SealedShard]]) -> pa.Table:
        """Append the number of records outside the core of each subcategory; null where there are no centroids."""
        homes = list(zip(table["group"].to_pylist(), table["subcategory"].to_pylist(), strict=True))
        counts: list[int | None] = [None] * len(homes)
        if self.recipe.reduce.clusterer.has_centres:
            reach = dict(zip(homes, table["core_distance"].to_pylist(), strict=True))
            count, total = partial(count_peripheral, self.store, reach), Counter[Home]()
            for found in self.steps.of("counting peripheral records").map(count, blocks):
                total.update(found)
            counts = [total[home] for home in homes]
        return table.append_column("peripheral", pa.array(counts, pa.int64()))

    def _levels(self, fits: list[GroupFit], placed: Placed) -> pa.Table:
        spec = self.recipe.reduce
        most = spec.clusters.levels if spec.clusterer.has_centres else ()
        centroids = {found.group: found.centroids for found in fits}
        return level_table(centroids, placed.tallies, most, spec.naming, self._naming("naming levels"))

    def _clusters(self, places: dict[str, Places]) -> list[GroupFit]:
        """Fit every group, the largest first, so that no large one is begun last."""
        sizes = {group: sum(rows for _, rows in inside) for group, inside in places.items()}
        jobs = sorted(places.items(), key=lambda job: (-sizes[job[0]], job[0]))
        fit = partial(fit_group, self.store, self.recipe, self.backend)
        fits = self.steps.of("clustering", "categories").map(fit, jobs, gpus=self.backend != "sklearn")
        return sorted(fits, key=lambda found: found.group)
