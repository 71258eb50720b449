"""Find latent factors in ratings: torch, seeded, on one thread of a CPU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
        rmse: root of the mean squared error on the ratings that were held out.
    """

    things: Floats
    biases: Floats
    rmse: float


def factorise(ratings: Ratings, spec: FactorsSpec) -> Factors:
    """Return the factors of each thing, learned from all ratings but those held out."""
    import torch

    random = np.random.default_rng(spec.seed)
    held = np.zeros(len(ratings.values), bool)
    held[random.permutation(len(held))[: max(1, round(spec.held_out * len(held)))]] = True
    tables = [
        torch.tensor(random.normal(0, 0.01, (rows, width)), dtype=torch.float32, requires_grad=True)
        for rows in (ratings.users, len(ratings.things))
        for width in (spec.dim, 1)
    ]
    pairs, values = torch.from_numpy(ratings.pairs), torch.from_numpy(ratings.values)
    with one_thread():
        _train(tables, pairs[~held], values[~held], spec)
        with torch.no_grad():
            errors = predict(tables, pairs[held], spec.span) - values[held]
            rmse = math.sqrt(float(errors.square().mean()))
    factors, biases = (table.detach().numpy() for table in tables[2:])
    return Factors(np.ascontiguousarray(factors), np.ascontiguousarray(biases[:, 0]), rmse)


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
