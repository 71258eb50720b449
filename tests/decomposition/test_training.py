"""Training lowers its loss, is the same every time, goes on where it was stopped, and clusters what k-means cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from vidatlas.clustering.backends import open_backend
from vidatlas.clustering.dec import DecSpec, soft_labels
from vidatlas.clustering.kmeans import Fitting, fit_clusters
from vidatlas.decomposition.autoencoder import Autoencoder, AutoencoderReducer, restored_share
from vidatlas.decomposition.training import train, tune
from vidatlas.storage.json_files import TuningFacts
from vidatlas.storage.store import Store
from vidatlas.types import Floats

Tuned = tuple[Autoencoder, Floats, TuningFacts]
SHAPE = AutoencoderReducer(hidden=(16, 12), latent=3, epochs=12, batch_rows=32, checkpoint_every=3, learning_rate=0.01)
DEC = DecSpec(interval=6, batch_rows=32, checkpoint_every=2, max_updates=30)


def saved(folder: Path) -> dict[str, np.ndarray]:
    return Store(folder).tensors("training/test.safetensors")


@pytest.fixture(scope="module")
def blobs() -> tuple[Floats, np.ndarray]:
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(4), 50)
    centres = random.normal(0, 1, (4, 20))
    return (centres[labels] + random.normal(0, 0.5, (200, 20))).astype(np.float32) * np.float32(0.1), labels


@pytest.fixture(scope="module")
def trained(
    blobs: tuple[Floats, np.ndarray], tmp_path_factory: pytest.TempPathFactory, stopping: Any
) -> tuple[Autoencoder, tuple[float, ...]]:
    return train(blobs[0], SHAPE, stopping(tmp_path_factory.mktemp("whole")))


@pytest.fixture(scope="module")
def tuning(blobs: tuple[Floats, np.ndarray], trained: tuple[Autoencoder, tuple[float, ...]]) -> Callable[..., Tuned]:
    codes = trained[0].transform(blobs[0])
    centroids = fit_clusters(codes, 4, 0, open_backend("sklearn"), Fitting(3)).centroids
    return lambda state, spec=DEC: tune(blobs[0], trained[0], centroids, spec, state)


def test_the_loss_falls_and_codes_keep_much(
    blobs: tuple[Floats, np.ndarray], trained: tuple[Autoencoder, tuple[float, ...]]
) -> None:
    model, losses = trained
    assert len(losses) == 12
    assert losses[-1] < 0.7 * losses[0]
    assert restored_share(model, blobs[0]) > 0.4


@pytest.mark.parametrize("saves", [1, 3])
def test_training_that_was_stopped_gives_the_same_bytes(
    blobs: tuple[Floats, np.ndarray],
    trained: tuple[Autoencoder, tuple[float, ...]],
    tmp_path: Path,
    saves: int,
    stopping: Any,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(blobs[0], SHAPE, stopping(tmp_path, saves))
    assert len(saved(tmp_path)["losses"]) == 3 * saves
    rest = stopping(tmp_path)
    model, losses = train(blobs[0], SHAPE, rest)
    assert rest.saves == 3 - saves
    assert losses == trained[1]
    for name, array in trained[0].arrays.items():
        assert model.arrays[name].tobytes() == array.tobytes(), name


def test_another_seed_gives_another_model(
    blobs: tuple[Floats, np.ndarray], trained: tuple[Autoencoder, tuple[float, ...]], tmp_path: Path, stopping: Any
) -> None:
    other, _ = train(blobs[0], SHAPE.model_copy(update={"seed": 1}), stopping(tmp_path))
    assert other.transform(blobs[0]).tobytes() != trained[0].transform(blobs[0]).tobytes()


def test_divergence_falls_between_updates_until_hardly_any_label_changes(
    blobs: tuple[Floats, np.ndarray],
    tuning: Callable[..., Tuned],
    trained: tuple[Autoencoder, tuple[float, ...]],
    tmp_path: Path,
    stopping: Any,
) -> None:
    model, centroids, found = tuning(stopping(tmp_path))
    assert all(behind < before for before, behind in zip(found["before"], found["behind"], strict=False))
    assert found["converged"]
    assert found["changed"][0] == 1
    assert found["changed"][-1] < DEC.tolerance
    assert len(found["before"]) == len(found["changed"]) == len(found["behind"]) + 1
    q = soft_labels(model.transform(blobs[0]), centroids)
    assert adjusted_rand_score(blobs[1], q.argmax(axis=1)) > 0.95
    first = soft_labels(trained[0].transform(blobs[0]), centroids).max(axis=1).mean()
    assert q.max(axis=1).mean() > first
    decoder = {name: array for name, array in trained[0].arrays.items() if name.startswith("decoder")}
    assert all((model.arrays[name] == array).all() for name, array in decoder.items())


def test_tuning_that_was_stopped_gives_the_same_bytes(
    tuning: Callable[..., Tuned], tmp_path: Path, stopping: Any
) -> None:
    spec = DEC.model_copy(update={"tolerance": 0.0, "max_updates": 5})
    whole, centroids, facts = tuning(stopping(tmp_path / "whole"), spec)
    assert len(facts["behind"]) == 5
    with pytest.raises(KeyboardInterrupt):
        tuning(stopping(tmp_path, 1), spec)
    assert len(saved(tmp_path)["before"]) == 2
    rest = stopping(tmp_path)
    model, found, again = tuning(rest, spec)
    assert rest.saves == 1
    assert again == facts
    assert found.tobytes() == centroids.tobytes()
    for name, array in whole.arrays.items():
        assert model.arrays[name].tobytes() == array.tobytes(), name


def test_tuning_ends_at_the_latest_after_so_many_updates(
    blobs: tuple[Floats, np.ndarray], trained: tuple[Autoencoder, tuple[float, ...]], tmp_path: Path, stopping: Any
) -> None:
    codes = trained[0].transform(blobs[0])
    spec = DEC.model_copy(update={"tolerance": 0.0, "max_updates": 2})
    *_, found = tune(blobs[0], trained[0], codes[:4].copy(), spec, stopping(tmp_path))
    assert (found["converged"], len(found["behind"])) == (False, 2)
