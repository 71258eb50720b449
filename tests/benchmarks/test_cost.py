"""Costs are computed from what was measured: what a driver does alone is not divided by the cores."""

from __future__ import annotations

import pytest

from benchmarks.cost import STAGES, Way, gpu_rate, line, stage_seconds


def measured(*sizes: int) -> dict[int, dict[str, object]]:
    def use(rows: int) -> dict[str, object]:
        # a constant of the driver, tasks that grow
        return {"cpu": 20 + rows / 1000, "driver_cpu": 20.0, "steps": {"laying out the sample": 10.0}}

    return {rows: {"stages": {stage: use(rows) for stage in STAGES}} for rows in sizes}


def test_what_a_driver_does_alone_is_not_divided_by_the_cores() -> None:
    assert stage_seconds(measured(1_000_000, 3_000_000), "reduce", 100_000_000, 10) == pytest.approx(20 + 10_000)


def test_one_size_is_taken_as_growing_with_the_videos() -> None:
    assert line([(10, 5.0)]) == (0, 0.5)
    assert line([(10, 5.0)], 3.0) == (3.0, 0.2)
    assert stage_seconds(measured(1_000_000), "publish", 100_000_000, 10) == pytest.approx(20 + 10_000)
    assert line([(10, 5.0), (20, 7.0)]) == (3.0, 0.2)
    assert line([(10, 5.0), (20, 5.0)]) == (5.0, 0.0)
    assert line([(10, 5.0), (20, 4.0)]) == (0, 0.2)


def test_gpus_wait_for_the_cores_that_feed_them() -> None:
    fed, hungry = Way("", 1_000, 1), Way("", 1, 1)
    assert fed.embedding(1_000_000) == pytest.approx(1_000_000 / gpu_rate())
    assert hungry.embedding(1_000_000) > 10 * fed.embedding(1_000_000)
    assert Way("", 4, rate=50).embedding(1_000) == 5
