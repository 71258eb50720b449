"""Clusters of real Ray nodes on this machine, the sample, and a bucket that says who wrote what."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.recipes.yaml_text import parse_set
from vidatlas.storage.remote import open_filesystem

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
SETTINGS = [
    "encoder={kind: hashing, dim: 64}",
    "source.shard_rows=150",
    "reduce.pca.components=8",
    "reduce.clusters.k=4",
    "reduce.clusters.starts=1",
    "reduce.clusters.init=k-means++",
    "reduce.quality.stability_seeds=0",
]


def _load(name: str, path: Path) -> Any:
    """Return a helper module by path: tests are no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


nodes = _load("vidatlas_tests_cluster_nodes", HERE / "nodes.py")
_proxies = _load("vidatlas_tests_storage_proxy", HERE.parent / "storage" / "proxy.py")
_world = _load("vidatlas_tests_world", HERE.parent / "contract" / "world.py")


class Sample:
    """The bundled sample as a job for a cluster, and what a plain loop makes of it."""

    def __init__(self, folder: Path) -> None:
        self.input = shutil.copy(vidatlas.sample_path(), folder)
        self.settings = [part for setting in SETTINGS for part in ("--set", setting)]
        recipe = vidatlas.load_recipe("demo", dict(parse_set(setting) for setting in SETTINGS))
        atlas = folder / "whole"
        vidatlas.run(recipe, self.input, str(atlas), vidatlas.Options(runner="serial"))
        self.shards = {path.stem for path in (atlas / "receipts").iterdir()}
        self.hashes = self.hashes_of(str(atlas), folder)

    def arguments(self, atlas: str, *more: str) -> list[str]:
        """Return what follows `run` or jobs/embed.py."""
        return ["demo", self.input, atlas, *self.settings, *more]

    @staticmethod
    def hashes_of(atlas: str, scratch: Path) -> dict[str, str]:
        """Return the SHA-256 of every file that is promised to be the same bytes, of an atlas anywhere."""
        if atlas.startswith("s3://"):
            filesystem, path = open_filesystem(atlas)
            filesystem.get(path, str(scratch / "fetched"), recursive=True)
            atlas = str(scratch / "fetched")
        found: dict[str, str] = _world.World.hashes(Path(atlas))
        return found


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout whose code differs from the installed package: its workers run on another "hardware"."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("src", "jobs"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".rayignore", ".gitignore"):
        shutil.copy(CHECKOUT / name, copy)
    worker = copy / "src/vidatlas/pipeline/embed/worker.py"
    code = worker.read_text()
    assert code.count('hardware: str = "cpu"') == 1
    worker.write_text(code.replace('hardware: str = "cpu"', 'hardware: str = "shipped"'))
    return copy


@pytest.fixture(scope="session")
def bucket(s3_server: str) -> Iterator[Any]:
    """Return a proxy before the S3 server that knows who wrote what."""
    started = _proxies.Proxy(s3_server)
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def quick_and_empty(bucket: Any) -> Iterator[None]:
    """Let each test count what is written in its own time, and give the bucket its speed back."""
    bucket.written.clear()
    yield
    bucket.delay = 0.0


@pytest.fixture(scope="session")
def make_cluster(tmp_path_factory: pytest.TempPathFactory, bucket: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that starts a head whose nodes find S3 behind the proxy."""
    started: list[Any] = []

    def make(**options: Any) -> Any:
        here = {"AWS_ENDPOINT_URL": bucket.url, "AWS_ACCESS_KEY_ID": "head", **options}
        started.append(nodes.RayCluster(tmp_path_factory.mktemp("ray"), **here))
        return started[-1]

    yield make
    for cluster in started:
        cluster.stop()


@pytest.fixture(scope="session")
def one_node(make_cluster: Callable[..., Any]) -> Any:
    """Return a cluster of one head that computes too."""
    return make_cluster(cpus=2)
