"""A proxy that breaks requests, the tiny world of the promises, and atlases in a bucket."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vidatlas.storage import remote as storage
from vidatlas.storage.folder import open_folder
from vidatlas.storage.remote import open_filesystem

HERE = Path(__file__).parent


def _load(name: str, path: Path) -> Any:
    """Return a helper module by path: tests are no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_CONTRACT = _load("vidatlas_tests_contract_conftest", HERE.parent / "contract" / "conftest.py")
world, whole, processes, until = _CONTRACT.world, _CONTRACT.whole, _CONTRACT.processes, _CONTRACT.until
_PROXY = _load("vidatlas_tests_storage_proxy", HERE / "proxy.py")


@pytest.fixture(scope="session")
def fault() -> Any:
    return _PROXY.Fault


@pytest.fixture
def fresh_clients(s3_server: str) -> Iterator[None]:
    """Let clients be made anew: one keeps the address and the patience that it was made with."""
    from s3fs import S3FileSystem

    def forget() -> None:
        S3FileSystem.clear_instance_cache()
        storage._s3_options.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def proxy(s3_server: str, fresh_clients: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a proxy before the S3 server; every client goes through it."""
    started = _PROXY.Proxy(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", started.url)
    yield started
    started.stop()


@pytest.fixture
def remote_world(world: Any, s3: str) -> Any:
    """Return the tiny world with its input in the bucket."""
    folder = open_folder(s3.rpartition("/")[0] + "/input")
    for path in map(Path, world.inputs):
        folder.put(path.name, path.read_bytes())
    there = object.__new__(type(world))
    there.folder, there.inputs = world.folder, [f"{folder.url}/{Path(path).name}" for path in world.inputs]
    return there


@pytest.fixture
def download(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies an atlas out of the bucket."""

    def copy(url: str) -> Path:
        filesystem, path = open_filesystem(url)
        filesystem.get(path, str(tmp_path / "downloaded"), recursive=True)
        return tmp_path / "downloaded"

    return copy
