"""The generated reference says everything, and the site has every page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

import vidatlas
from tools.reference.__main__ import commands_page, copy
from tools.reference.errors import errors_page
from tools.reference.python_api import python_page
from tools.reference.recipe_keys import recipe_page, recipe_schema
from vidatlas.cli.main import app
from vidatlas.errors import VidatlasError
from vidatlas.recipe import builtin_recipes
from vidatlas.types import Reason

ROOT = Path(__file__).parents[3]


def test_every_key_of_a_recipe_has_a_meaning() -> None:
    page = recipe_page()
    assert '| `k` | integer ≥ 1 or `sqrt`, `proportional`, `auto` | `"sqrt"` | Clusters per group:' in page
    rows = re.findall(r"^\| `(?!youtube-api)(\w+)` \|(.*)\|$", page, re.MULTILINE)
    assert len(rows) > 150
    assert [name for name, cells in rows if not cells.rpartition("|")[2].strip()] == []


def test_the_schema_fits_every_recipe() -> None:
    schema = json.loads(recipe_schema())
    assert schema["$defs"]["ClusterSpec"]["properties"]["k"]["description"].startswith("Clusters per group")
    for name in builtin_recipes():
        jsonschema.validate(vidatlas.load_recipe(name).model_dump(mode="json"), schema)
    with pytest.raises(jsonschema.ValidationError, match="'nope' was unexpected"):
        jsonschema.validate({**vidatlas.load_recipe("demo").model_dump(mode="json"), "nope": 1}, schema)


def test_every_public_name_is_described() -> None:
    page = python_page()
    for name in vidatlas.__all__:
        _, found, described = page.partition(f"\n## {name}\n")
        assert found
        assert len(described.partition("\n## ")[0]) > 60, name
    assert "### Atlas.search" in page


def test_every_error_and_reason_is_there() -> None:
    page = errors_page()
    assert [
        each for each in VidatlasError.__subclasses__() if f"| {each.exit_code} | `{each.__name__}`" not in page
    ] == []
    assert [each for each in Reason if f"| `{each.value}` | {each.meaning[:10]}" not in page] == []


def test_every_command_is_there_in_full() -> None:
    page = commands_page()
    names = [each.name or each.callback.__name__ for each in app.registered_commands if each.callback]
    assert [name for name in names if f"\n## `vidatlas {name}`\n" not in page] == []
    assert "* `run`: Plan, embed, reduce and publish: from a table of videos to named subcategories.\n" in page


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = set(re.findall(r": (docs/[\w-]+\.md)$", text, re.MULTILINE))
    assert shown == {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}, "name it in the nav of mkdocs.yml"
    assert yaml.safe_load(text)["docs_dir"] == "build/pages"


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.reference.__main__.ROOT", tmp_path)
    monkeypatch.setattr("tools.reference.__main__.PAGES", tmp_path / "pages")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#there) and [b](tour.ipynb)\n```\n[code](not-a-link.md)\n```\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"page\.md: no file .*other\.md"):
        copy(page)
    (tmp_path / "other.md").touch()
    (tmp_path / "tour.ipynb").touch()
    assert [file.name for file in copy(page)] == ["other.md", "tour.ipynb"]
    assert "[b](tour.md)" in (tmp_path / "pages" / "page.md").read_text(encoding="utf-8")
