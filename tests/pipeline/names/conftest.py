"""An OpenAI-compatible server of our own, on loopback, and an atlas that may be changed."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vidatlas.pipeline.names import chat as chatting

Reply = tuple[int, bytes]


def completion(text: Any) -> Reply:
    """Return the reply of a model that says a text."""
    return 200, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Quiet(ThreadingHTTPServer):
    """A server that says nothing of clients that hang up."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Stub:
    """A server that answers as its ``reply`` says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.location = ""
        self.reply: Callable[[dict[str, Any]], Reply] = lambda asked: completion("Good name")
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                stub.asked.append(json.loads(data))
                stub.paths.append(self.path)
                stub.headers.append(dict(self.headers))
                status, body = stub.reply(stub.asked[-1])
                self.send_response(status)
                if stub.location:
                    self.send_header("Location", stub.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                stub.paths.append(f"GET {self.path}")
                self.send_error(404)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setattr(chatting, "PAUSES", (0.0, 0.0))
    monkeypatch.delenv(chatting.KEY, raising=False)
    found = Stub()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def says() -> Callable[[Any], Reply]:
    return completion


@pytest.fixture
def atlas(small_atlas: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_atlas.url, tmp_path / "atlas"))
