"""An export for a hub is a data set: YAML that names its tables, and files that a viewer reads in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import vidatlas
from vidatlas.cli.main import main
from vidatlas.pipeline.publish import export
from vidatlas.views.card import front_matter


def front_of(card: str) -> Any:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_an_atlas_shows_as_a_data_set(small_atlas: Any) -> None:
    front = front_of(Path(small_atlas.url, "README.md").read_text())
    tables = {each["config_name"]: each["data_files"] for each in front["configs"]}
    assert front["size_categories"] == ["n<1K"]
    assert next(iter(tables)) == "videos"
    assert all(list(Path(small_atlas.url).glob(pattern)) for pattern in tables.values())


def test_a_folder_for_a_hub_holds_every_video_and_says_so(
    small_atlas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "HUB_ROWS", 150)
    assert main(["export", small_atlas.url, "--hub-folder", str(tmp_path / "hub")]) == 0
    assert f"hf upload --repo-type dataset NAME {tmp_path / 'hub'}" in " ".join(capsys.readouterr().out.split())
    card = (tmp_path / "hub" / "README.md").read_text()
    tables = {each["config_name"]: each["data_files"] for each in front_of(card)["configs"]}
    files = {name: sorted((tmp_path / "hub").glob(pattern)) for name, pattern in tables.items()}
    assert len(files["videos"]) > 1
    shown = [name for file in files["videos"] for name in pq.read_table(file)["id"].to_pylist()]
    atlas = vidatlas.open_atlas(small_atlas.url)
    assert shown == atlas.assignments()["id"].tolist()
    assert all(pq.ParquetFile(file).metadata.row_group(0).column(0).has_offset_index for file in files["videos"])
    assert sorted(pq.read_table(files["subcategories"][0])["name"].to_pylist()) == sorted(atlas.subcategories()["name"])
    assert "report.html" not in card and "## Files" not in card and "## Known limits" in card
    assert (tmp_path / "hub" / "map.png").exists()


@pytest.mark.parametrize("words", [[], ["--hub-folder", "a", "--embedding-atlas", "b"]])
def test_one_kind_of_export_is_chosen(words: list[str], small_atlas: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", small_atlas.url, *words]) == 2
    assert "choose one of --embedding-atlas DIR and --hub-folder DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("videos", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (100_000, "100K<n<1M"),
     (73_000_000, "10M<n<100M"), (2_000_000_000, "1B<n<10B")],
)  # fmt: skip
def test_the_size_is_the_hubs_word_for_it(videos: int, size: str) -> None:
    title = 'One: "two" # é 😀\nthree'
    front = front_of(front_matter(title, videos, {"videos": "*.parquet"}))
    assert front["size_categories"] == [size]
    assert front["pretty_name"] == title
    assert front["configs"] == [{"config_name": "videos", "data_files": "*.parquet"}]
