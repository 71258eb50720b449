"""Invented tables and thumbnails for the notebooks, in the layouts of the real ones; the same at every call."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from vidatlas import load_recipe

FILM_GENRES = {
    "Horror Movies": "ghost haunted house night blood monster grave scream cellar demon",
    "Sports Movies": "team coach match goal season trainer stadium league boxer champion",
    "Documentaries": "history archive interview planet ocean science war climate species record",
    "Romantic Movies": "love wedding heart kiss summer letter couple date marriage promise",
}
NETFLIX_HEADER = [
    *("show_id", "type", "title", "director", "cast", "country", "date_added", "release_year", "rating", "duration"),
    *("listed_in", "description"),
]
PEOPLE = ["Ada Ash", "Ben Birch", "Cleo Cedar", "Dev Dale", "Eli Elm", "Fay Fir", "Gus Grove", "Hana Hazel"]
REVIEW_WORDS = {
    "Action": "chase explosion fight hero stunt car gun escape",
    "Comedy": "funny laugh joke silly humour prank witty gag",
    "Drama": "family tears loss moving actor quiet tender grief",
    "Horror": "ghost scream blood scary night dark monster fear",
}
HASHTAGS = {
    "food": "pizza pasta baking dinner cooking chef dessert breakfast vegan noodles",
    "sport": "football goal soccer basketball gym workout fitness running boxing yoga",
    "music": "guitar piano singing song concert drums violin rapper melody choir",
    "animals": "dog cat puppy kitten horse parrot hamster zoo rabbit goldfish",
}
USERS = {"cooking_ann": ["food", "animals"], "coach_ben": ["sport", "music", "food"], "quiet_cat": []}
SUBJECTS = {"Music": "guitar chord melody", "Gaming": "minecraft castle creeper", "Sports": "football goal final"}


def empty_folder() -> Path:
    """Return a new folder for temporary files."""
    return Path(tempfile.mkdtemp())


def _write(path: Path, header: list[str], rows: list[list[object]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def netflix(folder: Path) -> Path:
    """Write ``netflix_titles.csv`` of 420 titles: some lack a director or a cast, some are shows."""
    random = Random(0)

    def title(number: int) -> list[object]:
        genre = random.choice(sorted(FILM_GENRES))
        words = FILM_GENRES[genre].split()
        known = {
            "show_id": f"s{number}",
            "type": "TV Show" if number % 8 == 0 else "Movie",
            "title": f"{random.choice(words)} {number}".title(),
            "director": "" if number % 5 == 0 else random.choice(PEOPLE),
            "cast": "" if number % 11 == 0 else ", ".join(random.sample(PEOPLE, 2)),
            "listed_in": genre if number % 3 else f"{genre}, Independent Movies",
            "description": " ".join(random.choices(words, k=9)) + ", and a " + random.choice(words) + ".",
        }
        return [known.get(column, "2020") for column in NETFLIX_HEADER]

    return _write(folder / "netflix_titles.csv", NETFLIX_HEADER, [title(number) for number in range(420)])


def tiktok(folder: Path) -> Path:
    """Write a table of 120 videos of three users, each with its hashtags as a Python list written as text."""
    random = Random(0)

    def hashtags(user: str) -> str:
        words = [word for theme in USERS[user] for word in HASHTAGS[theme].split()]
        return repr([*random.sample(words, 3), random.choice(["fyp", "FYP", "foryou"])] if words else [])

    rows: list[list[object]] = [[number, user, hashtags(user)] for number in range(40) for user in USERS]
    return _write(folder / "users.csv", ["id", "user_name", "hashtags"], rows)


def movielens(folder: Path) -> tuple[Path, Path]:
    """Write ``u.item`` of 120 films, ``u.data`` of 3,200 ratings, and 240 reviews; return the films and the reviews.

    Each user prefers a genre; a review's words are those of its film's genre.
    """
    random, genres = Random(0), list(REVIEW_WORDS)
    columns = load_recipe("movielens-factors").source.format.columns
    kinds = {number: random.choice(genres) for number in range(1, 121)}
    films: list[list[object]] = [
        [number, f"{kind} {number} (1995)", "01-Jan-1995", "", "", *(int(column == kind) for column in columns[5:])]
        for number, kind in kinds.items()
    ]
    ratings: list[list[object]] = [
        [user, number, random.choice([4, 5]) if kinds[number] == genres[user % 4] else random.choice([1, 2, 3]), 0]
        for user in range(80)
        for number in random.sample(sorted(kinds), 40)
    ]
    reviews: list[list[object]] = [
        [
            f"r{film}-{number}",
            film,
            films[film - 1][1],
            " ".join(random.choices(REVIEW_WORDS[kinds[film]].split(), k=12)),
        ]
        for film in range(1, 41)
        for number in range(6)
    ]
    _write(folder / "u.data", list(map(str, ratings[0])), ratings[1:], delimiter="\t")
    items = _write(folder / "u.item", list(map(str, films[0])), films[1:], delimiter="|")
    return items, _write(folder / "reviews.csv", ["review_id", "ml100k_item_id", "title", "text"], reviews)


def thumbnails(folder: Path) -> Path:
    """Write 120 videos as JSON lines, and a thumbnail for each in ``images``: a circle or a stripe, by category."""
    random = Random(0)
    (folder / "images").mkdir(exist_ok=True)
    rows = []
    for number in range(120):
        category = list(SUBJECTS)[number % 3]
        words = random.sample(SUBJECTS[category].split(), 3)
        picture = Image.new("L", (96, 72), random.randrange(20, 60))
        pen, x, y = ImageDraw.Draw(picture), random.randrange(10, 30), random.randrange(10, 30)
        shape = {"Music": (x, y, x + 40, y + 40), "Gaming": (x, 0, x + 12, 72), "Sports": (0, y, 96, y + 12)}[category]
        (pen.ellipse if category == "Music" else pen.rectangle)(shape, fill=200)
        picture.save(folder / "images" / f"v{number}.png")
        known = {"display_id": f"v{number}", "categories": category, "channel_id": f"c{number % 30}"}
        rows.append({**known, "title": " ".join(words), "tags": words[0]})
    path = folder / "pictured.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
