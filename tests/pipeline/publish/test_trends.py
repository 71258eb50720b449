"""Views and dates of every subcategory are counted over shards; what is missing is counted, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import vidatlas
from vidatlas import Options
from vidatlas.pipeline.publish import trends
from vidatlas.pipeline.publish.trends import Sums, Trends, make_trends
from vidatlas.recipe import Recipe
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.store import Store
from vidatlas.storage.tables import sealed_shards

Make = Callable[[list[dict[str, Any]]], tuple[Store, Trends]]


@pytest.fixture
def counted(tmp_path: Path, hashing_recipe: Recipe) -> Make:
    """Return a function that makes an atlas of rows (shards of 60) and counts its trends."""

    def make(rows: list[dict[str, Any]]) -> tuple[Store, Trends]:
        part = tmp_path / "videos.jsonl"
        part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        vidatlas.run(hashing_recipe, str(part), tmp_path / "atlas", Options(runner="serial"))
        store = Store(tmp_path / "atlas")
        return store, make_trends(hashing_recipe, store, list(sealed_shards(store.stage("embed"))), SerialRunner())

    return make


def test_years_are_those_of_the_column_published(counted: Make, make_lines: Callable[..., bytes]) -> None:
    rows = [json.loads(line) for line in make_lines(60).splitlines()]
    for number, row in enumerate(rows):
        row["upload_date"] = f"{2020 + number % 2}-0{1 + number % 9}-01" if number else None
    assert counted(rows)[1].years == {2020: 29, 2021: 30}


def videos(make_lines: Callable[..., bytes], count: int, **columns: Callable[[int], Any]) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in make_lines(count).splitlines()]
    return [row | {name: value(at) for name, value in columns.items()} for at, row in enumerate(rows)]


def day(at: int) -> str:
    return f"20{10 + at % 10}-{at % 12 + 1:02d}-{at % 28 + 1:02d}"


def test_figures_are_those_of_the_videos(counted: Make, make_lines: Callable[..., bytes]) -> None:
    views = {"view_count": lambda at: None if at % 7 == 0 else (at * 7919) % 100_000}
    rows = videos(make_lines, 200, upload_date=lambda at: None if at % 9 == 0 else day(at), **views)
    store, found = counted(rows)
    frame = vidatlas.open_atlas(store.url).assignments().merge(pd.DataFrame(rows), left_on="id", right_on="display_id")
    for (group, number), inside in frame.groupby(["in_group", "subcategory"]):
        trend, seen, dates = found.of[group, number], inside["view_count"].dropna(), inside["upload_date"].dropna()
        assert (trend.viewed, trend.dated) == (len(seen), len(dates))
        assert trend.total_views == seen.sum()
        assert trend.median_views == pytest.approx(seen.quantile(0.5, "lower"), rel=0.005, abs=0.5)
        months = dates.str[:7].sort_values()
        assert (trend.first_month, trend.last_month) == (months.iloc[0], months.iloc[-1])
        assert trend.median_month == months.iloc[(len(months) - 1) // 2]
    table = pd.read_parquet(Path(store.url) / "trends.parquet")
    assert table["videos"].sum() == 200
    assert table[table["month"].isna()]["videos"].sum() == sum(row["upload_date"] is None for row in rows)
    assert table["views"].sum() == sum(row["view_count"] or 0 for row in rows)
    assert found.scripts == {"Latin": 200}


def test_small_medians_are_exact() -> None:
    values = np.arange(100)
    bins = np.round(np.log1p(values) / trends._RATIO).astype(np.int64)
    assert [round(np.expm1(one * trends._RATIO)) for one in bins.tolist()] == values.tolist()


def test_without_views_and_dates_nothing_is_written(counted: Make, make_lines: Callable[..., bytes]) -> None:
    empty = videos(make_lines, 60, upload_date=lambda _: None, view_count=lambda _: "")
    store, found = counted(empty)
    assert (found.files, found.of, found.span, found.window) == ({}, {}, None, 0)
    assert not (Path(store.url) / "trends.parquet").exists()
    report = (Path(store.url) / "report.html").read_text(encoding="utf-8")
    assert '"views"' not in report.split("<table", 1)[1].split("</table>", 1)[0]


def test_views_without_dates_have_figures_but_no_months(counted: Make, make_lines: Callable[..., bytes]) -> None:
    _, found = counted(videos(make_lines, 60, view_count=lambda at: at + 1))
    assert found.files == {}
    assert sum(trend.total_views or 0 for trend in found.of.values()) == 60 * 61 // 2
    assert {(trend.growth, trend.line) for trend in found.of.values()} == {(None, "")}


def test_growth_compares_the_last_year_with_the_one_before() -> None:
    months = np.arange(24)
    videos = np.repeat([2.0, 3.0], 12)
    assert trends._growth(months, videos, (0, 23)) == pytest.approx(0.5)
    assert trends._growth(months, videos / 10, (0, 23)) is None, "too few"
    assert trends._growth(months[12:], videos[12:], (12, 23)) == pytest.approx(0.0), "half of a shorter span"
    assert trends._window((0, 4)) == 0
    assert trends._growth(months, videos, (0, 4)) is None


def test_lines_leave_out_the_few_oldest_videos_and_dates_of_the_future() -> None:
    sums = Sums()
    months = np.array([-200, *range(400, 440), 4_000]) - trends._UNDATED
    sums.add(months.astype(np.int64), np.stack([[1.0, *[50.0] * 40, 1.0], np.zeros(42)], axis=1))
    assert trends._span(sums.settle()) == (405, 439)


def test_lines_of_centuries_end_where_hardly_any_video_is_left() -> None:
    sums = Sums()
    months = np.arange(-1_200, 1_300, dtype=np.int64)
    sums.add(months - trends._UNDATED, np.ones((len(months), 2)))
    assert trends._span(sums.settle()) == (1_238, 1_297)


def test_sums_do_not_depend_on_how_they_were_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trends, "_KEPT", 5)
    keys, values = np.arange(100) % 13, np.stack([np.ones(100), np.arange(100.0)], axis=1)
    sums = Sums()
    for at in range(0, 100, 3):
        sums.add(keys[at : at + 3], values[at : at + 3])
    sums.settle()
    assert sums.keys.tolist() == list(range(13))
    assert sums.totals[:, 1].tolist() == [float(values[keys == key, 1].sum()) for key in range(13)]


def test_odd_views_and_dates_do_no_harm() -> None:
    views = trends._views(pa.chunked_array([[None, -5, 0, 2**62]], pa.int64()))
    assert np.isnan(views[:2]).all()
    assert views[2:].tolist() == [0.0, 2.0**62]
    days = pa.chunked_array([[None, -719_162, 0, 2_932_896]], pa.int32()).cast(pa.date32())  # years 1 and 9999
    assert trends._months(days).tolist() == [trends._UNDATED, -23_628, 0, 96_359]
