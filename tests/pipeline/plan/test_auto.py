"""A look at the input finds the columns, says how sure it is, and asks for what it cannot decide."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas.cli.main import main
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan import sample
from vidatlas.pipeline.plan.auto import Guess, assume
from vidatlas.recipe import load_recipe
from vidatlas.sources.values.category_names import YOUTUBE

WORDS = ("castle", "piano", "bread", "radio", "chess", "garden", "knitting", "guitar")
COUNT = 40
SERIAL = vidatlas.Options(runner="serial")
_SIGNS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJK23456789-_"
IDS = ["".join(Random(number).choices(_SIGNS, k=11)) for number in range(COUNT)]
TITLES = [f"{WORDS[number % 8].title()} lesson {number} at home" for number in range(COUNT)]
TAGS = [[WORDS[number % 8], WORDS[(number + 3) % 8], "easy"] for number in range(COUNT)]
NUMBERS = range(COUNT)


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def youniverse() -> list[dict[str, Any]]:
    return [
        {
            "categories": ["Music", "Gaming"][n % 2],
            "channel_id": f"UC{n % 5}",
            "display_id": IDS[n],
            "tags": ",".join(TAGS[n]),
            "title": TITLES[n],
            "upload_date": "2019-03-01 00:00:00",
            "view_count": 10.0 * n,
        }
        for n in NUMBERS
    ]


def items() -> list[dict[str, Any]]:
    return [
        {
            "kind": "youtube#video",
            "etag": f"e{n}",
            "id": IDS[n],
            "snippet": {
                "publishedAt": "2024-03-01T10:00:00Z",
                "channelId": f"UC{n % 5}",
                "title": TITLES[n],
                "description": "What this is about.",
                "thumbnails": {"default": {"url": "https://i.example/d.jpg", "width": 120}},
                "channelTitle": f"Channel {n % 5}",
                "categoryId": str(10 + 10 * (n % 2)),
                "localized": {"title": TITLES[n]},
                **({"tags": TAGS[n]} if n % 3 else {}),
            },
            "statistics": {"viewCount": str(n)},
        }
        for n in NUMBERS
    ]


def trending() -> str:
    head = "video_id,trending_date,title,channel_title,category_id,publish_time,tags,views\n"
    tags = [
        "|".join([tags[0], *(f'"{tag}"' for tag in tags[1:])]) if n % 9 else "[none]" for n, tags in enumerate(TAGS)
    ]
    return head + "".join(
        f'{IDS[n]},17.14.11,"{TITLES[n]}",Channel,{10 + 10 * (n % 2)},2017-11-13T17:13:01.000Z,{tags[n]},{n}\n'
        for n in NUMBERS
    )


def info(n: int) -> dict[str, Any]:
    return {
        "id": IDS[n],
        "title": TITLES[n],
        "formats": [{"format_id": "sb0", "url": "https://x.example/y", "fps": 1.0}],
        "thumbnail": "https://i.example/2.jpg",
        "description": "Some text\nand more",
        "channel_id": f"UC{n % 3}",
        "duration": 120 + n,
        "view_count": 1000 + n,
        "categories": ["Music"],
        "tags": TAGS[n] if n % 3 else [],
        "chapters": [{"start_time": 0, "title": "Intro"}],
        "channel": "A channel",
        "upload_date": "20240301",
        "fulltitle": TITLES[n],
        "_type": "video",
    }


def tiktok() -> list[dict[str, Any]]:
    return [
        {
            "id": 7100000000000000000 + 1371 * n,
            "username": f"user{n % 4}",
            "create_time": 1700000000 + n,
            "video_description": f"{TITLES[n]} #easy",
            "hashtag_names": TAGS[n] if n % 2 else [],
            "like_count": n,
            "music_id": 7000000000000000123,
        }
        for n in NUMBERS
    ]


def netflix() -> str:
    head = "show_id,type,title,director,country,date_added,release_year,rating,duration,listed_in,description,,\n"
    return head + "".join(
        f's{n},{["Movie", "TV Show"][n % 2]},{TITLES[n]},,Norway,"September 25, 2021",{1990 + n % 30},PG,90 min,'
        f'"Dramas, {WORDS[n % 8]}","About {WORDS[n % 8]}.",,\n'
        for n in NUMBERS
    )


def tmdb() -> str:
    def cell(names: list[str]) -> str:
        return '"' + json.dumps([{"id": 1, "name": name} for name in names]).replace('"', '""') + '"'

    head = "budget,genres,id,keywords,original_title,release_date,runtime,title\n"
    return head + "".join(
        f"100,{cell(['Action', 'Drama'][n % 2 :])},{19995 + n},{cell(TAGS[n])},Original,2009-12-10,162.0,{TITLES[n]}\n"
        for n in NUMBERS
    )


def movies(delimiter: str, header: str) -> str:
    rows = [delimiter.join([str(n + 1), f"{TITLES[n]} é (1995)", "|".join(TAGS[n][:2])]) for n in NUMBERS]
    return header + "\n".join(rows)


def write(folder: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> str:
    (folder / name).write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return str(folder / name)


def vectors(width: int = 16) -> pa.Array:
    numbers = np.random.default_rng(0).normal(size=(COUNT, width)).astype("f4")
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), width)


def sure_of(guess: Guess) -> dict[str, str]:
    return {one.key: one.sure for one in guess.assumed}


def said(guess: Guess) -> dict[str, str]:
    return {one.key: one.column for one in guess.assumed}


TEXT_INPUTS = {
    "youniverse.jsonl": lambda: lines(youniverse()),
    "items.jsonl": lambda: lines(items()),
    "page.json": lambda: json.dumps({"kind": "list", "items": items()}, indent=1),
    "one_line.json": lambda: json.dumps({"kind": "list", "items": items()}),
    "array.json": lambda: json.dumps(items()),
    "trending.csv": trending,
    "tiktok.jsonl": lambda: lines(tiktok()),
    "tiktok_page.json": lambda: json.dumps({"data": {"videos": tiktok(), "has_more": False}}),
    "netflix.csv": netflix,
    "tmdb.csv": tmdb,
    "movies.csv": lambda: movies(",", "movieId,title,genres\n"),
    "playlist.json": lambda: json.dumps(
        {"_type": "playlist", "id": "P", "title": "L", "entries": [info(n) for n in NUMBERS]}
    ),
    "objects.jsonl": lambda: lines(
        [
            {
                "uuid": IDS[n],
                "name": TITLES[n],
                "tags": [{"name": tag, "n": 1} for tag in TAGS[n]],
                "category": {"id": 20, "label": ["Gaming", "Music"][n % 2]},
                "channel": {"id": 7, "name": f"UC{n % 5}"},
            }
            for n in NUMBERS
        ]
    ),
}
API = ("id", "snippet.title", "snippet.tags", "snippet.categoryId", "snippet.channelId")
DECIDED: dict[str, tuple[Any, ...]] = {
    "youniverse.jsonl": ("display_id", "title", "tags", "categories", "channel_id"),
    "items.jsonl": API,
    "page.json": API,
    "one_line.json": API,
    "array.json": API,
    "trending.csv": ("video_id", "title", "tags", "category_id", "channel_title"),
    "tiktok.jsonl": ("id", "video_description", "hashtag_names", None, "username"),
    "tiktok_page.json": ("id", "video_description", "hashtag_names", None, "username"),
    "netflix.csv": ("show_id", "title", "listed_in", "type", None),
    "tmdb.csv": ("id", "title", "keywords[].name", "genres[].name", None),
    "movies.csv": ("movieId", "title", "genres", None, None),
    "playlist.json": ("id", "title", "tags", "categories", "channel_id"),
    "objects.jsonl": ("uuid", "name", "tags[].name", "category.label", "channel.name"),
}


@pytest.mark.parametrize("name", DECIDED)
def test_the_columns_are_found_and_every_row_is_read(name: str, tmp_path: Path) -> None:
    file = write(tmp_path, name, TEXT_INPUTS[name]())
    guess = assume([file], {})
    record = guess.recipe.record
    fields = record.fields
    found = (record.id, fields["title"].column, fields["tags"].column, record.group, record.author)
    assert found == DECIDED[name]
    small = load_recipe(guess.recipe.model_dump(mode="json"), {"encoder": {"kind": "hashing", "dim": 8}})
    entry = vidatlas.plan(small, file, tmp_path / "atlas", vidatlas.Options(runner="serial"))
    assert entry["counts"]["kept"] == entry["counts"]["read"] == COUNT


def test_objects_that_are_categories_leave_room_for_a_text(tmp_path: Path) -> None:
    genres = [str([{"id": n, "name": name} for name in ("Drama", "War")[n % 2 :]]) for n in NUMBERS]
    rows = "".join(f'{n},"{genres[n]}",{TITLES[n]},"About {TITLES[n]}, and more."\n' for n in NUMBERS)
    file = write(tmp_path, "movies_metadata.csv", f"id,genres,title,overview\n{rows}")
    guess = assume([file], {})
    record = guess.recipe.record
    assert {name: field.column for name, field in record.fields.items()} == {"title": "title", "text": "overview"}
    assert record.group == "genres[].name"
    assert not [key for key in said(guess) if key.startswith("record.fields.tags")]
    small = load_recipe(guess.recipe.model_dump(mode="json"), {"encoder": {"kind": "hashing", "dim": 8}})
    vidatlas.plan(small, file, tmp_path / "atlas", vidatlas.Options(runner="serial"))
    facts = json.loads(next((tmp_path / "atlas" / "plan").glob("*.json")).read_bytes())
    assert facts["groups"] == {"Drama": 20, "War": 20}
    kept = assume([file], {"record.fields.tags.column": "genres"}).recipe.record
    assert set(kept.fields) == {"title", "tags"}


def test_columns_of_zero_and_one_are_tags(tmp_path: Path) -> None:
    names = ["Action", "Comedy", "Drama", "Horror", "War"]
    rows = [f"{n},{TITLES[n]}," + ",".join(str((n >> bit) & 1) for bit in range(5)) for n in NUMBERS]
    guess = assume([write(tmp_path, "v.csv", "\n".join([f"id,title,{','.join(names)}", *rows]))], {})
    tags = guess.recipe.record.fields["tags"]
    assert (tags.columns, tags.flags, tags.separator) == (tuple(names), True, ",")
    assert sure_of(guess)["record.fields.tags.column"] == "guessed"
    few = [row.rsplit(",", 1)[0] for row in rows]
    fields = assume([write(tmp_path, "few.csv", "\n".join(["id,title,a,b,c,d", *few]))], {}).recipe.record.fields
    assert set(fields) == {"title"}


def test_numbers_dates_links_and_names_of_categories_come_with_them(tmp_path: Path) -> None:
    record = assume([write(tmp_path, "items.jsonl", lines(items()))], {}).recipe.record
    assert {name: column.column for name, column in record.columns.items()} == {
        "published": "snippet.publishedAt",
        "views": "statistics.viewCount",
        "channel": "snippet.channelTitle",
        "thumbnail": "snippet.thumbnails.default.url",
    }
    assert record.map == {"snippet.categoryId": YOUTUBE}
    assert record.url == "https://www.youtube.com/watch?v={id}"
    assert record.image is None
    tiktok_ = assume([write(tmp_path, "tiktok.jsonl", lines(tiktok()))], {}).recipe.record
    assert (tiktok_.url, set(tiktok_.columns)) == (None, {"published", "likes"})


def test_placeholders_and_separators_are_said(tmp_path: Path) -> None:
    guess = assume([write(tmp_path, "trending.csv", trending())], {})
    assert guess.recipe.record.fields["tags"].separator == "|"
    assert [one.example for one in guess.assumed if one.key == "record.missing"] == [
        "'[none]' in 'tags' stands for nothing"
    ]


def test_files_of_one_object_each_are_read_however_they_are_written(tmp_path: Path) -> None:
    for n in NUMBERS:
        write(tmp_path, f"{n:02}.info.json", json.dumps(info(n), indent=2 if n == 30 else None))
    guess = assume([f"{tmp_path}/*.info.json"], {})
    assert guess.recipe.source.format.kind == "json"
    assert guess.recipe.record.fields["title"].column == "title"
    assert said(guess)["record.columns.duration"] == "duration"


def table(head: str, row: str) -> str:
    """Return a header and a row for each video."""
    return head + "\n" + "".join(row.format(i=i, t=t) + "\n" for i, t in zip(IDS, TITLES, strict=True))


LANGUAGES: dict[str, tuple[str, str, str]] = {
    "russian": ("cp1251", "cp1251", "Как испечь хлеб дома без дрожжей, урок для начинающих"),
    "russian of old": ("koi8-r", "koi8_r", "Как испечь хлеб дома без дрожжей, урок для начинающих"),
    "japanese": ("shift_jis", "cp932", "初心者のための自宅でパンを焼く方法と道具の選び方"),
    "simplified": ("gbk", "gb18030", "在家里学习做面包的方法，适合初学者的简单课程"),
    "traditional": ("big5", "big5", "在家裡學習做麵包的方法，適合初學者的簡單課程"),
    "korean": ("euc-kr", "cp949", "집에서 빵을 굽는 방법, 초보자를 위한 쉬운 강좌"),
    "greek": ("cp1253", "cp1253", "Πώς να ψήσετε ψωμί στο σπίτι, μάθημα για αρχάριους"),
    "french": ("cp1252", "latin-1", "Apprendre à jouer du piano: leçon pour débutants, très simple"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_encoding_of_a_table_is_guessed_and_shown(language: str, tmp_path: Path) -> None:
    encoding, wanted, title = LANGUAGES[language]
    titles = [f"{title[n % 7 :]} {n}" for n in NUMBERS]
    table_ = "id,title\n" + "".join(f'{i},"{t}"\n' for i, t in zip(IDS, titles, strict=True))
    file = write(tmp_path, "videos.csv", table_, encoding)
    guess = assume([file], {})
    told = next(one for one in guess.assumed if one.key == "source.format.encoding")
    sure = "guessed" if language == "french" else "likely"
    assert (told.column, told.sure, told.example) == (wanted, sure, titles[0])
    small = load_recipe(guess.recipe.model_dump(mode="json"), {"encoder": {"kind": "hashing", "dim": 8}})
    entry = vidatlas.plan(small, file, tmp_path / "atlas", vidatlas.Options(runner="serial"))
    assert entry["counts"]["kept"] == COUNT
    facts = json.loads(next((tmp_path / "atlas" / "plan").glob("*.json")).read_bytes())
    assert [one["texts"]["title"] for one in facts["examples"]] == [[text] for text in titles[:3]]


def test_an_encoding_that_cannot_be_decided_is_asked_for(tmp_path: Path) -> None:
    titles = "".join(f"{i};Jak upiec świeży chleb w domu, żółta łódź i {n}\n" for n, i in enumerate(IDS))
    file = write(tmp_path, "videos.csv", f"id;title\n{titles}", "iso8859-2")
    with pytest.raises(UsageError, match=r"videos\.csv: which encoding .* iso8859_2.* --set ") as asked:
        assume([file], {})
    assert "\n" not in str(asked.value)
    settings = {"source.format.kind": "csv", "source.format.encoding": "iso8859-2"}
    assert assume([file], settings).recipe.source.format.model_dump()["encoding"] == "iso8859-2"


def test_a_damaged_row_does_not_change_the_encoding(tmp_path: Path) -> None:
    content = ("id,title\n" + "".join(f"{i},Ünï {n}\n" for n, i in enumerate(IDS))).encode() + b"last,\xe9\n"
    recipe = assume([write(tmp_path, "videos.csv", content)], {}).recipe
    assert recipe.source.format.model_dump(exclude_unset=True) == {"kind": "csv"}


MOVIELENS = {"delimiter": "::", "quote": None, "encoding": "latin-1", "header": False}
FORMATS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "tabs": (table("id\ttitle", "{i}\t{t}"), "utf-8", {"delimiter": "\t"}),
    "quotes": (table("id\ttitle", '{i}\t"{t}" and more'), "utf-8", {"delimiter": "\t", "quote": None}),
    "blanks": (table("id, title, tags", '{i}, "{t}", "a,b"'), "utf-8", {"trim": True}),
    "preamble": (table("From X\n2024\n\nid;title;views", "{i};{t};4"), "utf-8", {"delimiter": ";", "skip": 3}),
    "title": (table("Exported from X\nid,title", "{i},{t}"), "utf-8", {"skip": 1}),
    "filled up": (table("My videos,,\nid,title,views", "{i},{t},4"), "utf-8", {"skip": 1}),
    "quoted title": (table('"Videos, of X"\nid,title,views', "{i},{t},4"), "utf-8", {"skip": 1}),
    "comments": (table("# from X\n# by A, B, C\nid,title,views", "{i},{t},4"), "utf-8", {"skip": 2}),
    "comment": (table("# from X\nid,title", "{i},{t}"), "utf-8", {"skip": 1}),
    "comment header": (table("# from X\n#id,title,views", "{i},{t},4"), "utf-8", {"skip": 1}),
    "named title": (table("sep=;\nFrom X\nid;title;n", "{i};{t};4"), "utf-8", {"delimiter": ";", "skip": 2}),
    "escaped": (table("id,title", '{i},"He: \\"{t}, so\\", left"'), "utf-8", {"escape": "\\"}),
    "named": (table("sep=;\nid;title", "{i};{t}"), "utf-8", {}),
    "latin": (table("id,title", "{i},{t} é"), "latin-1", {"encoding": "latin-1"}),
    "windows": (table("id,title", "{i},{t} €é"), "cp1252", {"encoding": "cp1252"}),
    "utf16": (table("id,title", "{i},{t} é"), "utf-16", {}),
    "movielens": (movies("::", ""), "latin-1", MOVIELENS | {"columns": ["column_1", "column_2", "column_3"]}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_dialect_of_a_table_is_found(name: str, tmp_path: Path) -> None:
    content, encoding, wanted = FORMATS[name]
    file = write(tmp_path, f"{name}.csv", content, encoding)
    guess = assume([file], {})
    form = guess.recipe.source.format.model_dump(exclude_unset=True, mode="json")
    assert form == {"kind": "csv", **wanted}
    small = load_recipe(guess.recipe.model_dump(mode="json"), {"encoder": {"kind": "hashing", "dim": 8}})
    entry = vidatlas.plan(small, file, tmp_path / "atlas", vidatlas.Options(runner="serial"))
    assert entry["counts"]["kept"] == COUNT


def test_lines_above_a_header_are_said(tmp_path: Path) -> None:
    guess = assume([write(tmp_path, "v.csv", table("Exported from X\nid,title,views", "{i},{t},4"))], {})
    skipped = [one for one in guess.assumed if one.key == "source.format.skip"]
    assert [(one.column, one.sure, one.example) for one in skipped] == [("1", "likely", "the header: id, title, views")]


def test_a_header_narrower_than_its_rows_is_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no delimiter gives rows of one width"):
        assume([write(tmp_path, "v.csv", table("id,title,views", "{i},{t},4,5"))], {})


PLAIN = {"delimiter": "\x1f", "quote": None}
NO_NAMES = {"header": False, "columns": ["title"]}
ONE_COLUMN: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "titles": (TITLES, PLAIN | NO_NAMES, "guessed"),
    "named": (["Title", *TITLES], PLAIN, "sure"),
    "commas": ([TITLES[n].replace(" at", ", at" if n % 3 else " at") for n in NUMBERS], PLAIN | NO_NAMES, "guessed"),
    "quoted": (["video_title", *(f'"{title}, now"' for title in TITLES)], {"delimiter": "\x1f"}, "sure"),
    "an open quote": (['"Best', *TITLES[1:-1], 'of" it'], PLAIN | NO_NAMES, "guessed"),
    "japanese": ([f"東京の暮らし{n}" for n in NUMBERS], PLAIN | NO_NAMES, "guessed"),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_COLUMN)
def test_one_title_per_line_is_read_and_said(name: str, tmp_path: Path) -> None:
    texts, wanted, sure = ONE_COLUMN[name]
    file = write(tmp_path, "titles.txt", "\n".join(texts))
    guess = assume([file], {})
    assert guess.recipe.source.format.model_dump(exclude_unset=True, mode="json") == {"kind": "csv", **wanted}
    assert (said(guess)["source.format"], sure_of(guess)["source.format"]) == ("one title per line", sure)
    assert guess.recipe.record.id is None
    small = load_recipe(guess.recipe.model_dump(mode="json"), {"encoder": {"kind": "hashing", "dim": 8}})
    entry = vidatlas.plan(small, file, tmp_path / "atlas", vidatlas.Options(runner="serial"))
    assert entry["counts"]["kept"] == entry["counts"]["read"] == COUNT


RAGGED = ["id,title", *(f"{n},{title}" + ", too" * (n % 3) for n, title in enumerate(TITLES))]


@pytest.mark.parametrize("texts", [IDS, RAGGED, TITLES[:2], [f"{title}\n" for title in TITLES], ["a " * 200, *TITLES]])
def test_other_lines_are_no_titles(texts: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither JSON nor a table"):
        assume([write(tmp_path, "lines.txt", "\n".join(texts))], {})


def test_two_texts_per_line_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Candidates: 'column_1', 'column_2'"):
        assume([write(tmp_path, "lines.txt", "".join(f"{title}, {title} by me\n" for title in TITLES))], {})


def test_a_single_word_may_be_a_title(tmp_path: Path) -> None:
    rows = [{"title": f"Piano{n}", "tags": TAGS[n]} for n in NUMBERS]
    record = assume([write(tmp_path, "v.jsonl", lines(rows))], {}).recipe.record
    assert (record.id, record.fields["title"].column) == (None, "title")


def test_a_table_without_names_is_guessed_and_said(tmp_path: Path) -> None:
    guess = assume([write(tmp_path, "movies.dat", movies("::", ""), "latin-1")], {})
    record = guess.recipe.record
    assert (record.id, record.fields["title"].column) == ("column_1", "column_2")
    assert (record.fields["tags"].column, record.fields["tags"].separator) == ("column_3", "|")
    assert {sure_of(guess)[key] for key in ("record.id", "record.fields.title.column")} == {"guessed"}
    assert sure_of(guess)["source.format"] == "likely"


@pytest.mark.parametrize("kind", ["parquet", "feather", "jsonl", "csv"])
def test_vectors_are_found_by_their_content(kind: str, tmp_path: Path) -> None:
    frame = pa.table({"id": IDS, "text": TITLES, "label": [n % 4 for n in NUMBERS], "emb": vectors()})
    file = str(tmp_path / f"videos.{kind}")
    rows = frame.to_pylist()
    if kind == "parquet":
        pq.write_table(frame, file)
    elif kind == "feather":
        feather.write_feather(frame, file)
    elif kind == "jsonl":
        write(tmp_path, "videos.jsonl", lines(rows))
    else:
        write(tmp_path, "videos.csv", "id,text,label,emb\n" + "".join(
            f'{row["id"]},{row["text"]},{row["label"]},"{row["emb"]}"\n' for row in rows))  # fmt: skip
    recipe = assume([file], {}).recipe
    assert recipe.encoder.model_dump(exclude_unset=True) == {"kind": "given", "column": "emb"}
    assert (recipe.record.id, recipe.record.fields["title"].column, recipe.record.group) == ("id", "text", "label")
    entry = vidatlas.plan(recipe, file, tmp_path / "atlas", vidatlas.Options(runner="serial"))
    assert (entry["vectors"]["dim"], entry["counts"]["kept"]) == (16, COUNT)


def test_two_columns_of_vectors_are_asked_for(tmp_path: Path) -> None:
    file = str(tmp_path / "videos.parquet")
    pq.write_table(pa.table({"id": IDS, "title": TITLES, "a_emb": vectors(), "b_emb": vectors(8)}), file)
    with pytest.raises(UsageError, match=r"which column holds the vectors\? Candidates: 'a_emb', 'b_emb'"):
        assume([file], {})
    chosen = assume([file], {"encoder.kind": "given", "encoder.column": "b_emb"})
    assert chosen.recipe.encoder.model_dump()["column"] == "b_emb"
    assert assume([file], {"encoder.kind": "universal"}).recipe.encoder.kind == "universal"


def test_numbers_in_lists_are_no_vectors(tmp_path: Path) -> None:
    rows = [{"id": IDS[n], "title": TITLES[n], "curve": list(range(n, n + 9))} for n in NUMBERS]
    assert assume([write(tmp_path, "v.jsonl", lines(rows))], {}).recipe.encoder.kind == "universal"


UNDECIDED = {
    "two texts": [{"k": n, "aaa": TITLES[n], "bbb": TITLES[-n - 1]} for n in NUMBERS],
    "two titles": [{"id": n, "one": {"title": TITLES[n]}, "two": {"title": TITLES[n]}} for n in NUMBERS],
    "repeated texts": [{"id": n, "song": "original sound" if n % 3 else TITLES[n]} for n in NUMBERS],
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_a_title_that_cannot_be_decided_is_asked_for(name: str, tmp_path: Path, capsys: Any) -> None:
    file = write(tmp_path, "videos.jsonl", lines(UNDECIDED[name]))
    assert main(["plan", "auto", file, str(tmp_path / "atlas")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "which column holds the title? Candidates: '" in told
    setting = told.rpartition("--set ")[2]
    key, _, column = setting.partition("=")
    recipe = assume([file], {key: column}).recipe
    assert recipe.record.fields["title"].column == column


def test_ratings_hold_no_titles(tmp_path: Path) -> None:
    file = write(tmp_path, "ratings.csv", "userId,movieId,rating,timestamp\n" + "1,28,3.0,1001\n1,11,2.5,1001\n" * 9)
    with pytest.raises(UsageError, match="which column holds the title"):
        assume([file], {})


def test_tags_may_stand_for_a_title(tmp_path: Path) -> None:
    file = write(tmp_path, "videos.jsonl", lines([{"id": n, "hashtags": TAGS[n]} for n in NUMBERS]))
    with pytest.raises(UsageError, match=r"--set record\.title=tags$"):
        assume([file], {})
    record = assume([file], {"record.title": "tags"}).recipe.record
    assert (record.title, list(record.fields)) == ("tags", ["tags"])


def test_rows_without_an_id_are_known_by_their_hash(tmp_path: Path) -> None:
    rows = [{"title": TITLES[n], "views": n % 7} for n in NUMBERS]
    guess = assume([write(tmp_path, "videos.jsonl", lines(rows))], {})
    assert guess.recipe.record.id is None
    assert said(guess)["record.id"] == "(a hash of the row)"
    assert said(guess)["record.group"] == "(none)"


@pytest.mark.parametrize("rounded", ["7.10E+18", 7100000000000001024])
def test_ruined_ids_are_not_used(rounded: Any, tmp_path: Path) -> None:
    rows = [{"id": rounded, "title": title} for title in TITLES]
    guess = assume([write(tmp_path, "videos.jsonl", lines(rows))], {})
    assert guess.recipe.record.id is None
    remark = next(one.example for one in guess.assumed if one.key == "record.id")
    assert remark.startswith("'id' holds rounded numbers")


def test_what_the_user_sets_is_not_decided(tmp_path: Path) -> None:
    file = write(tmp_path, "videos.jsonl", lines(youniverse()))
    settings = {"record.group": None, "record.fields.title.column": "channel_id", "source.limit": 5}
    recipe = assume([file], settings).recipe
    assert (recipe.record.group, recipe.record.fields["title"].column, recipe.source.limit) == (None, "channel_id", 5)
    assert recipe.record.author is None


def test_columns_that_the_first_rows_lack_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SAMPLE", 10)
    monkeypatch.setattr(sample, "EVERY", 3)
    rows = [{"id": IDS[n], "title": TITLES[n], "tags": TAGS[n] if n > 20 else None} for n in NUMBERS]
    file = write(tmp_path, "videos.jsonl.gz", gzip.compress(lines(rows).encode()))
    assert assume([file], {}).recipe.record.fields["tags"].column == "tags"


def test_folders_give_a_category(tmp_path: Path) -> None:
    for name in ("Gaming", "Music"):
        (tmp_path / f"categories={name}").mkdir()
        frame = pa.table({"display_id": [f"{name}{n}" for n in NUMBERS], "title": TITLES})
        pq.write_table(frame, tmp_path / f"categories={name}" / "part-0.parquet")
    recipe = assume([f"{tmp_path}/**/*.parquet"], {}).recipe
    assert (recipe.source.path, recipe.record.group) == ("hive", "categories")


def test_a_longer_text_counts_where_there_are_no_tags(tmp_path: Path) -> None:
    rows = [{"id": IDS[n], "title": TITLES[n], "description": f"{TITLES[n]}, and more of it."} for n in NUMBERS]
    fields = assume([write(tmp_path, "videos.jsonl", lines(rows))], {}).recipe.record.fields
    assert {name: field.column for name, field in fields.items()} == {"title": "title", "text": "description"}


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither JSON nor a table"):
        assume([write(tmp_path, "readme.txt", "SUMMARY\n=====\n\nThese are words.\nNo table of rows, at all.\n")], {})
    with pytest.raises(InputError, match="no row can be read"):
        assume([write(tmp_path, "empty.jsonl", "")], {})
    with pytest.raises(InputError, match=r"web page \(HTML\)"):
        assume([write(tmp_path, "page.csv", "<!DOCTYPE html>\n<html></html>")], {})
    with pytest.raises(InputError, match="is damaged"):
        assume([write(tmp_path, "cut.parquet", b"PAR1" + bytes(40) + b"PAR1")], {})
    with pytest.raises(InputError, match="is a folder"):
        assume([str(tmp_path)], {})
    with pytest.raises(InputError, match="no such file"):
        assume([str(tmp_path / "nothing.csv")], {})
    one, other = write(tmp_path, "a.csv", trending()), write(tmp_path, "b.jsonl", lines(youniverse()))
    with pytest.raises(UsageError, match="Make an atlas of each"):
        assume([one, other], {})


@pytest.mark.parametrize("name", DECIDED)
def test_a_written_recipe_reads_back_as_the_same(name: str, tmp_path: Path, capsys: Any) -> None:
    file = write(tmp_path, name, TEXT_INPUTS[name]())
    assert main(["recipes", "--for", file]) == 0
    text = capsys.readouterr().out
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "mine.yaml") == assume([file], {}).recipe
    assert "# record.fields.title.column: " in text


def test_a_document_too_long_for_one_record_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "_LONGEST", 3 << 20)
    rows = [{"id": n, "name": f"{TITLES[n % COUNT]} {n}", "more": "x" * 9_000} for n in range(800)]
    recipe = assume([write(tmp_path, "dump.json", json.dumps({"title": "All of it", "clips": rows}))], {}).recipe
    assert recipe.source.format.model_dump() == {"kind": "json", "records": "clips"}


def test_strange_names_and_values_stay_within_their_comment(tmp_path: Path) -> None:
    rows = [{"id": n, "title": f"Odd\n# \u2028\x85: [one] {n} two", "tags": ["#a\nb: c", "d"]} for n in NUMBERS]
    guess = assume([write(tmp_path, "videos.jsonl", lines(rows))], {"record.group": "no\nrow: has"})
    (tmp_path / "mine.yaml").write_text(guess.to_yaml(), encoding="utf-8")
    assert load_recipe(tmp_path / "mine.yaml") == guess.recipe


def test_an_atlas_is_called_as_its_input_is(tmp_path: Path) -> None:
    file = write(tmp_path, "netflix_titles.csv.gz", trending())
    other = write(tmp_path, "more.csv", trending())
    assert assume(file).recipe.publish.title == "netflix_titles"
    assert assume([file, other]).recipe.publish.title == tmp_path.name
    assert assume(file, {"publish.title": "Mine"}).recipe.publish.title == "Mine"


def test_one_command_makes_an_atlas_and_a_second_one_resumes(tmp_path: Path, capsys: Any) -> None:
    file, atlas = write(tmp_path, "trending.csv", trending()), str(tmp_path / "atlas")
    command = ["run", "auto", file, atlas, "--runner", "serial", "--set", "encoder={kind: hashing, dim: 16}"]
    command += ["--set", "reduce.lexical=null", "--set", "reduce.quality.stability_seeds=0"]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "how sure" in told
    assert "record.fields.tags.separator" in told
    before = {path: path.stat().st_mtime_ns for path in Path(atlas).rglob("*") if path.is_file()}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in Path(atlas).rglob("*") if path.is_file()} == before
    assert set(vidatlas.open_atlas(atlas).subcategories()["group"]) == {"Music", "Gaming"}


@pytest.mark.parametrize(
    ("name", "width", "signed", "sure"),
    [
        ("audience_retention", 8, False, None),
        ("heat", 100, False, None),
        ("clip_vec", 8, False, "sure"),
        ("title_embedding", 8, True, "sure"),
        ("mean_rgb", 128, True, "likely"),
    ],
)
def test_a_curve_is_no_vector(name: str, width: int, signed: bool, sure: str | None, tmp_path: Path) -> None:
    curves = [[(n + at) % 7 / 10 - 0.3 * signed for at in range(width)] for n in NUMBERS]
    file = tmp_path / "videos.jsonl"
    file.write_text(lines([{"id": IDS[n], "title": TITLES[n], name: curves[n]} for n in NUMBERS]))
    guess = assume(str(file))
    assert (guess.recipe.encoder.kind == "given") == bool(sure)
    said = [one for one in guess.assumed if one.key == "encoder.column"]
    assert [(one.column, one.sure) for one in said] == [(name if sure else f"(not {name})", sure or "guessed")]


def test_integers_in_a_column_of_that_name_are_vectors(tmp_path: Path) -> None:
    file = tmp_path / "videos.jsonl"
    rows = [{"id": IDS[n], "title": TITLES[n], "embedding": [n, *range(15)]} for n in NUMBERS]
    file.write_text(lines(rows))
    assert assume(str(file)).recipe.encoder.kind == "given"
    file.write_text(lines([{**row, "embedding": None, "counts": row["embedding"]} for row in rows]))
    assert assume(str(file)).recipe.encoder.kind == "universal"


@pytest.mark.parametrize("at", [0, 1, 20])
def test_null_in_the_place_of_a_video_is_excluded(at: int, tmp_path: Path) -> None:
    entries: list[Any] = [{"id": IDS[n], "title": TITLES[n]} for n in NUMBERS]
    file = tmp_path / "list.json"
    file.write_text(
        json.dumps({"id": "PL1", "title": "My list", "entries": [*entries[:at], None, None, *entries[at:]]})
    )
    recipe = assume(str(file)).recipe
    assert recipe.source.format.model_dump() == {"kind": "json", "records": "entries"}
    counts = vidatlas.plan(recipe, str(file), tmp_path / "atlas", SERIAL)["counts"]
    assert (counts["kept"], counts["rejects"]) == (COUNT, {"excluded": 2})


VIDEOS = [{"title": TITLES[n], "views": n} for n in NUMBERS]
TABLES = {
    "by id": dict(zip(IDS, VIDEOS, strict=True)),
    "titles by id": dict(zip(IDS, TITLES, strict=True)),
    "index": {str(n): VIDEOS[n] for n in NUMBERS},
    "columns": {name: {str(n): VIDEOS[n][name] for n in NUMBERS} for name in VIDEOS[0]},
    "split": {"columns": ["title"], "index": list(NUMBERS), "data": [[title] for title in TITLES]},
}


@pytest.mark.parametrize("orient", TABLES)
def test_an_object_that_is_the_whole_table_is_no_row(orient: str, tmp_path: Path) -> None:
    file = tmp_path / "videos.json"
    file.write_text(json.dumps(TABLES[orient]))
    with pytest.raises(UsageError, match=r"one object with all rows in it.*orient='records'"):
        assume(str(file))
    file.write_text(lines([TABLES[orient]]))
    with pytest.raises(UsageError, match="one object with all rows in it"):
        assume(str(file))


def test_the_records_of_graphql_are_found(tmp_path: Path) -> None:
    file = tmp_path / "page.json"
    edges = [{"cursor": "x", "node": {"id": IDS[n], "title": TITLES[n]}} for n in NUMBERS]
    file.write_text(json.dumps({"data": {"videos": {"edges": edges, "pageInfo": {}}}}))
    recipe = assume(str(file)).recipe
    assert recipe.source.format.model_dump()["records"] == "data.videos.edges"
    assert (recipe.record.id, recipe.record.fields["title"].column) == ("node.id", "node.title")


@pytest.mark.parametrize("header", ["id,title,tags", "Nr,Titel,Schlagworte", "Nr,Titel,Schlagworte,"])
@pytest.mark.parametrize("behind", [",", ",,"])
def test_delimiters_behind_every_row_hide_no_header(header: str, behind: str, tmp_path: Path) -> None:
    file = tmp_path / "videos.csv"
    rows = [f"{n},{TITLES[n]},{';'.join(TAGS[n])}{behind}\n" for n in NUMBERS]
    file.write_text(f"{header}\n{''.join(rows)}")
    guess = assume(str(file))
    assert guess.recipe.source.format == load_recipe("demo", {"source.format": "csv"}).source.format
    assert guess.recipe.record.fields["title"].column == header.split(",")[1]
    counts = vidatlas.plan(guess.recipe, str(file), tmp_path / "atlas", SERIAL)["counts"]
    assert counts["kept"] == COUNT


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("encoding", "klingon", "no text encoding 'klingon'"),
        ("encoding", "base64", "no text encoding 'base64'"),
        ("delimiter", "abc", "must not be letters"),
        ("quote", "ab", "must be one ASCII character"),
        ("skip", "x", "valid integer"),
        ("kind", "xls", "'xls' is none of 'jsonlines', 'json', 'csv'"),
        ("other", 1, "no such key"),
    ],
)
def test_a_wrong_format_is_one_line(key: str, value: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "videos.csv"
    file.write_text("id,title\n" + "".join(f"{IDS[n]},{TITLES[n]}\n" for n in NUMBERS))
    with pytest.raises(UsageError, match=rf"recipe auto: source\.format.*{said}"):
        assume(str(file), {f"source.format.{key}": value})


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    file = tmp_path / "videos.jsonl"
    rows = [{"id": IDS[n], "title": TITLES[n % 3], "show": "ab"[n % 2], "seen": n} for n in NUMBERS]
    file.write_text(lines(rows))
    said = {(one.key, one.column): (one.sure, one.example) for one in assume(str(file)).assumed}
    assert said["record.fields.title.column", "title"] == ("likely", f"3 distinct in {COUNT} rows: {TITLES[0]}")
    assert said["record.group", "(none)"] == ("guessed", "all rows are one group; columns of few values: show")
    assert said["record.columns", "(not used)"] == ("sure", "show, seen")


@pytest.mark.parametrize(
    ("text", "said"),
    [("id,title\n", "it has no rows"), ("", "it has no rows"), ("[[1, 2]]", "JSON but not an object"),
     ("{'id': 1}\n{'id': 2}\n", "not valid JSON")],
)  # fmt: skip
def test_a_file_without_a_row_says_why(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "videos"
    file.write_text(text)
    with pytest.raises(InputError, match=f"no row can be read: .*{said}"):
        assume(str(file))


def test_tags_of_bigquery_are_found(tmp_path: Path) -> None:
    file = tmp_path / "videos.jsonl"
    file.write_text(
        lines([{"id": IDS[n], "title": TITLES[n], "tags": [{"v": tag} for tag in TAGS[n]]} for n in NUMBERS])
    )
    assert assume(str(file)).recipe.record.fields["tags"].column == "tags[].v"
