"""The Ray runner: on a local Ray that is started and stopped here, or on an existing cluster."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import ray
from ray._private import ray_constants, worker
from ray._private.state import state
from ray.data import ActorPoolStrategy, DataContext

from vidatlas.errors import UnavailableError, UsageError, VidatlasError
from vidatlas.gpus import with_gpu
from vidatlas.runners.ray_data import EncodeActor, ShardSource
from vidatlas.runners.remote import raise_carried, see_first
from vidatlas.stderr import stderr_to
from vidatlas.threads import cores
from vidatlas.types import Json, Options, R, Shard, T

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

SHARDS_AT_ONCE = 2
"""Shards that an actor works on; only one of them is on its device."""
LOOK = 30.0
"""Seconds between two looks whether Ray still works, while a task is waited for."""
PACKAGE = Path(__file__).parents[1]
READER_CPUS = 0.0001
"""What a reading task asks for, the least that Ray counts: a head without CPUs gets none."""
LEFT_CPUS = 0.01
"""What an actor leaves of its threads, room for a hundred readers: neither keeps the other out of a node."""


class Began(NamedTuple):
    """Hold where a task began: the id of its node, and machine and process in words."""

    node: str
    where: str


class RayRunner:
    """Map over Ray tasks and stream shards through a Ray Data pipeline; Ray starts with the first use."""

    def __init__(self, options: Options, local: tuple[Path, ...] = ()) -> None:
        """Remember the options, and which local files the work is about: other machines may not see them."""
        self._options, self._local = options, local
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
        address = self._options.address or os.environ.get("RAY_ADDRESS") or "local"
        if address.startswith(("ray://", "http://", "https://")):
            raise UsageError(f"{address}: a run needs the address of a Ray node, HOST:6379. Or use: ray job submit.")
        _listen_beyond_loopback(address != "local")
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address == "local":
            options |= {"num_cpus": cores(), "include_dashboard": False}
            # A warning of Ray's core about every actor, on standard error, that no user can act on.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        else:
            # Workers run the code of this driver, whatever is installed on their nodes.
            options |= {"runtime_env": {"py_modules": [str(PACKAGE)]}}
        _hush()
        try:
            with _own_signals(), stderr_to(Path(os.devnull)):
                ray.init(address=address, **options)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise UnavailableError(f"cannot use Ray at {address}: {_said(error)}. {_remedy(error)}") from error
        # A cluster's connection lasts as long as the process: Ray deletes a job's working directory with the first one.
        self._own = address == "local"

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        """Yield ``function(item)`` for every item in the order of the items, a bounded number of them in flight.

        Ray shows a GPU only to a task that asks for one: with ``gpus`` each task asks for what an actor would get.
        """
        self._start()
        share = self._gpus() if gpus else 0
        task = ray.remote(num_cpus=1, num_gpus=share, max_retries=3, num_returns="streaming")(function_call)
        shared = ray.put(self._seeing(partial(with_gpu, function) if share else function))
        flying: deque[Any] = deque()
        with _plain_errors():
            for item in items:
                flying.append(task.remote(shared, item))
                if len(flying) >= _ahead():
                    yield self._result(flying.popleft())
            while flying:
                yield self._result(flying.popleft())

    def embed(
        self, read: Callable[[Shard], Any], open_worker: Callable[[], Any], shards: list[Shard], gpus: bool = False
    ) -> Iterator[Json]:
        """Stream shards through reading tasks and a pool of encoder actors; yield each receipt as it is committed.

        An actor gets a GPU where ``gpus`` says that it uses one, or ``Options.gpus`` gives it one.
        """
        self._start()
        share = self._gpus() if gpus or self._options.gpus is not None else 0.0
        with _data_settings(), _plain_errors():
            yield from self._stream(read, open_worker, shards, share)

    def _stream(
        self, read: Callable[[Shard], Any], open_worker: Callable[[], Any], shards: list[Shard], gpus: float
    ) -> Iterator[Json]:
        fewest, most = self._bounds(len(shards), gpus)
        dataset = ray.data.read_datasource(
            ShardSource(self._seeing(read), shards),
            override_num_blocks=len(shards),
            num_cpus=READER_CPUS,
            # One for each actor: it reads nine times as fast as an actor tokenises. More are more processes, and those
            # that start have priority over actors that have started: on nodes of one CPU they held an actor up.
            concurrency=most,
        )
        receipts = dataset.map_batches(
            EncodeActor,
            fn_constructor_args=(self._seeing(partial(with_gpu, open_worker) if gpus else open_worker),),
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=self._options.threads - LEFT_CPUS,
            num_gpus=gpus or None,
            # While the device computes one shard, another is tokenised, or written. (The strategy's own word for it,
            # max_concurrent_calls_per_actor, is new in Ray 2.60.)
            max_concurrency=SHARDS_AT_ONCE,
            compute=ActorPoolStrategy(
                min_size=fewest,
                max_size=most,
                # All at once: those that find no place are what an autoscaler, or a node that joins later, is for.
                initial_size=most,
                enable_true_multi_threading=True,
            ),
        )
        for batch in receipts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for text in batch["receipt"].to_pylist():
                receipt = orjson.loads(text)
                raise_carried(receipt)
                yield receipt

    def lost(self) -> str:
        """Return why no task can finish any more: the only node, this machine's own, is dead; else an empty text.

        Its process is killed then, which may only hang: it would hold up Ray's shutdown for ever.
        """
        if not self._own or any(node["Alive"] for node in ray.nodes()):
            return ""
        worker._global_node.kill_raylet(check_alive=False)
        return "Ray's processes on this machine stopped working. Rerun the same command to resume."

    def _result(self, task: Any) -> Any:
        """Wait for a task; return what it returned, or raise the error of ours that it raised.

        A task that takes too long after it began is stuck; on a cluster, one that has not begun waits for a machine.
        """
        begun, since = None, time.monotonic()
        while True:
            # A task has two results: where it began, and what it returned.
            if ray.wait([task], timeout=LOOK)[0]:
                found = ray.get(next(task))
                if isinstance(found, VidatlasError):
                    raise found
                if begun:
                    return found
                begun, since = found, time.monotonic()
            elif why := self.lost() or self._stuck(begun, time.monotonic() - since):
                raise UnavailableError(why)

    def _stuck(self, begun: Began | None, seconds: float) -> str:
        """Return why a task is waited for no longer, so many seconds after it began; else an empty text."""
        minutes = self._options.stalled_after
        if not minutes or seconds <= 60 * minutes:
            return ""
        there = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        if not self._own and (begun is None or begun.node not in there):
            return ""  # it waits for a machine to begin, or for another one to begin again
        what = f"finished in {minutes:g} minutes on {begun.where}" if begun else f"begun in {minutes:g} minutes"
        return (
            f"a task was not {what}. Rerun the same command to resume; if one task needs longer, raise --stalled-after."
        )

    def _gpus(self) -> float:
        if self._options.gpus is not None:
            return self._options.gpus
        return 1.0 if ray.cluster_resources().get("GPU") or _to_come().get("GPU") else 0.0

    def _bounds(self, shards: int, gpus: float) -> tuple[int, int]:
        """Return fewest and most actors; as many as fit now unless a number is given, never more than shards."""
        resources = ray.cluster_resources()
        fitting = resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1) / self._options.threads
        fewest, most = self._options.actors or (1, max(1, int(fitting)))
        most = max(1, min(most, shards))
        return min(fewest, most), most

    def _seeing(self, function: Callable[..., R]) -> Callable[..., R]:
        """Return a function that first makes sure that its machine sees the local files that this one sees."""
        there = tuple(path for path in self._local if path.exists())
        return partial(see_first, there, function) if there else function


def _said(error: Exception) -> str:
    """Return in one line what Ray says is wrong, without what it advises."""
    return " ".join(str(error).split())[:300].split(" To fix this")[0].rstrip(" .:")


def _remedy(error: Exception) -> str:
    """Return what to do about a Ray that cannot be used."""
    if isinstance(error, ray.exceptions.AuthenticationError):
        return "Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to a file with the cluster's token."
    if "Version mismatch" in str(error):
        return "Install the cluster's versions of Ray and Python here, to the last digit, or run there: ray job submit."
    return "Check the address, or leave --address out to run on this machine."


def _ahead() -> int:
    """Return how many tasks may be in flight: more than there are CPUs, so that a cluster that can grow does."""
    return 4 * max(1, int(ray.cluster_resources().get("CPU", 1)))


def _to_come() -> dict[str, int]:
    """Return what the cluster may grow to, where it has an autoscaler that says so."""
    return state.get_max_resources_from_cluster_config() or {}


def function_call(function: Callable[[T], R], item: T) -> Iterator[Began | R | VidatlasError]:
    """Yield where this call runs, then what a function of the object store returned, or the error it raised."""
    yield Began(ray.get_runtime_context().get_node_id(), f"{socket.gethostname()} (process {os.getpid()})")
    try:
        yield function(item)
    except VidatlasError as error:
        yield error


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
    # Older releases of Ray lack some, and what they change.
    before = {name: getattr(context, name) for name in wanted if hasattr(context, name)}
    for name in before:
        setattr(context, name, wanted[name])
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
    """Keep Ray Data's account of its operators, and its advice to programmers, out of the terminal."""
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
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
            f"Ray stopped working: {str(error).strip().splitlines()[0].rstrip('.')}. Rerun the same command to resume."
        ) from error
