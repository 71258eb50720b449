"""Attempts at a shard: how often one is retried before the job ends."""

from __future__ import annotations

import os
import socket

from vidatlas.errors import VidatlasError
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Attempts
from vidatlas.storage.store import Store, to_json

MAX_ATTEMPTS = 5


def mark_attempt(store: Store, shard: str) -> int:
    """Note that a shard is begun, and return which attempt this is.

    Raises:
        VidatlasError: it killed its worker each time.
    """
    name = layout.attempt(shard)
    begun = store.read_json_if_valid(name, Attempts)
    count = 1 + (begun["attempts"] if begun else 0)
    if count > MAX_ATTEMPTS:
        raise VidatlasError(
            f"shard {shard} crashed its worker {MAX_ATTEMPTS} times, most likely out of memory. "
            "Use a machine with more, or a new atlas with --set source.shard_rows=1000 "
            "and a smaller --set encoder.batch_tokens."
        )
    marked: Attempts = {
        "shard": shard,
        "attempts": count,
        "worker": f"process {os.getpid()} on {socket.gethostname()}",
    }
    store.folder.put(name, to_json(marked))
    return count
