"""An HTTP proxy before an S3 server that breaks chosen requests, so often and in such a way."""

import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
BROKEN = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
RACE = b"<Error><Code>ConditionalRequestConflict</Code><Message>Conflict.</Message></Error>"
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
ERRORS = {"503": BUSY, "500": BROKEN, "409": RACE, "400": EXPIRED}


@dataclass
class Fault:
    """Break requests of a method whose path holds a text: ``times`` of them, or all where that is None."""

    mode: str
    """503, 500, 409, 400 (credentials expired), reset (before the server sees it), lost (after it did; nobody is told),
    short (half a body), hang (no answer), drip (an answer that never ends, a byte at a time)."""
    method: str
    path: str = ""
    times: int | None = 1


class Proxy:
    """Forward to an S3 server on loopback, but for the faults; count both. Writing takes ``delay`` seconds more."""

    def __init__(self, target: str, delay: float = 0.0) -> None:
        self.delay = delay
        self.target, self.faults, self.requests, self.struck = target, list[Fault](), Counter[str](), Counter[str]()
        self.sent, self.written = 0, list[tuple[str, str]]()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.stopped = threading.Event()
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def puts(self, below: str, who: str = "") -> list[str]:
        """Return the paths that were written below a folder, by clients with a key (default: by all), in order."""
        return [path for path, key in list(self.written) if f"/{below}/" in path and who in key]

    def fault(self, method: str, path: str, key: str) -> str | None:
        """Count a request by a client with some access key; return how it is to be broken."""
        with self._lock:
            self.requests[method] += 1
            self.written += [(path, key)] if method == "PUT" else []
            for fault in self.faults:
                if fault.method == method and fault.path in path and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    self.struck[fault.mode] += 1
                    return fault.mode
        return None


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: Any) -> None:
        return None

    def _forward(self) -> None:
        body = self._body()
        if self.command == "PUT":
            time.sleep(self.proxy.delay)
        key = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        mode = self.proxy.fault(self.command, self.path, key)
        if mode in ERRORS:
            return self._answer(int(mode), ERRORS[mode], {"Content-Type": "application/xml"})
        if mode in ("hang", "drip"):
            return self._keep_waiting(mode)
        if mode == "reset":
            return self._reset()
        status, headers, data = self._ask(body)
        if mode == "lost":
            return self._reset()
        self.proxy.sent += len(data)
        return self._answer(status, data, headers, short=mode == "short")

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _forward  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(urlsplit(self.proxy.target).netloc, timeout=60)
        hop = ("expect", "transfer-encoding", "content-length", "connection")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in hop}
        connection.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in (*hop, "date", "server")}
        if self.command == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length", "0")
        return answer.status, kept, data

    def _answer(self, status: int, data: bytes, headers: dict[str, str], short: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if short else data)
        self.wfile.flush()
        if short:
            self._reset()

    def _keep_waiting(self, mode: str) -> None:
        """Answer nothing, or a byte now and then, until the client has gone or the proxy is stopped."""
        if mode == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
        with suppress(OSError):
            while not self.proxy.stopped.wait(0.2) and (mode == "drip" or not self._has_gone()):
                if mode == "drip":
                    self.wfile.write(b"x")
                    self.wfile.flush()
        self.close_connection = True

    def _has_gone(self) -> bool:
        self.connection.setblocking(False)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False

    def _reset(self) -> None:
        with suppress(OSError):
            self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
