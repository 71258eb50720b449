"""Invented videos, compressors and small atlases that several tests share."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import logging
import lzma
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zstandard
from hypothesis import settings

from vidatlas.recipe import Recipe, load_recipe
from vidatlas.sources.fields import RecordSpec
from vidatlas.storage.remote import open_filesystem
from vidatlas.storage.store import Store
from vidatlas.storage.training import SavedTraining
from vidatlas.views.poster import raster

MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 8e9:
    # Nobody loses power in a test: an atlas is flushed some 140 times, 5 to 10 ms each on a disk.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
# Most atlases of the tests are drawn as another one was: the same SVG need not be turned into PNG again.
raster.png_of = lru_cache(maxsize=128)(raster.png_of)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="vidatlas-tests-cache-")

# `make test` tries the same examples every time: what fails, fails for everyone. `make chaos` draws new ones.
settings.register_profile("random", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

WORDS = {
    "Music": ("guitar piano violin concert chord melody", "rap beat lyrics freestyle hiphop mixtape"),
    "Gaming": ("minecraft creeper redstone survival village", "racing drift lap circuit supercar"),
    "Education": ("algebra equation theorem calculus", "grammar verb spelling vocabulary essay"),
}
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 6, mtime=0),
    "zstd": zstandard.ZstdCompressor().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


SLOW = (
    "contract/test_promises.py",
    "test_readme.py",
    "test_notebooks.py",
    "browser/test_map.py",
    "benchmarks/test_gpu.py",
    "pipeline/reduce/test_reduce.py",
    "contract/test_promises_of_data.py",
    "contract/test_promises_of_runs.py",
    "runners/test_on_ray.py",
    "runners/test_on_ray_cluster.py",
    "storage/test_s3.py",
)
"""Files that take longest, the longest first: begun last, one of them would run alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow files first: `make test` gives files to its workers in this order."""
    rank = {str(Path(__file__).parent / name): at for at, name in enumerate(SLOW)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


def _video(rng: Random, number: int) -> dict[str, Any]:
    group = rng.choice(sorted(WORDS))
    words = rng.choice(WORDS[group]).split()
    title, tags = " ".join(rng.choices(words, k=4)), ",".join(rng.sample(words, 3))
    return {"display_id": f"id{number:06d}", "categories": group, "title": f"{title} {number}", "tags": tags}


@pytest.fixture(scope="session")
def make_lines() -> Callable[..., bytes]:
    """Return a function that writes so many invented videos as JSON lines."""

    def make(count: int, seed: int = 0) -> bytes:
        rng = Random(seed)
        return b"".join(json.dumps(_video(rng, number)).encode() + b"\n" for number in range(count))

    return make


@pytest.fixture(scope="session", params=sorted(COMPRESSORS))
def compression(request: pytest.FixtureRequest) -> str:
    """Return each compression in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def compress() -> Callable[[str, bytes], bytes]:
    """Return a function that compresses bytes in a named format."""
    return lambda kind, data: COMPRESSORS[kind](data)


@pytest.fixture(scope="session")
def big_lines() -> bytes:
    """Return 12 MB of JSON lines that compress badly, so that a gzip file of them has several seek points."""
    rng = Random(7)
    return b"".join(
        json.dumps({"display_id": str(row), "title": rng.randbytes(rng.randrange(200, 900)).hex()}).encode() + b"\n"
        for row in range(11_000)
    )


@pytest.fixture(scope="session")
def spec() -> RecordSpec:
    """Return how the built-in recipes read a record, without typed columns."""
    return load_recipe("demo", {"record.columns": {}}).record


@pytest.fixture(scope="session")
def hashing_recipe() -> Recipe:
    """Return the demo recipe with an encoder that needs no model, and small shards."""
    changes = {
        "encoder": {"kind": "hashing", "dim": 64},
        "source.shard_rows": 60,
        "reduce.pca.components": 8,
        "reduce.lexical.buckets": 1024,
        "reduce.clusters.k": 4,
        "reduce.naming.exemplars": 3,
    }
    return load_recipe("demo", changes)


@dataclass(frozen=True)
class SmallAtlas:
    """Name a finished atlas, the file it was made of, and its recipe."""

    url: str
    part: Path
    recipe: Recipe
    rows: int


@pytest.fixture(scope="session")
def small_atlas(
    tmp_path_factory: pytest.TempPathFactory, hashing_recipe: Recipe, make_lines: Callable[..., bytes]
) -> SmallAtlas:
    """Return a finished atlas of 400 videos, 2 bad lines and 3 duplicates; read it, do not change it."""
    import vidatlas

    folder = tmp_path_factory.mktemp("small")
    lines = make_lines(400).splitlines(keepends=True)
    part = folder / "videos.jsonl.gz"
    bad = [b"not json\n", b'{"display_id": "no-text"}\n']
    part.write_bytes(gzip.compress(b"".join([*lines, *bad, *lines[:3]]), mtime=0))
    url = str(folder / "atlas")
    vidatlas.run(hashing_recipe, [str(part)], url, vidatlas.Options(runner="serial"))
    return SmallAtlas(url, part, hashing_recipe, 400)


@pytest.fixture(scope="session")
def reseal() -> Callable[[Path, str], None]:
    """Return a function that lets the manifest of an atlas list a file as it is now, as a stranger's would."""

    def correct(atlas: Path, name: str) -> None:
        manifest = json.loads((atlas / "atlas.json").read_text())
        data = (atlas / name).read_bytes()
        for entry in manifest["stages"].values():
            if name in entry["files"]:
                entry["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        (atlas / "atlas.json").write_text(json.dumps(manifest))

    return correct


@pytest.fixture(scope="session")
def read_back() -> Callable[..., list[bytes | None]]:
    """Return a function that plans a part and reads its shards in a given order, giving all lines in file order."""
    from vidatlas.pipeline.plan.part import plan_part
    from vidatlas.pipeline.plan.shards import descriptors
    from vidatlas.sources.shards import shard_rows

    def read(url: Path, planning: Any, order: Callable[[Iterable[Any]], Iterable[Any]] = list) -> list[bytes | None]:
        import numpy as np

        plan = plan_part(str(url), planning, lambda rows, at: None)
        shards = descriptors(plan.facts, plan.shards, str(url), np.empty(0, np.int64))
        found = {shard.number: [raw for _, raw in shard_rows(shard, planning.rows)] for shard in order(shards)}
        return [line for number in sorted(found) for line in found[number]]

    return read


@pytest.fixture
def memory() -> Iterator[str]:
    """Return a fresh URL on fsspec's in-memory storage."""
    import fsspec

    storage = fsspec.filesystem("memory")
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]
    yield "memory://atlas"
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


S3 = {
    "AWS_ACCESS_KEY_ID": "vidatlas-tests",
    "AWS_SECRET_ACCESS_KEY": "never-to-be-seen",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Start an S3 server on loopback and name it in the environment, as any client finds it; return its address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    assert server._server
    answer, one_at_a_time = server._server.app, threading.Lock()

    def atomic(*request: Any) -> Any:
        """Decide on conditional writes as S3 does: of two at once one wins. moto alone may let both."""
        with one_at_a_time:
            return answer(*request)

    server._server.app = atomic
    address = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**S3, "AWS_ENDPOINT_URL": address, "AWS_EC2_METADATA_DISABLED": "true"}.items():
            environment.setenv(name, value)
        environment.delenv("AWS_PROFILE", raising=False)
        open_filesystem("s3://videos")[0].mkdir("videos")
        yield address
    server.stop()


@pytest.fixture
def s3(s3_server: str) -> str:
    """Return a fresh URL in a bucket of that server."""
    return f"s3://videos/{uuid.uuid4().hex}/atlas"


@pytest.fixture(params=["local", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where an atlas may lie: a local folder, fsspec's memory, a bucket."""
    return str(tmp_path / "atlas") if request.param == "local" else str(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def tiny_clip_whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a CLIP with both towers and random weights, for pictures of 32 x 32, without a preprocessor's settings."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    path = tmp_path_factory.mktemp("clip-whole")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {**sizes, "vocab_size": 50, "max_position_embeddings": 16, "projection_dim": 24}
    vision = {**sizes, "image_size": 32, "patch_size": 8, "projection_dim": 24}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.15)
    model.save_pretrained(path)
    return path


class Stopping(SavedTraining):
    """The state of a training that is killed as soon as it was saved so many times."""

    def __init__(self, folder: Path, most: int = 1_000) -> None:
        super().__init__(Store(folder), "test", "same")
        self.saves, self._most = 0, most

    def save(self, *arguments: Any) -> None:
        super().save(*arguments)
        self.saves += 1
        if self.saves == self._most:
            raise KeyboardInterrupt


@pytest.fixture(scope="session")
def stopping() -> type[Stopping]:
    """Return the class of such states."""
    return Stopping
