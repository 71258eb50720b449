"""Costs are computed from what was measured: what a driver does alone is not divided by the cores."""

from __future__ import annotations

import pytest

from benchmarks.cost import STAGES, Way, gpu_rate, stage_seconds


def measured(**steps: float) -> dict[int, dict[str, object]]:
    """Return a million videos: 20 seconds of the driver, 1,000 of tasks."""
    return {1_000_000: {"stages": {key: {"cpu": 1_020.0, "driver_cpu": 20.0, "steps": steps} for key in STAGES}}}


def test_what_a_driver_does_alone_is_not_divided_by_the_cores() -> None:
    assert stage_seconds(measured(), "reduce", 100_000_000, 10) == pytest.approx(100 * (20 + 1_000 / 10))


def test_a_step_that_stops_growing_does_so_at_the_size_that_the_code_gives_it() -> None:
    laid_out = {"laying out the sample": 20.0}
    assert stage_seconds(measured(**laid_out), "publish", 100_000_000, 10) == pytest.approx(20 + 10_000)
    # Training compares 4 √n cells with a sample in proportion to them, up to 16,384 cells.
    trained = {"training the search index": 10.0}
    assert stage_seconds(measured(**trained), "publish", 4_000_000, 1e9) == pytest.approx(4 * 10 + 4 * 10, rel=1e-3)
    assert stage_seconds(measured(**trained), "publish", 100_000_000, 1e9) == pytest.approx(
        (16_384 / 4_000) ** 2 * 10 + 100 * 10, rel=1e-3
    )
    # k-means takes at most 200,000 videos of each of the 15 categories.
    whole = {"clustering": 500.0}
    assert stage_seconds(measured(**whole), "reduce", 10**9, 1) == pytest.approx(
        1_000 * 20 + 3_000_000 / 1e6 * 1_000, rel=0.1
    )


def test_gpus_wait_for_the_cores_that_feed_them() -> None:
    fed, hungry = Way("", 1_000, 1), Way("", 1, 1)
    assert fed.embedding(1_000_000) == pytest.approx(1_000_000 / gpu_rate())
    assert hungry.embedding(1_000_000) > 10 * fed.embedding(1_000_000)
    assert Way("", 4, rate=50).embedding(1_000) == 5
