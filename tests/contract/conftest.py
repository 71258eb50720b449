"""The tiny world, its processes and one Ray for the tests of the promises."""

import importlib.util
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas import Atlas, Options
from vidatlas import api as verbs
from vidatlas.encoders.hashing import HashingEncoder
from vidatlas.runners.serial import SerialRunner


def _load(name: str) -> Any:
    """Return a helper module of this folder by path: tests are no package."""
    known = f"vidatlas_tests_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, Path(__file__).with_name(f"{name}.py"))
        assert spec and spec.loader
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _load("world").World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def world_class() -> Any:
    return _load("world").World


@pytest.fixture(scope="session")
def tables() -> Any:
    return _load("tables")


@pytest.fixture(scope="session")
def places() -> Any:
    return _load("places")


@pytest.fixture(scope="session")
def whole(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an atlas that was never disturbed; tests must not change it."""
    atlas = tmp_path_factory.mktemp("whole") / "atlas"
    world.run(atlas)
    return Path(atlas)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Any]:
    started = _load("processes").Processes(tmp_path / "logs")
    yield started
    started.end()


@pytest.fixture(scope="session")
def until() -> Any:
    return _load("processes").until


@pytest.fixture
def main() -> Iterator[Any]:
    """Return the command line as a function; the signal handler it sets is taken back."""
    from vidatlas.cli.main import main as command

    before = signal.getsignal(signal.SIGTERM)
    yield command
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """Keep one small Ray for all tests that need one; vidatlas uses a Ray that is there."""
    import ray

    own = not ray.is_initialized()
    if own:
        ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    if own:
        ray.shutdown()


@pytest.fixture(scope="session")
def netflix(tmp_path_factory: pytest.TempPathFactory, tables: Any) -> Atlas:
    """Return a finished atlas of films; tests must not change it."""
    folder = tmp_path_factory.mktemp("films")
    changes = tables.SMALL | tables.TINY_NETWORK | {"encoder": {"kind": "tfidf", "dim": 60}}
    recipe = vidatlas.load_recipe("netflix", changes)
    return vidatlas.run(recipe, [tables.films(folder)], folder / "atlas", Options(runner="serial"))


@pytest.fixture(scope="session")
def rated_films(tmp_path_factory: pytest.TempPathFactory, tables: Any) -> tuple[Atlas, Path]:
    """Return a finished atlas of rated films, and the folder of its input; tests must not change them."""
    folder = tmp_path_factory.mktemp("rated")
    items, ratings = tables.movielens(folder)
    recipe = vidatlas.load_recipe("movielens-factors", tables.rated_settings(ratings))
    return vidatlas.run(recipe, items, folder / "atlas", Options(runner="serial")), folder


@pytest.fixture
def interrupted_third(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Interrupt the third shard's encoding; return a list that gets an entry for each call."""
    calls, real = [], HashingEncoder.encode

    def encode(self: HashingEncoder, texts: list[str], stats: Any) -> Any:
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, texts, stats)

    monkeypatch.setattr(HashingEncoder, "encode", encode)
    return calls


class Recording(SerialRunner):
    """Embed the shards from the last to the first and note which ones."""

    seen: list[str]

    def embed(self, read: Any, open_worker: Any, shards: Any, gpus: bool = False) -> Any:
        type(self).seen = [shard.name for shard in shards]
        return super().embed(read, open_worker, list(reversed(shards)))


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> type[Recording]:
    monkeypatch.setattr(verbs, "SerialRunner", Recording)
    Recording.seen = []
    return Recording
