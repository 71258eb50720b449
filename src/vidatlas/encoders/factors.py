"""Latent factors of rated items by matrix factorisation, trained with AdamW on the squared error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.encoders.languages import Languages
from vidatlas.encoders.learned import Learned, LookupEncoder, Survey
from vidatlas.encoders.ratings import Ratings, RatingsSpec, find_ratings, read_ratings
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import require
from vidatlas.threads import one_thread
from vidatlas.types import Floats

if TYPE_CHECKING:
    import torch


BATCH_ROWS = 64
"""Ratings per step of the optimizer."""
HELD_OUT = 0.2
"""Share of the ratings, sampled by seed, held out to measure the prediction error; the factors themselves are then
fitted to all ratings."""


class FactorsSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the ratings, and how latent factors are fitted to them."""

    kind: Literal["factors"] = "factors"
    languages: ClassVar[Languages] = "any"
    ratings: RatingsSpec
    dim: Annotated[int, Field(ge=1, le=4096)] = 50
    """Factors per user and per item."""
    span: tuple[float, float] = (0.0, 5.5)
    """Predictions are scaled to this range, slightly wider than that of the ratings."""
    epochs: Annotated[int, Field(ge=1)] = 5
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    seed: int = 0

    def inspect(self) -> Inspection:
        """Return the number of factors; a lookup has no noticeable cost.

        Raises:
            InputError: the ratings are missing.
            UsageError: torch is not installed.
        """
        require("encoder.kind=factors", "torch")
        find_ratings(self.ratings)
        return Inspection(f"factors of {self.ratings.file}", self.dim, None, len)

    def survey(self, texts: list[str]) -> Survey:
        """Return an empty survey: factors are learned from the ratings, not from texts."""
        return Survey()

    def learn(self, survey: Survey) -> Learned:
        """Return the factors float32 [items, dim] and bias [items] of each item, fitted to all ratings.

        The error is that of a fit with some held out.

        Raises:
            InputError: the ratings are missing or cannot be read.
        """
        ratings = read_ratings(self.ratings)
        rmse = held_out_error(ratings, self)
        tables = _learned(ratings, np.ones(len(ratings.values), bool), self)
        factors, biases = (table.detach().numpy() for table in tables[2:])
        arrays = {"factors": np.ascontiguousarray(factors), "biases": np.ascontiguousarray(biases[:, 0])}
        return Learned(ratings.things, arrays, {"ratings": len(ratings.values), "rmse": rmse})

    def load_learned(self, learned: Learned, threads: int) -> LookupEncoder:
        """Return an encoder from an item's key (its only text) to its factors; an item without ratings is zero."""
        places = {name: at for at, name in enumerate(learned.names)}
        factors = learned.arrays["factors"]

        def fill(key: str, vector: Floats) -> int:
            if key in places:
                vector[:] = factors[places[key]]
            return 1

        return LookupEncoder("factors", self.dim, learned, fill)


def held_out_error(ratings: Ratings, spec: FactorsSpec) -> float:
    """Return the root mean squared error of factors on held-out ratings, sampled by seed."""
    import torch

    held = np.zeros(len(ratings.values), bool)
    order = np.random.default_rng(spec.seed).permutation(len(held))
    held[order[: max(1, round(HELD_OUT * len(held)))]] = True
    tables = _learned(ratings, ~held, spec)
    with one_thread(), torch.no_grad():
        foretold = predict(tables, torch.from_numpy(ratings.pairs[held]), spec.span)
        errors = foretold - torch.from_numpy(ratings.values[held])
        return math.sqrt(float(errors.square().mean()))


def _learned(ratings: Ratings, used: NDArray[np.bool_], spec: FactorsSpec) -> list[torch.Tensor]:
    """Return factors and biases of users and items, fitted to some ratings.

    Users start with small random factors, everything else with zero: an item without ratings stays zero.
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
    """Return the ratings [n] predicted from factors and biases, for pairs (user, item) int64 [n, 2]."""
    users, user_biases, things, thing_biases = tables
    user, thing = pairs[:, 0], pairs[:, 1]
    score = (users[user] * things[thing]).sum(dim=1) + user_biases[user, 0] + thing_biases[thing, 0]
    return score.sigmoid() * (span[1] - span[0]) + span[0]


def _train(tables: list[torch.Tensor], pairs: torch.Tensor, values: torch.Tensor, spec: FactorsSpec) -> None:
    import torch

    optimizer: Any = torch.optim.AdamW(tables, lr=spec.learning_rate, weight_decay=spec.weight_decay, betas=(0.9, 0.99))
    steps = spec.epochs * math.ceil(len(values) / BATCH_ROWS)
    # fastai's schedule: a quarter of the steps up, then down to a hundred-thousandth; momentum inversely.
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, spec.learning_rate, total_steps=steps + 1, pct_start=0.25, div_factor=25, final_div_factor=4e3
    )
    for epoch in range(spec.epochs):
        order = torch.from_numpy(np.random.default_rng((spec.seed, epoch)).permutation(len(values)))
        for chosen in order.split(BATCH_ROWS):
            loss = (predict(tables, pairs[chosen], spec.span) - values[chosen]).square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            cycle.step()
