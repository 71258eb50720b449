"""Input that is made to take all memory: a reject or one line, within bounds that this machine can give."""

import gzip
import io
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from vidatlas.errors import DamagedError
from vidatlas.sources.compression import decompress
from vidatlas.sources.images import UnreadablePictureError, colour_picture, grey_picture

pytestmark = pytest.mark.timeout(1_800)
READING = Path(__file__).with_name("reading.py")
MIB = 1 << 20
GOOD = b'\n{"display_id": "v", "title": "t", "categories": "c", "tags": null}\n'
ROW = b"\nv,t,c,\n"


def read(path: Path, form: str = "jsonlines", limit: str = "") -> dict[str, Any]:
    """Read a file in a process of its own; return what it says."""
    command = [sys.executable, str(READING), str(path), form, limit]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def repeated(kind: str, piece: bytes, times: int) -> bytes:
    """Return many members of one content: gigabytes in kilobytes."""
    packed = gzip.compress(piece, mtime=0) if kind == "gzip" else zstandard.ZstdCompressor().compress(piece)
    return packed * times


def packed(kind: str, data: bytes) -> bytes:
    return repeated(kind, data, 1)


@pytest.mark.chaos
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_line_of_two_gigabytes_is_one_reject(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "videos"
    line = packed(kind, b'{"title": "') + repeated(kind, b"a" * (32 * MIB), 64)
    path.write_bytes(line + packed(kind, b'"}' + GOOD))
    assert path.stat().st_size < 4 * MIB
    found = read(path)
    assert (found["rows"], found["rejects"], found["kept"]) == (2, {"line_too_long": 1}, 1)
    assert found["more"] < 400 * MIB


@pytest.mark.chaos
def test_a_sparse_line_of_two_gigabytes_is_one_reject(tmp_path: Path) -> None:
    path = tmp_path / "videos.jsonl"
    with path.open("wb") as file:
        file.write(b'{"title": "')
        file.seek(2_000 * MIB)
        file.write(b'"}' + GOOD)
    found = read(path)
    assert (found["rows"], found["rejects"], found["kept"]) == (2, {"line_too_long": 1}, 1)
    assert found["more"] < 300 * MIB


@pytest.mark.chaos
def test_a_quote_that_stays_open_for_two_gigabytes_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "videos.csv.gz"
    head = packed("gzip", b'display_id,title,categories,tags\nx,"')
    path.write_bytes(head + repeated("gzip", b"a" * (32 * MIB), 64) + packed("gzip", ROW))
    found = read(path, "csv")
    assert (found["rows"], found["rejects"], found["kept"]) == (2, {"line_too_long": 1}, 1)
    assert found["more"] < 400 * MIB


@pytest.mark.chaos
def test_a_json_document_with_a_text_of_two_gigabytes_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "videos.json.gz"
    head = packed("gzip", b'[{"display_id": "x", "title": "')
    tail = packed("gzip", b'"},' + GOOD.strip() + b"]")
    path.write_bytes(head + repeated("gzip", b"a" * (32 * MIB), 64) + tail)
    found = read(path, "json")
    assert "error" in found or (found["rows"], found["kept"]) == (2, 1)
    assert found["more"] < 400 * MIB


@pytest.mark.chaos
@pytest.mark.parametrize("form", ["jsonlines", "json"])
def test_brackets_without_end_are_bounded(form: str, tmp_path: Path) -> None:
    path = tmp_path / "videos.json"
    path.write_bytes(b'[{"title": ' + b"[" * (12 * MIB) + b"1" + b"]" * (12 * MIB) + b"}]" + GOOD)
    found = read(path, form)
    assert "error" in found or found["rejects"]
    assert found["more"] < 400 * MIB


@pytest.mark.chaos
def test_a_row_group_of_four_gigabytes_is_read_in_pieces(tmp_path: Path) -> None:
    """One text of a mebibyte that 4,096 rows share: 10 kB on disk. Arrow itself holds up to 2 GiB of a column."""
    rows = pa.array([0] * 4_096, pa.int32())
    title = pa.DictionaryArray.from_arrays(rows, pa.array(["a" * MIB]))
    table = pa.table({"display_id": [f"v{row}" for row in range(4_096)], "title": title})
    table = table.append_column("categories", rows).append_column("tags", rows)
    # Without Arrow's own schema, nothing says that it was a dictionary.
    pq.write_table(table, tmp_path / "videos.parquet", row_group_size=4_096, compression="zstd", store_schema=False)
    assert (tmp_path / "videos.parquet").stat().st_size < MIB
    found = read(tmp_path / "videos.parquet", limit="40")
    assert found["rows"] >= 40
    assert found["kept"] == found["rows"]
    assert found["more"] < 5_000 * MIB


@pytest.mark.chaos
def test_lists_of_millions_of_numbers_are_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    ends = pa.array(np.arange(0, 2_001 * 200_000, 200_000, dtype=np.int64))
    tags = pa.LargeListArray.from_arrays(ends, np.zeros(2_000 * 200_000, np.int8))
    table = pa.table({"display_id": [f"v{row}" for row in range(2_000)], "title": ["t"] * 2_000, "tags": tags})
    table = table.append_column("categories", table["title"])
    pq.write_table(table, tmp_path / "videos.parquet", row_group_size=2_000, compression="zstd")
    assert (tmp_path / "videos.parquet").stat().st_size < MIB
    found = read(tmp_path / "videos.parquet", limit="40")
    assert found["rows"] >= 40
    assert found["more"] < 1_500 * MIB


def test_a_zstd_frame_that_wants_gigabytes_is_refused() -> None:
    """A header of six bytes names the window that a decoder sets aside: 2 GiB at most."""
    block = (1 | len(GOOD) << 3).to_bytes(3, "little") + GOOD

    def frame(log: int) -> bytes:
        return b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + block

    with pytest.raises(DamagedError, match="invalid zstd data"):
        list(decompress(io.BytesIO(frame(32)), "zstd"))
    assert b"".join(decompress(io.BytesIO(frame(20)), "zstd")) == GOOD


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1)])
def test_an_image_of_billions_of_pixels_is_not_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    """Its header claims them; a hundred bytes of pixels follow."""
    parts = {b"IHDR": b"".join(side.to_bytes(4, "big") for side in size) + bytes([8, 2, 0, 0, 0])}
    parts |= {b"IDAT": zlib.compress(bytes(99)), b"IEND": b""}
    sums = {kind: zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in parts.items()}
    chunks = [len(data).to_bytes(4, "big") + kind + data + sums[kind] for kind, data in parts.items()]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(UnreadablePictureError):
        grey_picture(tmp_path / "a.png", (8, 8))
    with pytest.raises(UnreadablePictureError):
        colour_picture(tmp_path / "a.png", 8, 8)
