"""The lock of an atlas: one writer at a time, by a lock file with a heartbeat."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from functools import cache
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

    Only its next heartbeat shows whether a run on another machine is alive: entering waits for that heartbeat, or until
    it saw none for ten minutes by this machine's own clock, and tells the listener so in one event of the stage "wait".

    Raises (on entering, and from ``confirm``):
        ConflictError: another run has locked the atlas.
    """

    def __init__(self, store: Store, take_over: bool = False, listener: Listener = ignore) -> None:
        self._store = store
        self._take_over = take_over
        self._listener = listener
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._silent: Holder | None = None
        """Who had claimed the lock before this run waited: it takes a moment from a claim to the lock."""
        self._own: Holder = {
            "run": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": os.getpid(),
            "process": _process_start(os.getpid()),
            "since": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "beat": time.time(),
        }

    def __enter__(self) -> Lock:
        try:
            self._acquire()
        except BaseException:
            self.__exit__(None, None, None)  # a signal may come when the file is there already
            raise
        return self

    def _acquire(self) -> None:
        while not self._store.folder.put_new(LOCK, self._data()):
            holder = self._holder()
            if not holder or self._take_over or is_dead(holder) or self._stays_silent(holder):
                self._replace(holder)
                break
        self._store.folder.sweep(spare=LOCK)
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _stays_silent(self, holder: Holder) -> bool:
        """Wait for a heartbeat of a run elsewhere: False if it released the lock, True if none came in time."""
        if is_here(holder):
            raise self._held(holder)
        # Not by the age of the last heartbeat: the clocks of two machines may differ.
        self._silent = self._read(_claim_on(holder))
        end = time.monotonic() + STALE_SECONDS
        facts = {"holder": _name(holder), "until": time.time() + STALE_SECONDS}
        self._listener(Event("wait", 0, round(STALE_SECONDS), facts))
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            now = self._holder()
            if now is None:
                return False
            if now != holder:
                raise self._held(now)
        return True

    def _replace(self, holder: Holder | None) -> None:
        """Replace a stale lock by this run's own; of several runs that try, exactly one succeeds.

        One that died between its claim and the lock is replaced in the same way.
        """
        rival, dead = self._claim(holder), set[str]()
        while rival and rival["run"] not in dead and (rival == self._silent or is_dead(rival)):
            dead.add(rival["run"])
            rival = self._claim(rival)
        if (rival and not self._take_over) or self._holder() != holder:
            raise self._held(self._holder() or rival or self._own)
        self._store.folder.put(LOCK, self._data())

    def _claim(self, holder: Holder | None) -> Holder | None:
        """Claim the lock of a dead run; return who has done so before, if somebody has."""
        claim = _claim_on(holder)
        return None if self._store.folder.put_new(claim, self._data()) else self._read(claim)

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
            for claim in self._store.folder.list(CLAIMS):
                # The others are on runs that no longer hold the lock.
                if claim != f"{CLAIMS}/{self._own['run']}":
                    self._store.folder.delete(claim)
            self._store.folder.delete(LOCK)

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


def _claim_on(holder: Holder | None) -> str:
    """Return the name of the file of the run that takes over a dead run's lock."""
    return f"{CLAIMS}/{holder['run'] if holder else 'nobody'}"


def _name(holder: Holder) -> str:
    return f"process {holder['pid']} on {holder['host']} since {holder['since']}"


def _process_start(pid: int) -> str:
    """Return a process's start time in clock ticks, which exposes a reused process id. Empty if unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


@cache
def machine() -> str:
    """Return what tells the processes of this machine from those of others, also of one with the same host name.

    It is another one after a restart, and in each container, where a process id says nothing about a process outside.
    """
    found = [str(uuid.getnode())]
    with suppress(OSError):
        boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
        found = [boot.read_text(encoding="utf-8").strip(), str(space.readlink())]
    return " ".join([socket.gethostname(), *found])


def is_here(holder: Holder) -> bool:
    """Tell whether a run is one of this machine, whose processes can be seen from here."""
    return holder.get("machine") == machine()


def is_dead(holder: Holder) -> bool:
    """Tell whether the run that holds a lock is gone for certain: its process was on this machine, and is not there."""
    if not is_here(holder):
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(_process_start(int(holder["pid"])) != holder["process"])
