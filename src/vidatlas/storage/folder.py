"""A folder, local or on an object store: read files, list them, and write each atomically."""

from __future__ import annotations

import glob
import hashlib
import io
import os
import stat
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from vidatlas.errors import InputError, UsageError
from vidatlas.storage import cache
from vidatlas.storage.remote import (
    BUFFER,
    RemoteFolder,
    inside,
    open_filesystem,
    open_remote,
    plain_errors,
    storage_errors,
)

TEMPORARY = ".tmp-"


def _sync(path: Path, flags: int = os.O_RDONLY) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(target: Path) -> Path:
    return target.with_name(f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}-{target.name}")


class Hashed(io.RawIOBase):
    """Hash what is written to a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._size, self.sha256 = file, 0, hashlib.sha256()

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def write(self, data: Any) -> int:
        """Write bytes, of which no more are kept here."""
        self.sha256.update(data)
        written = self._file.write(data)
        self._size += written
        return written


class LocalFolder:
    """Keep files in a local folder: write a temporary file, fsync, rename, fsync the directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = str(path)

    def _at(self, name: str) -> Path:
        path = self.path
        for step in Path(inside(self.url, name)).parts:
            path /= step
            if path.is_symlink():
                raise InputError(
                    f"{path} is or goes through a symbolic link. Only the folder of an atlas itself may be a link."
                )
        return path

    def plain(self, name: str) -> Path:
        """Return the path of a file to read; refuse pipes and devices."""
        path = self._at(name)
        if stat.S_IFMT(path.stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"{path} is a pipe or a device, not a file. Remove it.")
        return path

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes of a file in the folder, or those from ``start`` up to ``end``."""
        with storage_errors(self.url, name, may_be_absent=True), self.plain(name).open("rb") as file:
            file.seek(start)
            return file.read(-1 if end is None else end - start)

    def open(self, name: str) -> IO[bytes]:
        """Open a file of the folder for reading; it is seekable."""
        with storage_errors(self.url, name, may_be_absent=True):
            return self.plain(name).open("rb")

    @contextmanager
    def _temporaries(self, files: Mapping[str, bytes]) -> Iterator[dict[Path, Path]]:
        """Write files under temporary names, durably; yield those by target; what is left at the end is removed."""
        written: dict[Path, Path] = {}
        try:
            for name, data in files.items():
                target = self._at(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                written[target] = _temporary(target)
                written[target].write_bytes(data)
            # All are written before the first is synced: one commit of the file system's journal then serves all.
            for temporary in written.values():
                _sync(temporary, os.O_RDWR)  # not every file system flushes a file that was opened to be read
            yield written
        finally:
            for temporary in written.values():
                temporary.unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """Create or replace a file atomically; it is durable when this returns."""
        self.put_all({name: data})

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Create or replace each of some files atomically; all are durable when this returns."""
        with storage_errors(self.url, next(iter(files), "")), self._temporaries(files) as written:
            for target, temporary in written.items():
                temporary.replace(target)
            for folder in {target.parent for target in written}:
                _sync(folder)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file to write in pieces; it is created or replaced as by ``put`` unless something is raised."""
        target = self._at(name)
        temporary = _temporary(target)
        with storage_errors(self.url, name):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("wb", BUFFER) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
                _sync(target.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def put_new(self, name: str, data: bytes) -> bool:
        """Create a file in the folder unless it exists; return whether this call created it."""
        with storage_errors(self.url, name), self._temporaries({name: data}) as written:
            ((target, temporary),) = written.items()
            try:
                # A hard link, unlike a rename, never replaces a file: it is POSIX's atomic "create if absent".
                os.link(temporary, target)
            except FileExistsError:
                return False
            _sync(target.parent)
            return True

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, or None if it is not in the folder."""
        try:
            with storage_errors(self.url, name, may_be_absent=True):
                return self._at(name).stat().st_size
        except FileNotFoundError:
            return None

    def list(self, directory: str) -> list[str]:
        """Return the sorted names of the complete files directly in a subfolder."""
        return sorted(self.sizes(directory))

    def sizes(self, directory: str) -> dict[str, int]:
        """Return the sizes in bytes of the complete files directly in a subfolder, or the folder itself ("")."""
        at, found = self._at(directory), {}
        with storage_errors(self.url, directory):
            for entry in os.scandir(at) if at.is_dir() else ():
                if entry.is_file() and not entry.name.startswith(TEMPORARY):
                    with suppress(FileNotFoundError):  # removed at this moment
                        found[f"{directory}/{entry.name}".lstrip("/")] = entry.stat().st_size
        return found

    def entries(self) -> tuple[str, ...]:
        """Return the names of all that lies directly in the folder."""
        with storage_errors(self.url, ""):
            return tuple(sorted(one.name for one in self.path.iterdir())) if self.path.exists() else ()

    def delete(self, name: str) -> None:
        """Remove a file from the folder if it is there."""
        with storage_errors(self.url, name):
            self._at(name).unlink(missing_ok=True)

    def sweep(self, spare: str) -> None:
        """Remove the temporary files that killed runs left in the folder, except those of the file ``spare``.

        Call it only while holding the lock, and spare the lock file: other runs may be trying to take it now.
        """
        with storage_errors(self.url, ""):
            for leftover in self.path.rglob(f"{TEMPORARY}*"):
                owner = leftover.name.removeprefix(TEMPORARY).split("-", 1)[0]
                if not (leftover.name.endswith(f"-{spare}") and Path("/proc", owner).exists()):
                    leftover.unlink(missing_ok=True)

    def free_bytes(self) -> int | None:
        """Return the free bytes of the file system that holds (or will hold) the folder."""
        at = self.path
        while not at.exists():
            at = at.parent
        usage = os.statvfs(at)
        return usage.f_bavail * usage.f_frsize


def is_remote(url: str) -> bool:
    """Tell whether a location is on remote storage, not on the local file system."""
    return "://" in url and not url.startswith("file://")


def is_relative(url: str) -> bool:
    """Tell whether a location is relative to this process's working folder."""
    return not is_remote(url) and not url.removeprefix("file://").startswith("/")


def local_path(url: str) -> Path:
    """Return the absolute local path of a location that is not remote.

    Raises:
        UsageError: it is empty, as an unset variable of a shell is.
    """
    if not url.strip():
        raise UsageError("a path is empty. Name the folder or file; perhaps a variable of the shell is not set.")
    return Path(url.removeprefix("file://")).expanduser().absolute()


def input_state(url: str) -> tuple[int, str]:
    """Return an input's size and its ETag or modification time; raise FileNotFoundError if it is absent."""
    if not is_remote(url):
        state = local_path(url).stat()
        return state.st_size, str(state.st_mtime_ns)
    filesystem, path = open_filesystem(url)
    with plain_errors(url, may_be_absent=True):
        info = filesystem.info(path)
    return int(info["size"] or 0), next((str(info[key]) for key in _CHANGED if info.get(key)), "")


_CHANGED = (
    *("ETag", "etag", "blob_id", "Content-MD5", "LastModified", "Last-Modified", "last_modified"),
    *("mtime", "updated", "modificationTime"),
)
"""What fsspec's clients call the state of a file, the most exact first."""


def expand(pattern: str) -> list[str]:
    """Return the sorted, absolute locations of files that match a pattern, or the single location.

    Args:
        pattern: a local path or fsspec URL, with ``*``, ``?``, ``[…]`` and ``**`` in any part; a file of exactly that
            name comes first.

    Raises:
        UsageError: it is standard input, a pipe, a device or a socket.
    """
    if is_remote(pattern):
        return _expand_remote(pattern)
    path = local_path(pattern)
    with plain_errors(pattern):
        _refuse_streams(pattern, path)
        if not glob.has_magic(str(path)) or path.exists():
            return [str(path)]
        there = next(parent for parent in path.parents if parent.exists())
        rest = path.relative_to(there)
        # Unlike pathlib, glob leaves out hidden files, as a shell does.
        found = glob.glob(f"{glob.escape(str(there))}/{rest}", recursive=True)  # noqa: PTH207
        return sorted(match for match in found if Path(match).is_file())


def _expand_remote(pattern: str) -> list[str]:
    # In a web address, a question mark starts the query.
    if not any(sign in pattern for sign in ("*[" if pattern.startswith(("http://", "https://")) else "*?[")):
        return [pattern]
    filesystem, path = open_filesystem(pattern)
    try:
        with plain_errors(pattern, may_be_absent=True):
            if filesystem.isfile(path):
                return [pattern]
            found = filesystem.glob(path, detail=True)
    except FileNotFoundError:
        return []
    return sorted(filesystem.unstrip_protocol(name) for name, info in found.items() if info["type"] == "file")


def _refuse_streams(pattern: str, path: Path) -> None:
    """Raise UsageError for what can be read only once."""
    kind = stat.S_IFMT(path.stat().st_mode) if path.exists() else 0
    if pattern == "-" or str(path).startswith(("/dev/stdin", "/dev/fd/", "/proc/")):
        what = "standard input or a pipe"
    elif kind in (0, stat.S_IFREG, stat.S_IFDIR):
        return
    else:
        what = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}.get(kind, "a device")
    raise UsageError(f"cannot read {pattern}: it is {what}, and every row is read twice. Save it to a file; name that.")


def open_folder(url: str) -> LocalFolder | RemoteFolder:
    """Return the folder at a local path or fsspec URL; nothing is created until the first put."""
    return RemoteFolder(url) if is_remote(url) else LocalFolder(local_path(url))


def fetch(url: str, directories: Iterable[str], endings: tuple[str, ...]) -> Path:
    """Copy files of a remote folder to this machine's cache, unless they are there; return the local folder.

    If several processes want the same files at once, the first copies them and the others wait.

    Args:
        url: the folder.
        directories: the subfolders to copy from; "" is the folder itself.
        endings: suffixes of the file names to copy.
    """
    there = RemoteFolder(url)
    names = [name.lstrip("/") for inside in directories for name in there.list(inside) if name.endswith(endings)]
    states = [(name, *input_state(f"{there.url}/{name}")) for name in names]
    here = LocalFolder(cache.folder() / hashlib.sha256(repr((there.url, states)).encode()).hexdigest()[:16])
    with _alone(here.path):
        for name, size, _ in states:
            if here.size(name) != size:
                here.put(name, there.read(name))
        if here.path.exists():  # there was something to copy
            os.utime(here.path)  # the cache drops what was not used for a month
    return here.path


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a per-machine lock for a path; the operating system releases it if the process dies."""
    import fcntl

    with path.with_suffix(".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def open_input(url: str) -> IO[bytes]:
    """Open an input file, local or remote, for reading (seekable); raise FileNotFoundError if it is absent."""
    return open_remote(url) if is_remote(url) else local_path(url).open("rb")
