"""The files by which other programs know the project: citation, workflows, issue templates, completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vidatlas.version import __version__

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_citation_names_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__
    assert {"cff-version", "message", "title", "authors", "license"} <= set(cited)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_runs_only_what_is_pinned_and_may_write_nothing(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []
    flow = yaml.safe_load(text)
    assert flow["permissions"] == {"contents": "read"}
    assert [job["permissions"] for job in flow["jobs"].values() if "permissions" in job] in (
        [],
        [{"id-token": "write"}],
    )


def test_a_bug_report_asks_for_version_and_last_line() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8"))
    asked = {field["id"]: field for field in form["body"] if "id" in field}
    assert "vidatlas --version" in asked["version"]["attributes"]["description"]
    assert asked["version"]["validations"]["required"]
    assert asked["last"]["validations"]["required"]


def test_the_shell_completes_commands() -> None:
    asked = {"_VIDATLAS_COMPLETE": "complete_bash", "COMP_WORDS": "vidatlas re", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'vidatlas'; from vidatlas.cli.main import script; script()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["reduce", "recipes"]
