"""Remote storage through fsspec: a folder there, timeouts and retries, and storage errors as one-line messages."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

from vidatlas.errors import InputError, UnavailableError, UsageError
from vidatlas.storage import cache

ATTEMPTS = 10
"""Attempts per S3 request, with exponential backoff: a busy store answers 503 for a while."""
READ_SECONDS = 60
"""Timeout for the next bytes of an S3 response, in each attempt."""
MOST_SECONDS = 600.0
"""Timeout for reading, writing, listing or deleting one file, all attempts together."""
BLOCK = 4 << 20
"""Bytes per range request for an input file: a shard of 10,000 rows needs one or two."""
BLOCKS = 8
BUFFER = 1 << 20
"""Bytes that are written at once to a file that is written in pieces."""
PROTOCOLS = frozenset(
    {"abfs", "abfss", "adl", "az", "file", "gcs", "gs", "hdfs", "hf", "http", "https", "local", "memory"}
    | {"oci", "oss", "r2", "s3", "s3a", "sftp", "smb", "webhdfs"}
)
"""fsspec's protocols that store files. Others, and chained URLs, could read files of this machine and send them on."""


@contextmanager
def plain_errors(url: str, may_be_absent: bool = False) -> Iterator[None]:
    """Turn errors of the operating system or a storage client, local or remote, into one line with a remedy."""
    try:
        yield
    except _failures() as raised:
        error = _cause(raised)
        if may_be_absent and isinstance(error, FileNotFoundError):
            raise
        if isinstance(error, NotADirectoryError | FileExistsError):
            raise UsageError(f"cannot use {url}: there is a file where a folder is needed. Name a folder.") from error
        nameless = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        reason = getattr(error, "strerror", None) or str(error) or nameless
        reason = " ".join(reason.split())[:_MOST_REASON].rstrip(".")
        remedy = "Check the address, the network and your credentials" if "://" in url else _REPAIR
        raise UnavailableError(
            f"cannot use {url}: {reason}. {remedy}, then rerun the same command to resume."
        ) from error


def _cause(error: Exception) -> Exception:
    """Return what is behind an error: fsspec calls every file absent that a web server does not give."""
    cause = error.__cause__
    known = isinstance(cause, _failures()) and getattr(cause, "status", 0) not in _GONE
    return cause if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and known else error


_GONE = (404, 410)
_REPAIR = "Free space or repair the storage"
_MOST_REASON = 400
_ERRORS = (
    ("botocore.exceptions", "BotoCoreError"),
    ("aiohttp", "ClientError"),
    ("httpx", "HTTPError"),
    ("httpx2", "HTTPError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
    ("paramiko", "SSHException"),
)
"""Base classes of the exceptions of fsspec's clients that are no OSError."""


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions that storage raises, out of the modules that are loaded."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _ERRORS)
    return (OSError, *filter(None, found))


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the remote file system (fsspec) of a URL and the path in it; its client finds the credentials.

    Raises:
        UsageError: the protocol is not one of ``PROTOCOLS``.
        UnavailableError: no package for it is installed, or its client cannot be set up.
    """
    import fsspec

    protocol = url.partition("://")[0]
    if "::" in url or protocol not in PROTOCOLS:
        raise UsageError(
            f"cannot open {url}: only URLs with one of these protocols are supported: {', '.join(sorted(PROTOCOLS))}. "
            "Copy the file to one of them, or to this machine."
        )
    # Other processes write too: cached listings would be stale.
    options: dict[str, Any] = {"use_listings_cache": False}
    try:
        if url.startswith(("s3://", "s3a://")):
            options |= _s3_options()
        with plain_errors(url):
            filesystem, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        package = "vidatlas[s3]" if protocol in ("s3", "s3a") else f"the fsspec package for {protocol}://"
        raise UnavailableError(f"cannot open {url}: {str(error).rstrip('.')}. Install {package} with pip.") from error
    except ValueError as error:
        raise UsageError(f"cannot open {url}: {error}. Check the address.") from error
    return filesystem, str(path)


@lru_cache(maxsize=1)
def _s3_options() -> dict[str, Any]:
    from s3fs.core import set_custom_error_handler

    # Of two concurrent conditional requests for one key, S3 tells one to retry.
    set_custom_error_handler(lambda error: "ConditionalRequestConflict" in str(error))
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS", ATTEMPTS))
    return {
        "max_concurrency": 1,  # a file is one request
        "config_kwargs": {
            "retries": {"total_max_attempts": attempts, "mode": "standard"},
            "read_timeout": READ_SECONDS,
        },
    }


def open_remote(url: str) -> IO[bytes]:
    """Open a remote file for reading (seekable, in large blocks); raise FileNotFoundError if it is absent.

    Raises:
        UnavailableError: the storage fails, now or at a later read.
    """
    filesystem, path = open_filesystem(url)
    with plain_errors(url, may_be_absent=True):
        file = filesystem.open(
            path, "rb", block_size=BLOCK, cache_type="blockcache", cache_options={"maxblocks": BLOCKS}
        )
        with _in_parts(url):
            file.seek(0, io.SEEK_END)
            file.seek(0)
    return cast(IO[bytes], _Reader(file, url))


@contextmanager
def _in_parts(url: str) -> Iterator[None]:
    """Say what to do where a web server sends files only as a whole."""
    try:
        yield
    except ValueError as error:
        raise UnavailableError(
            f"cannot use {url}: its server sends no parts of a file. Download the file, and name that."
        ) from error


def _in_time(read: Callable[[], bytes]) -> bytes:
    """Return what a call reads; raise TimeoutError after ``MOST_SECONDS``, and leave it to its thread.

    s3fs repeats a request 25 times in two nested loops, each of them with the attempts of botocore: hours, where a
    store accepts requests and never answers.
    """
    found: Future[bytes] = Future()

    def run() -> None:
        try:
            found.set_result(read())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            found.set_exception(error)

    threading.Thread(target=run, daemon=True, name="reading").start()
    return found.result(MOST_SECONDS)


class _Reader(io.RawIOBase):
    """Read a remote file; a storage error is not reported as a damaged file."""

    def __init__(self, file: IO[bytes], url: str) -> None:
        self._file, self._url = file, url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        with plain_errors(self._url), _in_parts(self._url):
            return _in_time(lambda: self._file.read(size))

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def inside(folder: str, name: str) -> str:
    """Return a file's name, checked: names also come from manifests, which are untrusted.

    Raises:
        InputError: it points outside the folder.
    """
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise InputError(f"{folder} names the file {name!r}, which is outside that folder. Do not use this atlas.")
    return name


@contextmanager
def storage_errors(url: str, name: str, may_be_absent: bool = False) -> Iterator[None]:
    """Name the file of a folder in its errors, as ``plain_errors`` does."""
    with plain_errors(f"{url.rstrip('/')}/{name}", may_be_absent):
        yield


class RemoteFolder:
    """Keep a folder's files on any fsspec file system: one PUT per file, no rename."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._fs, root = open_filesystem(self.url)
        self._root = root.rstrip("/")
        # No client's own timeouts cover every way in which a server can stop responding.
        self._limit = {"timeout": MOST_SECONDS} if self._fs.async_impl else {}

    def _limit_for(self, size: int) -> dict[str, float]:
        """Return the timeout for so many bytes: a connection that still moves a megabyte a second is not broken."""
        return {key: seconds + size / 1e6 for key, seconds in self._limit.items()}

    def _at(self, name: str) -> str:
        return f"{self._root}/{inside(self.url, name)}"

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes of a file in the folder, or those from ``start`` up to ``end``."""
        with storage_errors(self.url, name, may_be_absent=True):
            return cast(bytes, self._fs.cat_file(self._at(name), start=start or None, end=end, **self._limit))

    def copy_to(self, name: str, path: Path) -> None:
        """Copy a file of the folder to a local one, piece by piece."""
        with storage_errors(self.url, name, may_be_absent=True):
            self._fs.get_file(self._at(name), str(path), **self._limit_for(self.size(name) or 0))

    def open(self, name: str) -> IO[bytes]:
        """Open a remote file for reading; it is seekable, and only what is read is fetched."""
        return open_remote(f"{self.url}/{inside(self.url, name)}")

    def put(self, name: str, data: bytes) -> None:
        """Create or replace a file of the folder in one request."""
        self.put_all({name: data})

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Create or replace some files of the folder, one request each, many at once."""
        with storage_errors(self.url, next(iter(files), "")):
            self._fs.pipe({self._at(name): data for name, data in files.items()}, **self._limit)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a file of this machine to write in pieces; it is then stored as a whole unless something is raised."""
        here = cache.folder()
        with plain_errors(str(here)), tempfile.NamedTemporaryFile("wb", BUFFER, dir=here, prefix=".tmp-") as file:
            yield file
            size = file.tell()
            file.flush()
            with storage_errors(self.url, name):
                self._fs.put_file(file.name, self._at(name), **self._limit_for(size))

    def put_new(self, name: str, data: bytes) -> bool:
        """Create a file in the folder unless it exists; return whether this call created it."""
        with storage_errors(self.url, name):
            try:
                self._fs.pipe_file(self._at(name), data, mode="create", **self._limit)
            except FileExistsError:
                # A request whose response was lost is retried, and finds the file that it wrote itself.
                return self._is(name, data)
            return True

    def _is(self, name: str, data: bytes) -> bool:
        try:
            return self.read(name) == data
        except FileNotFoundError:
            return False

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, or None if it is not in the folder."""
        try:
            with storage_errors(self.url, name, may_be_absent=True):
                return int(self._fs.info(self._at(name), **self._limit)["size"])
        except FileNotFoundError:
            return None

    def list(self, directory: str) -> list[str]:
        """Return the sorted names of the files directly in a subfolder."""
        return sorted(self.sizes(directory))

    def sizes(self, directory: str) -> dict[str, int]:
        """Return the sizes in bytes of the files directly in a subfolder, or the folder itself ("")."""
        files = (entry for entry in self._ls(directory) if entry["type"] == "file")
        named = ((str(entry["name"]).rsplit("/", 1)[-1], int(entry["size"] or 0)) for entry in files)
        return {f"{directory}/{name}".lstrip("/"): size for name, size in named}

    def entries(self) -> tuple[str, ...]:
        """Return the names of all that lies directly in the folder."""
        found = (str(entry["name"]).rstrip("/") for entry in self._ls(""))
        # Some stores list the folder itself too.
        return tuple(sorted(name.rsplit("/", 1)[-1] for name in found if not self._root.endswith(name)))

    def _ls(self, directory: str) -> tuple[dict[str, Any], ...]:
        with storage_errors(self.url, directory):
            try:
                return tuple(self._fs.ls(self._at(directory), detail=True, refresh=True, **self._limit))
            except FileNotFoundError:
                return ()

    def delete(self, name: str) -> None:
        """Remove a file from the folder if it is there."""
        with storage_errors(self.url, name):
            try:
                self._fs.rm_file(self._at(name), **self._limit)
            except FileNotFoundError:
                return

    def sweep(self, spare: str) -> None:
        """Do nothing: a folder on an object store has no partially written files."""

    def free_bytes(self) -> int | None:
        """Return None: a folder on an object store has no size limit."""
        return None
