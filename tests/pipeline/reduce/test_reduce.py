"""The whole reduction: every solver, rule and backend on ordinary and on hardly any data; what ran is on record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidatlas
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.reduce.clusters import draw_rows
from vidatlas.pipeline.reduce.metrics import CURVE
from vidatlas.pipeline.reduce.models import load_centroids
from vidatlas.recipe import load_recipe
from vidatlas.storage.store import Store

SERIAL = vidatlas.Options(runner="serial", max_rejects=1.0)


def row(number: int, **other: Any) -> dict[str, Any]:
    return {"display_id": f"v{number}", "title": f"title {number}", "tags": "a,b", "categories": "Music", **other}


DEGENERATE = {
    "one row": [row(0)],
    "fewer rows than k and components": [row(number) for number in range(3)],
    "identical rows": [row(number, title="same") for number in range(40)],
    "one group": [row(number) for number in range(40)],
    "no groups": [row(number, categories=None) for number in range(40)],
    "groups of one": [row(number, categories=f"group {number}") for number in range(5)],
    "two texts": [row(number, title=f"title {number % 2}", categories="ab"[number % 3 % 2]) for number in range(40)],
}
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"reduce.clusters.k": 4},
    "scaled": {"reduce.clusters.k": 4, "reduce.pca.whiten": True, "reduce.pca.normalize": True},
    "incremental, scaled": {
        "reduce.pca.solver": "incremental",
        "reduce.pca.whiten": True,
        "reduce.pca.normalize": True,
    },
    "share": {"reduce.pca.components": 0.8, "reduce.clusters.k": "proportional", "reduce.clusters.rows_each": 7},
    "auto over all": {
        "reduce.pca": {"solver": "incremental", "components": 0.5},
        "reduce.clusters": {"k": "auto", "within": "all"},
    },
    "auto": {"reduce.clusters.k": "auto"},
    "words": {"reduce.lexical": {"components": 4, "buckets": 64}, "reduce.clusters.k": 4},
}


def made(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> str:
    part, atlas = folder / "videos.jsonl", folder / "atlas"
    part.write_text("".join(json.dumps(one) + "\n" for one in rows))
    recipe = {"encoder": {"kind": "hashing", "dim": 16}, "source.shard_rows": 9, "reduce.pca.components": 8}
    recipe |= {"reduce.lexical.buckets": 1024}
    vidatlas.run(load_recipe("demo", recipe | changes), str(part), str(atlas), SERIAL)
    return str(atlas)


def finite(data: Any) -> bool:
    if isinstance(data, dict):
        return all(map(finite, data.values()))
    if isinstance(data, list):
        return all(map(finite, data))
    return not isinstance(data, float) or bool(np.isfinite(data))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an atlas of each degenerate input; tests copy it before they reduce it anew."""
    return {name: made(tmp_path_factory.mktemp("few"), rows) for name, rows in DEGENERATE.items()}


@pytest.mark.parametrize("backend", ["sklearn", "torch"])
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("data", DEGENERATE)
def test_hardly_any_data_gives_a_smaller_k_and_a_note(
    data: str, recipe: str, backend: Any, embedded: dict[str, str], tmp_path: Path
) -> None:
    url = str(shutil.copytree(embedded[data], tmp_path / "atlas"))
    entry = vidatlas.reduce(url, RECIPES[recipe], vidatlas.Options(runner="serial", backend=backend))
    vidatlas.publish(url, options=vidatlas.Options(runner="serial"))
    atlas = vidatlas.open_atlas(url)
    rows = len(DEGENERATE[data])
    table, placed = atlas.subcategories(), atlas.assignments()
    assert table["size"].sum() == len(placed) == rows
    assert (table["size"] > 0).all()
    assert np.isfinite(placed["distance"]).all()
    assert finite(atlas.metrics)
    assert entry["backend"]["name"] == backend
    components = np.concatenate(list(load_centroids(Store(url)).values()))
    assert np.isfinite(components).all()
    if rows < 4 and RECIPES[recipe].get("reduce.clusters.k") == 4:
        assert entry["notes"] == [f"Music: {rows} instead of 4 subcategories ({rows} distinct rows)"]
    if data == "identical rows":
        assert (len(table), atlas.metrics["explained_variance"]["total"]) == (1, 0)
        assert placed["distance"].max() == 0


def test_clusters_over_all_groups_keep_each_records_group(embedded: dict[str, str], tmp_path: Path) -> None:
    url = str(shutil.copytree(embedded["groups of one"], tmp_path / "atlas"))
    vidatlas.reduce(url, {"reduce.clusters": {"within": "all", "k": 2}}, SERIAL)
    atlas = vidatlas.open_atlas(url)
    assert set(atlas.assignments()["group"]) == {f"group {number}" for number in range(5)}
    assert set(atlas.assignments()["in_group"]) == {"(all)"}
    assert atlas.subcategories()["group"].tolist() == ["(all)", "(all)"]
    assert atlas.metrics["groups"]["(all)"]["rows"] == 5
    vidatlas.verify(url)
    new = tmp_path / "new.jsonl"
    new.write_text(json.dumps(row(3, categories="group 3")) + "\n")
    vidatlas.assign(url, str(new), str(tmp_path / "out.parquet"))
    import pandas as pd

    (placed,) = pd.read_parquet(tmp_path / "out.parquet").to_dict("records")
    assert (placed["group"], placed["in_group"]) == ("group 3", "(all)")
    assert placed["subcategory"] == atlas.assignments().set_index("id").loc["v3", "subcategory"]


@pytest.mark.parametrize("recipe", ["scaled", "incremental, scaled", "share"])
def test_new_videos_are_scaled_as_the_atlas_was(recipe: str, small_atlas: Any, tmp_path: Path) -> None:
    import pandas as pd

    url = str(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    vidatlas.reduce(url, RECIPES[recipe], SERIAL)
    vidatlas.assign(url, str(small_atlas.part), str(tmp_path / "out.parquet"))
    placed = pd.read_parquet(tmp_path / "out.parquet")
    theirs = vidatlas.open_atlas(url).assignments().set_index("id").loc[placed["id"]]
    clear = theirs["margin"].isna().to_numpy() | (theirs["margin"].to_numpy() > 1e-2)
    np.testing.assert_array_equal(placed["subcategory"][clear], theirs["subcategory"].to_numpy()[clear])
    np.testing.assert_allclose(placed["distance"], theirs["distance"], atol=1e-2)


def test_metrics_hold_the_whole_curve_the_inertia_and_how_k_was_found(small_atlas: Any, tmp_path: Path) -> None:
    url = str(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    vidatlas.reduce(url, {"reduce.clusters.k": "auto", "reduce.pca.components": 3}, SERIAL)
    atlas = vidatlas.open_atlas(url)
    metrics, placed = atlas.metrics, atlas.assignments()
    variance = metrics["explained_variance"]
    assert (variance["components"], variance["dimensions"], len(variance["ratio"])) == (3, 64, 3)
    assert len(variance["cumulative"]) == min(64, CURVE)
    assert variance["cumulative"][-1] == pytest.approx(1)
    assert variance["cumulative"][2] == pytest.approx(variance["total"])
    assert metrics["k"]["rule"] == "auto"
    for group, found in metrics["groups"].items():
        squares = (placed.loc[placed["group"] == group, "distance"].astype(float) ** 2).sum()
        assert found["inertia"] == pytest.approx(squares, rel=1e-9)
        assert found["subcategories"] in [k for k, _ in found["curve"]]
        assert [k for k, _ in found["curve"]] == sorted(k for k, _ in found["curve"])


def test_another_backend_makes_the_clusters_anew_and_the_same_does_not(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    url = str(shutil.copytree(embedded["one group"], tmp_path / "atlas"))

    def seal(backend: Any) -> Any:
        vidatlas.reduce(url, {}, vidatlas.Options(runner="serial", backend=backend))
        return (Path(url) / "atlas.json").stat().st_mtime_ns, vidatlas.reduce(url, {}, SERIAL)["backend"]["name"]

    before, name = seal("sklearn")
    assert (before, name) == seal(None)
    after, name = seal("torch")
    assert (after > before, name) == (True, "torch")
    assert (after, "torch") == seal("torch")


def test_a_backend_that_cannot_run_here_is_refused_before_anything_is_lost(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    url = str(shutil.copytree(embedded["one group"], tmp_path / "atlas"))
    options = vidatlas.Options(runner="serial", backend="cuml")
    with pytest.raises(UsageError, match="--backend cuml: "):
        vidatlas.reduce(url, {}, options)
    assert vidatlas.status(url)["stages"]["reduce"]
    with pytest.raises(UsageError, match="--backend cuml: "):
        vidatlas.run("demo", str(tmp_path / "none"), str(tmp_path / "other"), options)


def test_no_rows_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no embedded rows"):
        made(tmp_path, [row(0, title="", tags="")])


def test_rows_of_a_group_are_drawn_by_their_numbers_from_the_shards_that_hold_them(
    embedded: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidatlas.storage import tables as grouped

    store = Store(embedded["one group"])
    places = [(f"videos-{shard:05d}", 9 if shard < 4 else 4) for shard in range(5)]
    names = sorted(path.stem for path in (Path(store.url) / "reduced").iterdir())
    places = [(name, rows) for name, (_, rows) in zip(names, places, strict=True)]
    whole = draw_rows(store, places, "Music", np.arange(40))
    opened: list[str] = []
    real = grouped.group_rows
    monkeypatch.setattr(
        grouped, "group_rows", lambda store, shard, group: opened.append(shard) or real(store, shard, group)
    )
    chosen = np.array([0, 8, 30, 39])
    np.testing.assert_array_equal(draw_rows(store, places, "Music", chosen), whole[chosen])
    assert opened == [names[0], names[3], names[4]]


def test_clusters_over_all_groups_are_held_against_the_groups(small_atlas: Any, tmp_path: Path) -> None:
    url = str(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    inside = json.loads((tmp_path / "atlas" / "metrics.json").read_text())
    assert inside["agreement"] is None
    assert set(inside["overall"]) == {"silhouette", "davies_bouldin", "stability", "coherence"}
    vidatlas.reduce(url, {"reduce.clusters": {"within": "all", "k": 12}}, SERIAL)
    metrics = json.loads((tmp_path / "atlas" / "metrics.json").read_text())
    assert metrics["agreement"]["clusters"] == metrics["groups"]["(all)"]["subcategories"]
    assert metrics["agreement"]["rows"] == metrics["rows"]
    assert 0 < metrics["agreement"]["ami"] <= metrics["agreement"]["nmi"] <= 1


def test_words_join_the_components_and_new_videos_are_placed_by_them(small_atlas: Any, tmp_path: Path) -> None:
    url = str(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
    vidatlas.reduce(url, {"reduce.lexical": {"components": 5, "fit_rows": 150}}, SERIAL)
    store = Store(url)
    (first,) = [name for name in store.stage("reduce")["files"] if name.startswith("reduced/")][:1]
    import pandas as pd

    components = np.stack(pd.read_parquet(Path(url) / first)["components"].tolist())
    assert components.shape[1] == len(vidatlas.open_atlas(url).metrics["explained_variance"]["ratio"]) + 5
    np.testing.assert_allclose(np.linalg.norm(components[:, -5:], axis=1), 1, atol=1e-5)
    vidatlas.assign(url, small_atlas.part, str(tmp_path / "out.parquet"))
    placed = pd.read_parquet(tmp_path / "out.parquet").set_index("id")
    known = vidatlas.open_atlas(url).assignments().set_index("id")
    assert (placed["subcategory"] == known.loc[placed.index, "subcategory"]).all()
