"""A question reaches the server, and no other machine; what fails for a moment is asked again, the rest is one line."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from vidatlas.errors import UnavailableError, UsageError
from vidatlas.pipeline.names import chat as chatting
from vidatlas.pipeline.names.chat import open_chat

QUESTION = [{"role": "user", "content": "Which name? 名前"}]


@pytest.mark.parametrize(("path", "asked"), [("", "/v1"), ("/", "/v1"), ("/v1", "/v1"), ("/a/openai/", "/a/openai")])
def test_the_question_arrives_and_the_answer_comes_back(stub: Any, says: Any, path: str, asked: str) -> None:
    stub.reply = lambda _: says("Guitar lessons")
    assert open_chat(stub.endpoint + path, "small").ask(QUESTION) == "Guitar lessons"
    assert stub.paths == [f"{asked}/chat/completions"]
    assert stub.asked[0]["messages"] == QUESTION
    assert (stub.asked[0]["model"], stub.asked[0]["temperature"], stub.asked[0]["stream"]) == ("small", 0, False)
    assert "Authorization" not in stub.headers[0]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(stub: Any, says: Any, status: int) -> None:
    replies = iter([(status, b"later"), (200, b'{"half": '), says("Good")])
    stub.reply = lambda _: next(replies)
    assert open_chat(stub.endpoint, "small").ask(QUESTION) == "Good"
    assert len(stub.asked) == 3


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices": []}', b"[" * 100_000, b'{"choices": [7]}'])
def test_what_is_no_chat_completion_is_unavailable(stub: Any, body: bytes) -> None:
    stub.reply = lambda _: (200, body)
    with pytest.raises(UnavailableError, match="3 times: what it sent is no chat completion"):
        open_chat(stub.endpoint, "small").ask(QUESTION)


def test_a_model_that_says_nothing_gives_an_empty_answer(stub: Any, says: Any) -> None:
    stub.reply = lambda _: says(None)
    assert open_chat(stub.endpoint, "small").ask(QUESTION) == ""


def test_a_server_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatting, "PAUSES", (0.0,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UnavailableError, match=r"2 times: .*refused.*rerun") as raised:
        open_chat(f"http://127.0.0.1:{port}", "small").ask(QUESTION)
    assert raised.value.exit_code == 5


def test_a_server_that_is_too_slow_is_unavailable(stub: Any, says: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatting, "SECONDS", 0.05)

    def slow(_: Any) -> Any:
        time.sleep(0.3)
        return says("late")

    stub.reply = slow
    with pytest.raises(UnavailableError, match="timed out"):
        open_chat(stub.endpoint, "small").ask(QUESTION)


def test_an_answer_without_end_is_given_up(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatting, "MOST_BYTES", 1_000)
    stub.reply = lambda _: (200, b"x" * 100_000)
    with pytest.raises(UnavailableError, match="more than 1,000 bytes"):
        open_chat(stub.endpoint, "small").ask(QUESTION)


def test_a_refusal_is_not_repeated_and_says_why(stub: Any) -> None:
    stub.reply = lambda _: (404, b'{"error": {"message": "no model \\u001b[2J small."}}')
    with pytest.raises(UsageError, match=r"HTTP 404: no model small\. Check --endpoint, --model"):
        open_chat(stub.endpoint, "small").ask(QUESTION)
    assert len(stub.asked) == 1


def test_no_redirect_is_followed(stub: Any) -> None:
    stub.location = stub.endpoint + "/elsewhere"
    stub.reply = lambda _: (302, b"")
    with pytest.raises(UsageError, match="HTTP 302"):
        open_chat(stub.endpoint, "small").ask(QUESTION)
    assert stub.paths == ["/v1/chat/completions"]


def test_nothing_for_this_machine_goes_through_a_proxy(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert open_chat(stub.endpoint, "small").ask(QUESTION) == "Good name"


def test_the_key_is_sent_and_never_shown(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(chatting.KEY, "sk-secret\n")
    stub.reply = lambda _: (401, b'{"error": {"message": "Incorrect key sk-secret"}}')
    chat = open_chat(stub.endpoint, "small")
    with pytest.raises(UsageError, match=r"Incorrect key \*\*\*") as raised:
        chat.ask(QUESTION)
    assert stub.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in f"{raised.value}{chat!r}"


@pytest.mark.parametrize("key", ["sk\nsecret", "schlüssel"])
def test_a_key_that_no_header_may_hold_is_refused_unseen(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(chatting.KEY, key)
    with pytest.raises(UsageError, match=chatting.KEY) as raised:
        open_chat("http://127.0.0.1:8080", "small")
    assert key not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_machine_needs_no_permission(host: str) -> None:
    assert open_chat(f"http://{host}:8080", "small").is_local


@pytest.mark.parametrize("host", ["example.com", "10.0.0.7", "127.0.0.1.example.com", "0.0.0.0", "localhost.org"])
def test_another_machine_needs_permission(host: str) -> None:
    with pytest.raises(UsageError, match=f"{host} is not this machine.*--allow-remote"):
        open_chat(f"https://{host}/v1", "small")
    assert not open_chat(f"https://{host}/v1", "small", allow_remote=True).is_local


@pytest.mark.parametrize(
    "endpoint",
    ["", "127.0.0.1:8080", "ftp://127.0.0.1", "file:///etc/passwd", "http://", "http://127.0.0.1:x", "http://[::1",
     "http://127.0.0.1:8080/v1?a=b", "http://127.0.0.1/a b", "http://127.0.0.1/\n", "http://127.0.0.1/ü", "http://127.0.0.1:0"],
)  # fmt: skip
def test_an_unusable_address_is_refused(endpoint: str) -> None:
    with pytest.raises(UsageError, match="must be an address such as"):
        open_chat(endpoint, "small")


def test_an_address_with_a_password_is_refused_unseen() -> None:
    with pytest.raises(UsageError, match=chatting.KEY) as raised:
        open_chat("http://me:hunter2@127.0.0.1:8080", "small")
    assert "hunter2" not in str(raised.value)


def test_a_model_must_have_a_name() -> None:
    with pytest.raises(UsageError, match="--model is empty"):
        open_chat("http://127.0.0.1:8080", " ")
