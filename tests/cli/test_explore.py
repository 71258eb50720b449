"""Listing on the command line, JSON for programs, and errors that say what there is."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import vidatlas
from vidatlas.cli import explore
from vidatlas.cli.main import main
from vidatlas.pipeline.explore.search import Search

Capture = pytest.CaptureFixture[str]


def test_list_prints_all_videos_of_a_subcategory(small_atlas: Any, capfd: Capture) -> None:
    homes = vidatlas.open_atlas(small_atlas.url).assignments()
    wanted = homes[(homes["group"] == "Music") & (homes["subcategory"] == 1)].sort_values("distance", kind="stable")
    assert main(["list", small_atlas.url, "--group", "music", "--subcategory", "1", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [row["id"] for row in rows] == wanted["id"].tolist()
    subs = vidatlas.open_atlas(small_atlas.url).subcategories().set_index(["group", "subcategory"])
    far = subs.loc[("Music", 1), "peripheral"]
    assert [row["part"] for row in rows] == ["core"] * (len(rows) - far) + ["peripheral"] * far
    assert far > 0
    assert main(["list", small_atlas.url, "--group", "Music", "--sort", "title", "--limit", "3", "--json"]) == 0
    titles = [json.loads(line)["title"] for line in capfd.readouterr().out.splitlines()]
    assert len(titles) == 3
    assert titles == sorted(titles, key=str.lower)


def test_list_without_a_place_prints_the_subcategories(small_atlas: Any, capfd: Capture) -> None:
    assert main(["list", small_atlas.url, "--json"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert sum(row["size"] for row in rows) == small_atlas.rows
    assert main(["list", small_atlas.url]) == 0
    assert rows[0]["name"].split(" ")[0] in capfd.readouterr().out


def test_a_terminal_is_shown_the_beginning_of_a_long_list(
    small_atlas: Any, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setattr(explore, "_ON_TERMINAL", 10)
    listing = ["list", small_atlas.url, "--group", "Music"]
    total = int((vidatlas.open_atlas(small_atlas.url).assignments()["group"] == "Music").sum())

    def lines(*more: str, terminal: bool = True) -> list[str]:
        monkeypatch.setattr(explore, "console", Console(force_terminal=terminal, width=200))
        assert main([*listing, *more]) == 0
        return capfd.readouterr().out.splitlines()

    shown = lines()
    assert len(shown) == 12
    assert shown[-1] == f"… {total - 10} more; --csv or --json prints all"
    assert len(lines("--limit", "20")) == 21
    assert len(lines(terminal=False)) == total + 1
    assert len(lines("--json")) == total


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--group", "Musik"], "Did you mean 'Music'? There are: "),
        (["list", "--group", "None"], "There are: "),
        (["search", "guitar", "--group", "nope"], "'Education'"),
        (["search", "guitar", "--subcategory", "nope"], "has no subcategory 'nope'. There are: "),
        (["list", "--group", "Music", "--sort", "views"], "Choose one of: nearness"),
        (["list", "--csv", "--json"], "choose one of --csv and --json"),
    ],
)
def test_errors_say_what_there_is(words: list[str], said: str, small_atlas: Any, capfd: Capture) -> None:
    assert main([words[0], small_atlas.url, *words[1:]]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_topic_is_told_apart_from_its_subcategories(
    small_atlas: Any, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    """The tree that a run prints shows topics; only their subcategories can be listed."""
    rows = Search.__dict__["subcategories"].func
    topics = property(lambda self: [{**row, "levels": ["Strings"] * (row["group"] == "Music")} for row in rows(self)])
    inside = [row["name"] for row in rows(vidatlas.Atlas(small_atlas.url).finder) if row["group"] == "Music"]
    monkeypatch.setattr(Search, "subcategories", topics)
    assert main(["list", small_atlas.url, "--subcategory", "strings"]) == 2
    error = capfd.readouterr().err
    assert f"'strings' is a topic of {len(inside)} subcategories. Name one: {inside[0]!r}" in error


@pytest.mark.parametrize("words", [["search", "guitar"], ["list"], ["similar", "id"], ["serve"]])
def test_of_an_unfinished_atlas_every_command_names_the_stage(
    words: list[str], hashing_recipe: Any, small_atlas: Any, tmp_path: Path, capfd: Capture
) -> None:
    atlas = str(tmp_path / "atlas")
    vidatlas.embed(hashing_recipe, str(small_atlas.part), atlas, vidatlas.Options(runner="serial"))
    assert main([words[0], atlas, *words[1:]]) == 2
    assert capfd.readouterr().err == f"vidatlas: {atlas}: reduce is not done yet. Run: vidatlas reduce {atlas}\n"


def test_status_verify_and_recipes_speak_json(small_atlas: Any, capfd: Capture) -> None:
    assert main(["status", small_atlas.url, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["counts"]["kept"] == small_atlas.rows
    assert main(["verify", small_atlas.url, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["kept"] == small_atlas.rows
    assert main(["recipes", "--json"]) == 0
    assert "demo" in [one["name"] for one in json.loads(capfd.readouterr().out)]
    assert main(["recipes", "demo", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["name"] == "demo"
