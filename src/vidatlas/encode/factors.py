"""Latent factors of rated things: what people's ratings say of each, whatever its texts say.

Matrix factorisation with biases (Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems",
2009), ratings squashed into their range; one cycle of learning rates (Smith, "A Disciplined Approach to Neural Network
Hyper-Parameters", 2018) with decoupled weight decay (Loshchilov and Hutter, 2019), as fastai's ``collab_learner`` does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from vidatlas.encode.inspection import Inspection
from vidatlas.encode.learned import Learned, Survey
from vidatlas.encode.lookup import LookupEncoder
from vidatlas.encode.ratings import RatingsSpec, find_ratings, read_ratings
from vidatlas.types import Floats


class FactorsSpec(BaseModel):
    """Say where the ratings are, and how factors are found in them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["factors"] = "factors"
    ratings: RatingsSpec
    dim: Annotated[int, Field(ge=1, le=4096)] = 50
    """Factors of each user and of each thing."""
    span: tuple[float, float] = (0.0, 5.5)
    """Ratings are squashed into this range, a little wider than their own."""
    epochs: Annotated[int, Field(ge=1)] = 5
    batch_rows: Annotated[int, Field(ge=1)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the ratings, drawn by seed, on which the error of learning from the others is measured; the factors
    themselves are learned from all."""
    seed: int = 0

    def inspect(self) -> Inspection:
        """Return the width; looking a thing up costs next to nothing.

        Raises:
            InputError: the ratings are absent.
        """
        find_ratings(self.ratings)
        return Inspection(f"factors of {self.ratings.file}", self.dim, None, len)

    def survey(self, texts: list[str]) -> Survey:
        """Return nothing: what is learned stands in the ratings."""
        return Survey()

    def learn(self, survey: Survey) -> Learned:
        """Return the factors of each thing, its bias, and the error on held-out ratings.

        Raises:
            InputError: the ratings are absent or cannot be read.
        """
        from vidatlas.encode.factorising import factorise

        ratings = read_ratings(self.ratings)
        found = factorise(ratings, self)
        arrays = {"factors": found.things, "biases": found.biases}
        return Learned(ratings.things, arrays, {"ratings": len(ratings.values), "rmse": found.rmse})

    def load_learned(self, learned: Learned, threads: int) -> LookupEncoder:
        """Return an encoder of a thing's key, its only text, as its factors; one that nobody rated is zero."""
        places = {name: at for at, name in enumerate(learned.names)}
        factors = learned.arrays["factors"]

        def fill(key: str, vector: Floats) -> int:
            if key in places:
                vector[:] = factors[places[key]]
            return 1

        return LookupEncoder("factors", self.dim, learned, fill)
