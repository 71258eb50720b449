"""Names of categories come from YouTube, a file, or the recipe itself, and become part of the recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vidatlas.errors import UsageError
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.sources.values.category_names import YOUTUBE, read_names

API = {"kind": "x", "items": [{"id": "10", "snippet": {"title": "Music"}}, {"id": 20, "snippet": {"title": "Gaming"}}]}
NAMES = {"10": "Music", "20": "Gaming"}


@pytest.mark.parametrize("content", [API, NAMES, {"10.0": "Music", "20": "Gaming"}])
def test_a_file_of_names_becomes_part_of_the_recipe(content: object, tmp_path: Path) -> None:
    file = tmp_path / "names.json"
    file.write_text(json.dumps(content))
    made = load_recipe("demo", {"record.map": {"categories": str(file)}})
    file.unlink()
    assert made.record.map == {"categories": NAMES}
    assert made.fingerprint("plan") != load_recipe("demo").fingerprint("plan")
    again = tmp_path / "again.yaml"
    again.write_text(made.to_yaml())
    assert load_recipe(again) == made


def test_youtube_and_names_in_the_recipe_itself() -> None:
    assert read_names("youtube") == YOUTUBE
    assert load_recipe("demo", {"record.map.categories": "youtube"}).record.map["categories"]["26"] == "Howto & Style"
    assert load_recipe("demo", {"record.map.categories": {10: "Music"}}).record.map == {"categories": {"10": "Music"}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "is not valid JSON"),
        *((text, "has no names") for text in ("[]", "{}", "3", '{"a": {"b": 1}}', '{"items": []}')),
        ('{"items": [{"id": 1, "snippet": {}}]}', "has no names"),
    ],
)
def test_anything_else_is_refused_in_a_line(content: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "names.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=why) as caught:
        load_recipe("demo", {"record.map.categories": str(file)})
    assert str(caught.value).startswith(f"record.map.categories: {str(file)!r}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"record\.map\.categories: 'US\.json' cannot be read \(No such file"):
        load_recipe("demo", {"record.map.categories": "US.json"})


def test_the_recipe_of_an_atlas_reads_no_file() -> None:
    whole = load_recipe("demo").model_dump(mode="json")
    whole["record"]["map"] = {"categories": "youtube"}
    with pytest.raises(ValueError, match="dictionary"):
        Recipe.model_validate(whole)
