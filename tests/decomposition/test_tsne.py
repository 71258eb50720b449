"""The map keeps neighbours together, whatever the number of videos, and is the same every time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vidatlas.decomposition import tsne
from vidatlas.decomposition.tsne import LayoutSpec, Placing, cells_of, lay_out
from vidatlas.search_index import exact_neighbours
from vidatlas.threads import one_thread

SPEC = LayoutSpec()


def blobs(rows: int, kinds: int = 4, dim: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    kind = random.integers(kinds, size=rows)
    centres = 6 * random.normal(size=(kinds, dim))
    return (centres[kind] + random.normal(size=(rows, dim))).astype(np.float32), kind


@pytest.fixture(params=["openTSNE", "scikit-learn"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw with either library."""
    monkeypatch.setattr(tsne, "engine", lambda: request.param)


@pytest.mark.usefixtures("library")
def test_near_vectors_lie_near() -> None:
    vectors, kind = blobs(300)
    found = lay_out(vectors, SPEC)
    neighbours = exact_neighbours(found, found, 6)[0][:, 1:]
    assert (kind[neighbours] == kind[:, None]).mean() > 0.95
    assert np.abs(found).max() == pytest.approx(1)


@pytest.mark.usefixtures("library")
def test_equal_input_gives_equal_bytes() -> None:
    vectors = blobs(120)[0]
    assert lay_out(vectors, SPEC).tobytes() == lay_out(vectors.copy(), SPEC).tobytes()


def test_the_bytes_do_not_depend_on_cores_or_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsne, "_EXAGGERATED", 10)
    monkeypatch.setattr(tsne, "_ITERATIONS", 10)
    monkeypatch.setattr(tsne, "_SHARED", 0)
    vectors, told = blobs(200)[0], list[tuple[int, int]]()
    found = []
    for several in (1, 2, 3):
        monkeypatch.setattr(tsne, "cores", lambda several=several: several)
        found.append(lay_out(vectors, SPEC, tell=lambda done, of: told.append((done, of))).tobytes())
    assert found[0] == found[1] == found[2]
    assert told == [(done, 20) for done in range(0, 21, 10)] * 3


def test_neighbours_of_pieces_have_the_bytes_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = blobs(8_500)[0]
    whole = exact_neighbours(vectors, vectors, 4)
    # Pieces of FAISS's own blocks: of another size, distances may differ in their last bits.
    monkeypatch.setattr(tsne, "_AT_ONCE", 4_096)
    with ThreadPoolExecutor(1) as pool:
        rows, distances = tsne._others(vectors, 3, pool.map)
    assert (whole[0][:, 0] == np.arange(len(vectors))).all()
    assert rows.tobytes() == np.ascontiguousarray(whole[0][:, 1:]).tobytes()
    assert distances.tobytes() == np.ascontiguousarray(whole[1][:, 1:]).tobytes()


def test_scikit_learn_draws_where_opentsne_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tsne.engine() == "openTSNE"
    monkeypatch.setattr(tsne, "find_spec", lambda name: None)
    assert tsne.engine() == "scikit-learn"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("rows", [1, 2, 5, 49, 50, 51])
def test_few_videos_have_places_too(rows: int) -> None:
    found = lay_out(blobs(rows)[0], SPEC)
    assert found.shape == (rows, 2)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1


def test_one_component_and_equal_vectors_are_borne() -> None:
    assert lay_out(np.ones((60, 1), np.float32), SPEC).shape == (60, 2)
    same = lay_out(np.ones((200, 4), np.float32), SPEC)
    assert np.isfinite(same).all()


def test_a_video_beyond_the_sample_stands_between_its_nearest() -> None:
    sample = np.array([[0, 0], [0, 2], [9, 9]], np.float32)
    at = np.array([[-1, 0], [1, 0], [0, 1]], np.float32)
    placing = Placing(sample, at, cells_of(sample, 0), LayoutSpec(neighbours=2))
    found = placing.of(np.array([[0, 1], [0, 0.5]], np.float32))
    assert found[0] == pytest.approx([0, 0])
    assert found[1] == pytest.approx([-0.8, 0])  # three times as near to the first: nine times its weight


def test_in_a_large_sample_most_videos_stand_where_a_search_of_all_would_put_them() -> None:
    random = np.random.default_rng(0)
    centres = random.standard_normal((300, 24)).astype(np.float32)
    vectors = (centres[random.integers(0, 300, 26_000)] + random.standard_normal((26_000, 24)) / 3).astype(np.float32)
    sample, others = vectors[:25_000], vectors[25_000:]
    at, spec, none = sample[:, :2], LayoutSpec(), np.empty((0, 24), np.float32)
    cells = cells_of(sample, 0)
    found = Placing(sample, at, cells, spec).of(others)
    same = np.linalg.norm(found - Placing(sample, at, none, spec).of(others), axis=1) < 1e-5
    assert len(cells) == 1_024
    assert same.mean() > 0.85
    with one_thread():
        assert np.array_equal(cells_of(sample, 0), cells)
