"""Promises 2 to 6 once more, with input and atlas in a local folder and on S3: the same code, the same bytes."""

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.errors import ConflictError, InputError
from vidatlas.storage.lock import Lock
from vidatlas.storage.store import Store


@pytest.fixture(scope="module", params=["local", "s3"])
def make_place(
    request: pytest.FixtureRequest, places: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Any]:
    """Return a function that makes an empty place."""
    if request.param == "local":
        return lambda: places.Local(tmp_path_factory.mktemp("place"))
    request.getfixturevalue("s3_server")
    return places.Bucket  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def here(make_place: Callable[[], Any], world: Any) -> Any:
    """Return the tiny world with its input in such a place."""
    moved, place = copy.copy(world), make_place()
    moved.inputs = [place.keep(path) for path in world.inputs]
    return moved


@pytest.fixture(scope="module")
def finished(make_place: Callable[[], Any], here: Any) -> Any:
    """Return a place with a finished atlas; tests must not change it."""
    place = make_place()
    here.run(place.atlas)
    return place


def test_3_the_same_bytes_wherever_it_lies(finished: Any, here: Any, whole: Path, places: Any, tmp_path: Path) -> None:
    assert places.hashes(finished, tmp_path, here) == (here.hashes(whole), [])


def test_2_nothing_lost_nothing_twice(finished: Any, world: Any) -> None:
    plain, packed = (Path(path).read_bytes() for path in world.inputs)
    lines = [data.removesuffix(b"\n").count(b"\n") + 1 for data in (plain, gzip.decompress(packed))]
    counts = vidatlas.status(finished.atlas)["counts"]
    assert counts["read"] == sum(lines) == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert (counts["rejected"], counts["duplicates"]) == (len(world.broken), 4)
    assert counts.items() >= {key: vidatlas.verify(finished.atlas)[key] for key in ("read", "kept")}.items()


def test_4_a_finished_job_touches_nothing(finished: Any, here: Any, main: Any) -> None:
    before = finished.writes()
    assert main(here.arguments("run", finished.atlas)) == 0
    assert finished.writes() == before


def test_4_an_interrupted_run_goes_on_with_what_is_not_done(
    make_place: Callable[[], Any],
    here: Any,
    whole: Path,
    places: Any,
    tmp_path: Path,
    recording: Any,
    interrupted_third: list[int],
) -> None:
    place = make_place()
    with pytest.raises(KeyboardInterrupt):
        here.run(place.atlas)
    done, wanted = set(Store(place.atlas).receipts()), set(recording.seen)
    assert len(done) == 2
    before = {write for write in place.writes() if Path(write[0]).stem in done}
    here.run(place.atlas)
    assert set(recording.seen) == wanted - done
    assert len(interrupted_third) == len(wanted) + 1
    embedded = {write for write in place.writes() if Path(write[0]).parent.name in ("embeddings", "receipts")}
    assert {write for write in embedded if Path(write[0]).stem in done} <= before
    assert places.hashes(place, tmp_path, here) == (here.hashes(whole), [])


def test_5_another_recipe_never_mixes_in(
    finished: Any, here: Any, main: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    before = finished.writes()
    assert main(here.arguments("run", finished.atlas, "--set", "encoder.dim=16")) == ConflictError.exit_code
    assert "encoder.dim: 8 → 16" in capfd.readouterr().err
    assert finished.writes() == before


def test_5_a_second_run_never_mixes_in(
    make_place: Callable[[], Any], here: Any, main: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    place = make_place()
    with Lock(Store(place.atlas)):
        before = place.writes()
        assert main(here.arguments("run", place.atlas)) == ConflictError.exit_code
        assert "is locked by another run" in capfd.readouterr().err
        assert {name for name, _ in place.writes()} == {name for name, _ in before}
    assert place.files() == {}


def test_6_too_many_rejects_stop_the_run_before_it_embeds(
    make_place: Callable[[], Any], here: Any, main: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    place = make_place()
    arguments = here.arguments("run", place.atlas)
    arguments[arguments.index("--max-rejects") + 1] = "0.05"
    assert main(arguments) == InputError.exit_code
    assert "invalid_json" in capfd.readouterr().err
    assert not [name for name in place.files() if name.startswith("embeddings/")]
    manifest = json.loads(place.files().get("atlas.json", b"{}"))
    assert "embed" not in manifest.get("stages", {})
