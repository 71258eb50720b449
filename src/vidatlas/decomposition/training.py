"""Training of an auto-encoder, and fine-tuning to clusters (DEC): torch, seeded, on a GPU if visible, resumable.

The same seed, rows and versions give the same weights on a CPU, whether or not training was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from vidatlas.clustering.dec import DecSpec, divergence, target
from vidatlas.decomposition.autoencoder import Autoencoder, AutoencoderReducer, Network, new_autoencoder
from vidatlas.storage.json_files import TuningFacts
from vidatlas.storage.training import SavedTraining
from vidatlas.threads import one_thread
from vidatlas.types import Floats

if TYPE_CHECKING:
    import torch


def train(vectors: Floats, spec: AutoencoderReducer, state: SavedTraining) -> tuple[Autoencoder, tuple[float, ...]]:
    """Train an auto-encoder on vectors float32 [n, dim]; return it with the mean squared error of each epoch.

    The error is that of scaled vectors, whose entries have a mean square of 1.
    """
    import torch

    model = new_autoencoder(vectors, spec)
    net = Network(model)
    optimizer = torch.optim.Adam(net.named.values(), lr=spec.learning_rate)
    saved = state.resume(net.named, optimizer)
    losses: list[float] = saved["losses"].tolist() if saved else []
    rows = net.tensor(vectors * model.scale)
    with one_thread():
        for epoch in range(len(losses), spec.epochs):
            total = 0.0
            for chosen in _batches(len(vectors), spec.batch_rows, (spec.seed, epoch)):
                batch = rows[chosen]
                restored = net.through("decoder", net.through("encoder", batch))
                loss = torch.nn.functional.mse_loss(restored, batch)
                total += _step(loss, optimizer) * len(chosen)
            losses.append(total / len(vectors))
            if (epoch + 1) % spec.checkpoint_every == 0 and epoch + 1 < spec.epochs:
                state.save(net.named, optimizer, {"losses": losses})
    return net.model(), tuple(np.array(losses, np.float32).tolist())


def tune(
    vectors: Floats, model: Autoencoder, centroids: Floats, spec: DecSpec, state: SavedTraining, seed: int = 0
) -> tuple[Autoencoder, Floats, TuningFacts]:
    """Train encoder and centroids by DEC on vectors float32 [n, dim], from a trained auto-encoder and its clusters.

    Return the auto-encoder, whose decoder is unchanged, centroids float32 [k, latent], and how it went.
    """
    import torch

    net = Network(model, centroids)
    optimizer = torch.optim.SGD(net.tuned, lr=spec.learning_rate, momentum=spec.momentum)
    course = _Course(state.resume(net.named, optimizer))
    rows = net.tensor(vectors * model.scale)
    with one_thread():
        while not course.take(net.soft(rows), spec):
            p = net.tensor(course.p)
            for chosen in _steps(len(vectors), spec, (seed, len(course.before))):
                q, wanted = net.student(net.through("encoder", rows[chosen])), p[chosen]
                _step((wanted * (wanted.clamp(min=1e-30).log() - q.log())).sum(dim=1).mean(), optimizer)
            if len(course.before) % spec.checkpoint_every == 0:
                state.save(net.named, optimizer, course.arrays())
    return net.model(), net.centroids(), course.facts()


def _step(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _batches(rows: int, size: int, seed: tuple[int, ...]) -> Iterator[Any]:
    """Yield all row numbers in batches, in an order given by the seed."""
    order = np.random.default_rng(seed).permutation(rows)
    yield from (order[at : at + size] for at in range(0, rows, size))


def _steps(rows: int, spec: DecSpec, seed: tuple[int, ...]) -> Iterator[Any]:
    """Yield the batches between two updates, cycling through the rows."""
    left, turn = spec.interval, 0
    while left:
        for batch in _batches(rows, spec.batch_rows, (*seed, turn)):
            if not left:
                return
            yield batch
            left -= 1
        turn += 1


class _Course:
    """Track targets, labels and divergences from update to update."""

    def __init__(self, saved: Mapping[str, Floats] | None) -> None:
        start = saved or dict.fromkeys(("before", "behind", "changed", "p", "labels"), np.empty(0, np.float32))
        self.before, self.behind, self.changed = (start[name].tolist() for name in ("before", "behind", "changed"))
        self.p, self._labels = start["p"], start["labels"]
        self.converged = False

    def take(self, q: Floats, spec: DecSpec) -> bool:
        """Update the training target from the soft labels of all rows; tell whether to stop."""
        labels = q.argmax(axis=1).astype(np.float32)
        first = not len(self.p)
        if not first:
            self.behind.append(divergence(self.p, q))
        self.changed.append(1.0 if first else float((labels != self._labels).mean()))
        self.p, self._labels = target(q), labels
        self.before.append(divergence(self.p, q))
        self.converged = not first and self.changed[-1] < spec.tolerance
        return self.converged or len(self.before) > spec.max_updates

    def facts(self) -> TuningFacts:
        """Return how it went, as if it had been saved and resumed: its numbers are rounded to float32."""
        before, behind, changed = (
            np.array(curve, np.float32).tolist() for curve in (self.before, self.behind, self.changed)
        )
        return {"before": before, "behind": behind, "changed": changed, "converged": self.converged, "notes": []}

    def arrays(self) -> dict[str, ArrayLike]:
        """Return what is saved to resume training."""
        curves = {"before": self.before, "behind": self.behind, "changed": self.changed}
        return {**curves, "p": self.p, "labels": self._labels}
