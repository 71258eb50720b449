"""The Python API: what it calls back, and when."""

from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.errors import UsageError
from vidatlas.pipeline.plan import plan as planning
from vidatlas.storage.store import Store


@pytest.fixture
def part_file(tmp_path: Path, make_lines: Any) -> Path:
    path = tmp_path / "videos.jsonl"
    path.write_bytes(make_lines(60))
    return path


SERIAL = vidatlas.Options(runner="serial", max_rejects=1.0)


@pytest.mark.parametrize("verb", [vidatlas.plan, vidatlas.embed, vidatlas.run])
def test_the_plan_is_made_once_and_shown_before_anything_is_embedded(
    verb: Any, hashing_recipe: Any, part_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas, seen, calls = str(tmp_path / "atlas"), [], []
    plan = planning.plan
    monkeypatch.setattr(planning, "plan", lambda *given: (calls.append(1), plan(*given))[1])

    def planned(entry: Any) -> None:
        seen.append((entry["counts"]["read"], Store(atlas).receipts()))

    verb(hashing_recipe, str(part_file), atlas, SERIAL, planned=planned)
    assert seen == [(Store(atlas).stage("plan")["counts"]["read"], {})]
    assert calls == [1]


def test_an_error_of_the_caller_ends_the_run_before_anything_is_embedded(
    hashing_recipe: Any, part_file: Path, tmp_path: Path
) -> None:
    def planned(entry: Any) -> None:
        raise UsageError("too dear")

    with pytest.raises(UsageError, match="too dear"):
        vidatlas.run(hashing_recipe, str(part_file), str(tmp_path / "atlas"), SERIAL, planned=planned)
    assert not Store(str(tmp_path / "atlas")).receipts()
