"""Imports go down only, data is never code, and importing vidatlas stays light."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vidatlas

ROOT = Path(vidatlas.__file__).parent
FLOORS = (
    {"errors", "version"},
    {"types"},
    {"gpus", "stderr", "threads"},
    {"storage"},
    {"sources"},
    {"clustering", "naming", "probe", "views"},
    {"search_index"},
    {"decomposition", "encoders"},
    {"recipes"},
    {"recipe"},
    {"pipeline"},
    {"pipeline.plan"},
    {"pipeline.embed"},
    {"pipeline.reduce"},
    {"pipeline.names"},
    {"pipeline.publish"},
    {"pipeline.explore"},
    {"runners", "sample"},
    {"api"},
    {"app"},
    {"cli"},
    {"__init__", "__main__"},
)
"""From the ground up; the rooms of the pipeline are floors of their own, and it never imports a runner."""
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
FILES = sorted(ROOT.rglob("*.py"))
CODE_AS_DATA = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "skops"}
HEAVY = {"torch", "ray", "sklearn", "transformers", "pandas", "scipy", "pyarrow", "numpy"}


def part_of(file: Path) -> str:
    steps = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(steps[:2]) if steps[0] == "pipeline" and len(steps) > 2 else steps[0]


def imports(file: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports anywhere, ``from a import b`` as ``a.b``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_every_file_has_a_floor() -> None:
    assert {part_of(file) for file in FILES} == set(FLOOR)


@pytest.mark.parametrize("file", FILES, ids=named)
def test_imports_go_down_only(file: Path) -> None:
    own = part_of(file)
    for name in imports(file):
        steps = name.split(".")
        if steps[0] != "vidatlas":
            continue
        room = ".".join(steps[1:3])
        other = room if room in FLOOR else steps[1] if steps[1] in FLOOR else "__init__"
        assert other == own or FLOOR[other] < FLOOR[own], f"{named(file)} imports {name}"


def test_the_tree_can_be_taken_in() -> None:
    """A stranger stands before few doors, no folder is a wall of files, and every file fits in the head."""
    doors = [entry for entry in ROOT.iterdir() if entry.name != "__pycache__"]
    assert len(doors) <= 26
    folders = {file.parent for file in FILES}
    assert max(sum(entry.suffix == ".py" for entry in folder.iterdir()) for folder in folders) <= 14
    for file in FILES:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 400, named(file)


@pytest.mark.parametrize("file", FILES, ids=named)
def test_functions_fit_on_a_screen(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            # What it promises, in its docstring, is not what it does.
            said = ast.get_docstring(node, clean=False)
            lines = (node.end_lineno or 0) - node.lineno + 1 - (len(said.splitlines()) if said else 0)
            assert lines <= 40, f"{named(file)}: {node.name} has {lines} lines"


def test_three_files_import_ray() -> None:
    with_ray = {named(file) for file in FILES if any(name.split(".")[0] == "ray" for name in imports(file))}
    assert with_ray == {"runners/on_ray.py", "runners/ray_data.py", "runners/ray_job.py"}


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("file", FILES, ids=named)
def test_data_is_never_code(file: Path) -> None:
    loaded = {name.split(".")[0] for name in imports(file)}
    assert not loaded & CODE_AS_DATA
    for called, node in calls(file):
        assert called not in ("eval", "exec", "compile", "__import__", "torch.load", "torch.hub.load", "yaml.load")
        assert called not in ("os.system", "os.popen")
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert options.get("shell", "False") == "False"
        assert options.get("allow_pickle", "False") == "False"
        assert options.get("trust_remote_code", "False") == "False"
        if called.endswith(".from_pretrained"):
            assert options["local_files_only"] == "True"


OPENS = re.compile(
    r"(pq|pyarrow\.parquet)\.(read_\w+|Parquet(File|Dataset))|(pa\.)?ipc\.(open_\w+|read_\w+|RecordBatch\w+Reader)|.*\bfeather\.\w+"
    r"|(\w+\.)?(read_parquet|read_feather|read_orc)|(ds|dataset)\.(dataset|parquet_dataset)|faiss\.(read|deserialize)_\w+"
)
OPENED_BY = {
    "storage/parquet.py": {
        "pq.ParquetFile",
        "dataset.dataset",
        "pq.read_metadata",
        "pa.ipc.read_schema",
        "pa.ipc.read_message",
        "pa.ipc.open_stream",
        "pa.ipc.open_file",
    },
    "search_index.py": {"faiss.read_index"},
}
"""The one reader of Parquet and Arrow IPC, and the one of FAISS's indexes, which checks their bytes first."""
CHECKOUT = ROOT.parents[1]
OUTSIDE = sorted(file for folder in ("jobs", "benchmarks") for file in (CHECKOUT / folder).rglob("*.py"))


@pytest.mark.parametrize("file", [*FILES, *OUTSIDE], ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_one_reader_opens_what_others_may_have_written(file: Path) -> None:
    opened = {called for called, _ in calls(file) if OPENS.fullmatch(called)}
    name = named(file) if file.is_relative_to(ROOT) else ""
    assert opened <= OPENED_BY.get(name, set())


def test_the_readers_are_found_where_they_are() -> None:
    for name, expected in OPENED_BY.items():
        assert {called for called, _ in calls(ROOT / name) if OPENS.fullmatch(called)} == expected


def modules_after(statement: str) -> set[str]:
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return {name.split(".")[0] for name in json.loads(out)}


def test_importing_vidatlas_is_light() -> None:
    assert modules_after("import vidatlas") & HEAVY == set()


def test_the_command_line_is_light_until_it_works() -> None:
    assert modules_after("import vidatlas.cli") & {"torch", "ray", "sklearn", "transformers", "pandas"} == set()


def test_reading_a_recipe_loads_no_model_library() -> None:
    heavy = {"torch", "ray", "sklearn", "transformers", "pandas", "faiss", "openTSNE"}
    assert modules_after("import vidatlas.recipe") & heavy == set()


def test_every_public_name_is_there_and_no_other() -> None:
    assert dir(vidatlas) == sorted(vidatlas.__all__)
    for name in vidatlas.__all__:
        assert getattr(vidatlas, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        vidatlas.nope  # noqa: B018
