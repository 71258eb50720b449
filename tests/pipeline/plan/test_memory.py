"""Rows in memory give the atlas of the same rows in a file, whatever holds them, and a run on them resumes."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import vidatlas
from vidatlas import Options, Recipe
from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.plan import memory
from vidatlas.pipeline.plan.memory import as_files, text_table
from vidatlas.recipe import load_recipe
from vidatlas.sources.compression import decompress
from vidatlas.sources.csv import CsvSpec
from vidatlas.storage.store import Store

SERIAL = Options(runner="serial")
ROWS = 130


class Dataset:
    """Stand in for a dataset of Hugging Face, whose Arrow tables come in batches of any size."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def with_format(self, kind: str) -> Dataset:
        assert kind == "arrow"
        return self

    def iter(self, batch_size: int) -> Iterator[pa.Table]:
        return iter([self._table.slice(0, 7), self._table.slice(7)])


@pytest.fixture(scope="module")
def rows(make_lines: Callable[..., bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in make_lines(ROWS).splitlines()]


HOLDERS: dict[str, Callable[[pa.Table], Any]] = {
    "dicts": pa.Table.to_pylist,
    "generator": lambda table: (row for row in table.to_pylist()),
    "table": lambda table: table,
    "batch": lambda table: table.combine_chunks().to_batches()[0],
    "reader": lambda table: table.to_reader(17),
    "pandas": pa.Table.to_pandas,
    "polars": pl.from_arrow,
    "dataset": Dataset,
}


@pytest.mark.parametrize("holder", sorted(HOLDERS))
def test_equal_rows_give_equal_files_whatever_holds_them(
    holder: str, rows: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path
) -> None:
    data = HOLDERS[holder](pa.Table.from_pylist(rows))
    _, (url,) = as_files(data, hashing_recipe, tmp_path)
    _, (same,) = as_files(rows, hashing_recipe, tmp_path)
    assert url == same
    assert Path(url).parent.parent == tmp_path / "input"


def test_an_atlas_of_dicts_is_that_of_the_same_lines_in_a_file(
    rows: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path
) -> None:
    part = tmp_path / "data.jsonl"
    part.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    vidatlas.embed(hashing_recipe, part, tmp_path / "file", SERIAL)
    vidatlas.reduce(tmp_path / "file", None, SERIAL)
    vidatlas.embed(hashing_recipe, rows, tmp_path / "dicts", SERIAL)
    vidatlas.reduce(tmp_path / "dicts", None, SERIAL)
    one, other = (Store(tmp_path / name).manifest()["stages"] for name in ("file", "dicts"))
    assert one["plan"]["counts"] == other["plan"]["counts"]
    assert one["embed"]["digest"] == other["embed"]["digest"]
    assert one["reduce"]["digest"] == other["reduce"]["digest"]


def test_a_finished_run_on_the_same_rows_touches_nothing(
    rows: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path
) -> None:
    frame, url = pd.DataFrame(rows), tmp_path / "atlas"

    def state() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in url.rglob("*") if file.is_file()}

    atlas = vidatlas.run(hashing_recipe, frame, url, SERIAL)
    before = state()
    vidatlas.run(hashing_recipe, frame.copy(), url, SERIAL)
    assert state() == before
    assert vidatlas.verify(atlas.url)["read"] == ROWS
    with pytest.raises(ConflictError, match="was planned from"):
        vidatlas.run(hashing_recipe, frame.head(100), url, SERIAL)


def test_vectors_come_along_from_any_frame(
    rows: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path, memory: str
) -> None:
    recipe = load_recipe(hashing_recipe.model_dump(mode="json"), {"encoder": {"kind": "given", "column": "v"}})
    vectors = np.random.default_rng(0).normal(size=(ROWS, 5)).astype(np.float32)
    wanted = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    frame = pd.DataFrame(rows).assign(v=list(vectors))
    dicts = [{**row, "v": vector} for row, vector in zip(rows, vectors, strict=True)]
    fixed = pl.DataFrame(rows).with_columns(pl.Series("v", vectors, dtype=pl.Array(pl.Float32, 5)))
    for name, data in {"pandas": frame, "dicts": dicts, "polars": fixed}.items():
        vidatlas.embed(recipe, data, f"{memory}-{name}", SERIAL)
        np.testing.assert_allclose(vidatlas.open_atlas(f"{memory}-{name}").embeddings()[1], wanted, atol=1e-3)


def test_every_row_is_accounted_for(hashing_recipe: Recipe, tmp_path: Path) -> None:
    good = {"display_id": "a", "title": "guitar", "tags": ["x"], "categories": "c"}
    mixed: list[Any] = [
        {**good, "when": datetime.date(2020, 1, 2), "price": decimal.Decimal("1.5"), 3: {1, 2}},
        {**good, "display_id": np.int64(7), "tags": np.array(["x", "y"])},
        {**good, "display_id": 1 << 80, (1, 2): "x"},
        {**good, "display_id": "s", "title": "\ud800"},
        ["not", "a", "mapping"],
        None,
        {**good, "title": float("nan"), "tags": None, "display_id": "n"},
        good,
    ]
    planned = vidatlas.plan(hashing_recipe, mixed, tmp_path, Options(runner="serial", max_rejects=1.0))
    counts = planned["counts"]
    assert counts["rejects"] == {"invalid_id": 1, "invalid_json": 1, "no_text": 1, "not_an_object": 1, "excluded": 1}
    assert (counts["read"], counts["kept"], counts["duplicates"]) == (8, 2, 1)


def lines_of(data: Any, recipe: Recipe, folder: Path) -> list[Any]:
    _, (url,) = as_files(data, recipe, folder)
    with Path(url).open("rb") as file:
        return [json.loads(line) for line in b"".join(decompress(file, "zstd")).splitlines()]


def test_a_duration_is_its_seconds_whatever_holds_it(hashing_recipe: Recipe, tmp_path: Path) -> None:
    took = datetime.timedelta(minutes=3, milliseconds=500)
    rows = [{"long": took, "each": [took]}]
    holders = {
        "dicts": rows,
        "numpy": [{"long": np.timedelta64(180_500, "ms"), "each": [np.timedelta64(180_500_000_000, "ns")]}],
        "pandas": pd.DataFrame(rows),
        "polars": pl.DataFrame(rows),
        "large": [{**rows[0], "n": 1 << 70}],
    }
    for name, data in holders.items():
        (found,) = lines_of(data, hashing_recipe, tmp_path / name)
        assert (found["long"], found["each"]) == (180.5, [180.5]), name


def test_a_set_is_a_list_of_one_order_and_what_pandas_misses_is_null(hashing_recipe: Recipe, tmp_path: Path) -> None:
    words = [f"w{at}" for at in range(50)]
    missing = {"day": pd.NaT, "n": pd.NA, "then": np.timedelta64("NaT"), "at": np.datetime64("NaT")}
    row = {"tags": set(words), "some": frozenset((2, "x", 1)), **missing}
    found = lines_of([row, {**row, "n": 1 << 70}], hashing_recipe, tmp_path)
    assert found[0] == {"tags": sorted(words), "some": ["x", 1, 2], **dict.fromkeys(missing)}
    assert found[1] == found[0] | {"n": 1 << 70}


def test_a_column_that_stands_twice_is_named(hashing_recipe: Recipe, tmp_path: Path) -> None:
    twice = pa.table([pa.array(["a"]), pa.array(["b"])], ["title", "title"])
    for data in (twice, twice.to_batches()[0]):
        with pytest.raises(InputError, match="lists the column 'title' twice"):
            as_files(data, hashing_recipe, tmp_path)


def test_rows_in_memory_are_read_as_json_lines_by_a_recipe_for_csv(
    rows: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = load_recipe(hashing_recipe.model_dump(mode="json"), {"source.format": "csv"})
    assert isinstance(recipe.source.format, CsvSpec)
    assert vidatlas.plan(recipe, rows, tmp_path, SERIAL)["counts"]["kept"] == ROWS


def test_many_rows_become_several_files_of_one_order(
    rows: list[dict[str, Any]], hashing_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "FILE_ROWS", 50)
    _, urls = as_files(pd.DataFrame(rows), hashing_recipe, tmp_path)
    assert [Path(url).name for url in urls] == [f"{stem}.jsonl.zst" for stem in ("data", "data_1", "data_2")]
    vidatlas.embed(hashing_recipe, urls, tmp_path, SERIAL)
    assert vidatlas.open_atlas(tmp_path).embeddings()[0] == [row["display_id"] for row in rows]


def test_what_is_neither_files_nor_rows_is_refused(hashing_recipe: Recipe, tmp_path: Path) -> None:
    for data in ({"train": [1]}, 5, [1, 2], pl.LazyFrame({"a": [1]})):
        with pytest.raises(UsageError, match=r"cannot be read\. Pass paths, a data frame"):
            as_files(data, hashing_recipe, tmp_path)  # type: ignore[arg-type]
    for empty in (pd.DataFrame({"display_id": []}), pa.table({"a": pa.array([], pa.string())})):
        with pytest.raises(InputError, match="the data has no rows"):
            as_files(empty, hashing_recipe, tmp_path)
    assert as_files([], hashing_recipe, tmp_path) == (hashing_recipe, [])
    assert as_files(iter([Path("a"), "b"]), hashing_recipe, tmp_path) == (hashing_recipe, ["a", "b"])


def test_columns_of_texts_are_one_value_each(tmp_path: Path) -> None:
    table = text_table(pd.Series(["a", None, float("nan")]), np.array([1, 2, 3]), [[1], None, [2, 3]], ["x", 2, None])
    assert table.to_pydict() == {
        "id": ["x", "2", None],
        "title": ["a", None, None],
        "group": ["1", "2", "3"],
        "embedding": [[1.0], None, [2.0, 3.0]],
    }
    assert text_table(iter("ab"), None, None, None)["id"].to_pylist() == ["0", "1"]
    for columns in (
        (["a"], ["x", "y"], None, None),
        (["a"], None, np.zeros((2, 3)), None),
        (["a"], None, None, ["x", "y"]),
    ):
        with pytest.raises(UsageError, match="there are 1 texts, but 2 of"):
            text_table(*columns)
