"""Numbers are written for people to read, without powers of ten."""

from __future__ import annotations

from typing import Any

import pytest

from vidatlas.app.cards import compact, worded


@pytest.mark.parametrize(
    ("count", "short"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1K"),
        (57_234_000, "57.2M"),
        (999_499, "999K"),
        (999_700, "1M"),
        (999_999_999, "1B"),
        (2_000_000_000_000, "2,000B"),
    ],
)
def test_a_count_is_short(count: float, short: str) -> None:
    assert compact(count) == short


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (14_123_456_789, "14,123,456,789"),
        (14_123_456_789.0, "14,123,456,789"),
        (7_300_000_000_000_000_001, "7,300,000,000,000,000,001"),
        (2020, "2,020"),
        (0.25, "0.25"),
        (1e300, "1e+300"),
        (float("nan"), ""),
        (None, ""),
        (True, "yes"),
    ],
)
def test_a_number_has_all_its_digits(value: Any, shown: str) -> None:
    assert worded(value) == shown
