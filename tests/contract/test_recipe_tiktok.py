"""TikTok: hashtags of users are counted once a video, and users without any are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas import Options


def test_a_user_without_tags_is_said_and_counts_are_kept(tmp_path: Path, tables: Any) -> None:
    recipe = vidatlas.load_recipe("tiktok-hashtags", tables.SMALL)
    atlas = vidatlas.run(recipe, tables.hashtags(tmp_path), tmp_path / "atlas", Options(runner="serial"))
    counts = atlas.counts
    assert counts["rejects"] == {"excluded": 80, "no_terms": 40}
    assert counts["kept"] + counts["duplicates"] == 80
    frame = atlas.subcategories()
    assert set(frame["group"]) == {"ann", "ben"}
    assert sum(count for scores in frame["scores"] for count in scores) == 80
    assert all(row.name == " · ".join(list(row.terms)[:3]) for row in frame.itertuples(index=False))
    report = Path(atlas.report).read_text(encoding="utf-8")
    row = next(frame.itertuples(index=False))
    assert [row.terms[0], row.scores[0]] in [sub["terms"][0] for sub in tables.opened(report)["subs"]]
    assert "A group is named after its most frequent hashtags." in report
    assert "1 user has no hashtags to keep: mute" in report
    assert "1 of 2 files holds no rows: empty.csv" in report
    tables_of = [pq.read_table(path) for path in sorted((tmp_path / "atlas" / "embeddings").glob("*.parquet"))]
    assert sum(sum(table["count"].to_pylist()) for table in tables_of) == 80


def test_a_video_that_stands_in_two_files_is_counted_once(tmp_path: Path, tables: Any) -> None:
    header, rows = ["id", "user_name", "hashtags"], [[f"{number}", "ann", "['dance', 'food']"] for number in range(6)]
    mute = [["", "ann", "dance"], ["", "ann", "dance"]]
    inputs = [tables.write(tmp_path / "a.csv", header, rows), tables.write(tmp_path / "b.csv", header, rows[2:] + mute)]
    atlas = vidatlas.run(
        vidatlas.load_recipe("tiktok-hashtags", tables.SMALL), inputs, tmp_path / "atlas", Options(runner="serial")
    )
    shards = [pq.read_table(path).to_pylist() for path in (tmp_path / "atlas" / "embeddings").glob("*.parquet")]
    assert {row["term"]: row["count"] for shard in shards for row in shard} == {"dance": 8, "food": 6}
    assert (atlas.counts["read"], atlas.counts["duplicates"]) == (22, 20)


def test_users_without_tags_and_empty_files_are_named_behind_the_plan(
    tmp_path: Path, tables: Any, main: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs = tables.hashtags(tmp_path)
    assert main(["plan", "tiktok-hashtags", *inputs, str(tmp_path / "atlas"), "--set", "encoder.kind=hashing"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "note 1 user has no hashtags to keep: mute note 1 of 2 files holds no rows: empty.csv" in said


def test_all_users_together_and_another_column_are_settings(tmp_path: Path, tables: Any) -> None:
    rows = [
        [str(number), "u", f"[{{'word': 'dance{number % 9}', 'id': 1}}, {{'word': 'food'}}]"] for number in range(30)
    ]
    inputs = [tables.write(tmp_path / "words.csv", ["id", "user_name", "suggested_words"], rows)]
    changes = {"source.explode.column": "suggested_words", "record.id": "term", "record.group": None}
    recipe = vidatlas.load_recipe("tiktok-hashtags", tables.SMALL | changes)
    atlas = vidatlas.run(recipe, inputs, tmp_path / "atlas", Options(runner="serial"))
    assert (atlas.counts["read"], atlas.counts["kept"]) == (60, 10)
    frame = atlas.subcategories()
    counts = {term: count for row in frame.itertuples() for term, count in zip(row.terms, row.scores, strict=True)}
    assert counts["food"] == 30


def test_nothing_but_users_without_tags_is_one_line(tmp_path: Path, tables: Any) -> None:
    inputs = [tables.write(tmp_path / "mute.csv", ["id", "user_name", "hashtags"], [["1", "u", "[]"]])]
    with pytest.raises(vidatlas.VidatlasError, match="holds no embedded rows") as caught:
        vidatlas.run(
            vidatlas.load_recipe("tiktok-hashtags", tables.SMALL), inputs, tmp_path / "a", Options(runner="serial")
        )
    assert caught.value.exit_code == 3


def test_a_column_that_a_table_lacks_is_named(tmp_path: Path, tables: Any) -> None:
    inputs = tables.hashtags(tmp_path)
    recipe = vidatlas.load_recipe("tiktok-hashtags", tables.SMALL | {"source.explode.column": "suggested_words"})
    message = r"no such column: 'suggested_words'\. .*: 'id', 'user_name', 'hashtags'\."
    with pytest.raises(vidatlas.VidatlasError, match=message):
        vidatlas.run(recipe, inputs, tmp_path / "atlas", Options(runner="serial"))
