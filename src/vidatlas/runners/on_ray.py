"""Run on Ray: a local one that is started and stopped here, or a cluster that is there."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import orjson
import pyarrow as pa
import ray
from ray._private import ray_constants
from ray.data import ActorPoolStrategy, DataContext

from vidatlas.runners.carried import carry, raise_carried
from vidatlas.runners.datasource import ShardSource, unpack
from vidatlas.stderr import stderr_to
from vidatlas.types import Json, Shard, UnavailableError, VidatlasError

T = TypeVar("T")
R = TypeVar("R")

SHARDS_AT_ONCE = 2
"""Shards that an actor works on; only one of them is on its device."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Say which Ray to use and how many actors encode there.

    Attributes:
        address: a cluster's address; None starts a Ray on this machine (inside a Ray job, the job's cluster).
        actors: fewest and most encoder actors; None chooses by the CPUs or GPUs present.
        threads: CPU threads of one actor.
        gpus: GPUs of one actor, fractions allowed; None takes one where the cluster has any.
    """

    address: str | None = None
    actors: tuple[int, int] | None = None
    threads: int = 1
    gpus: float | None = None


class RayRunner:
    """Map over Ray tasks and stream shards through a Ray Data pipeline; Ray starts with the first use."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._own = False

    def __enter__(self) -> RayRunner:
        return self

    def __exit__(self, *error: object) -> None:
        if self._own:
            ray.shutdown()
            self._own = False

    def _start(self) -> None:
        if ray.is_initialized():
            return
        address = self._cluster.address or os.environ.get("RAY_ADDRESS") or "local"
        _listen_beyond_loopback(address != "local")
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address == "local":
            # One CPU more than there are: reading must find a place beside actors that fill the machine.
            options |= {"num_cpus": cpus() + 1, "include_dashboard": False}
            # A warning of Ray's core about every actor, on standard error, that no user can act on.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        _hush()
        try:
            with _own_signals(), stderr_to(Path(os.devnull)):
                ray.init(address=address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UnavailableError(
                f"cannot use Ray at {address}: {str(error).splitlines()[0]}. Check the "
                "address, or leave --address out to run on this machine."
            ) from error
        self._own = True

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        """Yield ``function(item)`` for every item in the order of the items, a bounded number of them in flight.

        Ray shows a GPU only to a task that asks for one: with ``gpus`` each task asks for what an actor would get.
        """
        self._start()
        task = ray.remote(num_cpus=1, num_gpus=self._gpus() if gpus else 0, max_retries=3)(function_call)
        shared = ray.put(function)
        ahead = 4 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        flying: deque[Any] = deque()
        with _plain_errors():
            for item in items:
                flying.append(task.remote(shared, item))
                if len(flying) >= ahead:
                    yield _result(ray.get(flying.popleft()))
            while flying:
                yield _result(ray.get(flying.popleft()))

    def embed(
        self, read: Callable[[Shard], Any], open_worker: Callable[[], Any], shards: list[Shard]
    ) -> Iterator[Json]:
        """Stream shards through reading tasks and a pool of encoder actors; yield each receipt as it is committed."""
        self._start()
        with _data_settings(), _plain_errors():
            yield from self._stream(read, open_worker, shards)

    def _stream(
        self, read: Callable[[Shard], Any], open_worker: Callable[[], Any], shards: list[Shard]
    ) -> Iterator[Json]:
        fewest, most = self._bounds(len(shards))
        gpus = self._gpus()
        dataset = ray.data.read_datasource(ShardSource(read, shards), override_num_blocks=len(shards))
        receipts = dataset.map_batches(
            EncodeActor,
            fn_constructor_args=(open_worker,),
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=self._cluster.threads,
            num_gpus=gpus or None,
            compute=ActorPoolStrategy(
                min_size=fewest,
                max_size=most,
                initial_size=most,
                # While the device computes one shard, another is tokenised, or written.
                max_concurrent_calls_per_actor=SHARDS_AT_ONCE,
                enable_true_multi_threading=True,
            ),
        )
        for batch in receipts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for text in batch["receipt"].to_pylist():
                receipt = orjson.loads(text)
                raise_carried(receipt)
                yield receipt

    def _gpus(self) -> float:
        if self._cluster.gpus is not None:
            return self._cluster.gpus
        return 1.0 if ray.cluster_resources().get("GPU") else 0.0

    def _bounds(self, shards: int) -> tuple[int, int]:
        """Return fewest and most actors; never more than there are shards."""
        resources = ray.cluster_resources()
        gpus = self._gpus()
        fitting = resources.get("GPU", 0) / gpus if gpus else (resources.get("CPU", 2) - 1) / self._cluster.threads
        fewest, most = self._cluster.actors or (1, max(1, int(fitting)))
        most = max(1, min(most, shards))
        return min(fewest, most), most


def function_call(function: Callable[[T], R], item: T) -> R | _Carried:
    """Call a function that was put into the object store once; return what it returned, or the error it raised."""
    try:
        return function(item)
    except VidatlasError as error:
        return _Carried(carry(error))


@dataclass(frozen=True, slots=True)
class _Carried:
    error: Json


def _result(found: R | _Carried) -> R:
    if isinstance(found, _Carried):
        raise_carried(found.error)
    return cast(R, found)


class EncodeActor:
    """Hold one worker, and with it the model, for as long as the actor lives."""

    def __init__(self, open_worker: Callable[[], Callable[[pa.Table], Json]]) -> None:
        self._failed: Json | None = None
        try:
            self._worker = open_worker()
        except VidatlasError as error:
            self._failed = carry(error)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Encode and commit one shard; return its receipt, or what went wrong, as JSON."""
        return pa.table({"receipt": [orjson.dumps(self._work(unpack(batch))).decode()]})

    def _work(self, rows: pa.Table) -> Json:
        if self._failed:
            return self._failed
        if "carried" in rows.column_names:
            return dict(orjson.loads(rows["carried"][0].as_py()))
        try:
            return self._worker(rows)
        except VidatlasError as error:
            return carry(error)


def cpus() -> int:
    """Return the CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _data_settings() -> Iterator[None]:
    """Set what Ray Data must do differently for this job, and leave the process's settings as they were."""
    context = DataContext.get_current()
    wanted: dict[str, Any] = {
        "target_max_block_size": None,  # one block per shard, never cut
        "enable_progress_bars": False,
        "max_errored_blocks": 0,
        "execution_no_progress_timeout_s": -1,  # waiting for spot capacity is no failure
        "max_consecutive_actor_init_deaths": 10,  # nor is a worker that dies while it fetches the model
    }
    before = {name: getattr(context, name) for name in wanted}
    for name, value in wanted.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Give SIGTERM back to whoever handled it: Ray takes it for itself, and only the main thread may give it back."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread() and handler is not None:
        signal.signal(signal.SIGTERM, handler)


def _listen_beyond_loopback(cluster: bool) -> None:
    """Let Ray's processes be reached from other machines only where there are any.

    Ray has this as a switch for desktops' firewalls; it reads the environment at import, its children at their start.
    """
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = str(int(cluster))
    ray_constants.ENABLE_RAY_CLUSTER = cluster


def _hush() -> None:
    """Keep Ray Data's account of its operators out of the terminal; its log file has it."""
    for handler in logging.getLogger("ray.data").handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.ERROR)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say in one line that Ray failed; what a worker raised that is no error of ours is a bug and stays as it is."""
    try:
        yield
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        raise UnavailableError(
            f"Ray stopped working: {str(error).strip().splitlines()[0]}. "
            "Run the same command again; it goes on where it stopped."
        ) from error
