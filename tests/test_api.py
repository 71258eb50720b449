"""The Python API: what it calls back, and what ``fit`` makes of texts; the rest is tested as promises."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import vidatlas
from vidatlas import Options, Recipe
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan import plan as planning
from vidatlas.recipe import recipe_of
from vidatlas.storage.store import Store


@pytest.fixture
def part_file(tmp_path: Path, make_lines: Any) -> Path:
    path = tmp_path / "videos.jsonl"
    path.write_bytes(make_lines(60))
    return path


SERIAL = Options(runner="serial", max_rejects=1.0)


@pytest.mark.parametrize("verb", [vidatlas.plan, vidatlas.embed, vidatlas.run])
def test_the_plan_is_made_once_and_shown_before_anything_is_embedded(
    verb: Any, hashing_recipe: Any, part_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas, seen, calls = str(tmp_path / "atlas"), [], []
    plan = planning.plan
    monkeypatch.setattr(planning, "plan", lambda *given: (calls.append(1), plan(*given))[1])

    def planned(entry: Any) -> None:
        seen.append((entry["counts"]["read"], Store(atlas).receipts()))

    verb(hashing_recipe, str(part_file), atlas, SERIAL, planned=planned)
    assert seen == [(Store(atlas).stage("plan")["counts"]["read"], {})]
    assert calls == [1]


def test_an_error_of_the_caller_ends_the_run_before_anything_is_embedded(
    hashing_recipe: Any, part_file: Path, tmp_path: Path
) -> None:
    def planned(entry: Any) -> None:
        raise UsageError("too dear")

    with pytest.raises(UsageError, match="too dear"):
        vidatlas.run(hashing_recipe, str(part_file), str(tmp_path / "atlas"), SERIAL, planned=planned)
    assert not Store(str(tmp_path / "atlas")).receipts()


ROWS = [
    {"video": f"v{n}", "title": f"Lesson {n} of chess", "genre": "ab"[n % 2], "emb": [n / 7, *[0.5] * 7]}
    for n in range(60)
]
HOLDERS: dict[str, Callable[[Path], Any]] = {
    "rows": lambda folder: ROWS,
    "frame": lambda folder: pl.DataFrame(ROWS),
    "table": lambda folder: pa.Table.from_pylist(ROWS),
    "one row": lambda folder: iter(ROWS[:1]),
    "file": lambda folder: folder / "videos.jsonl",
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_auto_does_in_python_what_the_command_does(
    holder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    # Libraries that other tests use may have set levels of logging for the whole process.
    caplog.set_level(logging.WARNING, logger="vidatlas")
    monkeypatch.setattr(logging.getLogger("vidatlas"), "disabled", False)
    vidatlas.plan("auto", HOLDERS[holder](tmp_path), tmp_path / "atlas", SERIAL)
    made = recipe_of(Store(str(tmp_path / "atlas")))
    wanted = vidatlas.assume(tmp_path / "videos.jsonl")
    assert made.name == "auto"
    assert made.record.fields == wanted.recipe.record.fields
    assert made.encoder == wanted.recipe.encoder
    assert made.encoder.kind == "given"
    told = [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "vidatlas"]
    assert told[0][0] == "WARNING"
    assert told[0][1].startswith("record.id: video (guessed)")


def test_auto_asks_in_python_too(tmp_path: Path) -> None:
    rows = [{"a": f"one of {n}", "b": f"two of {n}"} for n in range(9)]
    with pytest.raises(UsageError, match=r"which column holds the title\? Candidates: 'a', 'b'"):
        vidatlas.run("auto", rows, tmp_path / "atlas", SERIAL)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = vidatlas.assume(str(tmp_path / "rows.jsonl"), {"record.fields.title.column": "b"}).recipe
    assert recipe.record.fields["title"].column == "b"
    vectors = pa.array([[0.5] * 8] * 9, pa.list_(pa.float32()))
    with pytest.raises(UsageError, match="which column holds the vectors"):
        vidatlas.run(
            "auto", pa.table({"title": map(str, range(9)), "x": vectors, "y": vectors}), tmp_path / "atlas", SERIAL
        )


@pytest.fixture(scope="module")
def videos(make_lines: Callable[..., bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in make_lines(90).splitlines()]


def test_texts_become_an_atlas(videos: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path) -> None:
    texts, groups = [video["title"] for video in videos], [video["categories"] for video in videos]
    atlas = vidatlas.fit([*texts, None], [*groups, None], atlas=tmp_path, recipe=hashing_recipe, options=SERIAL)
    assert atlas.counts == {"read": 91, "kept": 90, "rejected": 1, "duplicates": 0, "rejects": {"no_text": 1}}
    assert set(atlas.subcategories()["group"]) == set(groups)
    assert atlas.embeddings()[0] == [str(number) for number in range(90)]
    assert atlas.search(texts[4], k=1)["title"].tolist() == [texts[4]]


def test_given_vectors_take_the_place_of_the_encoder(
    videos: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    vectors = np.eye(3)[np.arange(90) // 30] + np.random.default_rng(0).normal(size=(90, 3)) / 20
    ids = [video["display_id"] for video in videos]
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), {"reduce.clusters.k": 3})
    vectors[8, 1] = np.nan
    atlas = vidatlas.fit([video["title"] for video in videos], None, vectors, ids, recipe=recipe, options=SERIAL)
    assert atlas.counts["rejects"] == {"invalid_vector": 1}
    assert Path(atlas.url).parent == tmp_path
    placed = atlas.assignments().set_index("id")["subcategory"]
    for first in (0, 30, 60):
        assert placed.loc[[key for key in ids[first : first + 30] if key != ids[8]]].unique().size == 1
    assert sorted(atlas.subcategories()["size"]) == [29, 30, 30]


def test_a_column_of_another_length_is_refused(hashing_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are 2 texts, but 1 of group"):
        vidatlas.fit(["a", "b"], ["x"], atlas=tmp_path, recipe=hashing_recipe, options=SERIAL)


SERIES = "the Series is not a table" if hasattr(pd.Series, "__arrow_c_stream__") else r"no such file: .*a\."
"""What is said of a series: an older pandas does not say that it holds a stream, and its texts are taken for paths."""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.DataFrame([["1", "a", "b"]], columns=["display_id", "title", "title"]), "Duplicate column names"),
        (pd.Series(["a", "b"]), SERIES),
        (pd.DataFrame({"display_id": ["1"], "title": ["a"], "z": [1j]}), "complex128"),
    ],
)
def test_what_is_no_table_is_one_line(data: Any, said: str, hashing_recipe: Any, tmp_path: Path) -> None:
    with pytest.raises((UsageError, InputError), match=said):
        vidatlas.plan(hashing_recipe, data, tmp_path / "atlas", SERIAL)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"texts": "hello"}, "texts must be a list"),
        ({"groups": "categories"}, "groups must be a list"),
        ({"ids": ["1", "1", "2"]}, "ids has '1' more than once"),
        ({"vectors": np.ones(3)}, r"shape \[n, dim\]"),
        ({"vectors": [[1.0], ["x"], [2.0]]}, r"shape \[n, dim\]"),
        ({"options": "serial"}, r"options must be vidatlas\.Options"),
    ],
)
def test_fit_refuses_what_is_no_column(given: Any, said: str, hashing_recipe: Any) -> None:
    with pytest.raises(UsageError, match=said):
        vidatlas.fit(**{"texts": ["a b", "c d", "e f"], "recipe": hashing_recipe, "options": SERIAL} | given)


@pytest.mark.parametrize("wrong", [{"runner": "spark"}, {"threads": 0}, {"actors": 3}, {"backend": "x"}, {"gpus": "1"}])
def test_an_option_has_only_values_that_it_can_have(wrong: Any) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))}=.*it must be"):
        Options(**wrong)


def test_vectors_of_zeros_are_rejects(hashing_recipe: Any, tmp_path: Path) -> None:
    vectors = np.eye(8, dtype=np.float32)
    vectors[3] = 0
    made = vidatlas.fit(
        [f"{n} b" for n in range(8)], None, vectors, atlas=tmp_path / "a", recipe=hashing_recipe, options=SERIAL
    )
    assert made.counts["rejects"] == {"invalid_vector": 1}
