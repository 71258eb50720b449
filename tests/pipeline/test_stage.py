"""A stage writes into a folder of its own: never into one with other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import Options
from vidatlas.cli.main import main
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.stage import Run, Steps, refuse_foreign
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.store import Store
from vidatlas.types import Event

SERIAL = Options(runner="serial", max_rejects=1.0)


@pytest.fixture
def part(tmp_path: Path, make_lines: Any) -> str:
    path = tmp_path / "videos.jsonl"
    path.write_bytes(make_lines(60))
    return str(path)


@pytest.mark.parametrize("name", ["README.md", "report.html", "src/code.py"])
@pytest.mark.parametrize("verb", [vidatlas.plan, vidatlas.embed, vidatlas.run])
def test_a_folder_with_other_files_is_refused(
    verb: Any, name: str, part: str, tmp_path: Path, hashing_recipe: Any
) -> None:
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("notes")
    for data in (part, [{"display_id": "1", "title": "a b"}]):
        with pytest.raises(UsageError, match="is no atlas and not empty"):
            verb(hashing_recipe, data, tmp_path / "mine", SERIAL)
    assert [file for file in (tmp_path / "mine").rglob("*") if file.is_file()] == [mine]
    assert mine.read_text() == "notes"


def test_fit_and_the_commands_refuse_it_too(
    part: str, tmp_path: Path, hashing_recipe: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="is no atlas and not empty"):
        vidatlas.fit(["a b", "c d"], atlas=tmp_path, recipe=hashing_recipe, options=SERIAL)
    monkeypatch.chdir(tmp_path)
    for command in ("plan", "embed", "run"):
        for atlas in (".", ""):
            words = [command, "demo", part, atlas]
            assert main(words if command == "plan" else [*words, "--runner", "serial"]) == 2
            assert ("a path is empty", "is no atlas and not empty")[bool(atlas)] in capsys.readouterr().err
    assert main(["demo", ".", "--runner", "serial"]) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["videos.jsonl"]


def test_what_a_failed_run_leaves_is_no_obstacle(tmp_path: Path, part: str, hashing_recipe: Any) -> None:
    atlas = tmp_path / "atlas"
    with pytest.raises(InputError, match="no such file"):
        vidatlas.plan(hashing_recipe, "absent.jsonl", atlas, SERIAL)
    (atlas / "atlas.json").unlink()
    for name in ("lock", "claims/a", "logs/libraries.log", "input/a/data.jsonl.zst", "plan/a.json", ".DS_Store"):
        (atlas / name).parent.mkdir(exist_ok=True, parents=True)
        (atlas / name).write_text("{}")
    assert vidatlas.plan(hashing_recipe, part, atlas, SERIAL)["counts"]["read"] == 60


def test_storage_elsewhere_is_looked_at_too(place: str) -> None:
    store = Store(place)
    refuse_foreign(store)
    store.put("plan/a.json", b"{}")
    refuse_foreign(store)
    store.put("README.md", b"mine")
    with pytest.raises(UsageError, match=r"it holds 'README\.md'"):
        refuse_foreign(store)


def test_steps_tell_what_is_done_of_each_and_of_all(tmp_path: Path, hashing_recipe: Any) -> None:
    told: list[Event] = []
    run = Run(hashing_recipe, Store(tmp_path), SerialRunner(), SERIAL, told.append)
    steps = Steps(run, "publish", 3)
    placing = steps.of("placing")
    assert list(placing.map(len, [["a", "b"], ["c"]])) == [2, 1]
    assert list(placing.map(abs, range(0, -2, -1))) == [0, 1]
    steps.begin("layout", 750, "iterations")
    steps.tell(250)
    steps.begin("report")
    steps.end()
    inside = [event.facts.get("inside", {}) for event in told]
    assert [(event.done, event.total, event.facts["step"]) for event in told] == [
        *[(0, 3, "placing")] * 3,
        *[(0, 3, "placing, pass 2")] * 3,
        *[(1, 3, "layout")] * 2,
        (2, 3, "report"),
        (3, 3, "done"),
    ]
    assert [(one.get("done"), one.get("total"), one.get("unit")) for one in inside] == [
        # Blocks count as many shards as they hold.
        *[(done, 3, "shards") for done in (0, 2, 3)],
        *[(done, 2, "parts") for done in (0, 1, 2)],
        *[(done, 750, "iterations") for done in (0, 250)],
        *[(None, None, None)] * 2,
    ]
