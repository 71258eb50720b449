"""Remote storage through fsspec: timeouts and retries, and storage errors as one-line messages."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any, cast

from vidatlas.errors import UnavailableError, UsageError

ATTEMPTS = 10
"""Attempts per S3 request, with exponential backoff: a busy store answers 503 for a while."""
MOST_SECONDS = 600.0
"""Timeout for reading or writing one file, all attempts together."""
BLOCK = 4 << 20
"""Bytes per range request for an input file: a shard of 10,000 rows needs one or two."""
BLOCKS = 8
PROTOCOLS = frozenset(
    {
        "abfs",
        "abfss",
        "adl",
        "az",
        "file",
        "gcs",
        "gs",
        "hdfs",
        "hf",
        "http",
        "https",
        "local",
        "memory",
        "oci",
        "oss",
        "r2",
    }
    | {"s3", "s3a", "sftp", "smb", "webhdfs"}
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
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
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


@cache
def _s3_options() -> dict[str, Any]:
    from s3fs.core import set_custom_error_handler

    # Of two concurrent conditional requests for one key, S3 tells one to retry.
    set_custom_error_handler(lambda error: "ConditionalRequestConflict" in str(error))
    attempts = int(os.environ.get("AWS_MAX_ATTEMPTS", ATTEMPTS))
    return {
        "max_concurrency": 1,  # a file is one request
        "config_kwargs": {"retries": {"total_max_attempts": attempts, "mode": "standard"}, "read_timeout": 60},
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
            return self._file.read(size)

    def close(self) -> None:
        self._file.close()
        super().close()
