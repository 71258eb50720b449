"""Damage every file of a finished atlas in every way: a command gives the same answer as before, or one line and 3.

The quick tests take one file of each kind and damage it in one way per command; ``make chaos`` takes the whole product.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas.app.library import Library
from vidatlas.app.site import make_site
from vidatlas.errors import InputError, VidatlasError

Main = Callable[[list[str]], int]
Use = Callable[[Path, "Kit"], object]
UNLISTED = ("inputs.json", "timings.json", "progress.json", "lock")
"""Files on which no result depends."""


def flipped(data: bytes) -> bytes:
    """Return data with one bit changed, in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "zeroed": lambda data: bytes(len(data)),
    "one bit": flipped,
    "deleted": lambda data: None,
}


class Kit:
    """Hold what commands need: the command line, an input file, a folder to write to."""

    def __init__(self, main: Main, new: str, out: Path) -> None:
        self.main, self.new, self.out = main, new, out

    def run(self, *arguments: str) -> None:
        """Run a command; raise what it ends with, if that is no 0."""
        code = self.main(list(arguments))
        if code:
            raise SystemExit(code)


def written(kit: Kit, *arguments: str) -> list[bytes]:
    """Run a command that writes into the folder; return its files."""
    shutil.rmtree(kit.out, ignore_errors=True)
    kit.out.mkdir()
    kit.run(*arguments)
    return [file.read_bytes() for file in sorted(kit.out.iterdir())]


def named(atlas: Path, kit: Kit) -> bytes:
    kit.run("name", str(atlas))
    made = atlas / "names.csv"
    data = made.read_bytes()
    made.unlink()
    return data


def said_by(page: str) -> str:
    """Return the message of a page that tells of an error."""
    return html.unescape(re.findall(r"<p[^>]*>(.*?)</p>", page, re.DOTALL)[0])


def served(atlas: Path, kit: Kit) -> list[object]:
    """Return what the app answers to one request of each kind."""
    from fastapi.testclient import TestClient

    library = Library(vidatlas.open_atlas(atlas))
    library.open()
    library.warm().join()
    if library.trouble:
        raise InputError(library.trouble)
    client = TestClient(make_site(library), base_url="http://127.0.0.1")
    answers = []
    for path in (
        "/browse",
        "/api/search?q=cat",
        "/api/suggest?id=v1",
        "/api/subcategories",
        "/api/videos?group=Music",
        "/map",
    ):
        answer = client.get(path)
        if answer.status_code >= 500:
            raise InputError(answer.json()["error"] if path.startswith("/api") else said_by(answer.text))
        answers.append(answer.text)
    return answers


COMMANDS: dict[str, Use] = {
    "search": lambda atlas, kit: kit.run("search", str(atlas), "cat", "-k", "3", "--json"),
    "similar": lambda atlas, kit: kit.run("similar", str(atlas), "v1", "--json"),
    "list": lambda atlas, kit: kit.run("list", str(atlas), "--group", "Music", "--csv"),
    "status": lambda atlas, kit: kit.run("status", str(atlas)),
    "assign": lambda atlas, kit: written(kit, "assign", str(atlas), kit.new, "--out", f"{kit.out}/new.parquet"),
    "export": lambda atlas, kit: written(kit, "export", str(atlas), "--embedding-atlas", str(kit.out)),
    "name": named,
    "serve": served,
    "suggest": lambda atlas, kit: vidatlas.open_atlas(atlas).suggest("v1"),
    "tables": lambda atlas, kit: [
        vidatlas.open_atlas(atlas).table(name).to_dict()
        for name in ("subcategories.parquet", "levels.parquet", "layout", "reduced", "assignments")
    ],
    "metrics": lambda atlas, kit: vidatlas.open_atlas(atlas).metrics,
    "map": lambda atlas, kit: vidatlas.open_atlas(atlas).map,
}


class Sweep:
    """Damage a file, give a command, hold its answer against that of the whole atlas, put the file back."""

    def __init__(self, atlas: Path, kit: Kit, capfd: pytest.CaptureFixture[str]) -> None:
        self.atlas, self.kit, self.capfd = atlas, kit, capfd
        self._answers: dict[str, tuple[object, str]] = {}
        self.refused = 0
        self.reseal: Callable[[Path, str], None] | None = None
        """Corrects the manifest after the damage, where the atlas is to be a stranger's."""

    def answer(self, command: str) -> tuple[object, str]:
        """Return what a command gives back and prints."""
        self.capfd.readouterr()
        found = COMMANDS[command](self.atlas, self.kit)
        return repr(found), self.capfd.readouterr().out

    def try_one(self, name: str, data: bytes | None, command: str) -> str:
        """Return what is wrong with how a command copes with other bytes in place of a file; "" where nothing is."""
        if command not in self._answers:
            self._answers[command] = self.answer(command)
        file = self.atlas / name
        whole, manifest = file.read_bytes(), (self.atlas / "atlas.json").read_bytes()
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data)
        if self.reseal:
            self.reseal(self.atlas, name)
        try:
            return "" if self.answer(command) == self._answers[command] else "it answers otherwise"
        except SystemExit as error:
            return self._refusal(name, int(error.code or 0), self.capfd.readouterr().err)
        except VidatlasError as error:
            return self._refusal(name, error.exit_code, f"vidatlas: {error}\n")
        finally:
            file.write_bytes(whole)
            (self.atlas / "atlas.json").write_bytes(manifest)

    def _refusal(self, name: str, code: int, said: str) -> str:
        self.refused += 1
        remedy = any(words in said for words in ("vidatlas run", "vidatlas publish", "the atlas again."))
        fits = code == InputError.exit_code and said.count("\n") == 1 and f"/{name}" in said and remedy
        return "" if fits else f"it ends with {code}: {said}"


@pytest.fixture(scope="module")
def atlas(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the atlas; every test leaves it as it was."""
    return Path(shutil.copytree(whole, tmp_path_factory.mktemp("damaged") / "atlas"))


@pytest.fixture
def sweep(atlas: Path, world: Any, main: Main, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Sweep:
    return Sweep(atlas, Kit(main, world.inputs[0], tmp_path / "out"), capfd)


def listed(atlas: Path, one_of_each: bool = False) -> list[str]:
    """Return the files that the manifest lists; of each folder all, or the first alone."""
    stages = json.loads((atlas / "atlas.json").read_text())["stages"]
    names = sorted(name for entry in stages.values() for name in entry["files"])
    kinds = {(Path(name).parent, "" if "-0000" in name else Path(name).name): name for name in reversed(names)}
    return sorted(kinds.values()) if one_of_each else names


def wrong_types(data: bytes, only: str | None = None) -> bytes:
    """Return a Parquet file whose columns have other types: numbers in place of texts, texts in place of all others."""
    table = pq.read_table(pa.BufferReader(data))
    for at, field in enumerate(table.schema):
        if only in (None, field.name):
            texts = pa.types.is_string(field.type)
            other = pa.array(range(table.num_rows), pa.int64()) if texts else pa.array(["x"] * table.num_rows)
            table = table.set_column(at, field.name, other)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_answers_as_before_or_names_the_damaged_file(command: str, sweep: Sweep) -> None:
    """A file of each kind, each damaged in one way; which one differs from command to command."""
    ways, first = list(DAMAGE.items()), list(COMMANDS).index(command)
    wrong = {}
    for at, name in enumerate(listed(sweep.atlas, one_of_each=True), first):
        how, damage = ways[at % len(ways)]
        wrong[name, how] = sweep.try_one(name, damage((sweep.atlas / name).read_bytes()), command)
    assert not {what: said for what, said in wrong.items() if said}
    assert sweep.refused or command == "status"


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_copes_with_all_damage_of_all_files(command: str, sweep: Sweep) -> None:
    wrong = {
        (name, how): sweep.try_one(name, damage((sweep.atlas / name).read_bytes()), command)
        for name in listed(sweep.atlas)
        for how, damage in DAMAGE.items()
    }
    assert not {what: said for what, said in wrong.items() if said}
    assert sweep.refused >= len(DAMAGE) or command == "status"


def tables_of(atlas: Path) -> list[str]:
    return [name for name in listed(atlas, one_of_each=True) if name.endswith(".parquet")]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_columns_of_other_types(
    command: str, sweep: Sweep, reseal: Callable[[Path, str], None]
) -> None:
    """Of a stranger's atlas, whose manifest lists the file as it is."""
    whole = sweep.answer(command)
    sweep.reseal = reseal
    wrong = {
        name: sweep.try_one(name, wrong_types((sweep.atlas / name).read_bytes()), command)
        for name in tables_of(sweep.atlas)
    }
    assert not {what: said for what, said in wrong.items() if said}
    assert sweep.answer(command) == whole
    assert sweep.refused or command in ("status", "metrics", "map")


def with_nulls(data: bytes, column: str) -> bytes:
    """Return a Parquet file in which the last value of a column is null."""
    return with_last(data, column, None)


def strange(kind: pa.DataType) -> object:
    """Return a value of a type that contradicts the rest of an atlas."""
    if pa.types.is_fixed_size_list(kind):
        return [strange(kind.value_type)] * kind.list_size
    if pa.types.is_list(kind):
        return [strange(kind.value_type)]
    if pa.types.is_integer(kind):
        return 99 if kind.bit_width < 32 else 999_999
    if pa.types.is_floating(kind):
        return float("nan")
    return datetime(9999, 12, 31, tzinfo=UTC) if pa.types.is_temporal(kind) else "nowhere"


def contradictory(data: bytes, column: str) -> bytes:
    """Return a Parquet file in which the last value of a column contradicts the rest of the atlas."""
    return with_last(data, column, strange(pq.read_schema(pa.BufferReader(data)).field(column).type))


def with_last(data: bytes, column: str, value: object) -> bytes:
    table = pq.read_table(pa.BufferReader(data))
    at, field = table.column_names.index(column), table.schema.field(column)
    values = [*table[column].to_pylist()[:-1], *[value][: table.num_rows]]
    changed, footer = table.set_column(at, field, pa.array(values, field.type)), pq.read_metadata(pa.BufferReader(data))
    sizes = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, changed.schema) as writer:
        for end, rows in zip(accumulate(sizes), sizes, strict=True):
            writer.write_table(changed.slice(end - rows, rows))
    return bytes(sink.getvalue())


@pytest.mark.parametrize("name", ["subcategories.parquet", "index/videos.parquet"])
def test_a_null_where_none_may_be_is_refused(name: str, sweep: Sweep, reseal: Callable[[Path, str], None]) -> None:
    sweep.reseal = reseal
    assert not sweep.try_one(name, with_nulls((sweep.atlas / name).read_bytes(), "group"), "search")
    assert sweep.refused


@pytest.mark.parametrize(("name", "column"), [("subcategories.parquet", "group"), ("index/videos.parquet", "in_group")])
def test_tables_that_contradict_each_other_are_refused(
    name: str, column: str, sweep: Sweep, reseal: Callable[[Path, str], None]
) -> None:
    sweep.reseal = reseal
    assert not sweep.try_one(name, contradictory((sweep.atlas / name).read_bytes(), column), "list")
    assert sweep.refused


def wrong_by_column(sweep: Sweep, change: Callable[[bytes, str], bytes], command: str) -> dict[tuple[str, str], str]:
    """Change each column of each table in turn; return what is wrong with how a command copes."""
    wrong = {}
    for name in tables_of(sweep.atlas):
        data = (sweep.atlas / name).read_bytes()
        for column in pq.read_schema(pa.BufferReader(data)).names:
            wrong[name, column] = sweep.try_one(name, change(data, column), command)
    # What may be null, or a column of the input of any type, may change an answer.
    return {what: said for what, said in wrong.items() if said and said != "it answers otherwise"}


@pytest.mark.chaos
@pytest.mark.parametrize("change", [with_nulls, wrong_types, contradictory])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_copes_with_a_change_of_any_column(
    command: str, change: Callable[[bytes, str], bytes], sweep: Sweep, reseal: Callable[[Path, str], None]
) -> None:
    sweep.reseal = reseal
    assert not wrong_by_column(sweep, change, command)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the atlas that a test may change."""
    return Path(shutil.copytree(whole, tmp_path / "atlas"))


def rerun(name: str, damage: str, copy: Path, world: Any, whole: Path) -> str:
    """Damage a file and give the command again, if need be once more without that file; return what is wrong then."""
    shutil.copytree(whole, copy, dirs_exist_ok=True)
    data = DAMAGE[damage]((copy / name).read_bytes())
    if data is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(data)
    try:
        world.run(copy)
    except InputError as error:
        if f"/{name}" not in str(error) or "elete" not in str(error):
            return str(error)
        (copy / name).unlink()
        world.run(copy)
    if world.hashes(copy) == world.hashes(whole):
        return ""
    try:
        vidatlas.verify(copy)
    except InputError as error:
        # A bit that no stage opened: what verify says about it is what is to be done.
        (copy / name).unlink()
        world.run(copy)
        return "" if f"/{name}" in str(error) and world.hashes(copy) == world.hashes(whole) else str(error)
    return "other files, and verify finds nothing"


@pytest.mark.parametrize("damage", ["cut", "one bit", "deleted"])
def test_a_rerun_makes_the_plan_of_an_input_file_again(damage: str, copy: Path, world: Any, whole: Path) -> None:
    for name in (name for name in listed(whole, one_of_each=True) if name.startswith("plan/one-")):
        assert not rerun(name, damage, copy, world, whole)


@pytest.mark.chaos
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_rerun_makes_again_what_is_damaged(damage: str, copy: Path, world: Any, whole: Path) -> None:
    wrong = {name: rerun(name, damage, copy, world, whole) for name in listed(whole, one_of_each=True)}
    assert not {name: said for name, said in wrong.items() if said}


def test_a_rerun_with_nothing_to_do_says_what_was_not_checked(
    copy: Path, world: Any, main: Main, capfd: pytest.CaptureFixture[str]
) -> None:
    victim = copy / "reduced" / min((copy / "reduced").iterdir()).name
    victim.write_bytes(flipped(victim.read_bytes()))
    assert main(world.arguments("run", copy)) == 0
    said = " ".join(capfd.readouterr().out.split())
    files = sum(len(entry["files"]) for entry in json.loads((copy / "atlas.json").read_text())["stages"].values())
    assert f"nothing to do: all {files} files have the right size; their contents were not checked" in said
    assert f"next vidatlas verify {copy}" in said


@pytest.mark.parametrize("name", UNLISTED)
def test_a_bit_of_a_file_that_nothing_depends_on_changes_no_status(
    name: str, copy: Path, main: Main, capfd: pytest.CaptureFixture[str]
) -> None:
    """In thirty places: what is left may be valid JSON that says something else."""
    written = {"progress.json": PROGRESS, "lock": HOLDER}
    whole = json.dumps(written[name]).encode() if name in written else (copy / name).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 30)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 7
        (copy / name).write_bytes(data)
        assert main(["status", str(copy)]) == 0, (bytes(data), capfd.readouterr().err)


PROGRESS = {"state": "running", "stage": "embed", "done": 2, "total": 9, "eta_seconds": 7.5, "updated": 1.7e9}
HOLDER = {"run": "x", "host": "h", "machine": "m", "pid": 7, "process": "1", "since": "then", "beat": 1.7e9}
