"""What README.md and CONTRIBUTING.md show is true: code runs, commands parse, links and make targets exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer

import vidatlas
from vidatlas.cli.main import app
from vidatlas.encoders.hashing import HashingSpec
from vidatlas.pipeline.embed.rows import kept, read_shard
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.pipeline.reduce import clusters
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.rows import RowSpec
from vidatlas.types import Encoder, EncodeStats

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
RUN = [ROOT / name for name in ("README.md", "docs/python.md", "docs/vectors.md", "docs/atlas.md", "docs/reference.md")]
"""Pages whose Python is run, in one process and in this order: the first makes the atlas that the others read."""
PROGRAM: Any = typer.main.get_command(app)
COMMANDS = PROGRAM.commands


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def targets(page: Path) -> list[str]:
    """Return the targets of links within the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def shown_commands(page: Path) -> list[list[str]]:
    """Return every command line of the shell blocks that starts with vidatlas, as arguments."""
    lines = (line for block in blocks(page, "sh") for line in block.splitlines())
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("vidatlas ")]


def mentioned_commands(page: Path) -> list[list[str]]:
    """Return every ``vidatlas …`` that stands in the text."""
    return [shlex.split(text)[1:] for text in re.findall(r"`(vidatlas [^`]+)`", prose(page))]


@pytest.mark.timeout(600)  # some 45 s of one core, which other work may share
def test_the_python_of_readme_and_docs_runs_as_it_stands(tmp_path: Path) -> None:
    assert {page for page in PAGES if blocks(page, "python")} == {*RUN, ROOT / "CONTRIBUTING.md"}
    (tmp_path / "videos.csv").write_text("title,views\n" + "".join(f"Song {row},{row}\n" for row in range(30)))
    code = "\n".join(block for page in RUN for block in blocks(page, "python"))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=570, check=False)
    assert done.returncode == 0, done.stderr
    assert "'read': 500" in done.stdout
    assert (tmp_path / "small-atlas" / "report.html").is_file()
    assert "distance" in done.stdout
    assert (tmp_path / "fitted-atlas" / "report.html").is_file()
    assert "properties" in json.loads((tmp_path / "recipe.schema.json").read_text())


LINKING = [*PAGES, ROOT / "SECURITY.md", *sorted((ROOT / "benchmarks").glob("*.md"))]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8")) <= 7_000


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in targets(page):
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.is_file(), target
        assert not heading or file.suffix != ".md" or heading in headings(file), target


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site write them."""
    found = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.lower().strip())) for title in found}


def test_every_linked_promise_is_a_test() -> None:
    text = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
    linked = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", text)
    assert linked
    missing = [name for name, file in linked if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")]
    assert missing == []
    assert len(linked) == 10


def test_a_promise_is_called_kept_only_where_its_test_passes() -> None:
    rows = re.findall(r"^\| \d+ \|.*$", (ROOT / "docs/promises.md").read_text(encoding="utf-8"), re.MULTILINE)
    for row in rows:
        ((name, file),) = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", row)
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        at = next(number for number, line in enumerate(lines) if line.startswith(f"def {name}("))
        decorators = "\n".join(lines[:at]).rpartition("\n\n")[2]
        assert ("not kept yet" in row) == ("mark.xfail" in decorators), row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_parses(page: Path) -> None:
    for name, *arguments in shown_commands(page):
        if name.startswith("-") or "--help" in arguments:
            continue
        # Parsing raises for a missing argument and for an option that does not exist; it calls nothing.
        COMMANDS[name].make_context(name, list(arguments))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_mentioned_exists(page: Path) -> None:
    for name, *arguments in mentioned_commands(page):
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert {word.partition("=")[0] for word in arguments if word.startswith("--")} <= options
    owners = [PROGRAM, *COMMANDS.values()]
    every = {option for owner in owners for parameter in owner.params for option in parameter.opts}
    alone = set(re.findall(r"`(--[a-z-]+)", prose(page)))
    assert alone <= every


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= there


def test_every_path_of_a_job_named_exists() -> None:
    named = {path for page in PAGES for path in re.findall(r"\bjobs/\w+\.py", page.read_text(encoding="utf-8"))}
    assert named
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_recipe_of_the_guide_makes_an_atlas(tmp_path: Path) -> None:
    (yaml,) = blocks(ROOT / "CONTRIBUTING.md", "yaml")
    file = tmp_path / "descriptions.yaml"
    file.write_text(yaml, encoding="utf-8")
    recipe = vidatlas.load_recipe(file, {"source.limit": 200})
    atlas = vidatlas.run(
        recipe, str(vidatlas.sample_path()), str(tmp_path / "atlas"), vidatlas.Options(runner="serial")
    )
    assert atlas.counts["read"] == 200
    assert atlas.subcategories()["size"].sum() == atlas.counts["kept"]


@pytest.fixture
def guide(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Return the example of CONTRIBUTING that begins with a word, as a module."""
    (code,) = (code for code in blocks(ROOT / "CONTRIBUTING.md", "python") if code.startswith(f'"""{request.param}'))
    module = sys.modules["guide"] = ModuleType("guide")  # dataclasses look their module up
    try:
        exec(compile(code, "guide.py", "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules["guide"]


@pytest.mark.parametrize("guide", ["A minimal encoder"], indirect=True)
def test_the_encoder_of_the_guide_keeps_the_protocol(guide: ModuleType) -> None:
    spec = guide.LettersSpec()
    # What the pipeline asks of the settings of any encoder.
    assert {"kind", "languages", "inspect", "load"} <= set(dir(spec)) & set(dir(HashingSpec()))
    encoder, stats = spec.load(1), EncodeStats()
    members = {name for name in vars(Encoder) if not name.startswith("_")}
    assert {name for name in members if not hasattr(encoder, name)} == set()
    found = encoder.encode(["abba", "Zoo", ""], stats)
    assert found.dtype == np.float32
    assert found.shape == (3, encoder.dim) == (3, spec.inspect().dim)
    assert found[0, :2].tolist() == [2, 2]
    assert encoder.encode([], EncodeStats()).shape == (0, encoder.dim)
    assert encoder.identity["dim"] == encoder.dim
    assert stats.distinct == 3


@pytest.mark.parametrize("guide", ["Clusters around records"], indirect=True)
def test_the_clusterer_of_the_guide_makes_subcategories(
    guide: ModuleType, small_atlas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = guide.DrawnClusterer(k=3)
    monkeypatch.setattr(clusters, "_given", lambda store, clusterer, vectors: guide.drawn(vectors, spec))
    url = str(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    vidatlas.reduce(url, {"reduce.clusters.within": "all"}, vidatlas.Options(runner="serial"))
    assert len(vidatlas.open_atlas(url).subcategories()) == 3
    assert {"kind", "method", "has_centres"} <= {*dir(spec)}


@pytest.mark.parametrize("guide", ["Lines of cells"], indirect=True)
def test_the_format_of_the_guide_is_planned_and_read(guide: ModuleType, spec: RecordSpec, tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    file.write_bytes(b"a|Music|one|x,y\nb|Music|too few\nc|Games|three|z\n\xff|||\n")
    rows = RowSpec(guide.BarsSpec(columns=("display_id", "categories", "title", "tags")))
    named = spec.model_copy(update={"author": None})
    part = plan_part(str(file), PlanSpec(named, 2, rows=rows), lambda done, at: None)
    assert part.facts["rejects"] == {"invalid_utf8": 1, "wrong_width": 1}
    shards = descriptors(part.facts, part.shards, str(file), np.empty(0, np.int64))
    tables = [read_shard(shard, named, rows) for shard in shards]
    assert [key for table in tables for key in kept(table)["id"].to_pylist()] == ["a", "c"]
