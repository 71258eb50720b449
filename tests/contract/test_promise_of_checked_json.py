"""Promise 8, for JSON: a file of an atlas that says nonsense is refused in one line, which names file and key.

Every key of a real atlas gets values of another type in turn.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import Atlas, Options
from vidatlas.errors import InputError

SERIAL = Options(runner="serial")
Main = Callable[[list[str]], int]
Step = str | int
WRONG: dict[type, list[Any]] = {
    str: [7, ["x"]],
    int: ["7", 0.5, -1],
    float: ["x", []],
    bool: ["yes", 1],
    list: ["x", {"a": 1}],
    dict: [[1], "x"],
    type(None): [{"a": []}],
}
"""Values of another type, or of none that makes sense, for each type of JSON."""
OPEN = {"recipe", "scikit-learn", "seed"}
"""Keys of which the manifest's type does not say what they hold: the recipe has its own, identities may say more."""


@pytest.fixture
def atlas(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "atlas"))


def damages(data: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Yield path and wrong value for every key; of long lists and tables of files the first alone."""
    if path and path[-1] in OPEN:
        return
    if path:
        yield from ((path, wrong) for wrong in WRONG[type(data)])
    if isinstance(data, dict):
        several = "groups" in path or "files" in path[-1:]
        for key in list(data)[:1] if several else data:
            yield from damages(data[key], (*path, key))
    elif isinstance(data, list) and data:
        yield from damages(data[0], (*path, 0))


def damaged(data: Any, path: tuple[Step, ...], wrong: Any) -> str:
    copy = json.loads(json.dumps(data))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    return json.dumps(copy)


REMEDY = r"( make the atlas again\.|; to make it again: vidatlas [^\n]+)$"


def refuses(file: Path, use: Callable[[], object]) -> int:
    """Damage a JSON file in every way in turn, and require each time one line that names file, key and remedy."""
    whole = file.read_text()
    data, count = json.loads(whole), 0
    for path, wrong in damages(data):
        file.write_text(damaged(data, path, wrong))
        with pytest.raises(InputError) as refused:
            use()
        text = str(refused.value)
        assert "\n" not in text
        assert f"/{file.name}: {'.'.join(map(str, path))}" in text, (path, wrong, text)
        assert re.search(REMEDY, text), text
        count += 1
    file.write_text(whole)
    return count


COMMANDS: dict[str, Callable[[str, Any], object]] = {
    "status": lambda url, world: vidatlas.status(url),
    "verify": lambda url, world: vidatlas.verify(url),
    "search": lambda url, world: vidatlas.open_atlas(url).search("cat"),
    "reduce": lambda url, world: vidatlas.reduce(url, options=SERIAL),
    "publish": lambda url, world: vidatlas.publish(url, options=SERIAL),
    "run": lambda url, world: world.run(url),
    "assign": lambda url, world: vidatlas.assign(url, world.inputs[0], f"{url}.parquet"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_manifest_that_says_nonsense_is_refused_by_its_key(command: str, atlas: Path, world: Any) -> None:
    assert refuses(atlas / "atlas.json", lambda: COMMANDS[command](str(atlas), world)) > 150


@pytest.mark.parametrize("command", ["search", "reduce", "publish", "run", "assign"])
def test_a_manifest_whose_recipe_says_nonsense_is_refused_by_its_key(command: str, atlas: Path, world: Any) -> None:
    manifest = json.loads((atlas / "atlas.json").read_text())
    (atlas / "atlas.json").write_text(damaged(manifest, ("recipe", "mix", "normalize"), "x"))
    with pytest.raises(InputError, match=r"atlas\.json: recipe\.mix\.normalize: [^\n]+ make the atlas again\.$"):
        COMMANDS[command](str(atlas), world)


FILES: dict[str, tuple[str, Callable[[str, Any], object]]] = {
    "metrics, to publish": ("metrics.json", lambda url, world: vidatlas.publish(url, {"publish.title": "x"}, SERIAL)),
    "metrics, to read": ("metrics.json", lambda url, world: Atlas(url).metrics),
    "index": ("index/search.json", COMMANDS["search"]),
    "encoder": ("encoder.json", COMMANDS["search"]),
    "groups": ("model/groups.json", COMMANDS["assign"]),
}


@pytest.mark.parametrize("what", FILES)
def test_another_json_file_that_says_nonsense_is_refused_by_its_key(
    what: str, atlas: Path, world: Any, reseal: Callable[[Path, str], None]
) -> None:
    name, use = FILES[what]

    def after_correcting_the_manifest() -> None:
        reseal(atlas, name)
        use(str(atlas), world)

    assert refuses(atlas / name, after_correcting_the_manifest) >= 5


USES: list[tuple[str, str, Callable[[str, Any], object]]] = [
    ("reduce", "subcategories.parquet", lambda url, world: Atlas(url).subcategories()),
    ("reduce", "subcategories.parquet", lambda url, world: vidatlas.publish(url, {"publish.title": "x"}, SERIAL)),
    ("reduce", "assignments/", lambda url, world: Atlas(url).assignments()),
    ("reduce", "assignments/", lambda url, world: vidatlas.publish(url, {"publish.title": "x"}, SERIAL)),
    ("publish", "map.html", lambda url, world: Atlas(url).map),
    ("publish", "layout/one", lambda url, world: Atlas(url).positions()),
]


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use[1]} {USES.index(use)}")
def test_a_manifest_that_lacks_a_file_is_refused(use: Any, atlas: Path, world: Any) -> None:
    stage, start, ask = use
    manifest = json.loads((atlas / "atlas.json").read_text())
    files = manifest["stages"][stage]["files"]
    gone = min(name for name in files if name.startswith(start))
    del files[gone]
    (atlas / "atlas.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=rf"/atlas\.json does not list {gone}\. [^\n]+ make the atlas again\.$"):
        ask(str(atlas), world)


def test_metrics_without_a_group_are_refused(atlas: Path, reseal: Callable[[Path, str], None]) -> None:
    metrics = json.loads((atlas / "metrics.json").read_text())
    (atlas / "metrics.json").write_text(json.dumps({**metrics, "groups": {}}))
    reseal(atlas, "metrics.json")
    with pytest.raises(InputError, match=r"metrics\.json has no figures of group '[^\n]+: vidatlas reduce [^\n]+$"):
        vidatlas.publish(str(atlas), {"publish.title": "x"}, SERIAL)


def begin_again(atlas: Path, first: str) -> None:
    """Take a stage and those behind it out of the manifest, as where a run was killed in it."""
    manifest = json.loads((atlas / "atlas.json").read_text())
    stages = list(manifest["stages"])
    for stage in stages[stages.index(first) :]:
        del manifest["stages"][stage]
    (atlas / "atlas.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("command", ["status", "run"])
def test_a_receipt_that_says_nonsense_is_refused_by_its_key(command: str, atlas: Path, world: Any) -> None:
    begin_again(atlas, "embed")
    assert refuses(min((atlas / "receipts").iterdir()), lambda: COMMANDS[command](str(atlas), world)) > 30


def test_the_facts_of_an_input_file_that_say_nonsense_are_refused_by_their_key(atlas: Path, world: Any) -> None:
    begin_again(atlas, "plan")
    assert refuses(min((atlas / "plan").glob("*.json")), lambda: world.run(atlas)) > 30


@pytest.mark.parametrize("command", ["status", "verify", "search", "reduce", "publish"])
def test_a_command_ends_with_3_and_one_line(
    command: str, atlas: Path, main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((atlas / "atlas.json").read_text())
    (atlas / "atlas.json").write_text(damaged(manifest, ("stages", "plan", "counts", "kept"), "x"))
    more = {"search": ["cat"], "reduce": ["--runner", "serial"], "publish": ["--runner", "serial"]}
    assert main([command, str(atlas), *more.get(command, [])]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "atlas.json: stages.plan.counts.kept: " in line


NONSENSE = ["[]", "{", "7", '{"plan": "x"}', '{"plan": null, "state": 7}', '{"a": {"part": 1}}']


@pytest.mark.parametrize("name", ["inputs.json", "timings.json", "progress.json", "lock"])
def test_status_reports_a_damaged_file_that_nothing_depends_on(name: str, atlas: Path, main: Main, capsys: Any) -> None:
    before = vidatlas.status(str(atlas))
    assert before["damaged"] == []
    for nonsense in NONSENSE:
        (atlas / name).write_text(nonsense)
        after = vidatlas.status(str(atlas))
        (note,) = after.pop("damaged")
        assert note.startswith(f"{atlas}/{name}") and note.endswith("depends on it.")
        assert after["counts"] == before["counts"] and after["stages"] == before["stages"]
        assert main(["status", str(atlas)]) == 0
        assert f"note    {atlas}/{name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["inputs.json", "timings.json", "progress.json", "lock"])
def test_a_run_makes_the_same_of_damaged_files_that_nothing_depends_on(
    name: str, atlas: Path, world: Any, whole: Path
) -> None:
    expected = world.hashes(whole)
    for nonsense in NONSENSE[::5]:
        (atlas / name).write_text(nonsense)
        begin_again(atlas, "reduce")
        world.run(atlas)
        assert world.hashes(atlas) == expected
        assert vidatlas.verify(str(atlas))["kept"]


def test_a_run_plans_again_where_it_is_wrong_which_part_a_file_is(atlas: Path, world: Any, whole: Path) -> None:
    known = json.loads((atlas / "inputs.json").read_text())
    for facts in known.values():
        facts["part"] = "another-00000000"
    (atlas / "inputs.json").write_text(json.dumps(known))
    begin_again(atlas, "embed")
    world.run(atlas)
    assert world.hashes(atlas) == world.hashes(whole)
