"""Files of an atlas mapped into memory: each is verified once, and of a remote one a copy is kept on this machine."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.storage.cache import kept
from vidatlas.storage.folder import LocalFolder
from vidatlas.storage.remote import RemoteFolder
from vidatlas.storage.store import Store
from vidatlas.types import FileFacts


class MappedFiles:
    """Open files of an atlas to read some of each, many times over."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._paths: dict[str, Path] = {}

    def open(self, name: str, facts: FileFacts) -> pq.ParquetFile:
        """Open a Parquet table; wrap what is read of it in ``store.readable``.

        Raises:
            InputError: the file is missing or altered, not Parquet, or has an unsafe extension type.
        """
        path = self.path(name, facts)
        with self.store.readable(name):
            return self.store.opened(name, pa.memory_map(str(path)))

    def path(self, name: str, facts: FileFacts) -> Path:
        """Return where a file lies on this machine, its hash verified the first time.

        Raises:
            InputError: it is missing or altered.
        """
        # The cache drops what nobody asked it for in a month, while an app may run for longer.
        if name not in self._paths or not self._paths[name].exists():
            self._paths[name] = self._verified(name, facts)
        return self._paths[name]

    def _verified(self, name: str, facts: FileFacts) -> Path:
        folder = self.store.folder
        if isinstance(folder, LocalFolder):
            if folder.size(name) is None:
                raise self.store.missing(name)
            if _digest(path := folder.plain(name)) != facts["sha256"]:
                raise self.store.altered(name)
            return path
        key, copy = facts["sha256"], partial(self._copy, folder, name, facts)
        path = kept(key, copy)
        return path if _digest(path) == key else kept(key, copy, renew=True)

    def _copy(self, folder: RemoteFolder, name: str, facts: FileFacts, path: Path) -> None:
        if folder.size(name) is None:
            raise self.store.missing(name)
        folder.copy_to(name, path)
        if _digest(path) != facts["sha256"]:
            raise self.store.altered(name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
