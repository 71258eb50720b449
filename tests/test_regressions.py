"""Each of these was wrong once."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

import vidatlas
from vidatlas.cli.screens import Device, show_preview
from vidatlas.encoders.transformer.checkpoint import open_checkpoint
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import UnavailableError, UsageError
from vidatlas.naming.names import NamingSpec, name_groups
from vidatlas.naming.sample import draw
from vidatlas.naming.terms import record_terms
from vidatlas.pipeline.embed.preview import Preview
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.recipe import load_recipe
from vidatlas.storage.folder import LocalFolder, expand
from vidatlas.storage.lock import LOCK, Lock
from vidatlas.storage.store import Store

HASHING = {"encoder": {"kind": "hashing", "dim": 8}}
SERIAL = vidatlas.Options(runner="serial")


def lines(count: int, prefix: str = "") -> str:
    rows = [{"display_id": f"{prefix}{n}", "title": f"t {n}", "categories": "c", "tags": "x"} for n in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    part = tmp_path / "v.jsonl"
    part.write_text(lines(9))
    vidatlas.run(load_recipe("demo", HASHING), part, tmp_path / "atlas", SERIAL)
    return tmp_path / "atlas"


def test_an_empty_gzip_is_zero_rows(tmp_path: Path) -> None:
    path = tmp_path / "videos.jsonl.gz"
    path.write_bytes(gzip.compress(b""))
    spec = PlanSpec(load_recipe("demo").record, 100)
    assert plan_part(str(path), spec, lambda rows, at: None).facts["rows"] == 0


def test_a_wrong_value_is_named_as_set_would_name_it() -> None:
    with pytest.raises(UsageError, match=r"^recipe demo: reduce\.clusters\.k: "):
        load_recipe("demo", {"reduce.clusters.k": 0})


def test_three_letter_plurals_are_the_same_term() -> None:
    tags = [["car"], ["cars"], ["car", "tuning"], ["cars", "tuning"], ["cars"]]
    videos = [draw(str(number), str(number), [], found) for number, found in enumerate(tags)]
    assert name_groups({"g": {0: (videos, 5)}}, NamingSpec())["g"][0].text == "cars · tuning"


def test_words_with_combining_vowels_stay_whole() -> None:
    assert {"हिन्दी", "गाने"} <= record_terms(["हिन्दी गाने"], []).texts.keys()
    assert {"தமிழ்", "பாடல்"} <= record_terms(["தமிழ் பாடல்"], []).texts.keys()


def test_a_group_that_ends_in_a_control_character_is_reduced(tmp_path: Path) -> None:
    part = tmp_path / "v.jsonl"
    part.write_text(lines(10) + lines(10, "n").replace('"c"', '"c\\u0000"'))
    made = vidatlas.run(load_recipe("demo", HASHING), part, tmp_path / "atlas", SERIAL)
    assert made.subcategories().groupby("group")["size"].sum().to_dict() == {"c": 20}


def test_a_file_with_brackets_in_its_name_is_found(tmp_path: Path) -> None:
    file = tmp_path / "video [abc].jsonl"
    file.touch()
    assert expand(str(file)) == [str(file)]


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file"):
        LocalFolder(tmp_path / "file").put("x", b"")


def test_a_failed_rename_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "EIO")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(UnavailableError):
        LocalFolder(tmp_path).put("x", b"")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_with_missing_keys_gives_way(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.folder.put(LOCK, b'{"run": "x"}')
    with Lock(store) as lock:
        lock.confirm()


def test_a_config_that_is_no_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text("null")
    with pytest.raises(UsageError, match=r"config\.json"):
        open_checkpoint(str(tmp_path), None)


@pytest.mark.parametrize("pattern", ["none*.jsonl", "new-*.jsonl"])
def test_assign_takes_one_file_and_says_so(atlas: Path, pattern: str) -> None:
    for name in "ab":
        (atlas.parent / f"new-{name}.jsonl").write_text(lines(3, name))
    with pytest.raises(UsageError, match="Name one file"):
        vidatlas.assign(atlas, atlas.parent / pattern, atlas.parent / "out.parquet")


def test_assign_gives_an_equal_video_the_same_distance(atlas: Path) -> None:
    vidatlas.assign(atlas, atlas.parent / "v.jsonl", atlas.parent / "out.parquet")
    placed = pd.read_parquet(atlas.parent / "out.parquet").set_index("id")["distance"]
    there = vidatlas.open_atlas(atlas).assignments().set_index("id")["distance"]
    assert placed.tolist() == there.loc[placed.index].tolist()


def test_a_recipe_name_with_brackets_is_shown() -> None:
    recipe = load_recipe("demo", {"name": "mine [/] x"})
    counts = {"read": 1, "kept": 1, "rejected": 0, "duplicates": 0, "rejects": {}}
    shown = Preview(counts, 1, {}, (), Inspection("m", 2, None, len), (1, 0), 1, 1, None)
    out = io.StringIO()
    show_preview(Console(file=out, width=100), recipe, shown, "a", Device("cpu", 1))
    assert "mine [/] x" in out.getvalue()
