"""Models of the reduction on disk: components, networks and centroids as safetensors, never pickles."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_tensors

from vidatlas.decomposition.autoencoder import Autoencoder
from vidatlas.decomposition.lexical import Lexical
from vidatlas.decomposition.pca import Pca
from vidatlas.recipe import Recipe
from vidatlas.storage.json_files import GroupSize
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.storage.tensors import read_tensors
from vidatlas.types import Floats

PCA = "model/pca.safetensors"
AUTOENCODER = "model/autoencoder.safetensors"
DEC = "model/dec.safetensors"
LEXICAL = "model/lexical.safetensors"
CENTROIDS = "model/centroids.safetensors"
GROUPS = "model/groups.json"


def save_pca(store: Store, pca: Pca) -> Files:
    """Write the principal components of an atlas."""
    arrays = {
        "mean": pca.mean,
        "components": np.ascontiguousarray(pca.components),
        "spectrum": np.ascontiguousarray(pca.spectrum),
        "total_variance": np.array([pca.total_variance]),
        "whiten": np.array([pca.whiten]),
        "normalize": np.array([pca.normalize]),
    }
    return store.put(PCA, bytes(save_tensors(arrays)))


@lru_cache(maxsize=2)
def _load_pca(atlas: str, data: bytes) -> Pca:
    arrays = read_tensors(data, f"{atlas}/{PCA}")
    scaled = bool(arrays["whiten"][0]), bool(arrays["normalize"][0])
    return Pca(arrays["mean"], arrays["components"], arrays["spectrum"], float(arrays["total_variance"][0]), *scaled)


def load_pca(store: Store) -> Pca:
    """Return the fitted principal components of an atlas."""
    return _load_pca(store.url, store.read(PCA))


def load_reducer(store: Store, recipe: Recipe) -> Callable[[NDArray[Any]], Floats]:
    """Return what makes of vectors [n, dim] of any floating type what is clustered, float32 [n, k]."""
    kind = recipe.reduce.reducer.kind
    if kind == "autoencoder":
        return Autoencoder(store.tensors(AUTOENCODER)).transform
    return load_pca(store).transform if kind == "pca" else lambda vectors: vectors.astype(np.float32)


def save_lexical(store: Store, lexical: Lexical) -> Files:
    """Write the weights and directions of words; of most columns, a small atlas has no word."""
    columns = np.flatnonzero(lexical.components.any(axis=0)).astype(np.int32)
    arrays = {
        "idf": lexical.idf,
        "columns": columns,
        "components": np.ascontiguousarray(lexical.components[:, columns]),
    }
    return store.put(LEXICAL, bytes(save_tensors({**arrays, "weight": np.array([lexical.weight])})))


@lru_cache(maxsize=2)
def _load_lexical(atlas: str, data: bytes) -> Lexical:
    arrays = read_tensors(data, f"{atlas}/{LEXICAL}")
    idf, stored = arrays["idf"], arrays["components"]
    components = np.zeros((len(stored), len(idf)), np.float32)
    components[:, arrays["columns"]] = stored
    return Lexical(idf, components, float(arrays["weight"][0]))


def load_lexical(store: Store) -> Lexical:
    """Return the weights and directions of words of an atlas whose recipe has ``reduce.lexical``."""
    return _load_lexical(store.url, store.read(LEXICAL))


def save_centroids(store: Store, fits: list[tuple[str, int, Floats]]) -> Files:
    """Write the centroids of every (group, rows, centroids)."""
    stacked = np.concatenate([centroids for _, _, centroids in fits])
    files = store.put(CENTROIDS, bytes(save_tensors({"centroids": stacked})))
    groups: list[GroupSize] = [
        {"group": group, "subcategories": len(found), "rows": rows} for group, rows, found in fits
    ]
    return files | store.put(GROUPS, to_json(groups))


def load_centroids(store: Store) -> dict[str, Floats]:
    """Return the centroids float32 [k, components] of every group, by name."""
    stacked = store.tensors(CENTROIDS)["centroids"]
    found, at = {}, 0
    for group in store.read_json(GROUPS, list[GroupSize]):
        found[group["group"]] = stacked[at : at + group["subcategories"]]
        at += group["subcategories"]
    return found
