"""Inputs as people have them: every defect of exports and downloads is read, or refused in one line that helps."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas import Options, Recipe
from vidatlas.errors import InputError
from vidatlas.pipeline.explore.assign import assign
from vidatlas.pipeline.publish.wording import absence_words, value_words
from vidatlas.recipes.yaml_text import parse_set
from vidatlas.storage.store import Store
from vidatlas.views.nouns import Nouns

ENCODER = "encoder={kind: hashing, dim: 8}"
HEADER = ("display_id", "title", "tags", "categories", "channel_id")
ROWS = [
    ("a", "Castle build", "lego,castle", "Gaming", "c1"),
    ("b", "Slow ballad", "piano,ballad", "Music", "c2"),
    ("c", "Éclairs", "baking", "Howto & Style", "c3"),
]
GROUPS = ["Gaming", "Howto & Style", "Music"]
TAGS = [["baking"], ["lego", "castle"], ["piano", "ballad"]]
CSV = "source.format=csv"
JSON = "source.format=json"
YOUTUBE = [
    "record.id=id",
    "record.group=snippet.categoryId",
    "record.author=snippet.channelId",
    "record.fields.title.column=snippet.title",
    "record.fields.tags.column=snippet.tags",
    "record.map={snippet.categoryId: youtube}",
]
TIKTOK = ["source.explode.column=hashtag_names", "record.id=[username, term]", "record.group=username"]
LINES = "source.format=jsonlines"


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def objects(tags: str = "tags", rows: list[tuple[str, ...]] = ROWS) -> list[dict[str, Any]]:
    named = [dict(zip(HEADER, row, strict=True)) for row in rows]
    return [{tags if name == "tags" else name: value for name, value in row.items()} for row in named]


def table(sep: str = ",", end: str = "\r\n", header: tuple[str, ...] = HEADER, rows: Any = ROWS) -> str:
    cells = [[f'"{cell}"' if sep in cell else cell for cell in row] for row in [header, *rows]]
    return "".join(sep.join(row) + end for row in cells)


def item(key: str, category: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "snippet": {"title": f"title {key}", "channelId": "u", "categoryId": category, **more}}


ITEMS = [item("x", "20", tags=["lego", "city"]), item("y", "10"), item("z", "10", tags=["jazz"])]
PAGE = json.dumps({"kind": "list", "items": ITEMS}, indent=2).encode()
FLAT = (
    b"id,snippet.title,snippet.channelId,snippet.categoryId,snippet.tags\n"
    b'x,title x,u,20,"[\'lego\', \'city\']"\ny,title y,u,10,[]\nz,title z,u,10,"[""jazz""]"\n'
)
MAPPED = {"groups": ["Gaming", "Music", "Music"], "tags": [[], ["jazz"], ["lego", "city"]]}
LATIN = table().encode("latin-1")
OBJECTS = {
    "uuid": "a",
    "name": "Castle",
    "tags": [{"name": "lego", "id": 1}],
    "category": {"id": 20, "label": "Gaming"},
}
NAMED = ["record.id=uuid", "record.fields.title.column=name", "record.author=null"]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def feather(rows: list[dict[str, Any]], **columns: pa.Array) -> bytes:
    found = pa.Table.from_pylist(rows)
    for name, column in columns.items():
        found = found.append_column(name, column)
    out = io.BytesIO()
    pyarrow.feather.write_feather(found, out)
    return out.getvalue()


def packed(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as file:
            file.writestr("videos.jsonl", lines(*objects()))
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo("videos.jsonl"), io.BytesIO())
    return out.getvalue()


@dataclass
class Read:
    """An input that is read: its files, the settings a user gives, and what comes of it."""

    files: dict[str, bytes]
    settings: list[str] = field(default_factory=list)
    kept: int = 3
    rejected: int = 0
    duplicates: int = 0
    groups: list[str] | None = None
    tags: list[list[str]] | None = None
    notes: tuple[str, ...] = ()
    recipe: str = "demo"
    most: float = 1.0


USUAL: dict[str, Any] = {"groups": GROUPS, "tags": TAGS}
READ = {
    "unescaped quotes between tags": Read(
        {"US.csv": table(rows=[("a", "T", '"lego"|"castle"|"new"', "20", "c")]).encode(), "more.csv": b""},
        [CSV, "record.fields.tags.separator=|", "record.map.categories=youtube"],
        kept=1,
        groups=["Gaming"],
        tags=[["lego", "castle", "new"]],
        notes=("1 of 2 files holds no rows: more.csv",),
    ),
    "placeholders": Read(
        {"v.tsv": table("\t", rows=[("a", "T", "\\N", "(no genres listed)", "c"), ("b", "U", "x", "M", "c")]).encode()},
        [CSV, "source.format.delimiter=\\t", "record.require=[tags]"],
        kept=1,
        rejected=1,
        groups=["M"],
    ),
    "nameless columns": Read(
        {"v.csv": table(header=(*HEADER, "", ""), rows=[(*row, "", "") for row in ROWS]).encode()}, [CSV], **USUAL
    ),
    "items of an API": Read({"v.jsonl": lines(*ITEMS)}, YOUTUBE, **MAPPED),
    "a flat table with lists as text": Read({"v.csv": FLAT}, [CSV, *YOUTUBE], **MAPPED),
    "a page": Read({"v.json": PAGE}, [JSON, "source.format.records=items", *YOUTUBE], **MAPPED),
    "pages, one a line": Read(
        {"v.jsonl": lines({"items": ITEMS[:2]}, {"items": ITEMS[2:]})},
        ["source.format={kind: json, records: items}", *YOUTUBE],
        **MAPPED,
    ),
    "an array": Read({"v.json": json.dumps(ITEMS).encode()}, [JSON, *YOUTUBE], **MAPPED),
    "nested columns of Arrow": Read({"v.feather": feather(ITEMS)}, YOUTUBE, **MAPPED),
    "files in which no row has tags": Read(
        {
            "a.jsonl": lines({key: value for key, value in objects()[0].items() if key != "tags"}),
            "b.jsonl": lines(*objects()[1:]),
        },
        tags=[["baking"], [], ["piano", "ballad"]],
    ),
    "a long CSV without a column that another has": Read(
        {
            "a.csv": b"display_id,title,categories\n" + b"".join(b"v%d,T,M\n" % n for n in range(1001)),
            "b.csv": table().encode(),
        },
        [CSV, "record.author=null"],
        kept=1004,
    ),
    "empty files of one name": Read(
        {"1/v.jsonl": b"", "2/v.jsonl": b"", "3/v.jsonl": lines(*objects())},
        **USUAL,
        notes=("2 of 3 files hold no rows: 1/v.jsonl, 2/v.jsonl",),
    ),
    "a mark in every file": Read(
        {f"{at}.jsonl": b"\xef\xbb\xbf" + lines(row) for at, row in enumerate(objects())}, **USUAL
    ),
    "a mark in a CSV": Read({"a.csv": ("\ufeff" + table()).encode()}, [CSV], **USUAL),
    "UTF-16 of Windows": Read({"v.jsonl": b"\xff\xfe" + lines(*objects()).decode().encode("utf-16-le")}, **USUAL),
    "UTF-16 with a line sep=": Read(
        {"v.csv": b"\xff\xfe" + ("sep=;\r\n" + table(";")).encode("utf-16-le")}, [CSV], **USUAL
    ),
    "a mark, two lines to skip, semicolons": Read(
        {"v.csv": ("\ufeffReport\r\n\r\n" + table(";")).encode()},
        [CSV, "source.format.skip=2", "source.format.delimiter=;"],
        **USUAL,
    ),
    "Hive folders": Read(
        {
            f"categories={row['categories'].replace(' & ', '%20%26%20')}/p.parquet": parquet(
                [{key: value for key, value in row.items() if key != "categories"}]
            )
            for row in objects()
        },
        ["source.path=hive"],
        **USUAL,
    ),
    "a column of the file's name": Read(
        {"DEvideos.csv": table().encode(), "USvideos.csv": table(end="\n").encode()},
        [CSV, "source.path={country}videos.csv", "record.id=[country, display_id]", "record.group=country"],
        kept=6,
        groups=["DE"] * 3 + ["US"] * 3,
    ),
    "xz": Read({"v.jsonl.xz": lzma.compress(lines(*objects()))}, **USUAL),
    "Feather": Read({"v.feather": feather(objects())}, **USUAL),
    "zeros behind gzip": Read({"v.jsonl.gz": gzip.compress(lines(*objects())) + bytes(512)}, **USUAL),
    "plain text called gz": Read({"v.jsonl.gz": lines(*objects())}, **USUAL),
    "objects, by path": Read(
        {"v.jsonl": lines(OBJECTS)}, [*NAMED, "record.group=category.label"], kept=1, groups=["Gaming"], tags=[["lego"]]
    ),
    "lists of objects as text": Read(
        {"v.csv": b"uuid,name,tags,category\na,Castle,\"[{'name': 'lego'}]\",\"{'id': 20, 'name': 'Gaming'}\"\n"},
        [CSV, *NAMED, "record.group=category"],
        kept=1,
        groups=["Gaming"],
        tags=[["lego"]],
    ),
    "a group as a list in text": Read(
        {"v.csv": table(rows=[("a", "T", "x", "['20', '10']", "c")], sep=";").encode()},
        [CSV, "source.format.delimiter=;", "record.map.categories=youtube"],
        kept=1,
        groups=["Gaming"],
    ),
    "an empty list in text is no group": Read(
        {"v.csv": table(";", rows=[("a", "T", "[]", "[]", "c")]).encode()},
        [CSV, "source.format.delimiter=;"],
        kept=1,
        groups=["(none)"],
        tags=[[]],
    ),
    "a line sep=": Read({"v.csv": ("sep=;\r\n" + table(";")).encode()}, [CSV], **USUAL),
    "blanks behind commas": Read(
        {"v.csv": table(", ", rows=[[f'"{cell}"' if "," in cell else cell for cell in row] for row in ROWS]).encode()},
        [CSV, "source.format.trim=true"],
        **USUAL,
    ),
    "two carriage returns": Read({"v.csv": table(end="\r\r\n").encode()}, [CSV], **USUAL),
    "blank lines between rows": Read({"v.csv": table(end="\r\n\r\n").encode()}, [CSV], **USUAL),
    "commas behind rows": Read({"v.csv": table(end=",,\r\n").replace("id,,", "id", 1).encode()}, [CSV], **USUAL),
    "latin-1": Read({"v.csv": LATIN}, [CSV, "source.format.encoding=cp1252"], **USUAL),
    "where on a list, a boolean and a list as text": Read(
        {
            "v.jsonl": lines(
                *(
                    {
                        "categories": ["Gaming"],
                        "live": live,
                        "kind": kind,
                        **{key: value for key, value in row.items() if key != "categories"},
                    }
                    for row, live, kind in zip(
                        objects(), [False, True, False], ["['x', 'y']", "['y']", "z"], strict=True
                    )
                )
            )
        },
        ["record.where={categories: Gaming, live: false, kind: y}"],
        kept=1,
        rejected=2,
        groups=["Gaming"],
    ),
    "groups 20.0 and 20": Read(
        {"v.jsonl": lines({**objects()[0], "categories": 20.0}, {**objects()[1], "categories": 20})},
        kept=2,
        groups=["20", "20"],
    ),
    "ids rounded by a spreadsheet": Read(
        {"v.csv": table(rows=[("7.10E+18", row[1], *row[2:]) for row in ROWS]).encode()},
        [CSV],
        kept=1,
        duplicates=2,
        notes=(
            "2 rows shared an id with an earlier row of another title, and were left out, e.g. '7.10E+18': "
            "the ids may have been rounded by a spreadsheet",
        ),
    ),
    "duplicates across files": Read(
        {"a.jsonl": lines(*objects()), "b.csv.jsonl": lines(objects()[2], {**objects()[0], "title": "Other"})},
        duplicates=2,
        **USUAL,
        notes=(
            "1 row shared an id with an earlier row of another title, and was left out, e.g. 'a': "
            "these may be different videos, or one whose title changed",
        ),
    ),
    "a research API": Read(
        {
            "v.json": json.dumps(
                {
                    "data": {
                        "videos": [
                            {"id": 1, "username": "u", "hashtag_names": ["Jazz", "None", "lego"]},
                            {"id": 2, "username": "u", "hashtag_names": "[none]"},
                            {"id": 3, "username": "w", "hashtag_names": '["jazz", "NA"]'},
                        ]
                    }
                }
            ).encode()
        },
        ["source.format={kind: json, records: data.videos}", *TIKTOK],
        rejected=1,
        groups=["u", "u", "w"],
        recipe="tiktok-hashtags",
    ),
    "vectors in Arrow": Read(
        {"v.feather": feather(objects(), v=pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32(), 2)))},
        ["encoder={kind: given, column: v}"],
        kept=2,
        rejected=1,
        groups=["Gaming", "Howto & Style"],
    ),
}


def load(name: str, settings: list[str]) -> Recipe:
    return vidatlas.load_recipe(name, dict(parse_set(setting) for setting in settings))


def write(folder: Path, files: dict[str, bytes]) -> list[str]:
    paths = [folder / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return [str(path) for path in paths]


@pytest.mark.parametrize("name", list(READ))
def test_an_input_is_read_as_its_owner_means_it(name: str, tmp_path: Path) -> None:
    case = READ[name]
    recipe = load(case.recipe, ["record.columns={}", ENCODER, *case.settings])
    atlas = tmp_path / "atlas"
    vidatlas.embed(recipe, write(tmp_path, case.files), atlas, Options(runner="serial", max_rejects=case.most))
    planned = Store(atlas).stage("plan")
    counts = planned["counts"]
    assert (counts["kept"], counts["rejected"], counts["duplicates"]) == (case.kept, case.rejected, case.duplicates)
    assert counts["read"] == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert (*value_words(planned), *absence_words(planned, Nouns())) == case.notes
    rows = [row for file in sorted(atlas.glob("embeddings/*.parquet")) for row in pq.read_table(file).to_pylist()]
    assert len(rows) == case.kept
    if case.groups is not None:
        assert sorted(row["group"] for row in rows) == case.groups
    if case.tags is not None:
        assert sorted(row["tags"] for row in rows) == sorted(case.tags)


WHOLE = lines(*objects())
REFUSED: dict[str, tuple[dict[str, bytes], list[str], int, list[str]]] = {
    "CSV, read as JSON lines": ({"v.csv": table().encode()}, [], 2, ["this looks like CSV", "--set source.format=csv"]),
    "sep=, read as JSON lines": ({"v.csv": ("sep=;\n" + table(";")).encode()}, [], 2, ["--set source.format=csv"]),
    "UTF-16 CSV, read as JSON lines": (
        {"v.csv": b"\xff\xfe" + table().encode("utf-16-le")},
        [],
        2,
        ["this looks like CSV"],
    ),
    "semicolons": ({"v.csv": table(";").encode()}, [CSV], 2, ["--set 'source.format.delimiter=\";\"'"]),
    "JSON lines, read as CSV": ({"v.jsonl": WHOLE}, [CSV], 2, ["--set source.format=jsonlines"]),
    "a tab that the shell took": (
        {"v.tsv": WHOLE},
        [CSV, "source.format.delimiter=t"],
        2,
        ["source.format.delimiter: must not be letters"],
    ),
    "an array": ({"v.json": json.dumps(ITEMS).encode()}, [], 2, ["this is one JSON array", "--set source.format=json"]),
    "a page": ({"v.json": PAGE}, [], 2, ["one JSON object over several lines", "--set source.format.records=items"]),
    "pages": ({"v.jsonl": lines({"items": ITEMS}, {"items": ITEMS})}, [], 2, ["--set source.format.records=items"]),
    "nested keys": (
        {"v.jsonl": lines(*ITEMS)},
        ["record.fields.title.column=snippet.titel"],
        2,
        ["did you mean 'snippet.title'?", "'snippet.tags'"],
    ),
    "objects": (
        {"v.jsonl": lines(OBJECTS)},
        [*NAMED, "record.group=category"],
        3,
        ["line 1 (invalid_field)", "--set record.group=category.label"],
    ),
    "a column that no file has": (
        {"a.jsonl": lines(*objects("tag")), "b.jsonl": lines(*objects("tag"))},
        [],
        2,
        ["'tags' (did you mean 'tag'?)", "The 2 files have"],
    ),
    "blanks in the header": (
        {"v.csv": table(header=tuple(f" {name}" for name in HEADER)).encode()},
        [CSV],
        2,
        ["' title'", "--set source.format.trim=true"],
    ),
    "Hive folders": (
        {"categories=Gaming/p.parquet": parquet([{"display_id": "a", "title": "t", "tags": "x"}])},
        [],
        2,
        ["--set source.path=hive"],
    ),
    "latin-1": ({"v.csv": LATIN}, [CSV], 3, ["line 4 (invalid_utf8)", "--set source.format.encoding=cp1252"]),
    "zip": ({"v.zip": packed("zip")}, [], 3, ["this is a zip archive"]),
    "tar.gz": ({"v.tar.gz": packed("tar")}, [], 3, ["this is a tar archive within gzip"]),
    "gzip in gzip": ({"v.jsonl.gz": gzip.compress(gzip.compress(WHOLE))}, [], 3, ["gzip data within gzip", "gunzip"]),
    "Git LFS": (
        {"v.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"},
        [CSV],
        3,
        ["git lfs pull"],
    ),
    "HTML": ({"v.jsonl.gz": b"<!DOCTYPE html>\n<html><body>404</body></html>\n"}, [], 3, ["this is a web page (HTML)"]),
    "a wrong column of terms": (
        {"v.jsonl": lines({"user_name": "u", "hashtag_names": ["x"]})},
        [LINES],
        2,
        ["no such column: 'hashtags' (did you mean 'hashtag_names'?)"],
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_an_input_that_cannot_be_read_is_explained_in_one_line(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], main: Callable[[list[str]], int]
) -> None:
    files, settings, code, said = REFUSED[name]
    given = [part for setting in settings for part in ("--set", setting)]
    recipe = "tiktok-hashtags" if LINES in settings else "demo"
    assert main(["plan", recipe, *write(tmp_path, files), str(tmp_path / "atlas"), *given]) == code
    message = capfd.readouterr().err
    assert message.count("\n") == 1
    for fragment in said:
        assert fragment in message


def test_lists_of_objects_within_records_are_not_taken_for_the_records(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], main: Callable[[list[str]], int]
) -> None:
    (path,) = write(tmp_path, {"v.jsonl": lines(OBJECTS, OBJECTS)})
    assert main(["plan", "demo", path, str(tmp_path / "atlas")]) == 2
    assert "source.format.records" not in capfd.readouterr().err


def test_ratings_as_movielens_publishes_them_now(tmp_path: Path) -> None:
    films = table(header=("movieId", "title", "genres"), rows=[(f"{n}", f"Film {n}", "Drama|Comedy") for n in range(9)])
    rated = "userId,movieId,rating,timestamp\n" + "".join(f"{n % 4},{n % 9},{n % 5}.5,1\n" for n in range(36))
    path, ratings = write(tmp_path, {"movies.csv": films.encode(), "ratings.csv": rated.encode()})
    given = [CSV, "record.id=movieId", "record.fields.item.column=movieId", "encoder.dim=2"]
    given += ["record.fields.genres={column: genres, weight: 0, separator: '|'}"]
    given += [f"encoder.ratings.file={ratings}", "encoder.ratings.format=csv"]
    serial, atlas = Options(runner="serial"), tmp_path / "atlas"
    with pytest.raises(InputError, match=r"ratings.csv: rating 1 .*no column 'user' among 'userId', 'movieId'"):
        vidatlas.embed(load("movielens-factors", given), [path], atlas, serial)
    named = ["encoder.ratings.user=userId", "encoder.ratings.thing=movieId"]
    vidatlas.embed(load("movielens-factors", [*given, *named]), [path], atlas, serial)
    assert Store(atlas).stage("plan")["counts"]["kept"] == 9


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an atlas with an id that begins with a hyphen, and titles without spaces."""
    folder = tmp_path_factory.mktemp("people")
    titles = ["爷爷教我用望远镜观察土星光环", "新手也能学会用望远镜观察土星光环", "三分钟看懂用望远镜观察土星光环"]
    rows = [
        {"display_id": f"-v{n}", "title": titles[n % 3], "categories": "生活", "channel_id": f"{n}"} for n in range(12)
    ]
    paths = write(folder, {"v.jsonl": lines(*rows, {**rows[0], "display_id": "w", "tags": ["x"]})})
    small = [ENCODER, "reduce.pca.components=2", "reduce.clusters.k=2"]
    vidatlas.run(load("demo", small), paths, folder / "atlas", Options(runner="serial"))
    return folder / "atlas"


def test_an_id_that_begins_with_a_hyphen_is_no_option(
    atlas: Path, capfd: pytest.CaptureFixture[str], main: Callable[[list[str]], int]
) -> None:
    assert main(["similar", str(atlas), "-v1", "--json"]) == 0
    assert "-v4" in capfd.readouterr().out


def test_names_of_titles_without_spaces_are_no_whole_titles(atlas: Path) -> None:
    terms = [term for row in vidatlas.open_atlas(atlas).subcategories()["terms"] for term in row]
    assert any("土星" in term for term in terms)
    assert max(map(len, terms)) < 8


def test_new_videos_need_no_column_that_was_never_theirs(atlas: Path, tmp_path: Path) -> None:
    (new,) = write(tmp_path, {"new.jsonl": lines({"display_id": "n", "title": "土星", "categories": "生活"})})
    assert assign(atlas, new, tmp_path / "out.parquet")["placed"] == 1
