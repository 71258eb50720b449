"""The steps of a run, the most telling first: what each is called, how long it may take, and which share a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.gpu.agreement import agreement, repeat
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.card import card
from benchmarks.gpu.headline import alone, headline, peers
from benchmarks.gpu.kernels import attention, busy, graphs
from benchmarks.gpu.others import denoising, kmeans, pictures, sentence
from benchmarks.gpu.rows import Row
from benchmarks.gpu.small_cards import small_cards
from benchmarks.gpu.threads import feeding

Run = Callable[[Bench], Iterator[Row]]
STEPS: dict[str, Run] = {
    "card": card,
    "agreement": agreement,
    "repeat": repeat,
    "headline": headline,
    "alone": alone,
    "small": small_cards,
    "feeding": feeding,
    "attention": attention,
    "graphs": graphs,
    "busy": busy,
    "peers": peers,
    "sentence": sentence,
    "kmeans": kmeans,
    "denoising": denoising,
    "pictures": pictures,
}
