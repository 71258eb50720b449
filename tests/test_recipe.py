"""A recipe decides everything, survives YAML, and says which key is wrong."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from vidatlas.encoders.images.autoencoder import DenoisingSpec
from vidatlas.encoders.images.clip import ClipPicturesSpec
from vidatlas.errors import UsageError
from vidatlas.recipe import Recipe, builtin_recipes, canonical, differences, load_recipe
from vidatlas.recipes.yaml_text import parse_set
from vidatlas.sources.csv import CsvSpec
from vidatlas.storage.manifest import STAGES, Stage


@pytest.mark.parametrize("name", builtin_recipes())
def test_builtin_recipes_survive_yaml(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    file = tmp_path / "mine.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(file) == recipe
    assert load_recipe(recipe.model_dump(mode="json")) == recipe


def test_youniverse_weighs_and_cuts_as_the_notebook_did() -> None:
    fields = load_recipe("youniverse").record.fields
    assert [(name, field.weight, field.max_chars) for name, field in fields.items()] == [
        ("title", 0.6, 77),
        ("tags", 0.4, 77),
    ]


def test_overrides_reach_any_depth_and_leave_the_source_alone() -> None:
    source = load_recipe("demo").model_dump(mode="json")
    recipe = load_recipe(source, {"reduce.clusters.k": 7, "record.fields.title.weight": 1, "publish.title": "Mine"})
    assert recipe.reduce.clusters.k == 7
    assert recipe.record.fields["title"].weight == 1.0
    assert recipe.publish.title == "Mine"
    assert load_recipe(source) == load_recipe("demo")
    without = load_recipe(source, {"record.fields.tags": None, "record.columns.views": None})
    assert list(without.record.fields) == ["title"]
    assert "views" not in without.record.columns


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reduce.clusters.max_k": 0}, "reduce.clusters.max_k"),
        ({"encoder.nope": 1}, "encoder.nope"),
        ({"encoder.kind": "magic"}, "encoder"),
        ({"source.shard_rows": "many"}, "source.shard_rows"),
        ({"record.fields": {}}, "record.fields"),
        ({"record.title": "headline"}, "record"),
        ({"nope": 1}, "nope"),
        ({"encoder.dtype": "int8"}, "encoder.dtype"),
    ],
)
def test_a_wrong_key_is_named_in_one_line(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=rf"^recipe demo: {named}: [^\n]+$") as caught:
        load_recipe("demo", changes)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("recrod", "record"),
        ("source.fromat", "format"),
        ("source.format.delimeter", "delimiter"),
        ("record.feilds.tags.separator", "fields"),
        ("record.fields.title.wieght", "weight"),
        ("reduce.clusters.max_K", "max_k"),
        ("reduce.pca.component", "components"),
        ("nope", None),
    ],
)
def test_a_key_with_a_typo_gets_the_nearest(key: str, meant: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("demo", {"source.format": "csv", key: 1})
    assert (f"Did you mean {meant!r}?" in str(caught.value)) == bool(meant)
    assert ("Did you mean" in str(caught.value)) == bool(meant)


def test_settings_of_a_kind_that_is_given_by_name_can_be_set() -> None:
    form = load_recipe("demo", {"source.format": "csv", "source.format.trim": True}).source.format
    assert isinstance(form, CsvSpec)
    assert form.trim


def test_settings_have_effect_in_any_order() -> None:
    changes: dict[str, Any] = {
        "source.format": "csv",
        "source.format.trim": True,
        "encoder": {"kind": "tfidf", "dim": 9},
        "encoder.kind": "sequences",
        "encoder.words": 7,
        "encoder.dim": 8,
    }
    backwards = load_recipe("demo", dict(reversed(changes.items())))
    assert backwards == load_recipe("demo", changes)
    assert backwards.source.format == CsvSpec(trim=True)
    assert backwards.encoder.model_dump() == {"kind": "sequences", "words": 7, "dim": 8}
    assert changes["encoder"] == {"kind": "tfidf", "dim": 9}


def test_rows_are_read_with_all_that_the_recipe_says_of_them() -> None:
    changes = {"record.group": "snippet.categoryId", "source.explode.column": "tags[].name", "source.path": "{day}.csv"}
    rows = load_recipe("demo", changes).rows
    assert ([path.name for path in rows.nested], rows.path) == (["snippet.categoryId", "tags[].name"], "{day}.csv")
    assert load_recipe("demo").rows.nested == ()
    with pytest.raises(UsageError, match=r"source\.path: [^\n]*'hive'"):
        load_recipe("demo", {"source.path": "videos.csv"})


def test_pictures_are_of_a_kind_and_another_kind_shares_no_setting() -> None:
    clip = {"publish.pictures.kind": "clip", "publish.pictures.batch": 8}
    for name in ("youtube-recommender", "demo"):
        found = load_recipe(name, clip).publish.pictures
        assert isinstance(found, ClipPicturesSpec)
        assert found.batch == 8
    assert load_recipe("demo", {"publish.pictures": "clip"}).publish.pictures == ClipPicturesSpec()
    named = {"publish.pictures.kind": "autoencoder", "publish.pictures.latent": 8}
    assert load_recipe("demo", named).publish.pictures == DenoisingSpec(latent=8)
    for wrong in (
        {"latent": 8},
        {"kind": "magic"},
        {"kind": "clip", "latent": 8},
        {"kind": "autoencoder", "model": "a/b"},
    ):
        with pytest.raises(UsageError, match=r"^recipe demo: publish\.pictures[a-z.]*: [^\n]+$"):
            load_recipe("demo", {"publish.pictures": wrong})


def test_models_of_pictures_are_looked_for() -> None:
    with pytest.raises(UsageError, match=r"/nowhere does not exist.*--set publish\.pictures\.model=…"):
        load_recipe("demo", {"publish.pictures": {"kind": "clip", "model": "/nowhere"}}).publish.find_models()
    load_recipe("youtube-recommender").publish.find_models()


def test_an_override_below_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="name is a value, not a section"):
        load_recipe("demo", {"name.first": 1})


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text", "{", "a: [1"])
def test_a_file_that_is_no_recipe_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=rf"^recipe {file} [^\n]+$"):
        load_recipe(file)


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(
        UsageError,
        match=r"no recipe 'nope': neither built in \([^)]*topics, youniverse, [^)]*yt-dlp\)",
    ):
        load_recipe("nope")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a.b=3", ("a.b", 3)),
        ("a=", ("a", None)),
        ("a=x=y", ("a", "x=y")),
        (" a =[1, 2]", ("a", [1, 2])),
        ("a=yes", ("a", True)),
        ("a=~", ("a", None)),
        *(
            (f"a={sign}", ("a", sign))
            for sign in ["|", "#", ",", ";", ":", "::", "||", "-", "*", "&", "!", "@", "`", ">", "=", "\t"]
        ),
        *(
            (f"a={sign}", ("a", sign))
            for sign in [" ", '"', "'", "@name", "# b", "%Y", "*.x", "{country}videos.csv", "{a}/{b}"]
        ),
        ("a='|'", ("a", "|")),
        ('a="#"', ("a", "#")),
        ("a={}", ("a", {})),
        ("a={b: c}", ("a", {"b": "c"})),
    ],
)
def test_a_setting_is_key_and_yaml_value(text: str, parsed: tuple[str, Any]) -> None:
    assert parse_set(text) == parsed


@pytest.mark.parametrize("text", ["a", "=3", "a=["])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--set "):
        parse_set(text)


CHANGES: list[tuple[dict[str, Any], set[Stage]]] = [
    ({"source.shard_rows": 7}, {"plan"}),
    ({"record.fields.title.max_chars": 7}, {"plan"}),
    ({"encoder.kind": "hashing"}, {"embed"}),
    ({"mix.normalize": False}, {"embed"}),
    ({"reduce.clusters.seed": 7}, {"reduce"}),
    ({"publish.title": "x"}, {"publish"}),
    ({"about": "x"}, set()),
]


@pytest.mark.parametrize(("changes", "stages"), CHANGES)
def test_a_fingerprint_changes_with_its_stage_alone(changes: dict[str, Any], stages: set[Stage]) -> None:
    before, after = load_recipe("demo"), load_recipe("demo", changes)
    assert {stage for stage in STAGES if before.fingerprint(stage) != after.fingerprint(stage)} == stages


def test_equal_settings_written_in_another_order_have_one_fingerprint() -> None:
    data = load_recipe("demo").model_dump(mode="json")
    other = Recipe.model_validate(dict(reversed(data.items())))
    assert [other.fingerprint(stage) for stage in STAGES] == [load_recipe("demo").fingerprint(s) for s in STAGES]
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("demo").name = "other"  # type: ignore[misc]


def test_differences_name_each_setting_once() -> None:
    old = {"a": {"b": 1, "same": 0}, "gone": "x", "list": [1]}
    new = {"a": {"b": 2, "same": 0}, "list": [2], "new": None, "more": {"é": 1}}
    assert list(differences(old, new)) == [
        "a.b: 1 → 2",
        'gone: "x" → null',
        "list: [1] → [2]",
        'more: null → {"é": 1}',
    ]
    assert list(differences(old, old)) == []


@pytest.mark.parametrize("noun", ["", "<b>", "a|b", "[x](y)", "x" * 41, "two\nlines", " film"])
def test_what_a_record_is_called_is_plain_words(noun: str) -> None:
    named = load_recipe("demo", {"publish.nouns.record": ["film d'auteur", "sci-fi films"]}).publish.nouns
    assert (named.records(1), named.records(2_000)) == ("1 film d'auteur", "2,000 sci-fi films")
    with pytest.raises(UsageError, match="nouns"):
        load_recipe("demo", {"publish.nouns.record": [noun, "films"]})


BOMB = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in pairwise("abcdefgh"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "line 2 has an alias"),
        ("name: " + "[" * 20_000, "nested too deeply"),
        ("name: " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
        ("name: " + "x" * 1_000_001, "longer than 1,000,000 characters"),
        ("name: !!python/name:os.system", "could not determine a constructor"),
        ("name: 2001-99-99", "month must be in"),
    ],
    ids=["aliases", "open brackets", "brackets", "long", "a type of Python", "no date"],
)
def test_a_recipe_of_a_stranger_is_plain_data_and_small(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=reason):
        load_recipe(file)
    if len(text) < 100_000:  # a value of --set is read by the same rules
        with pytest.raises(UsageError, match=reason.replace("line 2", "line 3")):
            parse_set(f"record=\n{text}" if text == BOMB else f"record={text.removeprefix('name: ')}")


def test_every_key_that_names_a_file_is_in_the_security_policy() -> None:
    """A recipe may be a stranger's: SECURITY.md says which files and addresses it can make the tool read."""
    schema = Recipe.model_json_schema()
    found: set[str] = set()

    def walk(node: Any, path: str) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item, path)
        elif isinstance(node, dict):
            walk(schema["$defs"].get(node.get("$ref", "").rpartition("/")[2]), path)
            walk([node.get(key) for key in ("allOf", "anyOf", "oneOf", "items", "additionalProperties")], path)
            for name, inner in node.get("properties", {}).items():
                found.add(f"{path}.{name}".lstrip("."))
                walk(inner, f"{path}.{name}")

    walk(schema, "")
    reading = {"model", "file", "folder", "classes", "map"}
    keys = {key for key in found if key.rpartition(".")[2] in reading}
    said = (Path(__file__).parents[1] / "SECURITY.md").read_text(encoding="utf-8")
    section = said.split("## What a recipe can make the tool read")[1].split("\n## ")[0]
    assert keys == {
        "encoder.model", "encoder.file", "encoder.ratings.file", "record.map", "record.image.folder",
        "reduce.probe.classes", "publish.pictures.model",
    }  # fmt: skip
    assert all(f"`{key}`" in section for key in keys)
