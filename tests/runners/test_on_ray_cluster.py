"""What the Ray runner asks of a cluster: actors, GPUs, an address that fits, files that every node sees."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray
from ray import cloudpickle

import vidatlas
from vidatlas.errors import UnavailableError, UsageError
from vidatlas.runners import on_ray
from vidatlas.runners.on_ray import RayRunner
from vidatlas.runners.remote import IN_A_JOB
from vidatlas.types import Json, Options, Shard

# What is defined here travels to workers as a whole: they cannot import a test.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("ray_here")]


@pytest.mark.parametrize(
    ("actors", "shards", "bounds"),
    [((1, 8), 100, (1, 8)), ((8, 8), 100, (8, 8)), ((4, 8), 2, (2, 2)), (None, 100, (1, 3)), (None, 2, (1, 2))],
)
def test_a_range_of_actors_is_asked_for_whole_however_small_the_cluster_is_now(
    actors: tuple[int, int] | None, shards: int, bounds: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 3.0, "GPU": 1.0})
    assert RayRunner(Options(actors=actors))._bounds(shards, 0.0) == bounds
    assert RayRunner(Options())._bounds(shards, 0.5) == (1, 2)


@pytest.mark.parametrize("address", ["ray://10.0.0.5:10001", "http://127.0.0.1:8265"])
def test_an_address_that_is_no_node_s_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(UsageError, match="ray job submit"):
        next(RayRunner(Options(address=address)).map(str, [1]))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ray.exceptions.AuthenticationError("Authentication is on\nwithout a token."),
            "RAY_AUTH_TOKEN_PATH",
        ),
        (RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9\n    Python: 3.10"), "last digit"),
        (ConnectionError("No cluster at 10.0.0.5:6379.\nTo fix this, either:\n 1. start one"), "Check the address"),
    ],
)
def test_a_cluster_that_cannot_be_used_says_why_and_what_to_do(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**options: Any) -> None:
        raise error

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UnavailableError, match=said) as caught:
        next(RayRunner(Options(address="10.0.0.5:6379")).map(str, [1]))
    assert str(caught.value).startswith(f"cannot use Ray at 10.0.0.5:6379: {' '.join(str(error).split())[:20]}")
    assert "To fix" not in str(caught.value)


def test_what_lies_in_a_job_s_own_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(IN_A_JOB, "{}")
    for inputs, atlas in ((vidatlas.sample_path(), "atlas"), ("videos.jsonl", tmp_path / "atlas")):
        with pytest.raises(UsageError, match="an absolute path that every node sees"):
            vidatlas.run("demo", inputs, atlas)
    assert not list(tmp_path.iterdir())


def test_a_node_that_does_not_see_a_local_file_says_which_and_what_to_do(tmp_path: Path) -> None:
    """The driver sees it, and deletes it before a worker looks: to the worker it was never there."""
    there = tmp_path / "atlas.json"
    there.touch()
    runner = RayRunner(Options(), (there, tmp_path / "not-yet"))
    look = runner._seeing(str)
    assert look(7) == "7"
    there.unlink()
    with pytest.raises(UsageError, match=rf"^{there} is not there on [^\n]*object store[^\n]*$"):
        look(7)


@pytest.mark.parametrize(("present", "to_come", "gpus"), [(0, 0, 0.0), (2, 0, 1.0), (0, 8, 1.0)])
def test_a_gpu_is_asked_for_where_there_is_one_or_one_can_come(
    present: int, to_come: int, gpus: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0, "GPU": present})
    monkeypatch.setattr(on_ray.state, "get_max_resources_from_cluster_config", lambda: {"GPU": to_come})
    assert RayRunner(Options())._gpus() == gpus
    assert RayRunner(Options(gpus=0.5))._gpus() == 0.5


def test_an_encoder_that_uses_no_gpu_is_given_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all cores but one would be idle on a machine with one GPU."""
    monkeypatch.setattr(RayRunner, "_start", lambda self: None)
    monkeypatch.setattr(RayRunner, "_stream", lambda self, read, open_worker, shards, gpus: iter([gpus]))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0, "GPU": 1.0})
    given = [
        next(RayRunner(Options(gpus=asked)).embed(dict, dict, [], uses))
        for asked, uses in ((None, True), (None, False), (0.5, False), (0.0, True))
    ]
    assert given == [1.0, 0.0, 0.5, 0.0]


def test_what_wants_a_gpu_runs_without_one_where_there_is_none(runner: RayRunner) -> None:
    assert list(runner.map(lambda item: 2 * item, [1, 2], gpus=True)) == [2, 4]


def test_what_wants_a_gpu_asks_for_what_an_actor_would_get(runner: RayRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    real = ray.remote

    def remote(**options: Any) -> Any:
        asked.append(options.pop("num_gpus"))
        return real(**options)

    monkeypatch.setattr(ray, "remote", remote)
    monkeypatch.setattr(RayRunner, "_gpus", lambda self: 0.5)
    assert list(runner.map(str, [1], gpus=True)) == list(runner.map(str, [1])) == ["1"]
    assert asked == [0.5, 0]


def device(*_: Any) -> str:
    """Choose a device where torch sees no GPU, whatever this machine has."""
    import torch

    from vidatlas.encoders.transformer.device import choose_device

    torch.cuda.is_available = lambda: False
    return choose_device()


def test_a_worker_whose_gpu_torch_does_not_see_ends_the_job_in_one_line(
    runner: RayRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The GPU is given on paper only: this Ray has none to give."""
    remote, map_batches = ray.remote, ray.data.Dataset.map_batches
    monkeypatch.setattr(
        ray, "remote", lambda *bare, **options: remote(*bare) if bare else remote(**options | {"num_gpus": 0})
    )
    monkeypatch.setattr(
        ray.data.Dataset, "map_batches", lambda *items, **options: map_batches(*items, **options | {"num_gpus": None})
    )
    monkeypatch.setattr(RayRunner, "_gpus", lambda self: 0.5)

    def read(item: Shard) -> pa.Table:
        return pa.table({"row": [item.first_row]})

    def open_worker() -> Callable[[pa.Table], Json]:
        device()
        return dict

    shards = [Shard("part", 0, 0, 1, 0, 1, 0, None, "nowhere", "plain")]
    with pytest.raises(UnavailableError, match=r"was given a GPU, but torch [^\n]*$"):
        list(runner.embed(read, open_worker, shards, gpus=True))
    with pytest.raises(UnavailableError, match=r"was given a GPU, but torch [^\n]*$"):
        list(runner.map(device, [1], gpus=True))
    assert list(runner.map(device, [1])) == ["cpu"]
