"""The command line: every command does what its help says, on a tiny input, without a model and without Ray."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import vidatlas
from vidatlas.cli.main import main

Capture = pytest.CaptureFixture[str]
PURPOSES = {
    "run": "Plan, embed, reduce and publish",
    "demo": "Run everything on the bundled sample",
    "plan": "Read every input file once",
    "embed": "embed every video",
    "reduce": "Find the subcategories",
    "publish": "Draw the map, build the search index",
    "status": "Show progress",
    "verify": "Verify an atlas",
    "recipes": "List the built-in recipes",
    "assign": "Assign new videos",
    "search": "Find the videos that fit a text best",
    "similar": "Find the videos nearest to one of the atlas",
    "list": "List all videos of a category",
    "serve": "Explore an atlas",
    "export": "Export an atlas for another tool",
    "name": "List the subcategories in names.csv",
}
SMALL = ["encoder={kind: hashing, dim: 8}", "source.shard_rows=20", "reduce.pca.components=2", "reduce.clusters.k=2"]
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]
TERMINAL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {"display_id": f"v{n}", "categories": ["Music", "Gaming"][n % 2], "title": f"song {n % 7}", "tags": "a,b"}
        for n in range(50)
    ]
    path = tmp_path_factory.mktemp("cli") / "part.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    return path


@pytest.fixture(scope="module")
def made(part: Path) -> Path:
    """Return a finished atlas, made with the command; not to be changed."""
    atlas = part.parent / "made"
    assert main(job("run", part, atlas)) == 0
    return atlas


def job(verb: str, part: Path, atlas: Path, *more: str) -> list[str]:
    runner = [] if verb == "plan" else ["--runner", "serial"]
    return [verb, "demo", str(part), str(atlas), *SETTINGS, "--max-rejects", "0.02", *runner, *more]


def said(capfd: Capture) -> str:
    """Return standard output as one line of words; nothing may stand on standard error."""
    captured = capfd.readouterr()
    assert not captured.err
    return " ".join(TERMINAL.sub("", captured.out).split())


def process(*arguments: str, then: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a shell pipeline."""
    command = f'set -o pipefail; "{sys.executable}" -m vidatlas {" ".join(arguments)} {then}'
    return subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("command", PURPOSES)
def test_help_names_the_purpose_of_a_command(command: str, capfd: Capture) -> None:
    assert main([command, "--help"]) == 0
    assert PURPOSES[command] in said(capfd)


def test_help_lists_every_command(capfd: Capture) -> None:
    assert main(["--help"]) == 0
    listed = said(capfd)
    assert all(command in listed for command in PURPOSES)


def test_run_makes_an_atlas_and_says_where(part: Path, tmp_path: Path, capfd: Capture) -> None:
    atlas = tmp_path / "atlas"
    assert main(job("run", part, atlas)) == 0
    screen = said(capfd)
    assert "50 to embed" in screen
    assert "51 read = 50 kept + 1 rejected + 0 duplicates" in screen
    assert "Music" in screen
    assert f"next vidatlas verify {atlas}" in screen
    assert "<html" in (atlas / "report.html").read_text().lower()


def test_what_another_setting_replaces_is_said_and_its_time_is_its_own(
    part: Path, made: Path, tmp_path: Path, capfd: Capture
) -> None:
    atlas = shutil.copytree(made, tmp_path / "atlas")
    (atlas / "timings.json").write_text('{"plan": 1.0, "embed": 1.0, "reduce": 9000.0, "publish": 9000.0}')
    assert main([*job("run", part, atlas), "--set", "reduce.clusters.k=3"]) == 0
    assert "note the subcategories of this atlas are replaced (reduce.clusters.k: 2 → 3)" in said(capfd)
    timings = json.loads((atlas / "timings.json").read_text())
    assert timings["reduce"] < 9000 > timings["publish"]
    assert timings["embed"] == 1.0


def test_a_backend_is_forced_or_refused_in_one_line(made: Path, tmp_path: Path, capfd: Capture) -> None:
    atlas = str(shutil.copytree(made, tmp_path / "atlas"))
    assert main(["reduce", atlas, "--runner", "serial", "--backend", "torch"]) == 0
    assert json.loads((tmp_path / "atlas" / "atlas.json").read_text())["stages"]["reduce"]["backend"]["name"] == "torch"
    capfd.readouterr()
    for wrong, why in (("cuml", "cuML is not installed here"), ("abacus", "choose sklearn, torch or cuml")):
        assert main(["reduce", atlas, "--runner", "serial", "--backend", wrong]) == 2
        said_so = capfd.readouterr().err.strip()
        assert why in said_so
        assert len(said_so.splitlines()) == 1


def test_the_steps_make_what_run_makes(part: Path, tmp_path: Path, made: Path, capfd: Capture) -> None:
    atlas = tmp_path / "atlas"
    assert main(job("plan", part, atlas)) == 0
    assert not (atlas / "embeddings").exists()
    assert main(job("embed", part, atlas)) == 0
    assert f"next vidatlas reduce {atlas}" in said(capfd)
    assert main(["reduce", str(atlas), "--runner", "serial"]) == 0
    assert f"next vidatlas publish {atlas}" in said(capfd)
    assert main(["publish", str(atlas), "--runner", "serial"]) == 0
    both = [vidatlas.status(str(found))["content_sha256"] for found in (atlas, made)]
    assert both[0] == both[1]


@pytest.mark.parametrize("verb", ["run", "plan", "embed"])
def test_a_dry_run_shows_the_resolved_recipe_and_embeds_nothing(
    verb: str, part: Path, tmp_path: Path, capfd: Capture
) -> None:
    assert main(job(verb, part, tmp_path / "atlas", "--dry-run")) == 0
    screen = capfd.readouterr().out
    resolved = yaml.safe_load(screen[screen.index("\nname: ") :])
    assert resolved["encoder"] == {"kind": "hashing", "dim": 8}
    assert vidatlas.load_recipe(resolved).source.shard_rows == 20
    assert "song 0" in screen
    assert not (tmp_path / "atlas" / "embeddings").exists()


def test_a_kind_of_encoder_can_be_set_alone(part: Path, tmp_path: Path, capfd: Capture) -> None:
    arguments = ["plan", "demo", str(part), str(tmp_path / "atlas"), "--max-rejects", "0.02", "--dry-run"]
    assert main([*arguments, "--set", "encoder.kind=hashing"]) == 0
    screen = capfd.readouterr().out
    assert yaml.safe_load(screen[screen.index("\nname: ") :])["encoder"]["kind"] == "hashing"


def test_limit_reads_only_the_first_rows(part: Path, tmp_path: Path, capfd: Capture) -> None:
    assert main(job("run", part, tmp_path / "atlas", "--limit", "30")) == 0
    assert "30 read = 30 kept + 0 rejected + 0 duplicates" in said(capfd)
    assert "Only the first rows of the input were read" in (tmp_path / "atlas" / "README.md").read_text()


def test_status_goes_with_the_work(part: Path, tmp_path: Path, capfd: Capture) -> None:
    atlas = tmp_path / "atlas"
    assert main(job("plan", part, atlas)) == 0
    assert vidatlas.status(str(atlas))["shards"] == {"done": 0, "total": 3}
    assert main(["status", str(atlas)]) == 0
    assert main(job("run", part, atlas)) == 0
    assert all(vidatlas.status(str(atlas))["stages"].values())
    capfd.readouterr()
    assert main(["status", str(atlas)]) == 0
    screen = said(capfd)
    assert "demo" in screen
    assert "blank_line" in screen


def test_status_works_while_a_run_goes_on(part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vidatlas.pipeline.embed.worker import EmbedWorker

    atlas, seen = tmp_path / "atlas", []
    real = EmbedWorker.__call__

    def watched(worker: EmbedWorker, table: object) -> object:
        seen.append((vidatlas.status(str(atlas)), main(["status", str(atlas)])))
        return real(worker, table)  # type: ignore[arg-type]

    monkeypatch.setattr(EmbedWorker, "__call__", watched)
    assert main(job("embed", part, atlas)) == 0
    assert [status["shards"]["done"] for status, _ in seen] == [0, 1, 2]
    assert all(status["held"]["pid"] == os.getpid() and code == 0 for status, code in seen)


def test_verify_counts_what_it_checked(made: Path, capfd: Capture) -> None:
    assert main(["verify", str(made)]) == 0
    assert "51 rows read = 50 kept + 1 rejected + 0 duplicates" in said(capfd)


def test_recipes_are_listed_and_loadable(tmp_path: Path, capfd: Capture) -> None:
    assert main(["recipes"]) == 0
    listed = said(capfd)
    for name in ("demo", "topics", "youniverse"):
        assert name in listed
        assert main(["recipes", name]) == 0
        (tmp_path / "own.yaml").write_text(capfd.readouterr().out)
        assert vidatlas.load_recipe(tmp_path / "own.yaml") == vidatlas.load_recipe(name)


def test_assign_places_the_atlas_s_own_videos_where_they_are(
    part: Path, made: Path, tmp_path: Path, capfd: Capture
) -> None:
    out = tmp_path / "new.parquet"
    assert main(["assign", str(made), str(part), "--out", str(out)]) == 0
    assert "50 of 51 rows assigned (left out: 1 blank_line)" in said(capfd)
    placed = pq.read_table(out).to_pandas().set_index("id")["subcategory"]
    known = vidatlas.open_atlas(str(made)).assignments().set_index("id")["subcategory"]
    assert placed.to_dict() == known.to_dict()


def test_demo_runs_on_the_bundled_sample(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another encoder, for the packaged one takes a minute here."""
    real: Callable[..., vidatlas.Recipe] = vidatlas.load_recipe
    small = {"encoder": {"kind": "hashing", "dim": 8}, "reduce.clusters.k": 2, "reduce.quality.silhouette_rows": 50}
    monkeypatch.setattr("vidatlas.recipe.load_recipe", lambda name, changes=None: real(name, small))
    assert main(["demo", str(tmp_path / "atlas"), "--runner", "serial"]) == 0
    assert "2,997 read = 2,981 kept + 10 rejected + 6 duplicates" in said(capfd)


@pytest.mark.parametrize("command", ["recipes demo", "recipes", "--help", "status {made}"])
def test_output_that_is_closed_early_makes_no_noise(command: str, made: Path) -> None:
    done = process(*command.format(made=made).split(), then="| head -c 1 > /dev/null")
    assert not done.stderr


def test_a_run_whose_output_is_closed_early_makes_no_noise(part: Path, tmp_path: Path) -> None:
    arguments = [f"'{argument}'" for argument in job("run", part, tmp_path / "atlas")]
    done = process(*arguments, then="| head -n 1 > /dev/null")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1


def test_output_that_is_no_terminal_holds_no_escapes(made: Path) -> None:
    done = process("status", str(made), then="| cat")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_the_version_is_that_of_the_package(capfd: Capture) -> None:
    assert main(["--version"]) == 0
    assert said(capfd).strip() == f"vidatlas {vidatlas.__version__}"


def test_without_arguments_the_help_is_shown() -> None:
    assert "Usage" in process(then="").stdout


def test_search_and_similar_print_a_table_or_json(small_atlas: Any, capfd: Capture) -> None:
    assert main(["search", small_atlas.url, "guitar piano", "-k", "3", "--json"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["group"] for row in rows] == ["Music"] * 3
    assert main(["similar", small_atlas.url, rows[0]["id"], "-k", "2", "--group", "Gaming"]) == 0
    table = said(capfd)
    assert "cosine" in table
    assert "Gaming" in table
    assert "Music" not in table
    assert "ordered by" not in table
    assert main(["search", small_atlas.url, "guitar piano"]) == 0
    assert ("ordered by the words" in said(capfd)) is not vidatlas.Atlas(small_atlas.url).search(
        "guitar piano"
    ).cosine.is_monotonic_decreasing
    assert main(["similar", small_atlas.url, "nope"]) == 2


def test_a_hostile_title_cannot_steer_the_terminal(capfd: Capture) -> None:
    import pandas as pd

    from vidatlas.cli.run import show_found

    row = {"id": "a", "title": "\x1b[31m[red]\x07", "group": "g", "subcategory": 0, "name": "n", "cosine": 0.5}
    for as_json in (False, True):
        show_found(pd.DataFrame([row]), as_json)
        out = capfd.readouterr().out
        assert "\x07" not in out
        assert "\x1b[31m" not in out
        assert "[red]" in out


def test_export_writes_what_embedding_atlas_reads(small_atlas: Any, tmp_path: Path, capfd: Capture) -> None:
    folder = tmp_path / "shared"
    assert main(["export", small_atlas.url, "--embedding-atlas", str(folder)]) == 0
    assert f"uvx embedding-atlas {folder}/videos.parquet --text title --x x --y y" in said(capfd)
    videos = pq.read_table(folder / "videos.parquet")
    assert videos.column_names[:6] == ["id", "title", "category", "subcategory", "x", "y"]
    assert videos.num_rows == small_atlas.rows
    labels = pq.read_table(folder / "labels.parquet").to_pylist()
    assert {label["level"] for label in labels} <= {0, 1, 2}
    assert labels


@pytest.mark.parametrize("id", ["-o9JdoMLPfB", "--9JdoMLPfB", "-k9JdoMLPfB", "-"])
@pytest.mark.parametrize("before", [[], ["-k", "2", "--json"], ["--group", "-k"]])
def test_an_id_may_start_with_a_dash(id: str, before: list[str], capfd: Capture, tmp_path: Path) -> None:
    for words in ([*before, str(tmp_path), id], [str(tmp_path), id, *before], [str(tmp_path), *before, "--", id]):
        assert main(["similar", *words]) == 2
        assert f"{tmp_path} is not an atlas" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"), [(["--jsno", "a"], "No such option"), (["-k", "-5", "a"], "Invalid value for '-k'")]
)
def test_an_option_is_no_id(words: list[str], why: str, capfd: Capture, tmp_path: Path) -> None:
    assert main(["similar", str(tmp_path), *words]) == 2
    assert why in capfd.readouterr().err


def test_a_video_is_found_by_its_address_on_youtube(made: Path, capfd: Capture) -> None:
    assert main(["similar", str(made), "v3", "-k", "2", "--json"]) == 0
    by_id = capfd.readouterr().out
    for address in ("https://www.youtube.com/watch?v=v3&t=4s", "youtu.be/v3", "https://www.youtube.com/shorts/v3"):
        assert main(["similar", str(made), address, "-k", "2", "--json"]) == 0
        assert capfd.readouterr().out == by_id
    assert main(["similar", str(made), "https://youtu.be/nope"]) == 2
    assert "no video 'https://youtu.be/nope' in" in capfd.readouterr().err


def test_an_argument_that_is_not_utf_8_is_refused_in_one_line(capfd: Capture, tmp_path: Path) -> None:
    assert main(["run", "auto", os.fsdecode(b"caf\xe9.csv"), str(tmp_path / "atlas")]) == 2
    said = "vidatlas: the argument 'caf\\udce9.csv' is not valid UTF-8. Name the file or folder in UTF-8.\n"
    assert capfd.readouterr().err == said


def test_a_letter_that_a_terminal_does_not_know_is_escaped() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vidatlas", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"plan \\u2192 embed" in done.stdout
