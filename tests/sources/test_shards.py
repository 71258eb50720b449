"""A shard's rows are those that were planned, or an error that names the part."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidatlas.errors import InputError
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.rows import JSON_LINES
from vidatlas.sources.shards import shard_rows
from vidatlas.types import Shard

ROWS = 300


def shard_lines(shard: Shard) -> list[bytes | None]:
    return [raw for _, raw in shard_rows(shard, JSON_LINES)]


@pytest.fixture
def planned(
    tmp_path: Path,
    compression: str,
    compress: Callable[[str, bytes], bytes],
    make_lines: Callable[..., bytes],
    spec: RecordSpec,
) -> list[Shard]:
    path = tmp_path / "videos"
    path.write_bytes(compress(compression, make_lines(ROWS)))
    plan = plan_part(str(path), PlanSpec(spec, 100), lambda rows, at: None)
    return descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64))


def test_each_shard_gives_its_own_rows(planned: list[Shard], make_lines: Callable[..., bytes]) -> None:
    lines = make_lines(ROWS).splitlines()
    assert [shard_lines(shard) for shard in planned] == [lines[:100], lines[100:200], lines[200:]]


def test_a_part_that_is_gone_is_named(planned: list[Shard]) -> None:
    Path(planned[1].url).unlink()
    with pytest.raises(InputError, match=f"^{planned[1].url} was removed after it was planned"):
        shard_lines(planned[1])


def changed(data: bytes) -> bytes:
    """Alter one digit of row 150 and keep the length."""
    lines = data.splitlines(keepends=True)
    lines[150] = lines[150].replace(b"id000150", b"id999150")
    return b"".join(lines)


def test_a_changed_row_is_noticed_by_its_shard_alone(
    planned: list[Shard], compression: str, compress: Callable[[str, bytes], bytes], make_lines: Callable[..., bytes]
) -> None:
    path = Path(planned[1].url)
    path.write_bytes(compress(compression, changed(make_lines(ROWS))))
    if compression in ("plain", "zstd", "bzip2", "xz"):
        assert shard_lines(planned[0]) == make_lines(100).splitlines()
    with pytest.raises(InputError, match=r"changed since it was planned \(rows 101 to 200 differ\)"):
        shard_lines(planned[1])


def test_a_truncated_part_is_noticed(planned: list[Shard]) -> None:
    path = Path(planned[2].url)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="changed since it was planned"):
        shard_lines(planned[2])


def test_an_emptied_part_is_noticed(planned: list[Shard]) -> None:
    Path(planned[0].url).write_bytes(b"")
    with pytest.raises(InputError, match="changed since it was planned"):
        shard_lines(planned[0])


def test_a_part_replaced_by_another_format_is_noticed(planned: list[Shard], make_lines: Callable[..., bytes]) -> None:
    path = Path(planned[0].url)
    other = gzip.compress(b"x" + make_lines(ROWS), mtime=1)
    path.write_bytes(other)
    with pytest.raises(InputError, match="changed since it was planned"):
        shard_lines(planned[0])
