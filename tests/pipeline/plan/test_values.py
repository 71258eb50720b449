"""What a plan says of values: types for the whole atlas, misfits, values without a name, ids that were rounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import Options
from vidatlas.pipeline.publish.wording import value_words
from vidatlas.recipe import load_recipe
from vidatlas.types import Json

SERIAL = Options(runner="serial")


def written(folder: Path, *files: list[Json]) -> list[str]:
    paths = [folder / f"{number}.jsonl" for number in range(len(files))]
    for path, rows in zip(paths, files, strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(map(str, paths))


def row(number: object, title: str = "castle", **more: Any) -> Json:
    return {"display_id": number, "title": title, "tags": "a", "categories": "10", "channel_id": "c", **more}


def planned(folder: Path, files: list[str], **settings: Any) -> Json:
    encoder = {"encoder": {"kind": "hashing", "dim": 8}, "source.shard_rows": 2}
    changes = encoder | {name.replace("__", "."): value for name, value in settings.items()}
    return vidatlas.plan(load_recipe("demo", changes), files, folder / "atlas", SERIAL)


def test_a_type_is_that_of_all_files(tmp_path: Path) -> None:
    files = written(tmp_path, [row("a", n=1, d="20230114"), row("b", n="2")], [row("c", n=2.5, d=None), row("e", d="")])
    entry = planned(tmp_path, files, record__columns={"views": "n", "published": "d"})
    assert entry["columns"] == {"views": "number", "published": "date"}
    assert "values" not in entry
    assert value_words(entry) == ()


def test_misfits_and_values_without_a_name_are_counted_over_all_files(tmp_path: Path) -> None:
    first = [row("a", n="x"), row("b", n=1), row("c", n="NA")]
    files = written(tmp_path, first, [row("d", n="y", categories="99"), row("e", n={"z": 1}, categories="98")])
    columns = {"views": {"column": "n", "type": "integer"}}
    entry = planned(tmp_path, files, record__columns=columns, record__map={"categories": {"10": "Music"}})
    assert entry["counts"]["kept"] == 5
    assert value_words(entry) == (
        "column 'categories': 2 values ('99', '98') have no name in record.map.categories",
        "column 'views': 3 values ('x', 'y', \"{'z': 1}\") do not fit its type, integer, and became empty",
    )


def test_optional_columns_without_a_value_in_any_file_are_empty_and_named(tmp_path: Path) -> None:
    files = written(tmp_path, [row("a"), row("b", n="")], [row("c", d="2020-01-02")])
    names = {"views": "n", "published": "d", "likes": "l"}
    columns = {name: {"column": column, "optional": True} for name, column in names.items()}
    entry = planned(tmp_path, files, record__columns=columns)
    assert entry["columns"]["published"] == "date"
    assert value_words(entry) == ("empty columns 'views', 'likes': the input has no values in 'n', 'l'",)


def test_languages_that_nothing_can_tell_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidatlas.pipeline.plan.values.detector", lambda: None)
    columns = {"language": {"column": "title", "type": "language"}}
    entry = planned(tmp_path, written(tmp_path, [row("a"), row("b")]), record__columns=columns)
    assert value_words(entry) == ("empty column 'language': install pycld2 to tell the languages of titles",)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("7.10E+18", "the ids may have been rounded by a spreadsheet"),
        (7_100_000_000_000_000_000, "the ids may have been rounded by JavaScript or a spreadsheet"),
        ("x72dBgcVPFI", "these may be different videos, or one whose title changed"),
    ],
)
def test_ids_that_several_titles_share_are_counted_and_named(key: object, why: str, tmp_path: Path) -> None:
    first = [row(key, f"castle {number}") for number in range(5)]
    files = written(tmp_path, [*first, {"broken": 1}], [row(key, "castle 0"), row(key, "bread"), row("b"), row("b")])
    entry = vidatlas.plan(
        load_recipe("demo", {"encoder": {"kind": "hashing", "dim": 8}, "source.shard_rows": 2, "record.columns": {}}),
        files,
        tmp_path / "atlas",
        Options(runner="serial", max_rejects=1),
    )
    assert entry["counts"]["duplicates"] == 7
    assert entry["retitled"]["rows"] == 5
    assert value_words(entry) == (
        f"5 rows shared an id with an earlier row of another title, and were left out, e.g. {str(key)!r}: {why}",
    )


def test_duplicates_of_the_same_title_are_nothing_to_note(tmp_path: Path) -> None:
    files = written(tmp_path, [row("a"), row("a"), row("a", None)])
    assert "retitled" not in planned(tmp_path, files)
