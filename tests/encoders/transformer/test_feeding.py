"""A device has one shard at a time, its waiting is counted, and on CUDA nothing waits but the last step."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidatlas.encoders.clip import ClipSpec
from vidatlas.encoders.transformer import feeding
from vidatlas.encoders.transformer.feeding import Feed, Span
from vidatlas.errors import UnavailableError
from vidatlas.types import EncodeStats, Floats


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_time_computed_and_time_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, feed, stats = Clock(), Feed("cpu"), EncodeStats()
    monkeypatch.setattr(feeding.time, "perf_counter", clock)
    for start, end in ((10.0, 13.0), (15.0, 16.0), (16.0, 20.0)):
        spans: list[Span] = []
        clock.now = start
        with feed.turn(spans):
            clock.now = end
        feed.add_times(spans, stats)
    assert stats.seconds == 3 + 1 + 4
    assert stats.idle == 2  # nothing is known of the time before the first


def test_threads_take_turns_and_prepare_meanwhile(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the device stays until one more shard is tokenised, which is for ever if that needs the device."""
    encoder = ClipSpec(model=str(tiny_clip), dtype="float32").load(1)
    shards = [[f"{shard} {text}" for text in range(20)] for shard in range(8)]
    inside, most, launched, tokenised, changed = 0, 0, 0, 0, threading.Condition()
    launch, tokenise = encoder._engine.launch, encoder.tokenizer
    found: dict[int, Floats] = {}

    def lingering(*given: Any) -> torch.Tensor:
        nonlocal inside, most, launched
        with changed:
            inside, launched = inside + 1, launched + 1
            most = max(most, inside)
            assert changed.wait_for(lambda: tokenised > launched or launched == len(shards), 60)
        computed = launch(*given)
        inside -= 1
        return computed

    def noted(texts: list[str]) -> list[list[int]]:
        nonlocal tokenised
        tokens = tokenise(texts)
        with changed:
            tokenised += 1
            changed.notify_all()
        return tokens

    def work(number: int) -> None:
        found[number] = encoder.encode(shards[number], EncodeStats())

    monkeypatch.setattr(encoder._engine, "launch", lingering)
    monkeypatch.setattr(encoder, "tokenizer", noted)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(len(shards))))
    assert most == 1
    monkeypatch.undo()
    for number, vectors in found.items():
        assert vectors.tobytes() == encoder.encode(shards[number], EncodeStats()).tobytes()


class Card:
    """CUDA as torch shows it, on CPU tensors: events know when they were recorded, copies are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pinned = self.waits = self.released = 0
        self.now = 0.0
        card = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = card.now

            def synchronize(self) -> None:
                card.waits += 1

            def elapsed_time(self, other: Event) -> float:
                return 1e3 * (other.at - self.at)

        def pin(tensor: torch.Tensor) -> torch.Tensor:
            card.pinned += 1
            return tensor

        def release() -> None:
            card.released += 1

        def empty(*size: Any, pin_memory: bool, **rest: Any) -> torch.Tensor:
            return torch.zeros(*size, **rest)

        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "empty_cache", release)
        monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
        monkeypatch.setattr(torch, "empty", empty)


def queued() -> Feed:
    feed = Feed("cuda")
    feed.device = "cpu"  # where the tensors of this test really lie
    return feed


def test_on_cuda_every_copy_is_pinned_and_only_the_fetch_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    card, feed, stats, spans = Card(monkeypatch), queued(), EncodeStats(), []  # type: ignore[var-annotated]
    with feed.turn(spans):
        tensors = [feed.upload(np.full((2, 3), number, np.float32)) for number in range(5)]
        card.now = 2.0
    assert (card.pinned, card.waits) == (5, 0)
    vectors = feed.fetch(torch.cat(tensors).to(torch.bfloat16))
    assert card.waits == 1
    assert vectors.dtype == np.float32
    assert vectors[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    feed.add_times(spans, stats)
    assert stats.seconds == 2.0


@pytest.mark.parametrize("engine", ["tree", "plain"])
def test_out_of_memory_halves_the_batch_once(tiny_clip: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ClipSpec.model_validate({"model": str(tiny_clip), "dtype": "float32", "engine": engine, "batch_tokens": 64})
    texts = [f"{number} lego city" for number in range(50)]
    whole, halved = spec.load(1), spec.load(1)
    expected = whole.encode(texts, EncodeStats())
    limit = 32
    launch = halved._engine.launch

    def small(sequences: Any, budget: int, stats: EncodeStats) -> torch.Tensor:
        if budget > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return launch(sequences, budget, stats)

    monkeypatch.setattr(halved._engine, "launch", small)
    stats, plain = EncodeStats(), EncodeStats()
    np.testing.assert_allclose(halved.encode(texts, stats), expected, atol=1e-5)
    assert stats.batch_tokens == 32
    spec.model_copy(update={"batch_tokens": 32}).load(1).encode(texts, plain)
    assert stats == plain  # what was tried in vain is not counted
    limit = 16
    with pytest.raises(UnavailableError, match="no memory for 32 tokens"):
        halved.encode(texts, EncodeStats())
