"""The steps by name; what each needs is imported with them, so only the processes that run steps import this."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.gpu.agreement import agreement, repeat
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.card import card
from benchmarks.gpu.headline import alone, headline, peers
from benchmarks.gpu.kernels import attention, busy, flex, graphs
from benchmarks.gpu.others import denoising, kmeans, pictures, sentence
from benchmarks.gpu.rows import Attempt, Row
from benchmarks.gpu.small_cards import small_cards
from benchmarks.gpu.threads import feeding

Run = Callable[[Bench], Iterator[Row | Attempt]]
STEPS: dict[str, Run] = {
    "card": card,
    "agreement": agreement,
    "repeat": repeat,
    "headline": headline,
    "alone": alone,
    "small": small_cards,
    "feeding": feeding,
    "attention": attention,
    "flex": flex,
    "graphs": graphs,
    "busy": busy,
    "peers": peers,
    "sentence": sentence,
    "kmeans": kmeans,
    "denoising": denoising,
    "pictures": pictures,
}
