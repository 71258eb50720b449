"""Find latent factors in ratings: torch, seeded, on one thread of a CPU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidatlas.encode.ratings import Ratings
from vidatlas.threads import one_thread
from vidatlas.types import Floats

if TYPE_CHECKING:
    import torch

    from vidatlas.encode.factors import FactorsSpec


@dataclass(frozen=True, slots=True)
class Factors:
    """Hold what was found.

    Attributes:
        things: float32 [things, dim].
        biases: float32 [things].
        rmse: root of the mean squared error on held-out ratings, of factors learned without them.
    """

    things: Floats
    biases: Floats
    rmse: float


def factorise(ratings: Ratings, spec: FactorsSpec) -> Factors:
    """Return the factors of each thing, learned from all ratings; the error is that of learning without some."""
    rmse = held_out_error(ratings, spec)
    tables = _learned(ratings, np.ones(len(ratings.values), bool), spec)
    factors, biases = (table.detach().numpy() for table in tables[2:])
    return Factors(np.ascontiguousarray(factors), np.ascontiguousarray(biases[:, 0]), rmse)


def held_out_error(ratings: Ratings, spec: FactorsSpec) -> float:
    """Return the root of the mean squared error on ratings drawn by seed, learned from the others."""
    import torch

    held = np.zeros(len(ratings.values), bool)
    order = np.random.default_rng(spec.seed).permutation(len(held))
    held[order[: max(1, round(spec.held_out * len(held)))]] = True
    tables = _learned(ratings, ~held, spec)
    with one_thread(), torch.no_grad():
        foretold = predict(tables, torch.from_numpy(ratings.pairs[held]), spec.span)
        errors = foretold - torch.from_numpy(ratings.values[held])
        return math.sqrt(float(errors.square().mean()))


def _learned(ratings: Ratings, used: NDArray[np.bool_], spec: FactorsSpec) -> list[torch.Tensor]:
    """Return factors and biases of users and things, learned from some ratings.

    Users start with small random factors, all else with zero: a thing then has what its ratings gave it, and one that
    nobody rated has nothing.
    """
    import torch

    start = np.random.default_rng((spec.seed, ratings.users)).normal(0, 0.01, (ratings.users, spec.dim))
    shapes = ((ratings.users, 1), (len(ratings.things), spec.dim), (len(ratings.things), 1))
    tables = [torch.tensor(start, dtype=torch.float32), *map(torch.zeros, shapes)]
    for table in tables:
        table.requires_grad_()
    with one_thread():
        _train(tables, torch.from_numpy(ratings.pairs[used]), torch.from_numpy(ratings.values[used]), spec)
    return tables


def predict(tables: list[torch.Tensor], pairs: torch.Tensor, span: tuple[float, float]) -> torch.Tensor:
    """Return the ratings [n] that factors and biases of users and things make for pairs int64 [n, 2]."""
    users, user_biases, things, thing_biases = tables
    user, thing = pairs[:, 0], pairs[:, 1]
    score = (users[user] * things[thing]).sum(dim=1) + user_biases[user, 0] + thing_biases[thing, 0]
    return score.sigmoid() * (span[1] - span[0]) + span[0]


def _train(tables: list[torch.Tensor], pairs: torch.Tensor, values: torch.Tensor, spec: FactorsSpec) -> None:
    import torch

    optimizer: Any = torch.optim.AdamW(tables, lr=spec.learning_rate, weight_decay=spec.weight_decay, betas=(0.9, 0.99))
    steps = spec.epochs * math.ceil(len(values) / spec.batch_rows)
    # fastai's shape: a quarter of the steps up, then down to a hundred-thousandth; momentum the other way round.
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, spec.learning_rate, total_steps=steps + 1, pct_start=0.25, div_factor=25, final_div_factor=4e3
    )
    for epoch in range(spec.epochs):
        order = torch.from_numpy(np.random.default_rng((spec.seed, epoch)).permutation(len(values)))
        for chosen in order.split(spec.batch_rows):
            loss = (predict(tables, pairs[chosen], spec.span) - values[chosen]).square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            cycle.step()
