"""MovieLens: factors of films as subcategories and classes, and reviews that are probed by them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas import Atlas, Options
from vidatlas.pipeline.embed import worker
from vidatlas.pipeline.reduce.probe import known_classes
from vidatlas.probe import ProbeSpec


def stop(*arguments: Any) -> None:
    raise KeyboardInterrupt


def test_films_lie_by_their_largest_factor_and_the_largest_are_their_classes(
    rated_films: tuple[Atlas, Path], tables: Any
) -> None:
    atlas, folder = rated_films
    placed = atlas.assignments()
    _, vectors = atlas.embeddings()
    classes = np.stack(placed["classes"].to_list())
    assert classes.shape == (60, 2)
    assert (np.sort(classes, axis=1) == np.sort(np.argsort(-vectors, axis=1)[:, :2], axis=1)).all()
    assert classes[:, 0].tolist() == placed["subcategory"].tolist()
    encoder = json.loads((folder / "atlas" / "encoder.json").read_text(encoding="utf-8"))
    assert 0 < encoder["rmse"] < 2
    report = Path(atlas.report).read_text(encoding="utf-8")
    assert f"RMSE {encoder['rmse']:.3f}" in report
    shown = report.split("<pre>")[0]
    assert not re.search("silhouette|mean distance|explained variance", shown, re.IGNORECASE)
    assert atlas.metrics["overall"]["silhouette"] is None
    assert any("Café" in title for title in tables.titled(report)["titles"])


def test_films_of_a_factor_are_ranked_by_it_and_one_that_nobody_rated_has_no_class(tmp_path: Path, tables: Any) -> None:
    items, ratings = tables.movielens(tmp_path)
    lines = Path(ratings).read_text(encoding="utf-8").splitlines(keepends=True)
    Path(ratings).write_text("".join(line for line in lines if line.split("\t")[1] != "7"), encoding="utf-8")
    recipe = vidatlas.load_recipe("movielens-factors", tables.rated_settings(ratings))
    atlas = vidatlas.run(recipe, items, tmp_path / "atlas", Options(runner="serial"))
    ids, vectors = atlas.embeddings()
    vector_of = dict(zip(ids, vectors.astype(float), strict=True))
    placed = atlas.assignments().set_index("id")
    assert not vector_of["7"].any()
    assert placed["classes"].isna().tolist() == [film == "7" for film in placed.index]
    for row in atlas.subcategories().itertuples():
        inside = sorted(
            placed.index[placed["subcategory"] == row.subcategory], key=lambda film: -vector_of[film][row.subcategory]
        )
        assert list(row.exemplars) == inside[: len(row.exemplars)]
    assert "7" not in known_classes(ProbeSpec(classes=atlas.url))
    two = known_classes(ProbeSpec(classes=atlas.url, most_each=2))
    leading = placed.loc[list(two)].groupby("subcategory")["value"].min()
    for subcategory, least in leading.items():
        others = placed[(placed["subcategory"] == subcategory) & ~placed.index.isin(list(two))]
        assert (others["value"] <= least).all()


def test_factors_are_those_of_the_ratings_that_are_there(tmp_path: Path, tables: Any) -> None:
    items, ratings = tables.movielens(tmp_path)
    atlas, moved = tmp_path / "atlas", tmp_path / "moved.data"

    def run(**changes: Any) -> Atlas:
        settings = tables.rated_settings(ratings) | {key.replace("_", "."): value for key, value in changes.items()}
        return vidatlas.run(vidatlas.load_recipe("movielens-factors", settings), items, atlas, Options(runner="serial"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(worker, "open_encoder", stop)
        with pytest.raises(KeyboardInterrupt):
            run(encoder_dim=4)
    learned = atlas / "model" / "encoder.json"
    assert json.loads(learned.read_text(encoding="utf-8"))["settings"]["dim"] == 4
    run()  # learned anew, for nothing was embedded yet
    assert json.loads(learned.read_text(encoding="utf-8"))["settings"]["dim"] == 6
    moved.write_bytes(Path(ratings).read_bytes())
    before = learned.stat().st_mtime_ns
    run(encoder_ratings_file=str(moved))  # the same ratings, elsewhere
    with Path(ratings).open("a", encoding="utf-8") as file:
        file.write("1\t1\t5\t0\n")
    with pytest.raises(vidatlas.VidatlasError, match="was made with other ratings than") as caught:
        run()
    assert caught.value.exit_code == 4
    assert learned.stat().st_mtime_ns == before


def test_other_classes_of_the_films_are_told_anew(tmp_path: Path, tables: Any) -> None:
    items, ratings = tables.movielens(tmp_path)
    films, reviews, serial = str(tmp_path / "films"), tables.reviews(tmp_path), Options(runner="serial")
    vidatlas.run(vidatlas.load_recipe("movielens-factors", tables.rated_settings(ratings)), items, films, serial)
    recipe = vidatlas.load_recipe("movielens-reviews", tables.SMALL | {"reduce.probe.classes": films})
    atlas = vidatlas.run(recipe, reviews, tmp_path / "atlas", serial)
    assert atlas.metrics["probe"]["told"] == 2
    vidatlas.reduce(films, {"reduce.clusterer.top": 3}, serial)
    assert vidatlas.run(recipe, reviews, tmp_path / "atlas", serial).metrics["probe"]["told"] == 3


def test_reviews_are_probed_by_the_classes_of_their_films(
    rated_films: tuple[Atlas, Path], tmp_path: Path, tables: Any
) -> None:
    films, _ = rated_films
    settings = tables.SMALL | {"reduce.probe.classes": films.url, "encoder.dim": 200}
    recipe = vidatlas.load_recipe("movielens-reviews", settings)
    atlas = vidatlas.run(recipe, [tables.reviews(tmp_path)], tmp_path / "atlas", Options(runner="serial"))
    assert atlas.counts["rejects"] == {"missing_value": 5}
    found = atlas.metrics["probe"]
    assert (found["rows"], found["groups"], found["told"]) == (120, 12, 2)
    for split in ("by_group", "by_record"):
        assert set(found[split]["head"]) == {"micro_f1", "macro_f1", "lrap"}
    told = pq.read_table(tmp_path / "atlas" / "predictions.parquet").to_pylist()
    by_id = dict(zip(films.assignments()["id"], films.assignments()["classes"], strict=True))
    names = films.subcategories().set_index("subcategory")["name"]
    film = next(row for row in told if row["group"] == "Café 7")
    assert film["labels"] == [f"{label} {names.get(label, '')}".strip() for label in by_id["7"]]
    assert len(film["told"]) == 2
    report = Path(atlas.report).read_text(encoding="utf-8")
    assert "Label prediction, by group" in report
    assert report.count("<li><b><bdi>Café") == 12
    assert "had seen none of them" in report
    assert "for films it has not seen" in report
    vidatlas.reduce(atlas.url, {"reduce.probe.folds": 13}, Options("serial"))
    vidatlas.publish(atlas.url, {}, Options("serial"))
    report = Path(atlas.report).read_text(encoding="utf-8")
    assert "there were too few films to hold out whole ones" in report
    assert "had seen none of them" not in report


def test_reviews_with_nothing_but_a_title_find_their_films(
    rated_films: tuple[Atlas, Path], tmp_path: Path, tables: Any
) -> None:
    films, _ = rated_films
    rows = [[f"  cafÉ {1 + number % 12} (1995)", f"ghost {number} ghost"] for number in range(60)]
    inputs = tables.write(tmp_path / "reviews.csv", ["title", "review"], [*rows, rows[0]])
    settings = {
        "record.id": None,
        "record.fields.text.column": "review",
        "record.require": ["title", "review"],
        "record.labels.column": "title",
        "reduce.probe": {"classes": films.url, "by": "title"},
    }
    recipe = vidatlas.load_recipe("movielens-reviews", tables.SMALL | settings)
    atlas = vidatlas.run(recipe, inputs, tmp_path / "atlas", Options(runner="serial"))
    assert (atlas.counts["kept"], atlas.counts["duplicates"]) == (60, 1)
    assert (atlas.metrics["probe"]["rows"], atlas.metrics["probe"]["groups"]) == (60, 12)
    names, told = films.subcategories().set_index("subcategory")["name"], tmp_path / "atlas" / "predictions.parquet"
    classes = dict(zip(films.assignments()["id"], films.assignments()["classes"], strict=True))
    for row in pq.read_table(told).to_pylist():
        film = row["group"].split()[1]
        assert row["labels"] == [f"{label} {names.get(label, '')}".strip() for label in classes[film]]


def test_films_can_be_cut_to_the_largest_of_each_factor_and_without_some(
    rated_films: tuple[Atlas, Path], tmp_path: Path, tables: Any
) -> None:
    films, _ = rated_films
    settings = tables.SMALL | {"reduce.probe": {"classes": films.url, "without": list(range(6))}}
    recipe = vidatlas.load_recipe("movielens-reviews", settings)
    with pytest.raises(vidatlas.VidatlasError, match="no record has a label"):
        vidatlas.run(recipe, [tables.reviews(tmp_path)], tmp_path / "atlas", Options(runner="serial"))
    whole = pq.read_table(Path(films.url) / "subcategories.parquet").num_rows
    atlas = vidatlas.reduce(
        tmp_path / "atlas", {"reduce.probe.without": [], "reduce.probe.most_each": 20}, Options("serial")
    )
    assert atlas["counts"]["rows"] == 120
    assert whole <= 6


def test_a_film_atlas_that_has_no_classes_is_refused(tmp_path: Path, tables: Any, netflix: Atlas) -> None:
    recipe = vidatlas.load_recipe("movielens-reviews", tables.SMALL | {"reduce.probe.classes": netflix.url})
    with pytest.raises(vidatlas.VidatlasError, match=r"has no classes\. Make it with reduce\.clusterer=axes"):
        vidatlas.run(recipe, [tables.reviews(tmp_path)], tmp_path / "atlas", Options(runner="serial"))
    assert not (tmp_path / "atlas").exists()


def test_files_that_a_recipe_needs_are_missed_before_the_work_begins(tmp_path: Path, tables: Any, main: Any) -> None:
    nowhere = str(tmp_path / "nowhere")
    recipe = vidatlas.load_recipe("movielens-reviews", tables.SMALL | {"reduce.probe.classes": nowhere})
    with pytest.raises(vidatlas.VidatlasError, match="plan is not done yet") as caught:
        vidatlas.run(recipe, [tables.reviews(tmp_path)], tmp_path / "atlas", Options(runner="serial"))
    assert caught.value.exit_code == 2
    items, _ = tables.movielens(tmp_path)
    settings = ["--set", f"encoder.ratings.file={nowhere}", "--runner", "serial"]
    assert main(["run", "movielens-factors", items, str(tmp_path / "films"), *settings]) == 3
    assert not (tmp_path / "films").exists()
