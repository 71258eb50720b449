"""Factors are learned from ratings: better than means, the same every time; bad tables are one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.encoders.factors import FactorsSpec
from vidatlas.encoders.learned import Learned, Survey
from vidatlas.encoders.ratings import RatingsSpec, read_ratings
from vidatlas.errors import InputError
from vidatlas.sources.csv import CsvSpec
from vidatlas.types import EncodeStats


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the ratings of 60 users for 40 things, of two tastes that hate each other's half."""
    random = np.random.default_rng(0)
    lines = ["user,item,rating"]
    for user in range(60):
        for item in random.choice(40, 25, replace=False):
            alike = (user % 2) == (item % 2)
            lines.append(f"u{user},i{item},{np.clip(round(4.4 if alike else 1.6 + random.normal(0, 0.4)), 1, 5)}")
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def spec(file: str, **changes: Any) -> FactorsSpec:
    return FactorsSpec(
        ratings=RatingsSpec(file=file), dim=4, epochs=30, learning_rate=0.05, weight_decay=0.01, **changes
    )


@pytest.fixture(scope="module")
def learned(ratings: str) -> Learned:
    return spec(ratings).learn(Survey())


def test_the_error_on_ratings_held_out_is_far_below_that_of_the_mean(ratings: str, learned: Learned) -> None:
    values = read_ratings(RatingsSpec(file=ratings)).values
    assert learned.facts["rmse"] < 0.5 * values.std()
    assert learned.facts["ratings"] == len(values) == 1500


def test_things_that_the_same_people_like_lie_together(ratings: str, learned: Learned) -> None:
    encoder = spec(ratings).load_learned(learned, 1)
    names = [f"i{item}" for item in range(40)]
    found = encoder.encode([*names, "unrated"], stats := EncodeStats())
    assert (found.shape, found.dtype, stats.distinct) == ((41, 4), np.float32, 41)
    assert not found[40].any()
    likeness = np.corrcoef(found[:40])
    same = np.equal.outer(np.arange(40) % 2, np.arange(40) % 2)
    assert likeness[same].mean() > likeness[~same].mean() + 0.5
    assert encoder.identity["rmse"] == learned.facts["rmse"]


def test_the_same_seed_gives_the_same_factors_and_another_one_others(ratings: str, learned: Learned) -> None:
    assert spec(ratings).learn(Survey()).sha256 == learned.sha256
    assert spec(ratings, seed=1).learn(Survey()).sha256 != learned.sha256


def test_things_stand_in_the_order_in_which_they_occur(tmp_path: Path) -> None:
    path = tmp_path / "u.data"
    path.write_text("9\t7\t3\t0\n9\t2\t5\t0\n8\t7\t1\t0\n", encoding="utf-8")
    form = CsvSpec(delimiter="\t", quote=None, header=False, columns=("user", "item", "rating", "time"))
    found = read_ratings(RatingsSpec(file=str(path), format=form))
    assert (found.things, found.users) == (("7", "2"), 2)
    assert found.pairs.tolist() == [[0, 0], [0, 1], [1, 0]]
    assert found.values.tolist() == [3, 5, 1]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (None, "no such file"),
        ("user,item,rating\n", "holds no ratings"),
        ("user,item\nu,i\n", "rating 1 cannot be read"),
        ("user,item,rating\nu,i,good\n", "rating 1 cannot be read"),
        ("user,item,rating\nu,i,3\nu,i\n", "rating 2 is invalid"),
        ("user,item,rating\nu,i,3\nu,i,nan\n", "rating 2 cannot be read .nan is no number"),
        ("user,item,rating\nu,i,-inf\n", "rating 1 cannot be read .-inf is no number"),
        ("user,item,rating\nu,i,1e39\n", "rating 1 cannot be read .1e.39 is no number"),
    ],
)
def test_ratings_that_cannot_be_read_are_one_line(tmp_path: Path, data: str | None, match: str) -> None:
    path = tmp_path / "ratings.csv"
    if data is not None:
        path.write_text(data, encoding="utf-8")
    with pytest.raises(InputError, match=rf"^[^\n]*{match}[^\n]*$"):
        read_ratings(RatingsSpec(file=str(path)))


def test_ratings_are_read_as_people_have_them(tmp_path: Path) -> None:
    """MovieLens 1M separates by two colons; later ones come as Parquet, with numbers as ids."""
    dat, table, nested = tmp_path / "ratings.dat", tmp_path / "ratings.parquet", tmp_path / "nested.parquet"
    dat.write_text("1::10::5::978300760\n2::10::3::978302109\n", encoding="latin-1")
    form = CsvSpec(delimiter="::", header=False, columns=("user", "item", "rating", "time"))
    pq.write_table(pa.table({"user": [1, 2], "item": [10, 10], "rating": [5.0, 3.0]}), table)
    pq.write_table(pa.table({"user": [{"id": 1}, {"id": 2}], "item": [10, 10], "rating": [5.0, 3.0]}), nested)
    specs = [
        RatingsSpec(file=str(dat), format=form),
        RatingsSpec(file=str(table)),
        RatingsSpec(file=str(nested), user="user.id"),
    ]
    for found in map(read_ratings, specs):
        assert (found.things, found.users, found.values.tolist()) == (("10",), 2, [5.0, 3.0])
