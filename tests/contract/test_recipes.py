"""Every built-in recipe makes a whole atlas of tiny data; in place of encoders with a model stands one without."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import vidatlas
from vidatlas import Atlas, Options
from vidatlas.app.serving import PAGE
from vidatlas.pipeline import worker
from vidatlas.pipeline.inspection import verify
from vidatlas.pipeline.probing import known_classes
from vidatlas.probe import ProbeSpec
from vidatlas.recipe import builtin_recipes

SMALL: dict[str, Any] = {
    "encoder": {"kind": "hashing", "dim": 32},
    "source.shard_rows": 40,
    "reduce.pca.components": 6,
    "reduce.clusters.k": 3,
    "reduce.clusters.starts": 2,
    "reduce.quality.silhouette_rows": 50,
    "reduce.quality.stability_seeds": 0,
}
TINY_NETWORK = {
    "reduce.reducer.hidden": [16, 12],
    "reduce.reducer.latent": 4,
    "reduce.reducer.epochs": 6,
    "reduce.clusterer.interval": 5,
    "reduce.clusterer.max_updates": 12,
}


TINY_FACTORS = {"encoder.dim": 6, "encoder.epochs": 3, "encoder.learning_rate": 0.05, "reduce.clusterer.top": 2}
Prepared = tuple[list[str], dict[str, Any]]
"""The inputs of a recipe, and settings that name other files or make it small."""


@dataclass(frozen=True)
class Case:
    """Say what a recipe is tried on, and what becomes of the rows."""

    prepare: Callable[[Any, Any, Path], Prepared]
    read: int
    kept: int


def videos(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    (folder / "videos.jsonl").write_bytes(make_lines(120))
    return [str(folder / "videos.jsonl")], SMALL | {"reduce.lexical": None}


def topics(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return videos(tables, make_lines, folder)[0], SMALL | {"reduce.lexical.components": 4}


def pictured(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    inputs, small = videos(tables, make_lines, folder)
    images = folder / "images"
    images.mkdir()
    for number, line in enumerate(Path(inputs[0]).read_bytes().splitlines()):
        shade = Image.fromarray(np.full((24, 32, 3), number, np.uint8))
        shade.save(images / f"{json.loads(line)['display_id']}.jpg")
    network = {"width": 16, "height": 8, "channels": [4], "latent": 4, "epochs": 2}
    return inputs, small | {"record.image.folder": str(images), "publish.pictures": network}


def titles(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return [tables.films(folder)], SMALL | TINY_NETWORK


def hashtags(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    return tables.hashtags(folder), SMALL


def rated(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    items, ratings = tables.movielens(folder)
    return [items], rated_settings(ratings)


def rated_settings(ratings: str) -> dict[str, Any]:
    small = {key: value for key, value in SMALL.items() if key != "encoder"}
    return small | TINY_FACTORS | {"encoder.ratings.file": ratings}


def stop(*arguments: Any) -> None:
    raise KeyboardInterrupt


def reviewed(tables: Any, make_lines: Any, folder: Path) -> Prepared:
    inputs, changes = rated(tables, make_lines, folder)
    vidatlas.run(vidatlas.load_recipe("movielens-factors", changes), inputs, folder / "films", Options(runner="serial"))
    return [tables.reviews(folder)], SMALL | {"reduce.probe.classes": str(folder / "films")}


CASES = {
    "demo": Case(videos, 120, 120),
    "topics": Case(topics, 120, 120),
    "youniverse": Case(videos, 120, 120),
    "netflix": Case(titles, 91, 72),
    "tiktok-hashtags": Case(hashtags, 200, 50),
    "movielens-factors": Case(rated, 60, 60),
    "movielens-reviews": Case(reviewed, 125, 120),
    "youtube-recommender": Case(pictured, 120, 120),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tables: Any, make_lines: Any
) -> tuple[str, Atlas, list[str], Any]:
    folder = tmp_path_factory.mktemp(request.param)
    inputs, changes = CASES[request.param].prepare(tables, make_lines, folder)
    recipe = vidatlas.load_recipe(request.param, changes)
    return request.param, vidatlas.run(recipe, inputs, folder / "atlas", Options(runner="serial")), inputs, recipe


def test_every_built_in_recipe_is_tried() -> None:
    assert sorted(CASES) == builtin_recipes()


def test_rows_add_up_to_the_last_and_every_file_is_whole(made: tuple[str, Atlas, list[str], Any]) -> None:
    name, atlas, _, _ = made
    counts = atlas.counts
    assert counts["read"] == CASES[name].read == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert counts["kept"] == CASES[name].kept
    assert verify(atlas.url)["files"] > 8
    assert len(atlas.assignments()) == atlas.subcategories()["size"].sum() == counts["kept"]
    assert atlas.subcategories()["name"].ne("unnamed").any()
    assert Path(atlas.report).read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")


def test_a_second_run_of_the_same_line_touches_nothing(made: tuple[str, Atlas, list[str], Any]) -> None:
    _, atlas, inputs, recipe = made
    before = {file: file.stat().st_mtime_ns for file in Path(atlas.url).rglob("*") if file.is_file()}
    vidatlas.run(recipe, inputs, atlas.url, Options(runner="serial"))
    assert {file: file.stat().st_mtime_ns for file in Path(atlas.url).rglob("*") if file.is_file()} == before


def test_the_same_recipe_gives_the_same_bytes(
    made: tuple[str, Atlas, list[str], Any], tmp_path: Path, world_class: Any
) -> None:
    _, atlas, inputs, recipe = made
    vidatlas.run(recipe, inputs, tmp_path / "again", Options(runner="serial"))
    assert world_class.hashes(tmp_path / "again") == world_class.hashes(Path(atlas.url))


def test_new_records_are_placed(made: tuple[str, Atlas, list[str], Any], tmp_path: Path) -> None:
    _, atlas, inputs, _ = made
    found = vidatlas.assign(atlas.url, inputs[0], tmp_path / "new.parquet")
    placed = pq.read_table(tmp_path / "new.parquet").to_pandas().set_index("id")
    assert found["placed"] == len(placed) > 0
    there = atlas.assignments().set_index("id")["subcategory"]
    assert (placed["subcategory"] == there[placed.index]).mean() > 0.98


def test_a_records_own_words_find_it(made: tuple[str, Atlas, list[str], Any]) -> None:
    name, atlas, _, recipe = made
    shard = sorted((Path(atlas.url) / "embeddings").glob("*.parquet"))[0]
    record = pq.read_table(shard).to_pylist()[5]
    if name == "movielens-factors":  # its vectors come of ratings
        with pytest.raises(vidatlas.VidatlasError, match=r"\(factors\) knows nothing in 'ghosts'.*vidatlas similar"):
            atlas.search("ghosts")
        return
    text = record.get("text") or record[recipe.record.title]
    found = atlas.search(text, k=1)
    assert found["cosine"][0] > 0.5
    if len(recipe.record.embedded()) == 1:
        assert found["title"][0] == record[recipe.record.title]


@pytest.fixture(scope="module")
def netflix(tmp_path_factory: pytest.TempPathFactory, tables: Any) -> Atlas:
    folder = tmp_path_factory.mktemp("films")
    changes = SMALL | TINY_NETWORK | {"encoder": {"kind": "tfidf", "dim": 60}}
    recipe = vidatlas.load_recipe("netflix", changes)
    return vidatlas.run(recipe, [tables.films(folder)], folder / "atlas", Options(runner="serial"))


def test_what_the_recipe_of_films_leaves_out_has_a_reason(netflix: Atlas) -> None:
    assert netflix.counts["rejects"] == {"excluded": 9, "missing_value": 9}
    assert netflix.counts["duplicates"] == 1


def test_films_have_soft_labels_genres_and_a_course_of_training(netflix: Atlas) -> None:
    placed = netflix.assignments()
    soft = np.stack(placed["soft"].to_list())
    assert soft.shape == (72, 3)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-5)
    assert soft.argmax(axis=1).tolist() == placed["subcategory"].tolist()
    network = netflix.metrics["network"]
    assert len(network["loss"]) == 6
    assert network["loss"][-1] < network["loss"][0]
    falls = zip(network["dec"]["before"], network["dec"]["behind"], strict=False)
    assert all(behind < before for before, behind in falls)
    assert netflix.metrics["labels"]["rows"] > 72
    assert netflix.metrics["labels"]["ami"] > 0.1
    report = Path(netflix.report).read_text(encoding="utf-8")
    assert "Agreement with known labels" in report
    assert "Deep Embedded Clustering" in report
    assert "Auto-encoder of the vectors" in report
    assert "Variance restored from the codes" in report
    assert not re.search("explained variance|What shortening kept", report, re.IGNORECASE)
    assert "Divergence of the soft labels" in report
    assert "updates of the target, last change" in report


def test_a_tuning_that_does_not_converge_is_said_in_report_and_on_the_screen(
    netflix: Atlas, tmp_path: Path, main: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    atlas = shutil.copytree(netflix.url, tmp_path / "atlas")
    settings = ["--set", "reduce.clusterer.max_updates=1", "--set", "reduce.clusterer.tolerance=0"]
    assert main(["reduce", str(atlas), "--runner", "serial", *settings]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "note Deep Embedded Clustering has not converged in 1 update: at the last one" in said
    assert main(["publish", str(atlas), "--runner", "serial"]) == 0
    assert "note Deep Embedded Clustering has not converged" in " ".join(capfd.readouterr().out.split())
    report = (atlas / "report.html").read_text(encoding="utf-8")
    assert "Deep Embedded Clustering has not converged" in report
    assert "1 update of the target, last change" in report


def test_tfidf_words_are_learned_from_all_shards_before_the_first_is_embedded(netflix: Atlas) -> None:
    learned = json.loads((Path(netflix.url) / "model" / "encoder.json").read_text(encoding="utf-8"))
    assert {"ghost", "stadium", "archive"} <= set(learned["names"])
    shards = sorted((Path(netflix.url) / "embeddings").glob("*.parquet"))
    tables = [pq.read_table(io.BytesIO(shard.read_bytes())) for shard in shards]
    assert len(tables) == 3
    assert {str(table.schema.field("embedding").type) for table in tables} == {
        "fixed_size_list<element: halffloat>[60]"
    }
    assert tables[0]["labels"][0].as_py()


def test_an_interrupted_training_leaves_nothing_and_gives_the_same_bytes(
    netflix: Atlas, tmp_path: Path, tables: Any, world_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidatlas.pipeline import networks

    recipe = vidatlas.load_recipe(
        "netflix",
        SMALL | TINY_NETWORK | {"encoder": {"kind": "tfidf", "dim": 60}, "reduce.reducer.checkpoint_every": 2},
    )
    inputs, atlas = [tables.films(tmp_path)], tmp_path / "atlas"
    vidatlas.run(recipe, inputs, tmp_path / "whole", Options(runner="serial"))
    with monkeypatch.context() as patched:
        patched.setattr(networks, "tune", stop)
        with pytest.raises(KeyboardInterrupt):
            vidatlas.run(recipe, inputs, atlas, Options(runner="serial", take_over=True))
    assert list((atlas / "training").glob("autoencoder-*.safetensors"))
    vidatlas.run(recipe, inputs, atlas, Options(runner="serial", take_over=True))
    assert not list((atlas / "training").glob("*"))
    assert world_class.hashes(atlas) == world_class.hashes(tmp_path / "whole")


def test_a_user_without_tags_is_said_and_counts_are_kept(tmp_path: Path, tables: Any) -> None:
    recipe = vidatlas.load_recipe("tiktok-hashtags", SMALL)
    atlas = vidatlas.run(recipe, tables.hashtags(tmp_path), tmp_path / "atlas", Options(runner="serial"))
    counts = atlas.counts
    assert counts["rejects"] == {"excluded": 80, "no_terms": 40}
    assert counts["kept"] + counts["duplicates"] == 80
    frame = atlas.subcategories()
    assert set(frame["group"]) == {"ann", "ben"}
    assert sum(count for scores in frame["scores"] for count in scores) == 80
    assert all(row.name == " · ".join(list(row.terms)[:3]) for row in frame.itertuples(index=False))
    report = Path(atlas.report).read_text(encoding="utf-8")
    row = next(frame.itertuples(index=False))
    assert f"<li><bdi>{row.terms[0]}</bdi> <small>×{row.scores[0]:.0f}</small></li>" in report
    assert "A group is named after its most frequent hashtags." in report
    assert "1 user has no hashtags to keep: mute" in report
    assert "1 of 2 files holds no rows: empty.csv" in report
    tables_of = [pq.read_table(path) for path in sorted((tmp_path / "atlas" / "embeddings").glob("*.parquet"))]
    assert sum(sum(table["count"].to_pylist()) for table in tables_of) == 80


def test_a_video_that_stands_in_two_files_is_counted_once(tmp_path: Path, tables: Any) -> None:
    header, rows = ["id", "user_name", "hashtags"], [[f"{number}", "ann", "['dance', 'food']"] for number in range(6)]
    mute = [["", "ann", "dance"], ["", "ann", "dance"]]
    inputs = [tables.write(tmp_path / "a.csv", header, rows), tables.write(tmp_path / "b.csv", header, rows[2:] + mute)]
    atlas = vidatlas.run(
        vidatlas.load_recipe("tiktok-hashtags", SMALL), inputs, tmp_path / "atlas", Options(runner="serial")
    )
    shards = [pq.read_table(path).to_pylist() for path in (tmp_path / "atlas" / "embeddings").glob("*.parquet")]
    assert {row["term"]: row["count"] for shard in shards for row in shard} == {"dance": 8, "food": 6}
    assert (atlas.counts["read"], atlas.counts["duplicates"]) == (22, 20)


def test_users_without_tags_and_empty_files_are_named_behind_the_plan(
    tmp_path: Path, tables: Any, main: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs = tables.hashtags(tmp_path)
    assert main(["plan", "tiktok-hashtags", *inputs, str(tmp_path / "atlas"), "--set", "encoder.kind=hashing"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "note 1 user has no hashtags to keep: mute note 1 of 2 files holds no rows: empty.csv" in said


def test_all_users_together_and_another_column_are_settings(tmp_path: Path, tables: Any) -> None:
    rows = [
        [str(number), "u", f"[{{'word': 'dance{number % 9}', 'id': 1}}, {{'word': 'food'}}]"] for number in range(30)
    ]
    inputs = [tables.write(tmp_path / "words.csv", ["id", "user_name", "suggested_words"], rows)]
    changes = {"source.explode.column": "suggested_words", "record.id": "term", "record.group": None}
    recipe = vidatlas.load_recipe("tiktok-hashtags", SMALL | changes)
    atlas = vidatlas.run(recipe, inputs, tmp_path / "atlas", Options(runner="serial"))
    assert (atlas.counts["read"], atlas.counts["kept"]) == (60, 10)
    frame = atlas.subcategories()
    counts = {term: count for row in frame.itertuples() for term, count in zip(row.terms, row.scores, strict=True)}
    assert counts["food"] == 30


def test_nothing_but_users_without_tags_is_one_line(tmp_path: Path, tables: Any) -> None:
    inputs = [tables.write(tmp_path / "mute.csv", ["id", "user_name", "hashtags"], [["1", "u", "[]"]])]
    with pytest.raises(vidatlas.VidatlasError, match="holds no embedded rows") as caught:
        vidatlas.run(vidatlas.load_recipe("tiktok-hashtags", SMALL), inputs, tmp_path / "a", Options(runner="serial"))
    assert caught.value.exit_code == 3


@pytest.fixture(scope="module")
def rated_films(tmp_path_factory: pytest.TempPathFactory, tables: Any) -> tuple[Atlas, Path]:
    folder = tmp_path_factory.mktemp("rated")
    inputs, changes = rated(tables, None, folder)
    recipe = vidatlas.load_recipe("movielens-factors", changes)
    return vidatlas.run(recipe, inputs, folder / "atlas", Options(runner="serial")), folder


def test_films_lie_by_their_largest_factor_and_the_largest_are_their_classes(rated_films: tuple[Atlas, Path]) -> None:
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
    assert "Café" in report


def test_films_of_a_factor_are_ranked_by_it_and_one_that_nobody_rated_has_no_class(tmp_path: Path, tables: Any) -> None:
    items, ratings = tables.movielens(tmp_path)
    lines = Path(ratings).read_text(encoding="utf-8").splitlines(keepends=True)
    Path(ratings).write_text("".join(line for line in lines if line.split("\t")[1] != "7"), encoding="utf-8")
    recipe = vidatlas.load_recipe("movielens-factors", rated_settings(ratings))
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
        settings = rated_settings(ratings) | {key.replace("_", "."): value for key, value in changes.items()}
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
    vidatlas.run(vidatlas.load_recipe("movielens-factors", rated_settings(ratings)), items, films, serial)
    recipe = vidatlas.load_recipe("movielens-reviews", SMALL | {"reduce.probe.classes": films})
    atlas = vidatlas.run(recipe, reviews, tmp_path / "atlas", serial)
    assert atlas.metrics["probe"]["told"] == 2
    vidatlas.reduce(films, {"reduce.clusterer.top": 3}, serial)
    assert vidatlas.run(recipe, reviews, tmp_path / "atlas", serial).metrics["probe"]["told"] == 3


def test_reviews_are_probed_by_the_classes_of_their_films(
    rated_films: tuple[Atlas, Path], tmp_path: Path, tables: Any
) -> None:
    films, _ = rated_films
    settings = SMALL | {"reduce.probe.classes": films.url, "encoder.dim": 200}
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
    assert "Labels told, by group" in report
    assert report.count("<li><b><bdi>Café") == 12
    assert "had not seen any of them" in report
    assert "labels of reviews of films it has not seen" in report
    vidatlas.reduce(atlas.url, {"reduce.probe.folds": 13}, Options("serial"))
    vidatlas.publish(atlas.url, {}, Options("serial"))
    report = Path(atlas.report).read_text(encoding="utf-8")
    assert "there were too few films to keep whole ones from it" in report
    assert "had not seen" not in report


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
    recipe = vidatlas.load_recipe("movielens-reviews", SMALL | settings)
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
    settings = SMALL | {"reduce.probe": {"classes": films.url, "without": list(range(6))}}
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
    recipe = vidatlas.load_recipe("movielens-reviews", SMALL | {"reduce.probe.classes": netflix.url})
    with pytest.raises(vidatlas.VidatlasError, match=r"has no classes\. Make it with reduce\.clusterer=axes"):
        vidatlas.run(recipe, [tables.reviews(tmp_path)], tmp_path / "atlas", Options(runner="serial"))
    assert not (tmp_path / "atlas").exists()


def test_files_that_a_recipe_needs_are_missed_before_the_work_begins(tmp_path: Path, tables: Any, main: Any) -> None:
    nowhere = str(tmp_path / "nowhere")
    recipe = vidatlas.load_recipe("movielens-reviews", SMALL | {"reduce.probe.classes": nowhere})
    with pytest.raises(vidatlas.VidatlasError, match="reduce is not done yet") as caught:
        vidatlas.run(recipe, [tables.reviews(tmp_path)], tmp_path / "atlas", Options(runner="serial"))
    assert caught.value.exit_code == 2
    items, _ = tables.movielens(tmp_path)
    settings = ["--set", f"encoder.ratings.file={nowhere}", "--runner", "serial"]
    assert main(["run", "movielens-factors", items, str(tmp_path / "films"), *settings]) == 3
    assert not (tmp_path / "films").exists()


def test_a_column_that_a_table_lacks_is_named(tmp_path: Path, tables: Any) -> None:
    inputs = tables.hashtags(tmp_path)
    recipe = vidatlas.load_recipe("tiktok-hashtags", SMALL | {"source.explode.column": "suggested_words"})
    message = r"no such column: suggested_words\. The header names: id, user_name, hashtags\."
    with pytest.raises(vidatlas.VidatlasError, match=message):
        vidatlas.run(recipe, inputs, tmp_path / "atlas", Options(runner="serial"))


def test_the_app_searches_where_there_is_one_group_and_says_where_words_say_nothing(
    netflix: Atlas, rated_films: tuple[Atlas, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["page.py", netflix.url])
    app = AppTest.from_file(str(PAGE), default_timeout=120).run()
    app.sidebar.radio(key="page").set_value("Search").run()
    assert not [box for box in app.selectbox if box.key == "group"]
    app.text_input(key="query").set_value("ghost").run()
    assert len([button for button in app.button if button.key.startswith("like-")]) == 12
    monkeypatch.setattr(sys, "argv", ["page.py", rated_films[0].url])
    app = AppTest.from_file(str(PAGE), default_timeout=120).run()
    app.sidebar.radio(key="page").set_value("Search").run()
    app.text_input(key="query").set_value("ghost").run()
    assert not app.exception
    assert any("(factors) knows nothing in" in shown.proto.body for shown in app.get("html"))
