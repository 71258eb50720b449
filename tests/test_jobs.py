"""The scripts for ``ray job submit`` are the commands of the same name."""

import json
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[1] / "jobs"
SMALL = ["--set", "encoder={kind: hashing, dim: 8}", "--set", "reduce.pca.components=2"]


def job(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # As in a Ray job: another working directory, and no terminal.
    return subprocess.run(
        [sys.executable, str(JOBS / f"{name}.py"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        timeout=120,
    )


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"display_id": f"v{n}", "categories": "Music", "title": f"song {n}", "tags": "a,b"} for n in range(12)]
    path = tmp_path_factory.mktemp("jobs") / "part.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_three_jobs_make_an_atlas(part: Path, tmp_path: Path) -> None:
    atlas = tmp_path / "atlas"
    done = job("embed", "demo", str(part), str(atlas), "--runner", "serial", *SMALL)
    assert done.returncode == 0, done.stderr
    assert list(atlas.glob("embeddings/*.parquet"))
    done = job("reduce", str(atlas), "--runner", "serial")
    assert done.returncode == 0, done.stderr
    assert (atlas / "subcategories.parquet").exists()
    done = job("publish", str(atlas), "--runner", "serial")
    assert done.returncode == 0, done.stderr
    assert (atlas / "report.html").exists()


@pytest.mark.parametrize(("name", "code"), [("embed", 3), ("reduce", 2), ("publish", 2)])
def test_exit_codes_pass_through(name: str, code: int, tmp_path: Path) -> None:
    atlas = str(tmp_path / "atlas")
    arguments = ["demo", str(tmp_path / "gone.jsonl"), atlas, "--runner", "serial"] if name == "embed" else [atlas]
    done = job(name, *arguments)
    assert done.returncode == code
    assert done.stderr.startswith("vidatlas: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["embed", "reduce", "publish"])
def test_every_job_says_how_it_is_submitted(name: str) -> None:
    assert f"ray job submit --working-dir . -- python jobs/{name}.py" in (JOBS / f"{name}.py").read_text()
    assert f" {name} " in job(name, "--help").stdout


RUBBISH = (
    ".env",
    "README.md",
    "atlas/atlas.json",
    "cluster.yaml",
    "jobs/videos.csv",
    "jobs/__pycache__/embed.pyc",
    "model.safetensors",
    "src/vidatlas.egg-info/PKG-INFO",
    "src/vidatlas/__pycache__/cli.pyc",
    "tests/test_jobs.py",
    "videos.jsonl",
    "videos.jsonl.gz",
)


def test_a_job_ships_its_code_and_nothing_else(tmp_path: Path) -> None:
    """What Ray packs of a checkout in use, seen in its archive."""
    from ray._private.runtime_env.packaging import create_package

    root, checkout, package = JOBS.parent, tmp_path / "checkout", tmp_path / "package.zip"
    for folder in ("src/vidatlas", "jobs"):
        shutil.copytree(root / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "jobs/mine.yaml").write_text("name: mine")
    wanted = {str(file.relative_to(checkout)) for file in checkout.rglob("*") if file.is_file()}
    for name in RUBBISH:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("rubbish")
    for name in (".rayignore", ".gitignore"):
        shutil.copy(root / name, checkout)
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.ERROR)
    create_package(str(checkout), package, include_gitignore=True, excludes=[], logger=quiet)
    assert {name for name in zipfile.ZipFile(package).namelist() if not name.endswith("/")} == wanted
    assert {
        "src/vidatlas/cli/main.py",
        "src/vidatlas/sample/videos.jsonl.gz",
        "jobs/embed.py",
        "jobs/mine.yaml",
    } <= wanted
    assert package.stat().st_size < 2_500_000
