"""Watchdog of embedding: a run in which no shard is finished for long ends, and says what it waited for."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from vidatlas.errors import UnavailableError, VidatlasError
from vidatlas.storage.json_files import Attempts
from vidatlas.storage.store import Store
from vidatlas.types import Json

_LOOKS, _LONGEST = 20, 30.0
"""How often it looks in the time after which it ends a run, and the longest between two looks, in seconds."""
_SIGNAL = signal.SIGUSR1
"""Not SIGINT, which shells let background jobs ignore."""


def watched(
    receipts: Iterable[Json], store: Store, minutes: float, lost: Callable[[], str] = lambda: ""
) -> Iterator[Json]:
    """Yield receipts as they come; end the run if none comes for so many minutes although shards were begun.

    ``lost`` says why none can come any more, in words; that ends the run at once.

    A run without a begun shard waits for machines, and goes on waiting. Only the main thread can be interrupted: in
    another one nothing is watched, nor with 0 minutes.

    Raises:
        UnavailableError: no shard was finished in that time, or none can be.
    """
    if not minutes or threading.current_thread() is not threading.main_thread():
        yield from receipts
        return
    dog, before = _Watchdog(store, minutes, lost), signal.signal(_SIGNAL, _raise)
    dog.start()
    try:
        for receipt in receipts:
            dog.see(receipt["shard"])
            yield receipt
    except _StalledError:
        raise UnavailableError(dog.verdict) from None
    finally:
        dog.stop()
        signal.signal(_SIGNAL, before)


class _StalledError(BaseException):
    """Say in the main thread that the watchdog ends the run."""


def _raise(*_: object) -> None:
    raise _StalledError


class _Watchdog(threading.Thread):
    """Interrupt the main thread once nothing was finished for long."""

    def __init__(self, store: Store, minutes: float, lost: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self.verdict, self._lost = "", lost
        self._store, self._minutes = store, minutes
        self._done: set[str] = set()
        self._since, self._end = time.monotonic(), threading.Event()

    def see(self, shard: str) -> None:
        """Take note of a finished shard."""
        self._done.add(shard)
        self._since = time.monotonic()

    def stop(self) -> None:
        """Watch no longer."""
        self._end.set()

    def run(self) -> None:
        """Look now and then, until the run ends or has to be ended."""
        limit = 60 * self._minutes
        while not self.verdict:
            if self._end.wait(min(limit / _LOOKS, _LONGEST)):
                return
            self.verdict = self._lost()
            if not self.verdict and time.monotonic() - self._since >= limit:
                self.verdict = self._stalled()
                self._since = time.monotonic()  # without a verdict it waits for machines
        signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)

    def _stalled(self) -> str:
        try:
            begun = self._begun()
        except VidatlasError:
            return ""  # storage that cannot be read ends the run by itself
        if not begun:
            return ""
        shard, worker = next(iter(begun.items()))
        others = len(begun) - 1
        more = f" and {others:,} more {'shard' if others == 1 else 'shards'}" if others else ""
        return (
            f"{self._store.url}: embed finished no shard for {self._minutes:g} minutes; it waits for {shard} "
            f"({worker}){more}. Look at that machine, then rerun the same command to resume; if one shard "
            "needs longer, raise --stalled-after."
        )

    def _begun(self) -> dict[str, str]:
        """Return the shards that were begun and not finished, with who works on them."""
        found = {}
        for name in self._store.folder.list("attempts"):
            marked = self._store.read_json_if_valid(name, Attempts)
            if marked and marked["shard"] not in self._done:
                found[marked["shard"]] = marked.get("worker", "an unknown worker")
        return found
