"""Invented tables in the layouts that the recipes of sibling systems read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from random import Random
from typing import Any

GENRES = {
    "Horror Movies": "ghost haunted house night blood monster grave",
    "Sports Movies": "team coach match goal season trainer stadium",
    "Documentaries": "history archive interview planet ocean science war",
}
FILM = ["show_id", "type", "title", "director", "cast", "country", "date_added", "release_year", "rating", "duration"]
FILM += ["listed_in", "description"]
TAGS = ("dance ballet duet salsa", "pizza pasta baking recipe", "football goal soccer match")

SMALL: dict[str, Any] = {
    "encoder": {"kind": "hashing", "dim": 32},
    "source.shard_rows": 40,
    "reduce.pca.components": 6,
    "reduce.clusters.k": 3,
    "reduce.clusters.starts": 2,
    "reduce.quality.silhouette_rows": 50,
    "reduce.quality.stability_seeds": 0,
}
TINY_NETWORK = {
    "reduce.reducer.hidden": [16, 12],
    "reduce.reducer.latent": 4,
    "reduce.reducer.epochs": 6,
    "reduce.clusterer.interval": 5,
    "reduce.clusterer.max_updates": 12,
}
TINY_FACTORS = {"encoder.dim": 6, "encoder.epochs": 3, "encoder.learning_rate": 0.05, "reduce.clusterer.top": 2}


def write(path: Path, header: list[str], rows: list[list[str]], **style: Any) -> str:
    """Write a table as Python's csv does; return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **style).writerows([header, *rows])
    return str(path)


def films(folder: Path, count: int = 90) -> str:
    """Write films of three genres, a tenth of them shows, films without a cast or a director, one of them twice."""
    random, rows = Random(5), []
    for number in range(count):
        genre = random.choice(sorted(GENRES))
        words = GENRES[genre].split()
        row = {
            "show_id": f"s{number}",
            "type": "TV Show" if number % 10 == 0 else "Movie",
            "title": f'The "{random.choice(words)}" {number}',
            "director": "" if number % 7 == 0 else "Ada, Jr.",
            "cast": "" if number % 9 == 4 else "A. One, B. Two",
            "listed_in": f"{genre}, International Movies" if number % 3 else genre,
            "description": " ".join(random.choices(words, k=12)) + ",\nand no end.",
        }
        rows.append([row.get(column, "known") for column in FILM])
    return write(folder / "netflix_titles.csv", FILM, [*rows, rows[1]])


def hashtags(folder: Path) -> list[str]:
    """Write the videos of three users, one of whom uses no tag, and a file without any rows."""
    random = Random(2)
    header = ["id", "user_name", "hashtags"]
    rows = []
    for number in range(120):
        user = ("ann", "ben", "mute")[number % 3]
        words = random.choice(TAGS).split()
        tags = [] if user == "mute" else [f"{random.choice(words)}{random.choice(['', 's', '2020'])}", "FYP"]
        rows.append([str(number), user, repr(tags) if number % 2 else json.dumps(tags)])
    return [write(folder / "users.csv", header, rows), write(folder / "empty.csv", header, [])]


def movielens(folder: Path) -> tuple[str, str]:
    """Write 60 films, every third a comedy, as u.item has them, and the ratings of 40 users as u.data has them."""
    random = Random(4)
    films, ratings = [], []
    for number in range(1, 61):
        flags = ["1" if kind == number % 3 * 5 + 1 else "0" for kind in range(19)]
        films.append("|".join([str(number), f"Café {number} (1995)", "01-Jan-1995", "", "http://films/", *flags]))
    for user in range(1, 41):
        for number in random.sample(range(1, 61), 30):
            ratings.append(f"{user}\t{number}\t{5 if number % 3 == user % 3 else random.randint(1, 3)}\t88125")
    (folder / "u.item").write_bytes("\n".join(films).encode("latin-1") + b"\n")
    (folder / "u.data").write_text("\n".join(ratings) + "\n", encoding="utf-8")
    return str(folder / "u.item"), str(folder / "u.data")


def reviews(folder: Path) -> str:
    """Write ten reviews each of twelve films, in words of their genre, and five of a film that nobody rated."""
    random, rows = Random(6), []
    for number in range(125):
        film = number // 10 + 1
        words = sorted(GENRES.values())[film % 3].split()
        text = " ".join(random.choices(words, k=15)) + '.<br />\n"Good", she said.'
        rows.append([f"r{number}", "" if film > 12 else str(film), f"Café {film}", text])
    return write(folder / "reviews.csv", ["review_id", "ml100k_item_id", "title", "text"], rows)


def rated_settings(ratings: str) -> dict[str, Any]:
    """Return the settings that make movielens-factors small, and say where its ratings are."""
    small = {key: value for key, value in SMALL.items() if key != "encoder"}
    return small | TINY_FACTORS | {"encoder.ratings.file": ratings}
