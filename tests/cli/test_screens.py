"""What is printed is text: data can neither style nor steer a terminal, and counts add up."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

import vidatlas
from vidatlas.cli import screens
from vidatlas.cli.screens import Device, device_of, plain, show_notes, show_preview, show_status, show_tree
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.pipeline.embed.preview import Preview
from vidatlas.recipe import load_recipe
from vidatlas.types import Options
from vidatlas.views.nouns import Nouns

HOSTILE = "[bold]b[/] [/] [link=x]l \x1b[31mred\x07 \u202eexe\nnew line {{7*7}} :smile:"
SHOWN = "[bold]b[/] [/] [link=x]l  [31mred   exe new line {{7*7}} :smile:"
COUNTS = {"read": 1_000, "kept": 970, "rejected": 10, "duplicates": 20, "rejects": {"no_text": 10}}


class Made:
    """Stand in for an atlas with hostile names."""

    counts = COUNTS
    nouns = Nouns()

    def subcategories(self) -> pd.DataFrame:
        rows = [("Music", "piano · cello", 500), ("Music", HOSTILE, 250), ("Music", "drums", 100), ("Music", "x", 20)]
        rows += [(HOSTILE, "castle", 100)]
        frame = pd.DataFrame(rows, columns=["group", "name", "size"]).assign(coverage=None)
        return frame.assign(levels=[[], ["strings"], [], ["strings"], []])

    def levels(self) -> pd.DataFrame:
        node = {"group": "Music", "level": 1, "name": "strings", "size": 270, "coverage": 0.5, "subcategories": [1, 3]}
        return pd.DataFrame([node])


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=160, force_terminal=True, color_system=None)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert not {sign for sign in text if not sign.isprintable()} - {"\n"}
    return text


def test_plain_keeps_what_prints_and_blanks_what_does_not() -> None:
    assert plain(HOSTILE).plain == SHOWN
    assert plain(HOSTILE).spans == []
    assert plain("日本語 🎬 é").plain == "日本語 🎬 é"


def test_the_first_notes_are_shown_as_text_and_the_others_counted(console: Console) -> None:
    show_notes(console, [HOSTILE, "b", "c", "d", "e"])
    lines = text_of(console).splitlines()
    assert lines[0] == f"note    {SHOWN}"
    assert lines[2:] == ["note    c", "        and 2 more: in report.html, under Known limits"]


def test_a_tree_shows_hostile_names_as_text_and_adds_up(console: Console) -> None:
    show_tree(console, Made())
    lines = text_of(console).splitlines()
    assert lines[0] == "970 videos · 2 categories · 5 subcategories"
    assert lines[1] == "├── Music  870  in 4"
    found = [line.lstrip("│├└─ ") for line in lines[2:5]]
    assert found == ["piano · cello  500", "strings  270  in 2  fits 50%", "drums  100"]
    assert lines[5:7] == [f"└── {SHOWN}  100  in 1", "    └── castle  100"]
    assert lines[7] == "1,000 read = 970 kept + 10 rejected + 20 duplicates"


def test_the_tree_of_a_real_atlas_adds_up(console: Console, small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    show_tree(console, atlas, most=99)
    text = text_of(console)
    assert text.startswith(f"{small_atlas.rows} videos · 3 categories · {len(atlas.subcategories())} subcategories")
    for row in atlas.subcategories().itertuples():
        assert f"{row.name}  {row._asdict()['size']:,}  fits {row.coverage:.0%}\n" in text
    assert "405 read = 400 kept + 2 rejected + 3 duplicates" in text


def shown_preview(**changes: Any) -> Preview:
    facts: dict[str, Any] = {
        "counts": COUNTS,
        "input_bytes": 12_300_000,
        "fill": {"title": (0.99, 1.0), "tags": (0.5, 7.25)},
        "examples": ({"id": "a", "group": HOSTILE, "texts": {"title": [HOSTILE], "tags": list("abcdefgh")}},),
        "encoder": Inspection("tiny", 24, 1.0, len),
        "shards": (10, 4),
        "disk_bytes": 5_000_000,
        "free_bytes": 2_000_000_000,
        "compute_seconds": 380.0,
    }
    return Preview(**facts | changes)


def test_a_preview_shows_the_work_ahead_and_hostile_texts_as_text(console: Console) -> None:
    show_preview(console, load_recipe("demo"), shown_preview(), "[red]atlas", Device("a CPU", 2))
    text = text_of(console)
    for part in (
        "12.3 MB, 1,000 rows: 970 to embed, 20 duplicates, 10 no_text",
        "title 99.0%, tags 50.0% (mean 7.2)",
        "tiny, 24 dimensions",
        "10 of at most 500 rows, 4 done already",
        "about 3 min 20 s to embed",
        "about 5.0 MB of 2.0 GB free",
        "[red]atlas",
        f"0.55 × title: {SHOWN}",
        f"a  [{SHOWN}]",
        "0.45 × tags: a | b | c | d | e | f  … 2 more",
    ):
        assert part in text


def test_a_preview_says_what_it_cannot_know(console: Console) -> None:
    recipe = load_recipe("demo")
    show_preview(console, recipe, shown_preview(compute_seconds=None, free_bytes=None), "a", Device("Ray"))
    assert "known after the first shards" in text_of(console)
    show_preview(console, recipe, shown_preview(shards=(4, 4)), "a", Device("Ray"))
    assert "nothing left to embed" in text_of(console)
    assert "languages" not in text_of(console)
    show_preview(console, recipe, shown_preview(warning="It knows English only."), "a", Device("Ray"))
    assert "It knows English only." in text_of(console)


def status_of(**changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "atlas": "[bold]/tmp/a",
        "recipe": HOSTILE,
        "stages": {"plan": True, "embed": False},
        "shards": {"done": 3, "total": 10},
        "counts": COUNTS,
        "embedded": {
            "kept": 300,
            "texts": 1_200,
            "distinct": 300,
            "tokens": 9_000,
            "nodes": 6_000,
            "compute_seconds": 3.0,
            "gemm_share": 0.75,
            "redone": 2,
        },
        "reduced": {"subcategories": 12, "groups": 3},
        "progress": {"state": "running", "stage": "embed", "done": 3, "total": 10, "age_seconds": 4.0}
        | {"rows_per_second": 1_500.0, "eta_seconds": 65.0},
        "timings": {"plan": 3.0, "embed": 61.0},
        "held": {"pid": 7, "host": "[red]h", "since": "then"},
        "content_sha256": "abc",
    }
    return facts | changes


def test_status_shows_all_there_is(console: Console) -> None:
    show_status(console, status_of())
    text = text_of(console)
    for part in (
        "[bold]/tmp/a",
        SHOWN,
        "✓ plan  · embed",
        "1,000 rows: 970 to embed, 20 duplicates, 10 no_text",
        "3 of 10, 7 left",
        "300 records, 1,200 texts, 25% distinct, 9,000 tokens",
        "6,000 tokens computed, 2,000 a second in each worker, 75% of a matrix product's speed",
        "2 shards, whose worker or node went in the middle",
        "12 subcategories in 3 categories",
        "running in embed (3 of 10), 1,500 records/s, 1 min 5 s left; 4 s ago",
        "plan 3 s, embed 1 min 1 s",
        "process 7 on [red]h since then",
        "sha256 abc",
    ):
        assert part in text
    table = [line.split() for line in text.splitlines()[-3:]]
    assert [row[:2] for row in table] == [["left", "out"], ["duplicate_id", "20"], ["no_text", "10"]]


def test_status_of_little_shows_little(console: Console) -> None:
    empty = {"counts": {}, "embedded": {}, "reduced": {}, "progress": {}, "timings": {}, "held": {}}
    show_status(console, status_of(**empty, content_sha256=None))
    assert [line.split()[0] for line in text_of(console).splitlines()] == ["atlas", "recipe", "stages"]


def test_where_names_a_cluster_or_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert device_of(Options(address="host:6379"), True) == Device("Ray cluster at host:6379")
    monkeypatch.setenv("RAY_ADDRESS", "other:1")
    assert device_of(Options(), True) == Device("Ray cluster at other:1")
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr(screens, "_processor", lambda: "CPU")
    monkeypatch.setattr(screens.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert device_of(Options(actors=(1, 3), threads=2, gpus=0), True) == Device("CPU, 3 actors × 2 threads", 6)
    assert device_of(Options(gpus=0), True) == Device("CPU, 8 actors × 1 thread", 8)
    assert device_of(Options(runner="serial"), False) == Device("CPU, one process", 1)
    monkeypatch.setattr(screens, "find_spec", lambda name: None)
    assert device_of(Options(runner="serial"), False).name.endswith("(pip install 'vidatlas[ray]') it uses every core")
    monkeypatch.setattr(screens.Path, "glob", lambda self, pattern: [self / "nvidia0"])
    assert device_of(Options(), True).name == device_of(Options(gpus=1), False).name == "1 GPU of this machine"
    assert device_of(Options(), False) == Device("CPU, 8 actors × 1 thread", 8)
