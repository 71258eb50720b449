"""The other models on the card: a sentence encoder, k-means, the auto-encoder of thumbnails, CLIP's image tower."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.checkpoints import random_image_tower, random_minilm
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.clock import in_turn, timed
from benchmarks.gpu.rows import Row, skipped
from benchmarks.sentence import OURS, THEIRS, ways_of
from benchmarks.vectors import clustered
from vidatlas.clustering.kmeans import assign
from vidatlas.clustering.torch_kmeans import TorchKMeans
from vidatlas.encoders.images.autoencoder import DenoisingSpec, _network, train
from vidatlas.encoders.images.tower import ImageTower
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer.checkpoint import open_checkpoint
from vidatlas.encoders.transformer.device import Dtype
from vidatlas.storage.store import Store
from vidatlas.storage.training import SavedTraining
from vidatlas.types import EncodeStats


def sentence(bench: Bench) -> Iterator[Row]:
    """Encode distinct texts with a model of all-MiniLM-L6-v2's shape, by us and by sentence-transformers, in turn."""
    folder = bench.made("minilm", lambda path: random_minilm(path, bench.texts(3_000), bench.quick))
    texts = sorted(bench.tokens.ids)[: bench.pick(20_000, 500, 60)]
    dtypes = bench.pick(("float32", "bfloat16"), ("float32",), ("float32",))
    threads = bench.options.threads
    if find_spec("sentence_transformers"):
        ways = ways_of(str(folder), threads, bench.device, dtypes)
    else:
        yield skipped(THEIRS, "not installed")
        models = {
            dtype: SentenceSpec.model_validate({"model": str(folder), "dtype": dtype}).load(threads) for dtype in dtypes
        }
        ways = {(OURS, dtype): partial(_ours, model) for dtype, model in models.items()}
    exact = ways[OURS, "float32"](texts)
    found = {key: way(texts) for key, way in ways.items()}
    times = in_turn(
        bench.device, {str(key): partial(way, texts) for key, way in ways.items()}, bench.rounds, warm=False
    )
    for key, vectors in found.items():
        figures = {
            "precision": key[1],
            "texts/s": len(texts) / statistics.median(times[str(key)]),
            "1 - least cosine with ours, float32": float(1 - (vectors * exact).sum(axis=1).min()),
        }
        yield Row(key[0], figures, f"{len(texts):,} distinct texts, random weights; median of {bench.rounds}")


def _ours(model: Any, texts: list[str]) -> Any:
    return model.encode(texts, EncodeStats())


def kmeans(bench: Bench) -> Iterator[Row]:
    """Cluster 200,000 x 64 vectors, k = 200, by torch on the device and by scikit-learn; do torch's bytes repeat?"""
    rows, k = bench.pick((200_000, 200), (20_000, 50), (500, 8))
    vectors = np.concatenate(list(clustered(rows, 64))).astype(np.float32)
    ours = TorchKMeans(bench.device)
    ours.refine(vectors, ours.start(vectors[:rows], k, 1))
    found = [timed(bench.device, lambda: ours.refine(vectors, ours.start(vectors, k, 0))) for _ in range(bench.rounds)]
    centroids = [centres for _, centres in found]
    seconds, inertia = statistics.median(taken for taken, _ in found), assign(vectors, centroids[0]).inertia
    equal = len({centres.tobytes() for centres in centroids}) == 1
    note = f"{rows:,} x 64, k = {k}: a start on 20,000 rows, at most 50 full steps; median of {bench.rounds}"
    yield Row("k-means, torch on the device", {"s": seconds, "inertia": inertia, "equal bytes": equal}, note)
    if not find_spec("sklearn"):
        yield skipped("k-means, scikit-learn", "not installed")
        return
    from sklearn.cluster import KMeans

    model = KMeans(k, n_init=1, max_iter=50, random_state=0)
    taken, fitted = timed("cpu", lambda: model.fit(vectors))
    figures = {"s": taken, "inertia": float(assign(vectors, fitted.cluster_centers_.astype(np.float32)).inertia)}
    yield Row("k-means, scikit-learn", {**figures, "times torch's": taken / seconds}, f"{bench.cores} cores, one run")


def denoising(bench: Bench) -> Iterator[Row]:
    """Train the auto-encoder of thumbnails for one epoch as the job does, and the same steps on the device."""
    count = bench.pick(4_000, 1_000, 40)
    spec = DenoisingSpec(epochs=1) if not bench.quick else DenoisingSpec(epochs=1, width=16, height=16, channels=(4,))
    pictures = np.random.default_rng(0).integers(0, 256, (count, spec.height, spec.width), np.uint8)
    with TemporaryDirectory() as folder:
        state = SavedTraining(Store(folder), "pictures", "")
        seconds, _ = timed("cpu", lambda: train(pictures, spec, state))
    figures = {"pictures/s": count / seconds}
    yield Row(
        "one epoch of the auto-encoder, as the job trains it",
        figures,
        f"{count:,} of noise; on the CPU: the job does not put it on a GPU",
    )
    if bench.device != "cuda":
        yield skipped("the same steps on the device", "not on this device: needs CUDA")
        return
    _steps(pictures[: 4 * spec.batch], spec, bench.device)
    seconds, _ = timed(bench.device, lambda: _steps(pictures, spec, bench.device))
    yield Row("the same steps on the device", {"pictures/s": count / seconds}, "written for this benchmark only")


def _steps(pictures: Any, spec: DenoisingSpec, device: str) -> None:
    """Take the training's steps with everything on one device."""
    model = _network(spec).to(device)
    adam = torch.optim.Adam(model.parameters(), lr=spec.learning_rate)
    there = torch.from_numpy(pictures).to(device)
    for rows in torch.randperm(len(pictures), device=device).split(spec.batch):
        clean = there[rows].float()[:, None] / 255
        adam.zero_grad()
        loss = torch.nn.functional.mse_loss(model(clean + spec.noise * torch.randn_like(clean)), clean)
        loss.backward()
        adam.step()


def pictures(bench: Bench) -> Iterator[Row]:
    """Encode pictures with CLIP's image tower, in batches as the recipe has them and in larger ones."""
    folder = bench.made("vision", lambda path: random_image_tower(path, bench.quick))
    side = bench.pick(224, 224, 32)
    sizes: tuple[tuple[Dtype, int], ...] = bench.pick(
        (("bfloat16", 32), ("bfloat16", 256), ("float32", 32)), (("bfloat16", 4),), (("float32", 4),)
    )
    noise = np.random.default_rng(0)
    for dtype, batch in sizes:
        tower = ImageTower(open_checkpoint(str(folder), None), dtype, batch)
        some = noise.integers(0, 256, (bench.pick(4 * batch, batch, batch), side, side, 3), np.uint8)
        times = in_turn(bench.device, {"all": partial(tower.encode, some)}, bench.pick(5, 1, 2))["all"]
        figures = {"precision": dtype, "together": batch, "images/s": len(some) / statistics.median(times)}
        note = f"{len(some):,} of noise, {side} x {side}, random weights; median of {len(times)}"
        yield Row("CLIP's image tower", figures, note)
