"""Names that a person wrote into names.csv replace ours everywhere, and in nothing that reduce stored."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas import Options
from vidatlas.cli.main import main
from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.names.accepted import (
    LONGEST,
    Accepted,
    fingerprint_with,
    key_of,
    keyed_rows,
    names_of,
    read_accepted,
)
from vidatlas.pipeline.names.suggestions import name_subcategories
from vidatlas.storage.store import Store

SERIAL = Options(runner="serial")


def entry(atlas: Path) -> Any:
    return json.loads((atlas / "atlas.json").read_text())["stages"]["publish"]


def packed(page: str) -> list[bytes]:
    """Return the data of the map in a page."""
    return [gzip.decompress(base64.b64decode(found)) for found in re.findall(r"H4sI[\w+/]+=*", page)]


def accept(atlas: Path, names: dict[str, str]) -> None:
    """Write accepted names by key, as a person would."""
    name_subcategories(atlas)
    rows = list(csv.DictReader(io.StringIO((atlas / "names.csv").read_text("utf-8-sig"))))
    with (atlas / "names.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "accepted": names.get(row["key"], row["accepted"])} for row in rows)


def test_keys_are_distinct_and_do_not_hang_on_names_order_or_numbers(atlas: Path) -> None:
    rows = keyed_rows(Store(atlas))
    assert len({row["key"] for row in rows}) == len(rows) > 8
    assert [row["size"] for row in rows] == sorted((row["size"] for row in rows), reverse=True)
    row = rows[0]
    same = {"name": "x", "subcategory": 99, "terms": [], "exemplars": [*row["exemplars"][2::-1], "a", "b"]}
    assert key_of(row | same) == row["key"]
    assert key_of(row | {"group": "Other"}) != row["key"]
    assert key_of(row | {"exemplars": ["z", *row["exemplars"]]}) != row["key"]


def test_keys_survive_a_reduction_that_is_repeated(atlas: Path) -> None:
    before = {row["key"] for row in keyed_rows(Store(atlas))}
    vidatlas.reduce(atlas, {"reduce.naming.name_terms": 1}, SERIAL)
    assert {row["key"] for row in keyed_rows(Store(atlas))} == before
    vidatlas.reduce(atlas, {"reduce.clusters.k": 2}, SERIAL)
    assert {row["key"] for row in keyed_rows(Store(atlas))} != before


def test_settings_that_would_replace_named_subcategories_are_refused(atlas: Path) -> None:
    """A reduction is not undone by the old names: they would belong to nothing, and publish would fail."""
    accept(atlas, {keyed_rows(Store(atlas))[0]["key"]: "By hand"})
    vidatlas.publish(atlas, None, SERIAL)
    before = (atlas / "atlas.json").read_bytes()
    with pytest.raises(ConflictError, match=r"names\.csv names sub.*\(reduce\.clusters\.k: 4 → 2\)\. Move that file"):
        vidatlas.reduce(atlas, {"reduce.clusters.k": 2}, SERIAL)
    assert (atlas / "atlas.json").read_bytes() == before
    vidatlas.reduce(atlas, {"reduce.naming.name_terms": 1}, SERIAL)
    vidatlas.publish(atlas, None, SERIAL)
    assert "By hand" in names_of(Store(atlas)).values()
    (atlas / "names.csv").rename(atlas / "old.csv")
    vidatlas.reduce(atlas, {"reduce.clusters.k": 2}, SERIAL)


def test_an_accepted_name_is_shown_everywhere_and_reduce_keeps_ours(
    atlas: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = keyed_rows(Store(atlas))[0]
    sealed, card = (atlas / "subcategories.parquet").read_bytes(), (atlas / "README.md").read_text()
    accept(atlas, {row["key"]: "  Chosen\tby <b>hand\x07 "})
    assert main(["publish", str(atlas), "--runner", "serial"]) == 0
    chosen = "Chosen by <b>hand"
    assert chosen in capsys.readouterr().out
    made = vidatlas.open_atlas(atlas)
    frame = made.subcategories()
    home = frame[(frame["group"] == row["group"]) & (frame["subcategory"] == row["subcategory"])]
    assert home["name"].tolist() == [chosen]
    assert (frame["name"] == chosen).sum() == 1
    assert "Chosen by &lt;b&gt;hand" in (atlas / "report.html").read_text()
    assert "Chosen by <b>hand" not in (atlas / "report.html").read_text()
    assert chosen.encode() in b"".join(packed(made.map))
    assert chosen.encode() in b"".join(packed((atlas / "report.html").read_text()))
    assert f"1 of {len(frame)}, from names.csv" in (atlas / "README.md").read_text()
    assert "Names by hand |" not in card
    found = made.search("guitar", 400, subcategory=chosen)
    assert set(found["name"]) == {chosen}
    assert len(found) == row["size"]
    assert main(["export", str(atlas), "--embedding-atlas", str(tmp_path / "shared")]) == 0
    assert chosen in pq.read_table(tmp_path / "shared/videos.parquet")["subcategory"].to_pylist()
    assert (atlas / "subcategories.parquet").read_bytes() == sealed
    assert main(["verify", str(atlas)]) == 0


def test_assigned_videos_get_the_accepted_name(atlas: Path, small_atlas: Any, tmp_path: Path) -> None:
    accept(atlas, {row["key"]: f"By hand {number}" for number, row in enumerate(keyed_rows(Store(atlas)))})
    vidatlas.publish(atlas, None, SERIAL)
    assert main(["assign", str(atlas), str(small_atlas.part), "--out", str(tmp_path / "new.parquet")]) == 0
    names = pq.read_table(tmp_path / "new.parquet")["name"].to_pylist()
    assert names
    assert all(name.startswith("By hand ") for name in names)


def test_publishing_again_follows_names_csv_and_nothing_else(atlas: Path) -> None:
    first = entry(atlas)
    name_subcategories(atlas)
    vidatlas.publish(atlas, None, SERIAL)
    assert entry(atlas) == first
    key = keyed_rows(Store(atlas))[0]["key"]
    accept(atlas, {key: "One"})
    vidatlas.publish(atlas, None, SERIAL)
    one = entry(atlas)
    assert one["digest"] != first["digest"]
    assert one["upstream"] == first["upstream"]
    (atlas / "names.csv").unlink()
    assert "One" in names_of(Store(atlas)).values()  # until it is published again
    vidatlas.publish(atlas, None, SERIAL)
    assert entry(atlas)["digest"] == first["digest"]
    assert "One" not in names_of(Store(atlas)).values()


def test_a_fingerprint_depends_on_every_accepted_name_and_without_any_is_the_recipes() -> None:
    assert fingerprint_with({}, "abc") == "abc"
    one, two = (("Music", 0), Accepted("k1", "Music", 0, "One")), (("Music", 1), Accepted("k2", "Music", 1, "Two"))
    other = (("Music", 0), Accepted("k1", "Music", 0, "Other"))
    made = [fingerprint_with(dict(names), "abc") for names in ([one], [other], [one, two], [other, two])]
    assert len({*made, "abc"}) == 5
    assert fingerprint_with(dict([two, one]), "abc") == made[2]
    assert fingerprint_with(dict([one]), "abd") != made[0]


@pytest.mark.parametrize(
    "saved",
    [
        lambda key: f"key,accepted\n{key},By hand\n".encode(),
        lambda key: f"\ufeffaccepted;key\r\nBy hand;{key}\r\n\r\n".encode(),
        lambda key: f'group\tkey\taccepted\n"a\nb"\t{key}\tBy hand\n'.encode(),
        lambda key: f"key,accepted,mine\n{key},By hand\nunknown,,\nother\n".encode(),
    ],
    ids=["plain", "semicolons", "tabs", "short-lines"],
)
def test_names_csv_is_read_however_a_spreadsheet_saved_it(atlas: Path, saved: Callable[[str], bytes]) -> None:
    row = keyed_rows(Store(atlas))[2]
    (atlas / "names.csv").write_bytes(saved(row["key"]))
    found = read_accepted(Store(atlas))
    assert {home: one.name for home, one in found.items()} == {(row["group"], row["subcategory"]): "By hand"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "key,accepted\nKEY,fine\n\nk12,Name\n",
            r"names\.csv, line 4: the atlas has no subcategory with the key 'k12'",
        ),
        ("key,accepted\n,Name\n", "line 2: the atlas has no subcategory with the key ''"),
        ("key,accepted\nKEY,a\nKEY,b\n", "line 3: the key KEY is there twice"),
        (f"key,accepted\nKEY,{'x' * (LONGEST + 1)}\n", f"line 2: the name has {LONGEST + 1} characters"),
        ("key,accepted\nKEY,rock, pop\n", "line 2: 3 cells under 2 columns"),
        ("key,name\nKEY,a\n", "line 1: there is no column key or accepted"),
        ("", "line 1: there is no column"),
        ('key,accepted\nKEY,"a"b\n', "line 2: .* Correct the line"),
        ('key,accepted\nKEY,"open\n', "Correct the line"),
    ],
)
def test_an_unusable_line_is_named(atlas: Path, lines: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    key = keyed_rows(Store(atlas))[0]["key"]
    (atlas / "names.csv").write_text(lines.replace("KEY", key))
    with pytest.raises(InputError, match=message.replace("KEY", key)):
        read_accepted(Store(atlas))
    before = entry(atlas)
    assert main(["publish", str(atlas), "--runner", "serial"]) == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert entry(atlas) == before


def test_names_csv_in_another_encoding_is_refused(atlas: Path) -> None:
    (atlas / "names.csv").write_bytes("key,accepted\nk,Größe\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"names\.csv is not UTF-8"):
        read_accepted(Store(atlas))


def test_an_atlas_without_exemplars_has_no_keys(atlas: Path) -> None:
    vidatlas.reduce(atlas, {"reduce.naming.exemplars": 0}, SERIAL)
    with pytest.raises(UsageError, match=r"reduce\.naming\.exemplars=5"):
        keyed_rows(Store(atlas))
    assert read_accepted(Store(atlas)) == {}
