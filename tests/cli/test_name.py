"""The command name: lists subcategories, asks a model only where it is told to, and says what came of it."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from vidatlas.cli.main import main
from vidatlas.pipeline.names import chat as chatting

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def atlas(small_atlas: Any, tmp_path: Path) -> str:
    return str(shutil.copytree(small_atlas.url, tmp_path / "atlas"))


class Model(BaseHTTPRequestHandler):
    """A model that says the same whatever it is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"choices": [{"message": {"content": "Guitar lessons"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_by_hand_alone_nobody_is_asked(atlas: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatting, "build_opener", None)
    assert main(["name", atlas]) == 0
    out = capsys.readouterr().out
    assert f"{atlas}/names.csv: " in out
    assert "0 named by hand" in out
    assert "model" not in out
    assert f"vidatlas publish {atlas}" in out


def test_a_model_is_asked_and_named_with_counts(atlas: str, endpoint: str, capsys: Capture) -> None:
    ask = ["name", atlas, "--endpoint", endpoint, "--model", "small"]
    assert main([*ask, "--limit", "2"]) == 0
    assert "2 asked now; 2 suggestions\n" in capsys.readouterr().out
    assert main([*ask, "--limit", "3"]) == 0
    assert "1 asked now; 3 suggestions\n" in capsys.readouterr().out
    assert main(["verify", atlas]) == 0
    assert main(["status", atlas]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--endpoint", "http://127.0.0.1:8080"], "--model is missing"),
        (["--model", "small"], "--endpoint is missing"),
        (["--limit", "3"], "need --endpoint and --model"),
        (["--allow-remote"], "need --endpoint and --model"),
        (["--endpoint", "http://example.com", "--model", "small"], "example.com is not this machine"),
        (["--endpoint", "", "--model", "small"], "must be an address"),
    ],
)
def test_options_that_do_not_fit_are_a_usage_error(
    atlas: str, options: list[str], message: str, capsys: Capture
) -> None:
    assert main(["name", atlas, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (Path(atlas) / "names.csv").exists()


def test_an_unreachable_server_is_exit_code_5(atlas: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatting, "PAUSES", ())
    assert main(["name", atlas, "--endpoint", "http://127.0.0.1:1", "--model", "small"]) == 5
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_is_no_atlas_is_a_usage_error(tmp_path: Path, capsys: Capture) -> None:
    assert main(["name", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
