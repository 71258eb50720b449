"""A recommender from invented videos whose thumbnails and titles tell different things."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import vidatlas
from vidatlas import Options
from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.suggest import fused
from vidatlas.pipeline.publish import images as picturing

SERIAL = Options(runner="serial", max_rejects=0.2)
ROWS = 60
SUBJECTS = ("guitar piano concert", "creeper redstone village", "algebra theorem proof")


def picture(number: int) -> Image.Image:
    """Return a picture with one bright half, by the number's remainder."""
    found = np.full((24, 32, 3), 20 + number % 5, np.uint8)
    found[[np.s_[:, :16], np.s_[:, 16:]][number % 2]] = 230
    return Image.fromarray(found)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return an atlas of 60 videos with pictures, and 2 whose picture is broken or absent; and its folder of images."""
    folder = tmp_path_factory.mktemp("recommender")
    images = folder / "images"
    images.mkdir()
    rows = []
    for number in range(ROWS + 2):
        subject = number % 3
        title = f"{SUBJECTS[subject]} number {number}"
        group, channel = f"g{subject}", f"c{number % 20}"
        rows.append(
            {"display_id": f"v{number}", "categories": group, "channel_id": channel, "title": title, "tags": ""}
        )
        if number < ROWS:
            picture(number).save(images / f"v{number}.jpg")
    (images / f"v{ROWS}.jpg").write_bytes(b"broken")
    part = folder / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {
        "encoder": {"kind": "hashing", "dim": 64},
        "record.image.folder": str(images),
        "source.shard_rows": 25,
        "reduce.pca.components": 8,
        "reduce.clusters.k": 2,
        "publish.pictures": {
            "kind": "autoencoder",
            "width": 16,
            "height": 8,
            "channels": [4, 8],
            "latent": 4,
            "epochs": 6,
            "batch": 8,
        },
    }
    recipe = vidatlas.load_recipe("youtube-recommender", changes)
    return vidatlas.run(recipe, str(part), folder / "atlas", SERIAL), images


def test_a_picture_that_cannot_be_read_is_a_reject(made: Any) -> None:
    atlas, _ = made
    assert atlas.counts["rejects"] == {"unreadable_image": 2}
    assert atlas.counts["kept"] == ROWS
    assert vidatlas.verify(atlas.url)["kept"] == ROWS


def test_the_error_falls_and_the_report_shows_it(made: Any) -> None:
    atlas, _ = made
    losses = json.loads((Path(atlas.url) / "index" / "pictures.json").read_text())["losses"]
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    report = (Path(atlas.url) / "report.html").read_text()
    assert "Reconstruction error" in report
    assert "Denoising auto-encoder of the images" in report
    assert f"From {losses[0]:.3g} to {losses[-1]:.3g} (the dot)." in report


def test_each_method_follows_its_modality(made: Any) -> None:
    atlas, images = made
    numbers = {
        method: [int(found.id[1:]) for found in atlas.recommend(images / "v7.jpg", "guitar piano concert", 8, method)]
        for method in ("text", "image", "hybrid")
    }
    assert {number % 3 for number in numbers["text"]} == {0}
    assert {number % 2 for number in numbers["image"]} == {1}
    # Odd and a multiple of three: alike in both.
    assert {number % 6 for number in numbers["hybrid"][:4]} == {3}
    hybrid = atlas.recommend(images / "v7.jpg", "guitar piano concert", 3, "hybrid")
    assert hybrid[0].reasons == ("similar title", "similar picture")


def test_what_is_like_a_video_of_the_atlas(made: Any) -> None:
    atlas, _ = made
    assert {"picture", "both"} <= atlas.methods.keys()
    by_picture = atlas.suggest("v7", 6, "picture")
    assert {int(found.id[1:]) % 2 for found in by_picture} == {1}
    assert "v7" not in [found.id for found in by_picture]
    assert all("similar picture" in found.reasons for found in by_picture)
    by_both = atlas.suggest("v7", 4, "both")
    assert {int(found.id[1:]) % 3 for found in by_both} == {1}


def test_thumbnails_are_made_anew(made: Any, small_atlas: Any) -> None:
    atlas, _ = made
    small = atlas.thumbnail_at(atlas.finder.position("v7"), (8, 8))
    assert Image.open(io.BytesIO(small)).size == (8, 6)
    assert vidatlas.open_atlas(small_atlas.url).thumbnail_at(0, (8, 8)) is None
    assert {"picture"}.isdisjoint(vidatlas.open_atlas(small_atlas.url).methods)


def test_the_app_shows_pictures(made: Any) -> None:
    from starlette.testclient import TestClient

    from vidatlas.app.serving import prepare

    atlas, _ = made
    app = TestClient(prepare(atlas.url), "http://127.0.0.1")
    shown = app.get("/discover?seed=1").text
    images = re.findall(r'<img src="([^"]+)" alt="Thumbnail of [^"]+"', shown)
    assert len(images) == 12
    sent = app.get(images[0])
    assert sent.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(sent.content)).size == (32, 24)
    alike = app.get("/video", params={"id": "v7", "method": "picture"}).text
    assert "similar picture" in alike
    assert alike.count("<img") > 6
    assert app.get("/image/99999999999999999999.jpg").status_code == 400


def test_no_channel_fills_the_list(made: Any) -> None:
    atlas, images = made
    found = [int(one.id[1:]) % 20 for one in atlas.recommend(images / "v7.jpg", "piano", 20, "hybrid")]
    assert max(found.count(channel) for channel in found) <= 2


def test_what_is_missing_is_said(made: Any, small_atlas: Any, tmp_path: Path) -> None:
    atlas, _ = made
    (tmp_path / "bad.jpg").write_bytes(b"bad")
    with pytest.raises(UsageError, match="needs a title"):
        atlas.recommend(method="text")
    with pytest.raises(UsageError, match="needs an image"):
        atlas.recommend(title="a", method="image")
    with pytest.raises(UsageError, match="cannot be read"):
        atlas.recommend(tmp_path / "bad.jpg", "a", method="image")
    with pytest.raises(UsageError, match="no pictures"):
        vidatlas.open_atlas(small_atlas.url).recommend(tmp_path / "bad.jpg", "a", method="image")


def test_a_trained_encoder_is_kept_and_an_interrupted_training_resumes(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas, model = shutil.copytree(made[0].url, tmp_path / "atlas"), tmp_path / "atlas" / picturing.MODEL
    before, real, saved, begun = model.read_bytes(), picturing.SavedTraining, [], []

    class Watched(real):  # type: ignore[misc, valid-type]
        def resume(self, *arguments: Any) -> Any:
            found = super().resume(*arguments)
            begun.append(len(found["losses"]) if found else 0)
            return found

        def save(self, *arguments: Any) -> None:
            super().save(*arguments)
            saved.append(list((atlas / "training").iterdir()))
            if len(saved) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(picturing, "SavedTraining", Watched)
    vidatlas.publish(atlas, {"publish.title": "Again"}, SERIAL)
    assert begun == []
    assert model.read_bytes() == before
    assert load_file(model).keys() == {name for name in load_file(model) if name.startswith("model.")}
    with pytest.raises(KeyboardInterrupt):
        vidatlas.publish(atlas, {"publish.pictures.seed": 1}, SERIAL)
    vidatlas.publish(atlas, {"publish.pictures.seed": 2}, SERIAL)
    assert begun == [0, 0]
    assert not list((atlas / "training").iterdir())
    other = model.read_bytes()
    saved.clear()
    with pytest.raises(KeyboardInterrupt):
        vidatlas.publish(atlas, {"publish.pictures.seed": 0}, SERIAL)
    assert model.read_bytes() == other != before
    vidatlas.publish(atlas, {"publish.pictures.seed": 0}, SERIAL)
    assert begun == [0, 0, 0, 5]
    assert model.read_bytes() == before
    assert not list((atlas / "training").iterdir())
    model.write_bytes(other)
    (atlas / "atlas.json").write_text(json.dumps(unpublished(atlas)))
    vidatlas.publish(atlas, {}, SERIAL)
    assert begun == [0, 0, 0, 5, 0]
    assert model.read_bytes() == before


def unpublished(atlas: Path) -> Any:
    manifest = json.loads((atlas / "atlas.json").read_text())
    del manifest["stages"]["publish"]
    return manifest


def test_ranks_are_fused_whatever_the_scores() -> None:
    lists = {"a": {1: 0.9, 2: 0.8, 3: 0.1}, "b": {3: 500.0, 2: 400.0}}
    found = fused(lists)
    assert [row for row, _, _ in found] == [3, 2, 1]
    assert found[0][1] == pytest.approx(1 / 63 + 1 / 61)
    assert found[0][2] == ("a", "b")
    weighed = fused({"similar title": {1: 0.5}, "similar picture": {2: 0.9}})
    assert [row for row, _, _ in weighed] == [1, 2]
    assert fused({"a": {5: 0.2}}) == [(5, 0.2, ("a",))]
