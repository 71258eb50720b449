"""An atlas whose pictures are encoded by CLIP's image tower, with random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

import vidatlas
from vidatlas import Options
from vidatlas.cli.main import main
from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.pipeline.publish import images as imaging
from vidatlas.pipeline.publish import images as picturing
from vidatlas.storage.manifest import PictureFacts
from vidatlas.storage.store import Store

SERIAL = Options(runner="serial", max_rejects=0.2)
ROWS = 40
COLOURS = ((220, 40, 30), (30, 90, 220))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def made(tiny_clip_whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return an atlas of 40 videos, red pictures and blue ones in turn, and one whose picture is empty; its folder."""
    folder = tmp_path_factory.mktemp("clip-atlas")
    model = shutil.copytree(tiny_clip_whole, folder / "model")
    (folder / "images").mkdir()
    rows, random = [], np.random.default_rng(5)
    for number in range(ROWS + 1):
        title = f"{('guitar concert', 'algebra proof')[number // 2 % 2]} number {number}"
        rows.append({"display_id": f"v{number}", "categories": "g", "channel_id": f"c{number}", "title": title})
        blocks = np.kron(random.integers(-60, 60, (6, 8, 3)), np.ones((8, 8, 1), int))
        Image.fromarray(np.clip(COLOURS[number % 2] + blocks, 0, 255).astype(np.uint8)).save(
            folder / "images" / f"v{number}.jpg"
        )
    (folder / "images" / f"v{ROWS}.jpg").write_bytes(b"")
    (folder / "videos.jsonl").write_text("".join(json.dumps({**row, "tags": ""}) + "\n" for row in rows))
    changes = {
        "encoder": {"kind": "hashing", "dim": 64},
        "record.image.folder": str(folder / "images"),
        "source.shard_rows": 15,
        "reduce.pca.components": 8,
        "reduce.clusters.k": 2,
        "publish.pictures.kind": "clip",
        "publish.pictures.model": str(model),
        "publish.pictures.dtype": "float32",
        "publish.pictures.batch": 4,
    }
    recipe = vidatlas.load_recipe("youtube-recommender", changes)
    return vidatlas.run(recipe, str(folder / "videos.jsonl"), folder / "atlas", SERIAL), folder


@pytest.fixture
def own(made: Any, tmp_path: Path) -> Any:
    """Return a copy of the atlas, and of its model and images for tests that change them, on the recipe's own paths."""
    atlas, folder = made
    for name in ("model", "images"):
        shutil.copytree(folder / name, tmp_path / name)
    yield vidatlas.open_atlas(shutil.copytree(Path(atlas.url), tmp_path / "atlas")), folder
    for name in ("model", "images"):
        shutil.rmtree(folder / name)
        shutil.copytree(tmp_path / name, folder / name)


def test_an_empty_picture_is_a_reject(made: Any) -> None:
    atlas, _ = made
    assert atlas.counts["rejects"] == {"unreadable_image": 1}
    assert vidatlas.verify(atlas.url)["kept"] == ROWS


def test_each_method_follows_its_modality(made: Any) -> None:
    atlas, folder = made
    image = folder / "images" / "v7.jpg"
    found = {
        method: [int(one.id[1:]) for one in atlas.recommend(image, "guitar concert", ROWS, method)]
        for method in ("text", "image", "hybrid")
    }
    assert {number // 2 % 2 for number in found["text"][:6]} == {0}
    assert {number % 2 for number in found["image"][:6]} == {1}
    assert found["image"][0] == 7

    def fused(number: int) -> float:
        return -1 / (61 + found["text"].index(number)) - 0.3 / (61 + found["image"].index(number))

    assert found["hybrid"] == sorted(range(ROWS), key=fused)
    assert found["hybrid"] not in (found["text"], found["image"])
    assert {int(one.id[1:]) % 2 for one in atlas.suggest("v7", 5, "picture")} == {1}
    (folder / "empty.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot be read"):
        atlas.recommend(folder / "empty.jpg", method="image")


def test_the_atlas_says_which_weights_encoded_its_pictures(made: Any, tiny_clip_whole: Path) -> None:
    atlas, folder = made
    store = Store(atlas.url)
    facts = store.read_json("index/pictures.json", PictureFacts)
    weights = picturing.ClipPicturesSpec(model=str(tiny_clip_whole)).find().weights_sha256
    assert (facts["pictures"], facts["encoder"]["weights_sha256"], facts["encoder"]["dim"]) == (ROWS, weights, 24)
    assert (facts["encoder"]["model"], facts["encoder"]["revision"]) == (str(folder / "model"), None)
    assert store.stage("publish")["pictures"]["encoder"] == facts["encoder"]
    assert picturing.MODEL not in store.stage("publish")["files"]
    report = (Path(atlas.url) / "report.html").read_text()
    assert weights in report
    assert "image tower of" in report
    assert 'id="losses"' not in report


def test_vectors_are_the_features_of_the_files(made: Any) -> None:
    atlas, folder = made
    table = atlas.table("pictures")
    ids, vectors = table["id"].tolist(), np.stack(table["vector"].tolist())
    encoder = picturing.open_pictures(Store(atlas.url), atlas._recipe)
    pictures = np.array([encoder.read(folder / "images" / f"{name}.jpg") for name in ids])
    assert vectors.shape == (ROWS, 24)
    np.testing.assert_allclose(vectors, encoder.encode(pictures), atol=1e-5)


def test_publishing_again_gives_the_same_bytes(own: Any) -> None:
    atlas, _ = own
    names = ("index/pictures.faiss", "index/pictures.json", "model/pictures.index.safetensors")
    before = [(Path(atlas.url) / name).read_bytes() for name in names]
    picturing._tower.cache_clear()
    vidatlas.publish(atlas.url, {"publish.title": "Again"}, SERIAL)
    assert [(Path(atlas.url) / name).read_bytes() for name in names] == before


def test_a_picture_is_not_compared_by_other_weights(own: Any) -> None:
    atlas, folder = own
    weights = load_file(folder / "model" / "model.safetensors")
    weights["visual_projection.weight"] = weights["visual_projection.weight"] + 1
    save_file(weights, folder / "model" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConflictError, match="weights_sha256"):
        atlas.recommend(folder / "images" / "v7.jpg", method="image")


def test_a_trained_encoder_is_known_by_its_weights_too(own: Any, reseal: Callable[[Path, str], None]) -> None:
    atlas, folder = own
    small = {"kind": "autoencoder", "width": 16, "height": 8, "channels": [4], "latent": 4, "epochs": 1}
    vidatlas.publish(atlas.url, {"publish.pictures": small}, SERIAL)
    atlas = vidatlas.open_atlas(atlas.url)
    assert len(atlas.recommend(folder / "images" / "v7.jpg", k=3, method="image")) == 3
    model = Path(atlas.url) / picturing.MODEL
    weights = load_file(model)
    save_file({name: value + 1 for name, value in weights.items()}, model)
    reseal(Path(atlas.url), picturing.MODEL)
    with pytest.raises(ConflictError, match="weights_sha256"):
        atlas.recommend(folder / "images" / "v7.jpg", method="image")


def test_an_image_that_is_gone_stops_publishing(own: Any) -> None:
    atlas, folder = own
    (folder / "images" / "v3.jpg").unlink()
    with pytest.raises(InputError, match=r"v3\.jpg"):
        vidatlas.publish(atlas.url, {"publish.title": "Again"}, SERIAL)


def test_workers_must_agree() -> None:
    one = {"weights_sha256": "a", "device": "cpu"}
    assert imaging._one_of([one, dict(one)]) == one
    with pytest.raises(ConflictError, match="device: cpu and cuda"):
        imaging._one_of([one, one | {"device": "cuda"}])


def test_a_model_that_is_not_there_is_missed_before_the_work_begins(made: Any, tmp_path: Path, capsys: Any) -> None:
    _, folder = made
    settings = ["encoder={kind: hashing, dim: 8}", f"record.image.folder={folder / 'images'}",
                "publish.pictures={kind: clip, model: /nowhere}"]  # fmt: skip
    given = [part for setting in settings for part in ("--set", setting)]
    command = ["run", "youtube-recommender", str(folder / "videos.jsonl"), str(tmp_path / "atlas"), *given]
    assert main([*command, "--runner", "serial"]) == 2
    assert "--set publish.pictures.model" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "atlas").exists()
