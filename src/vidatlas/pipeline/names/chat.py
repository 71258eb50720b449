"""Chat client: one question to an OpenAI-compatible server over HTTP, with retries, by default on this machine only."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from vidatlas.errors import UnavailableError, UsageError
from vidatlas.types import Json
from vidatlas.views.text import shown

KEY = "VIDATLAS_API_KEY"
SECONDS = 180.0
"""How long a server may take for one answer."""
PAUSES = (1.0, 3.0, 9.0)
"""Seconds before each further try."""
MOST_BYTES = 1_000_000
"""Bytes of an answer."""
MOST_TOKENS = 2_048
_BUSY = {408, 425, 429, 500, 502, 503, 504, 529}


class _TransientError(Exception):
    """What may pass when the question is asked again."""


class _NoRedirects(HTTPRedirectHandler):
    """Follow no redirect: it could lead titles and key away from this machine."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return no request: the redirect is an HTTP error."""


@dataclass(frozen=True, slots=True)
class Chat:
    """Ask a model at an OpenAI-compatible server; ``open_chat`` makes one."""

    url: str
    model: str
    is_local: bool
    key: str = field(default="", repr=False)

    def ask(self, messages: Sequence[Json]) -> str:
        """Return the model's answer to messages, as it was sent.

        Raises:
            UsageError: the server refuses such questions.
            UnavailableError: it gave no answer, several times.
        """
        asked = {"model": self.model, "messages": list(messages), "stream": False}
        body = json.dumps({**asked, "temperature": 0, "seed": 0, "max_tokens": MOST_TOKENS}).encode()
        for pause in (*PAUSES, None):
            try:
                return _answer_in(self._post(body))
            except _TransientError as error:
                if pause is None:
                    raise UnavailableError(
                        f"{self.url} gave no answer, {len(PAUSES) + 1} times: {error}. Start the server or check "
                        "--endpoint, then rerun the command; answers so far are kept."
                    ) from error
                time.sleep(pause)
        raise AssertionError

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = Request(self.url, body, headers)  # noqa: S310 - http or https, as ``open_chat`` checks
        try:
            with self._opener().open(request, timeout=SECONDS) as response:
                return _read(response)
        except HTTPError as error:
            if error.code in _BUSY:
                raise _TransientError(f"HTTP {error.code}: {self._said(error)}") from error
            raise UsageError(
                f"{self.url} refused the question: HTTP {error.code}: {self._said(error)}. "
                f"Check --endpoint, --model and the environment variable {KEY}."
            ) from error
        except (OSError, HTTPException) as error:
            raise _TransientError(shown(str(getattr(error, "reason", error)) or type(error).__name__)) from error

    def _opener(self) -> OpenerDirector:
        """Return what sends requests: to this machine never through a proxy."""
        return build_opener(_NoRedirects, *([ProxyHandler({})] if self.is_local else []))

    def _said(self, error: HTTPError) -> str:
        """Return the reason that a server gives, without the key, which some repeat."""
        try:
            with error:
                text = error.read(10_000).decode("utf-8", "replace")
        except (OSError, HTTPException):
            text = ""
        try:
            text = str(json.loads(text)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            text = text or str(error.reason)
        return shown(text.replace(self.key, "***") if self.key else text, 200).rstrip(".")


def _read(response: Any) -> bytes:
    """Return a response's body; a server that drips is given up in time."""
    end, parts = time.monotonic() + SECONDS, list[bytes]()
    while data := response.read1(65_536):
        parts.append(data)
        if sum(map(len, parts)) > MOST_BYTES:
            raise _TransientError(f"the answer has more than {MOST_BYTES:,} bytes")
        if time.monotonic() > end:
            raise TimeoutError(f"the answer took more than {SECONDS:g} s")
    return b"".join(parts)


def _answer_in(body: bytes) -> str:
    """Return the text of a chat completion; empty where a model sent none."""
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise _TransientError("what it sent is no chat completion") from error
    return content if isinstance(content, str) else ""


def open_chat(endpoint: str, model: str, allow_remote: bool = False) -> Chat:
    """Return a client for a server, such as ``http://127.0.0.1:8080/v1``; without a path it is ``/v1``.

    The key, where the server wants one, comes from the environment variable ``VIDATLAS_API_KEY``.

    Raises:
        UsageError: the address or the key cannot be used, or the address is not on this machine and nobody allowed it.
    """
    parts = _split(endpoint)
    host = parts.hostname or ""
    is_local = _is_loopback(host)
    if not is_local and not allow_remote:
        raise UsageError(
            f"--endpoint: {host} is not this machine, and titles would be sent to it. Add --allow-remote to allow that."
        )
    if not model.strip():
        raise UsageError("--model is empty. Name a model that the server has.")
    key = os.environ.get(KEY, "").strip()
    if not key.isascii() or not key.isprintable():
        raise UsageError(f"{KEY} holds characters that no HTTP header may have. Set it again.")
    path = parts.path.rstrip("/") or "/v1"
    return Chat(f"{parts.scheme}://{parts.netloc}{path}/chat/completions", model.strip(), is_local, key)


def _split(endpoint: str) -> SplitResult:
    try:
        parts = urlsplit(endpoint)
        # Reading the port checks it.
        usable = parts.port != 0 and endpoint.isascii() and endpoint.isprintable() and " " not in endpoint
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError("--endpoint must be an address such as http://127.0.0.1:8080/v1.")
    if "@" in parts.netloc:
        raise UsageError(f"--endpoint must not hold a user or a password. Put a key into {KEY}.")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
