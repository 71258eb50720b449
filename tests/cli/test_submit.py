"""With a dashboard's address a command is submitted as it was given; without one it runs here."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from vidatlas.cli.main import app, main
from vidatlas.cli.submit import for_the_cluster, words
from vidatlas.recipe import load_recipe
from vidatlas.runners import ray_job as submitting

DASHBOARD = ["--address", "https://10.0.0.5:8265"]
COMMANDS = {
    "run": ["demo", "s3://b/one two.jsonl", "/mnt/$x/*.gz", "-odd", "s3://b/atlas"],
    "embed": ["demo", "s3://b/in", "s3://b/atlas"],
    "reduce": ["s3://b/atlas"],
    "publish": ["s3://b/atlas"],
}
OPTIONS = {
    "run": ["--set", "encoder={kind: hashing, dim: 8}", "--set", "source.shard_rows=5", "--limit", "7", "--dry-run"],
    "embed": ["--actors", "1..8", "--gpus", "0.5", "--threads", "2", "--max-rejects", "0.5", "--take-over"],
    "reduce": ["--set", "reduce.clusters.k=3", "--backend", "torch", "--runner", "serial"],
    "publish": [],
}


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is submitted; each job ends with code 3."""
    seen: list[Any] = []

    def submit(*given: Any) -> int:
        seen.append(given)
        return 3

    monkeypatch.setattr(submitting, "submit", submit)
    return seen


def parsed(name: str, given: list[str]) -> Any:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    return command.make_context(name, list(given))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_job_s_command_line_says_what_was_said_here(name: str) -> None:
    here = parsed(name, [*OPTIONS[name], *DASHBOARD, "--", *COMMANDS[name]])
    said = words(here, {**here.params, "address": None})
    assert said[0] == name
    assert not set(DASHBOARD) & set(said)
    assert parsed(name, said[1:]).params == {**here.params, "address": None}


def test_names_of_categories_go_with_the_recipe(submitted: list[Any], tmp_path: Path) -> None:
    names = tmp_path / "names.json"
    names.write_text('{"10": "Music"}')
    assert (
        main(["embed", *COMMANDS["embed"], *DASHBOARD, "--limit", "7", "--set", f"record.map.categories={names}"]) == 3
    )
    ((_, said, files, _),) = submitted
    ((there, local),) = files.items()
    assert said[said.index("--") + 1 :] == [there, *COMMANDS["embed"][1:]]
    assert str(names) not in " ".join(said)
    shipped = load_recipe(local)
    assert (shipped.record.map, shipped.source.limit) == ({"categories": {"10": "Music"}}, 7)


def test_a_dashboard_s_address_submits_and_returns_the_job_s_code(submitted: list[Any]) -> None:
    assert main(["reduce", *COMMANDS["reduce"], *DASHBOARD, "--set", "reduce.clusters.k=3"]) == 3
    ((address, said, files, _),) = submitted
    assert (address, files) == (DASHBOARD[1], {})
    given = ["--set", "reduce.clusters.k=3", "--runner", "ray", "--stalled-after", "180.0"]
    assert said == ["reduce", *given, "--", *COMMANDS["reduce"]]


def test_a_recipe_of_one_s_own_goes_along(submitted: list[Any], tmp_path: Path) -> None:
    mine = tmp_path / "my recipe.yaml"
    mine.write_text(load_recipe("demo").to_yaml())
    assert main(["run", str(mine), "s3://b/in", "s3://b/atlas", *DASHBOARD]) == 3
    ((_, said, files, _),) = submitted
    assert {name: load_recipe(file) for name, file in files.items()} == {"recipe/recipe.yaml": load_recipe("demo")}
    assert said[-3:] == ["recipe/recipe.yaml", "s3://b/in", "s3://b/atlas"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["run", "demo", "videos.jsonl", "s3://b/atlas"], "videos.jsonl: the cluster does not know this folder"),
        (["embed", "demo", "s3://b/in", "~/atlas"], "~/atlas: the cluster does not know this folder"),
        (["reduce", "atlas"], "atlas: the cluster does not know this folder"),
        (["run", "nowhere.yaml", "s3://b/in", "s3://b/atlas"], "no recipe 'nowhere.yaml'"),
        (["run", "demo", "s3://b/in", "s3://b/atlas", "--set", "no.such=1"], "recipe demo: no: no such key"),
    ],
)
def test_what_would_fail_there_is_refused_here(
    given: list[str], words: str, submitted: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, *DASHBOARD]) == 2
    assert words in capfd.readouterr().err
    assert not submitted


def test_absolute_paths_are_the_cluster_s() -> None:
    values = {"atlas": "/mnt/atlas", "inputs": ["file:///mnt/in"], "address": "http://x"}
    assert for_the_cluster(values) == ({**values, "address": None}, {})


def test_a_recipe_of_auto_is_made_where_the_input_is() -> None:
    values = {"recipe": "auto", "set_": None, "limit": None, "atlas": "s3://b/atlas", "inputs": ["s3://b/in"]}
    assert for_the_cluster(values) == ({**values, "address": None}, {})


def test_without_a_dashboard_nothing_is_submitted(submitted: list[Any], tmp_path: Path) -> None:
    assert main(["reduce", str(tmp_path / "none"), "--runner", "serial"]) == 2
    assert not submitted
