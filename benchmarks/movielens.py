"""How well do latent factors foretell ratings, and do reviews give away the factors of their films?

Run python -m benchmarks.movielens --data FOLDER --cache FOLDER (see benchmarks/README.md). Error: of 20,000 ratings
held out, with three seeds, beside that of the mean of all ratings and of the film's own mean. Classes: the recipes
movielens-factors and movielens-reviews as they stand, and with the films cut to the 20 of each factor that have most of
it; five folds, by film and by review, beside the classes that are most frequent in the other folds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

import vidatlas
from benchmarks.machine import machine
from vidatlas.encoders.factors import FactorsSpec
from vidatlas.encoders.learned import Survey
from vidatlas.encoders.ratings import Ratings, read_ratings
from vidatlas.storage.json_files import ProbeFacts

METHODS: dict[Literal["head", "tuned", "most_frequent"], str] = {
    "head": "linear head",
    "tuned": "tuned layers",
    "most_frequent": "most frequent classes",
}
SEEDS = range(3)
SERIAL = vidatlas.Options(runner="serial")


def by_means(ratings: Ratings, seed: int) -> tuple[float, float]:
    """Return the error of the mean of all ratings, and of the mean of each film's (all where it has none)."""
    values, films = ratings.values.astype(float), ratings.pairs[:, 1]
    held = np.zeros(len(values), bool)
    held[np.random.default_rng(seed).permutation(len(held))[: round(0.2 * len(held))]] = True
    mean = values[~held].mean()
    sums = np.bincount(films[~held], values[~held], len(ratings.things))
    counts = np.bincount(films[~held], minlength=len(ratings.things))
    own = np.where(counts > 0, sums / np.maximum(counts, 1), mean)
    errors = (values[held] - mean, values[held] - own[films[held]])
    return tuple(float(np.sqrt(np.square(error).mean())) for error in errors)  # type: ignore[return-value]


def errors(spec: FactorsSpec) -> Iterator[str]:
    """Yield the lines of the table of errors."""
    ratings = read_ratings(spec.ratings)
    plain = [by_means(ratings, seed) for seed in SEEDS]
    learned = [spec.model_copy(update={"seed": seed}).learn(Survey()).facts["rmse"] for seed in SEEDS]
    yield "| foretold by | RMSE, mean of three seeds | least | most |"
    yield "|---|---|---|---|"
    columns = {
        "mean of all ratings": [one for one, _ in plain],
        "mean of the film": [own for _, own in plain],
        "50 factors and biases (`movielens-factors`)": learned,
    }
    for name, found in columns.items():
        yield f"| {name} | {statistics.fmean(found):.3f} | {min(found):.3f} | {max(found):.3f} |"


def factors(atlas: vidatlas.Atlas) -> Iterator[str]:
    """Yield the lines of a table of five factors: those that most films lie in."""
    yield "| factor | name | films in which it leads | those that have most of it |"
    yield "|---|---|---|---|"
    for row in atlas.subcategories().head(5).to_dict("records"):
        yield f"| {row['subcategory']} | {row['name']} | {row['size']} | {', '.join(row['exemplar_titles'])} |"


def told(name: str, found: ProbeFacts) -> Iterator[str]:
    """Yield the lines of one probe."""
    for split, what in ((found["by_group"], "film"), (found["by_record"], "review")):
        for way, method in METHODS.items():
            if not split or way not in split:
                continue
            f1 = split[way]
            figures = f"{f1['micro_f1']:.3f} | {f1['macro_f1']:.3f} | {f1['lrap']:.3f}"
            yield f"| {name} | {found['rows']:,} of {found['groups']} films | {what} | {method} | {figures} |"


def main() -> None:
    """Run both recipes into the cache and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--tune", type=int, metavar="ROWS", help="tune the encoder's layers with a draw of the reviews")
    arguments = parser.parse_args()
    source, films = arguments.data / "movielens", arguments.cache / "movielens-films"
    recipe = vidatlas.load_recipe("movielens-factors", {"encoder.ratings.file": str(source / "u.data")})
    assert isinstance(recipe.encoder, FactorsSpec)
    print(f"{machine()}\n")
    rated = vidatlas.run(recipe, source / "u.item", films, SERIAL)
    if not arguments.tune:
        print("\n".join(errors(recipe.encoder)), "\n")
        print("\n".join(factors(rated)), "\n")
    print("| films | reviews | split by | method | micro F1 | macro F1 | ranking precision |")
    print("|---|---|---|---|---|---|---|")
    place, settings = arguments.cache / "movielens-reviews", {"reduce.probe.classes": str(films)}
    reviews = vidatlas.load_recipe("movielens-reviews", settings)
    every = vidatlas.run(reviews, arguments.data / "reviews" / "reviews.csv", place, SERIAL)
    if not arguments.tune:
        print("\n".join(told("all", every.metrics["probe"])))
    tuned = {"reduce.probe.tune": "layers", "reduce.probe.fit_rows": arguments.tune} if arguments.tune else {}
    vidatlas.reduce(place, {"reduce.probe.most_each": 20} | tuned, SERIAL)
    print("\n".join(told("20 of each factor", every.metrics["probe"])))


if __name__ == "__main__":
    main()
