"""Netflix: what is left out, Deep Embedded Clustering, words that are learned, and the app where there is one group."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import vidatlas
from vidatlas import Atlas, Options
from vidatlas.app.serving import prepare


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
    assert "Variance explained by the codes" in report
    assert not re.search("explained variance", report, re.IGNORECASE)
    assert "KL divergence of the soft labels" in report
    assert re.search(r"updates? of the target, last change", report)


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


def stop(*arguments: Any) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_training_leaves_nothing_and_gives_the_same_bytes(
    netflix: Atlas, tmp_path: Path, tables: Any, world_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidatlas.pipeline.reduce import network as networks

    recipe = vidatlas.load_recipe(
        "netflix",
        tables.SMALL
        | tables.TINY_NETWORK
        | {"encoder": {"kind": "tfidf", "dim": 60}}
        | {"reduce.reducer.checkpoint_every": 2, "reduce.clusterer.checkpoint_every": 1},
    )
    inputs, atlas = [tables.films(tmp_path)], tmp_path / "atlas"
    vidatlas.run(recipe, inputs, tmp_path / "whole", Options(runner="serial"))
    with monkeypatch.context() as patched:
        patched.setattr(networks, "tune", stop)
        with pytest.raises(KeyboardInterrupt):
            vidatlas.run(recipe, inputs, atlas, Options(runner="serial", take_over=True))
    assert list((atlas / "training").glob("autoencoder.safetensors"))
    vidatlas.run(recipe, inputs, atlas, Options(runner="serial", take_over=True))
    assert not list((atlas / "training").glob("*"))
    assert world_class.hashes(atlas) == world_class.hashes(tmp_path / "whole")


def test_the_app_searches_where_there_is_one_group_and_says_where_words_say_nothing(
    netflix: Atlas, rated_films: tuple[Atlas, Path]
) -> None:
    app = TestClient(prepare(netflix.url), "http://127.0.0.1")
    assert len(app.get("/api/search", params={"q": "ghost", "k": 12}).json()["videos"]) == 12
    assert 'name="group"' not in app.get("/search?q=ghost").text
    rated = TestClient(prepare(rated_films[0].url), "http://127.0.0.1").get("/api/search", params={"q": "ghost"})
    assert rated.status_code == 400
    assert "(factors) knows nothing in" in rated.json()["error"]
