"""Pictures are read within bounds, and a file that is none is said to be so."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidatlas.sources.fields import ImageField, RecordSpec, TextField, parse_row
from vidatlas.sources.images import UnreadablePictureError, colour_picture, grey_picture, locate
from vidatlas.types import Reason, Record


def jpeg(value: int = 120, size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(out, "JPEG")
    return out.getvalue()


def encoded(form: str) -> bytes:
    """Return a sound picture in a format that no decoder is let loose on."""
    out = io.BytesIO()
    Image.new("RGB", (40, 30)).save(out, form)
    return out.getvalue()


def bomb() -> bytes:
    """Return a PNG of a few bytes that claims 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def test_a_picture_becomes_grey_and_small(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(120))
    found = grey_picture(tmp_path / "a.jpg", (16, 12))
    assert found.shape == (12, 16)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - 120).max() <= 2


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", jpeg()[:200], bomb(), encoded("GIF"), encoded("TIFF"), b"\x89PNG\r\n\x1a\n"],
    ids=range(7),
)
def test_what_cannot_be_read_is_said_to_be_so(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(UnreadablePictureError):
        grey_picture(tmp_path / "a.jpg", (16, 12))
    with pytest.raises(UnreadablePictureError):
        grey_picture(tmp_path / "absent.jpg", (16, 12))
    with pytest.raises(UnreadablePictureError):
        colour_picture(tmp_path / "a.jpg", 16, 16)
    with pytest.raises(UnreadablePictureError):
        colour_picture(tmp_path / "absent.jpg", 16, 16)


@pytest.mark.parametrize(
    ("limit", "said"), [("MOST_PIXELS", "more than 9 pixels"), ("MOST_BYTES", "larger than 0 MiB")]
)
def test_the_size_of_an_image_is_bounded(
    limit: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    monkeypatch.setattr(f"vidatlas.sources.images.{limit}", 9)
    with pytest.raises(UnreadablePictureError, match=said):
        grey_picture(tmp_path / "a.jpg", (16, 12))


def test_the_middle_of_a_picture_is_taken_in_colour(tmp_path: Path) -> None:
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = (250, 100, 5)
    Image.fromarray(stripes).save(tmp_path / "a.png")
    found = colour_picture(tmp_path / "a.png", 40, 32)
    assert found.shape == (32, 32, 3)
    assert found.dtype == np.uint8
    assert (found[:, 4:-4] == (250, 100, 5)).all()


@pytest.mark.parametrize("shape", [(1, 50_000), (50_000, 1), (1, 1)])
def test_a_long_picture_does_not_grow_when_it_is_scaled(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 7, np.uint8)
    pixels[shape[0] // 2 - 2 : shape[0] // 2 + 2, shape[1] // 2 - 2 : shape[1] // 2 + 2] = 90
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tracemalloc.start()
    found = colour_picture(tmp_path / "a.png", 224, 224)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.shape == (224, 224, 3)
    assert (found == (90 if max(shape) > 1 else pixels[0, 0, 0])).all()
    assert most < 2**21


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "a/../../b"])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadablePictureError, match="outside the image folder"):
        locate(str(tmp_path), name)


def test_a_record_with_an_unreadable_image_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(jpeg())
    (tmp_path / "bad.jpg").write_bytes(b"no")
    image = ImageField(column="id", folder=str(tmp_path), suffix=".jpg")
    spec = RecordSpec(id="id", title="title", fields={"title": TextField(column="title", weight=1)}, image=image)
    good = parse_row({"id": "good", "title": "a"}, spec)
    assert isinstance(good, Record)
    assert good.image == "good.jpg"
    for bad in ("bad", "absent", "../good"):
        assert parse_row({"id": bad, "title": "a"}, spec) is Reason.UNREADABLE_IMAGE
    other = spec.model_copy(update={"image": image.model_copy(update={"column": "picture"})})
    without = parse_row({"id": "a", "title": "a", "picture": None}, other)
    assert isinstance(without, Record)
    assert without.image == ""
