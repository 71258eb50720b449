"""Promises 1 to 3: whole or nothing, nothing lost and nothing twice, same bytes."""

import gzip
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import vidatlas

CRASH_POINTS = Path(__file__).parents[1] / "chaos" / "crash_points.py"
SETTINGS = {"PYTHONHASHSEED": "7", "TZ": "Asia/Kolkata", "LANG": "C", "LC_ALL": "C"}


@pytest.mark.parametrize(("mode", "every"), [("kill", 8), ("error", 16)])
def test_1_whole_or_nothing(mode: str, every: int, tmp_path: Path) -> None:
    """Die, or see an error, at every system call that writes: one resume makes the very same atlas."""
    world_py = Path(__file__).with_name("world.py")
    command = [sys.executable, str(CRASH_POINTS), str(world_py), str(tmp_path), mode, str(every)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_1_whole_or_nothing_means_flushed_before_it_is_named(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file gets its final name before its bytes are flushed, and the name itself is flushed afterwards."""
    real, flushed, named = {call: getattr(os, call) for call in ("fsync", "replace", "link")}, set(), set()

    def fsync(descriptor: int) -> None:
        at = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        flushed.add(at)
        named.difference_update({file for file in named if str(file.parent) == at})
        real["fsync"](descriptor)

    def naming(call: str) -> Any:
        def name(source: Any, target: Any) -> None:
            assert str(source) in flushed, f"{target} was named before its bytes were flushed"
            real[call](source, target)
            named.add(Path(target))

        return name

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", naming("replace"))
    monkeypatch.setattr(os, "link", naming("link"))
    world.run(tmp_path / "atlas")
    assert flushed
    assert not named, "these names were never flushed"


def nasty(rng: random.Random, part: int) -> list[bytes]:
    """Return lines of every kind, with ids that repeat within and across parts."""
    kinds = [
        b"",
        b"  ",
        b"{",
        b"NaN",
        b"[]",
        b'"text"',
        b'{"display_id": null, "title": "x"}',
        b'{"display_id": "a\\u0000", "title": "x"}',
        b'{"display_id": "mute", "title": " ", "tags": ",,"}',
        b'{"display_id": "odd", "title": {"a": 1}}',
        b'{"display_id": "\xff", "title": "x"}',
        b"[" * 2000,
        b'{"display_id": "s", "title": "\\ud800"}',
    ]
    lines = [rng.choice(kinds) for _ in range(40)]
    for number in range(60):
        row = {"display_id": f"v{rng.randrange(90)}", "categories": rng.choice("ab"), "title": f"{part} {number}"}
        lines.append(json.dumps({**row, "tags": "x,y"}).encode())
    rng.shuffle(lines)
    return [json.dumps({"display_id": "v", "categories": "a", "title": "t", "tags": ""}).encode(), *lines]


def counted(atlas: Path, part: str, lines: list[bytes], seen: set[str]) -> Counter[str]:
    """Hold a part's files against its lines: every line is embedded or stands in the rejects, under its number."""
    kept = [
        row
        for file in sorted((atlas / "embeddings").glob(f"{part}-*"))
        for row in pq.read_table(file, columns=["id", "title"]).to_pylist()
    ]
    rejects = [
        json.loads(text)
        for file in sorted((atlas / "rejects").glob(f"{part}-*"))
        for text in gzip.decompress(file.read_bytes()).decode().splitlines()
    ]
    lost = {reject["line"]: reject for reject in rejects}
    assert len(lost) == len(rejects)
    assert len(kept) + len(rejects) == len(lines)
    left = [json.loads(text) for number, text in enumerate(lines, start=1) if number not in lost]
    assert [row["id"] for row in kept] == [row["display_id"] for row in left]
    assert [row["title"] for row in kept] == [row["title"] for row in left]
    for number, reject in lost.items():
        assert reject["raw"] == lines[number - 1][:800].decode("utf-8", "backslashreplace")[:200]
        if reject["reason"] == "duplicate_id":
            earlier = [text for at, text in enumerate(lines[: number - 1], start=1) if at not in lost]
            known = seen | {json.loads(text)["display_id"] for text in earlier}
            assert json.loads(lines[number - 1])["display_id"] in known
    seen |= {row["id"] for row in kept}
    return Counter("duplicate" if reject["reason"] == "duplicate_id" else "rejected" for reject in rejects)


@pytest.mark.parametrize("seed", [1, 2])
def test_2_nothing_lost_nothing_twice(seed: int, world: Any, tmp_path: Path) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    parts = [nasty(rng, part) for part in range(3)]
    for number, lines in enumerate(parts):
        (tmp_path / f"p{number}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    atlas, inputs = tmp_path / "atlas", [str(tmp_path / f"p{number}.jsonl") for number in range(3)]
    vidatlas.run(world.recipe(), inputs, str(atlas), vidatlas.Options(runner="serial", max_rejects=1.0))
    seen: set[str] = set()
    total: Counter[str] = Counter()
    names = json.loads((atlas / "atlas.json").read_text())["stages"]["plan"]["parts"]
    for part, lines in zip(names, parts, strict=True):
        total += counted(atlas, part, lines, seen)
    counts = vidatlas.status(str(atlas))["counts"]
    assert counts["read"] == sum(map(len, parts)) == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert counts["kept"] == len(seen)
    assert (counts["rejected"], counts["duplicates"]) == (total["rejected"], total["duplicate"])
    ids = vidatlas.open_atlas(str(atlas)).assignments()["id"].tolist()
    assert sorted(ids) == sorted(seen)
    assert vidatlas.verify(str(atlas))["kept"] == len(seen)


@pytest.mark.parametrize("actors", [pytest.param(1, marks=pytest.mark.chaos), 2])
def test_3_same_bytes_on_ray_as_in_a_plain_loop(
    actors: int, world: Any, whole: Path, tmp_path: Path, ray_here: None
) -> None:
    world.run(tmp_path / "atlas", "ray", actors=(actors, actors))
    assert world.hashes(tmp_path / "atlas") == world.hashes(whole)


REDUCTIONS: dict[str, dict[str, Any]] = {
    "incremental, scaled, levels": {
        "reduce__pca": {"solver": "incremental", "components": 0.9, "whiten": True, "normalize": True},
        "reduce__clusters__levels": [6, 2],
    },
    "auto over all": {"reduce__clusters": {"k": "auto", "within": "all", "max_k": 8}},
}


@pytest.mark.chaos
@pytest.mark.parametrize(("reduction", "backend"), zip(REDUCTIONS, ["sklearn", "torch"], strict=True))
def test_3_same_bytes_on_ray_however_it_is_reduced(
    reduction: str, backend: str, world_class: Any, tmp_path: Path, ray_here: None
) -> None:
    world = world_class(tmp_path / "world", rows=80)
    recipe = world.recipe(**REDUCTIONS[reduction])
    for runner in ("serial", "ray"):
        world.run(tmp_path / runner, runner, recipe, backend=backend)
    assert world.hashes(tmp_path / "ray") == world.hashes(tmp_path / "serial")


def test_3_same_bytes_in_any_order_of_shards(world: Any, whole: Path, tmp_path: Path, recording: Any) -> None:
    world.run(tmp_path / "atlas")
    assert len(recording.seen) > 2
    assert world.hashes(tmp_path / "atlas") == world.hashes(whole)


def test_3_same_bytes_in_any_environment(world: Any, whole: Path, tmp_path: Path, processes: Any) -> None:
    """Other hash seed, time zone, locale and umask, another folder, and another time."""
    before = os.umask(0o077)
    try:
        code, said = processes.finish(world.arguments("run", tmp_path / "else where"), **SETTINGS)
    finally:
        os.umask(before)
    assert code == 0, said
    assert world.hashes(tmp_path / "else where") == world.hashes(whole)
