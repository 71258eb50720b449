"""Coverage counts the videos that hold a term of their own cluster; mixed videos are of some lines, in any language."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import corpus
from benchmarks.corpus import Corpus, select_records
from vidatlas.types import Record


def test_coverage_is_the_share_of_videos_with_a_term_of_their_own_cluster() -> None:
    titles = ["Chess knight", "Chess knight", "Chess tower", "Piano violin", "Piano violin", "Chess boxing"]
    records = [Record(str(at), "Music", title, ((title,), ())) for at, title in enumerate(titles)]
    made = Corpus(records, np.empty((0, 2), np.float32))
    assert made.coherence(np.array([0, 0, 0, 1, 1, 1], np.int32))[2] == pytest.approx(5 / 6)


def test_mixed_videos_are_of_some_lines_in_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = ["How to play the game", "Comment jouer aux échecs", "チェスの遊び方"]
    rows = [
        {"display_id": f"video-{at:05}", "title": title, "tags": "", "categories": "Gaming", "channel_id": "one"}
        for at, title in enumerate(titles)
    ]
    (tmp_path / "youtube").mkdir()
    with gzip.open(tmp_path / "youtube/videos.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    monkeypatch.setattr(corpus, "LEAST", 1)
    monkeypatch.setattr(corpus, "MIXED", (1, 3))
    assert {record.title for record in select_records(tmp_path, is_mixed=True, most=5)} == set(titles[1:])
    assert {record.title for record in select_records(tmp_path, is_mixed=False, most=5)} == {titles[0]}
    assert len(select_records(tmp_path, is_mixed=True, most=1)) == 1
