"""What was learned comes back from safetensors as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from vidatlas.decomposition.pca import PcaSpec, fit_pca, moments_of
from vidatlas.pipeline.reduce.models import (
    CENTROIDS,
    PCA,
    load_centroids,
    load_pca,
    save_centroids,
    save_pca,
)
from vidatlas.storage.store import Store

VECTORS = np.random.default_rng(0).normal(0, 1, (50, 6))


@pytest.mark.parametrize("scaled", [False, True])
def test_components_survive_bit_for_bit(scaled: bool, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    pca = fit_pca(moments_of(VECTORS), PcaSpec(components=3, whiten=scaled, normalize=not scaled))
    files = save_pca(store, pca)
    found = load_pca(store)
    for name in ("mean", "components", "spectrum"):
        assert getattr(found, name).tobytes() == np.ascontiguousarray(getattr(pca, name)).tobytes()
    assert found.total_variance == pca.total_variance
    assert found.transform(VECTORS).tobytes() == pca.transform(VECTORS).tobytes()
    assert files == store.entry(PCA)


def test_a_model_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    save_pca(store, fit_pca(moments_of(VECTORS), PcaSpec(components=3)))
    assert load_pca(store).components.shape == (3, 6)
    save_pca(store, fit_pca(moments_of(VECTORS), PcaSpec(components=2)))
    assert load_pca(store).components.shape == (2, 6)


def test_centroids_come_back_by_group(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    fits = [("Музыка", 9, np.eye(3, dtype=np.float32)), ("Games", 5, np.full((1, 3), 2, np.float32))]
    files = save_centroids(store, fits)
    found = load_centroids(store)
    assert list(found) == ["Музыка", "Games"]
    for group, _, centroids in fits:
        np.testing.assert_array_equal(found[group], centroids)
    assert set(files) == {CENTROIDS, "model/groups.json"}
    assert load_file(tmp_path / CENTROIDS)["centroids"].shape == (4, 3)
