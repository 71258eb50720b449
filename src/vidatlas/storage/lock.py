"""The lock of an atlas: one writer at a time, by a lock file with a heartbeat."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType

from vidatlas.errors import ConflictError, VidatlasError
from vidatlas.storage.json_files import Holder
from vidatlas.storage.store import LOCK, Store, to_json
from vidatlas.types import Event, Listener, ignore

CLAIMS = "claims"
"""Who may take over which dead run's lock."""
BEAT_SECONDS = 30.0
LOOK_SECONDS = 5.0
STALE_SECONDS = 600.0


class Lock:
    """Lock an atlas for one run; a stale lock (dead process, or no heartbeat for ten minutes) is taken over.

    Only its next heartbeat shows whether a run on another host is alive: entering waits for that heartbeat, or until
    the ten minutes are over, and tells the listener so in one event of the stage "wait".

    Raises (on entering, and from ``confirm``):
        ConflictError: another run has locked the atlas.
    """

    def __init__(self, store: Store, take_over: bool = False, listener: Listener = ignore) -> None:
        self._store = store
        self._take_over = take_over
        self._listener = listener
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._own: Holder = {
            "run": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": _process_start(os.getpid()),
            "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "beat": time.time(),
        }

    def __enter__(self) -> Lock:
        while not self._store.folder.put_new(LOCK, self._data()):
            holder = self._holder()
            if not holder or self._take_over or is_dead(holder) or self._stays_silent(holder):
                self._replace(holder)
                break
        self._store.folder.sweep(spare=LOCK)
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def _stays_silent(self, holder: Holder) -> bool:
        """Wait for a heartbeat of a run on another host: False if it released the lock, True if none came in time."""
        if holder["host"] == socket.gethostname():
            raise self._held(holder)
        # By this machine's clock: the clocks of two hosts may differ.
        age = min(max(0.0, time.time() - float(holder["beat"])), STALE_SECONDS)
        left = STALE_SECONDS - age
        end = time.monotonic() + left
        facts = {"holder": _name(holder), "until": time.time() + left}
        self._listener(Event("wait", round(age), round(STALE_SECONDS), facts))
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            now = self._holder()
            if now is None:
                return False
            if now != holder:
                raise self._held(now)
        return True

    def _replace(self, holder: Holder | None) -> None:
        """Replace a stale lock by this run's own; of several runs that try, exactly one succeeds."""
        claim = f"{CLAIMS}/{holder['run'] if holder else 'nobody'}"
        rival = None if self._store.folder.put_new(claim, self._data()) else self._read(claim)
        if (rival and not self._take_over and not is_dead(rival)) or self._holder() != holder:
            raise self._held(self._holder() or rival or self._own)
        self._store.folder.put(LOCK, self._data())

    def _held(self, holder: Holder) -> ConflictError:
        return ConflictError(
            f"{self._store.url} is locked by another run ({_name(holder)}). "
            "Wait for it, or pass --take-over if you are sure that it is no longer running."
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._mine():
            self._store.folder.delete(LOCK)
        for claim in self._store.folder.list(CLAIMS):
            owner = self._read(claim)
            if owner is None or owner["run"] == self._own["run"] or is_dead(owner):
                self._store.folder.delete(claim)

    def confirm(self) -> None:
        """Raise ConflictError if another run has taken over the lock; call it before committing."""
        if not self._mine():
            raise ConflictError(f"{self._store.url} was taken over by another run. This run committed nothing.")

    def _data(self) -> bytes:
        return to_json({**self._own, "beat": time.time()})

    def _holder(self) -> Holder | None:
        return self._read(LOCK)

    def _read(self, name: str) -> Holder | None:
        return self._store.read_json_if_valid(name, Holder)

    def _mine(self) -> bool:
        holder = self._holder()
        return holder is not None and holder["run"] == self._own["run"]

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                if self._mine():
                    self._store.folder.put(LOCK, self._data())
            except VidatlasError:
                # Unreachable storage stops the run when it next writes data; a missed heartbeat alone must not.
                continue


def _name(holder: Holder) -> str:
    return f"process {holder['pid']} on {holder['host']} since {holder['since']}"


def _process_start(pid: int) -> str:
    """Return a process's start time in clock ticks, which exposes a reused process id. Empty if unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def is_dead(holder: Holder) -> bool:
    """Tell whether a lock is stale: its process is gone (on this machine), or its heartbeat stopped (elsewhere)."""
    if holder["host"] == socket.gethostname():
        try:
            os.kill(int(holder["pid"]), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return bool(_process_start(int(holder["pid"])) != holder["process"])
    return bool(time.time() - float(holder["beat"]) > STALE_SECONDS)
