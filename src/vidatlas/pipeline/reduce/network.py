"""The network of a reduction: an auto-encoder fitted on a sample of all rows, optionally tuned to clusters (DEC)."""

from __future__ import annotations

import hashlib

import numpy as np
from safetensors.numpy import save as save_tensors

from vidatlas.clustering.backends import open_backend
from vidatlas.clustering.choose_k import choose_k
from vidatlas.clustering.dec import DecSpec
from vidatlas.clustering.kmeans import fit_clusters
from vidatlas.decomposition.autoencoder import Autoencoder, AutoencoderReducer, restored_share
from vidatlas.decomposition.training import train, tune
from vidatlas.pipeline.reduce.components import Counted, counted_shards
from vidatlas.pipeline.reduce.lexical import Chosen, choose_rows
from vidatlas.pipeline.reduce.models import AUTOENCODER, DEC
from vidatlas.recipe import Recipe, canonical
from vidatlas.storage.json_files import NetworkFacts, TuningFacts
from vidatlas.storage.store import Files, Store
from vidatlas.storage.tables import SealedShard, matrix, read_embeddings
from vidatlas.storage.training import SavedTraining
from vidatlas.threads import one_thread
from vidatlas.types import Backend, Floats


def count_block(store: Store, block: list[SealedShard]) -> list[Counted]:
    """Return the rows of a block's shards by group."""
    return counted_shards(store, block)


def fit_network(
    store: Store, recipe: Recipe, backend: Backend, counted: list[tuple[SealedShard, int]]
) -> tuple[Files, NetworkFacts]:
    """Fit the auto-encoder of a recipe and, if it clusters by DEC, tune it; write both, and return how it went.

    Args:
        store: where the embeddings are.
        recipe: with ``reduce.reducer`` of kind "autoencoder".
        backend: finds the centroids that DEC begins with.
        counted: the sealed shards, and the rows of each.
    """
    spec = recipe.reduce
    assert isinstance(spec.reducer, AutoencoderReducer)
    rows = [number for _, number in counted]
    vectors = _draw(store, choose_rows(counted, spec.reducer.fit_rows, spec.reducer.seed))
    made_of = hashlib.sha256(canonical([spec.model_dump(mode="json"), rows]) + vectors.tobytes()).hexdigest()
    training, tuning = (SavedTraining(store, name, made_of) for name in ("autoencoder", "dec"))
    model, losses = train(vectors, spec.reducer, training)
    with one_thread():
        facts: NetworkFacts = {
            "rows": len(vectors),
            "restored": restored_share(model, vectors),
            "latent": model.latent,
            "dimensions": model.dim,
            "loss": list(losses),
        }
    files: Files = {}
    if isinstance(spec.clusterer, DecSpec):
        model, tuned, found = _tuned(vectors, model, recipe, backend, sum(rows), tuning)
        files, facts["dec"] = store.put(DEC, tuned), found
    files |= store.put(AUTOENCODER, bytes(save_tensors(model.arrays)))
    training.delete()
    tuning.delete()
    return files, facts


def _tuned(
    vectors: Floats, model: Autoencoder, recipe: Recipe, backend: Backend, rows: int, state: SavedTraining
) -> tuple[Autoencoder, bytes, TuningFacts]:
    """Return the tuned auto-encoder, its centroids as a file's bytes, and how it went."""
    spec, clusters = recipe.reduce.clusterer, recipe.reduce.clusters
    assert isinstance(spec, DecSpec)
    kmeans = open_backend(backend)
    with one_thread():
        codes = model.transform(vectors)
    k = choose_k(rows, codes, clusters, clusters.seed, kmeans).k
    first = fit_clusters(codes, k, clusters.seed, kmeans, clusters.fitting)
    tuned, centroids, facts = tune(vectors, model, first.centroids, spec, state, clusters.seed)
    facts["notes"] += first.notes
    return tuned, bytes(save_tensors({"centroids": np.ascontiguousarray(centroids)})), facts


def _draw(store: Store, chosen: Chosen) -> Floats:
    pieces = [
        matrix(read_embeddings(store, shard, facts, ["embedding"])["embedding"])[rows]
        for (shard, facts), rows in chosen
    ]
    return np.concatenate(pieces).astype(np.float32)


def training_notes(recipe: Recipe, network: NetworkFacts | None, centroids: int, used: int) -> list[str]:
    """Return what a reader must know of a network's training that did not go as the recipe says.

    Args:
        recipe: what was asked for.
        network: the facts of the training; None where there was none.
        centroids: how many there are.
        used: how many of them have any record.
    """
    spec, found = recipe.reduce.clusterer, network.get("dec") if network else None
    if not found or not isinstance(spec, DecSpec):
        return []
    notes = [f"Deep Embedded Clustering: {note}" for note in found["notes"]]
    if used < centroids:
        notes.append(
            f"Deep Embedded Clustering: {used:,} instead of {centroids:,} subcategories "
            "(no record is left in the others)"
        )
    if not found["converged"]:
        notes.append(
            f"Deep Embedded Clustering has not converged in {updates_of(found)}: at the last one "
            f"{found['changed'][-1]:.2%} of the labels changed, not less than {spec.tolerance:.2%}. "
            "Raise reduce.clusterer.max_updates."
        )
    return notes


def updates_of(found: TuningFacts) -> str:
    """Return how often the clusters were updated, in words."""
    count = len(found["behind"])
    return f"{count:,} {'update' if count == 1 else 'updates'}"
