"""Invented tables in the layouts that the recipes of sibling systems read."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import re
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


def _videos(lines: bytes) -> list[dict[str, Any]]:
    """Return rows in the layout of YouNiverse, their tags as lists."""
    rows = [json.loads(line) for line in lines.splitlines()]
    return [{**row, "tags": [tag for tag in row["tags"].split(",") if tag]} for row in rows]


def _channel(row: dict[str, Any]) -> str:
    return f"UC{sum(map(ord, row['display_id'])) % 9}"


def _number_of(row: dict[str, Any]) -> str:
    return {"Gaming": "20", "Music": "10"}.get(row["categories"], "24")


def pages(folder: Path, lines: bytes) -> list[str]:
    """Write two pages of the YouTube Data API, one pretty-printed."""
    items = [
        {
            "kind": "youtube#video",
            "id": row["display_id"],
            "snippet": {
                "publishedAt": "2024-03-01T10:00:00Z",
                "channelId": _channel(row),
                "channelTitle": "A channel",
                "title": row["title"],
                "categoryId": _number_of(row),
                **({"tags": row["tags"]} if row["tags"] else {}),
            },
        }
        for row in _videos(lines)
    ]
    for name, part, indent in (("page1.json", items[:50], 2), ("page2.json", items[50:], None)):
        page = {"kind": "youtube#videoListResponse", "etag": "x", "items": part}
        (folder / name).write_text(json.dumps(page, indent=indent), encoding="utf-8")
    return [str(folder / "page1.json"), str(folder / "page2.json")]


def trending(folder: Path, lines: bytes) -> list[str]:
    """Write Kaggle's table of trending videos: half of them on two days; tags with bars between, and quotes around."""
    header = "video_id,trending_date,title,channel_title,category_id,publish_time,tags,views,description"
    rows = _videos(lines)
    days = [("17.14.11", rows), ("17.15.11", rows[:60])]
    out = [header]
    for day, videos in days:
        for row in videos:
            tags = "|".join(f'"{tag}"' for tag in row["tags"]).removeprefix('"').replace('"|', "|", 1) or "[none]"
            title = row["title"].replace('"', "'")
            cells = [
                row["display_id"],
                day,
                f'"{title}"',
                _channel(row),
                _number_of(row),
                "2017-11-13T17:13:01.000Z",
            ]
            out.append(",".join(map(str, [*cells, f'"{tags}"' if tags != "[none]" else tags, 7, "text"])))
    (folder / "USvideos.csv").write_text("\n".join(out), encoding="utf-8")
    return [str(folder / "USvideos.csv")]


def info_files(folder: Path, lines: bytes) -> list[str]:
    """Write a file of yt-dlp for each video, pretty-printed, and one with a hundred, one per line."""
    videos = []
    for at, row in enumerate(_videos(lines)):
        info = {
            "id": row["display_id"],
            "title": row["title"],
            "formats": [{"format_id": "18", "url": "https://example.org/18"}],
            "thumbnail": "https://example.org/t.jpg",
            "channel_id": _channel(row),
            "categories": [row["categories"]],
            "tags": row["tags"],
            "chapters": [{"start_time": 0, "title": "Intro"}],
            "duration": 125 + at,
            "view_count": at,
            "upload_date": "20240301",
            "fulltitle": row["title"],
            "display_id": row["display_id"],
            "_type": "video",
        }
        videos.append(info)
    (folder / "000.info.json").write_text("\n".join(map(json.dumps, videos[:100])), encoding="utf-8")
    for info in videos[100:]:
        (folder / f"{info['duration']}.info.json").write_text(json.dumps(info, indent=2), encoding="utf-8")
    return sorted(map(str, folder.glob("*.info.json")))


def _films(count: int = 60) -> list[list[str]]:
    random, rows = Random(3), []
    for number in range(1, count + 1):
        genre = random.choice(sorted(GENRES))
        words = random.choices(GENRES[genre].split(), k=3)
        rows.append(
            [
                str(number),
                f"{' '.join(words).title()}, The ({1950 + number})",
                f"{genre}|Drama" if number % 4 else genre,
            ]
        )
    return rows


def movies(folder: Path) -> str:
    """Write the films of MovieLens as its later editions do."""
    return write(
        folder / "movies.csv", ["movieId", "title", "genres"], [*_films()[:-1], ["60", "Odd one", "(no genres listed)"]]
    )


def movies_1m(folder: Path) -> str:
    """Write the films of MovieLens 1M: two colons between cells, no header, Latin-1."""
    rows = ["::".join(row) for row in _films()]
    (folder / "movies.dat").write_text(
        "\n".join([*rows[:-1], "60::Amélie et la mer (2001)::Drama"]), encoding="latin-1"
    )
    return str(folder / "movies.dat")


def opened(report: str) -> dict[str, Any]:
    """Return what the rows of a report's table open to."""
    return _packed(report, "table-data")


def titled(report: str) -> dict[str, Any]:
    """Return ids, titles and links of the videos of a report: the map's, of which the rows' examples are some."""
    return _packed(report, "map-titles")


def _packed(report: str, name: str) -> dict[str, Any]:
    (packed,) = re.findall(rf'id="{name}">(.*?)</script>', report)
    return dict(json.loads(gzip.decompress(base64.b64decode(packed))))
