"""Images from files: decoded by Pillow within size limits, as small grey or colour arrays."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 40_000_000
"""An image that claims to be larger is not decoded: a few kilobytes can decode to gigabytes."""
FORMATS = ("JPEG", "PNG", "WEBP")
_LONGEST = 4
"""Longest side as a multiple of the shorter one: anything beyond is cropped before scaling."""


class UnreadablePictureError(ValueError):
    """Say why a file is not a usable image."""


def locate(folder: str, name: str) -> Path:
    """Return the path of an image.

    Raises:
        UnreadablePictureError: the name points outside the folder.
    """
    root = Path(folder).resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise UnreadablePictureError(f"{name} is outside the image folder")
    return path


def grey_picture(path: Path, size: tuple[int, int]) -> Pictures:
    """Return an image in grey, uint8 [height, width], scaled to a size (width, height).

    Raises:
        UnreadablePictureError: the file is missing, damaged, too large, or not JPEG, PNG or WebP.
    """
    from PIL.Image import Resampling

    with _opened(path) as image:
        image.draft("L", size)
        return np.asarray(image.convert("L").resize(size, Resampling.BILINEAR), np.uint8)


def colour_picture(path: Path, edge: int, side: int) -> Pictures:
    """Return the centre crop of an image in RGB, uint8 [side, side, 3].

    Args:
        path: path of the file.
        edge: pixels of the shorter side after scaling (bicubic), which comes first; at least ``side``.
        side: pixels of the square cropped from the centre.

    Raises:
        UnreadablePictureError: as ``grey_picture``.
    """
    from PIL.Image import Resampling

    with _opened(path) as image:
        # No draft mode: it would blend pixels differently from the bicubic filter.
        shorter = min(image.size)
        whole = _middle(image, shorter * _LONGEST, shorter * _LONGEST).convert("RGB")
        width, height = (int(edge * pixels / shorter) for pixels in whole.size)
        return np.asarray(_middle(whole.resize((width, height), Resampling.BICUBIC), side, side), np.uint8)


def _middle(image: Any, width: int, height: int) -> Any:
    """Crop the centre of an image to at most a width and height."""
    width, height = min(width, image.width), min(height, image.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def thumbnail(path: Path, size: tuple[int, int]) -> bytes:
    """Return an image as a new JPEG of at most a size (width, height), without the metadata of the file.

    Raises:
        UnreadablePictureError: as ``grey_picture``.
    """
    out = io.BytesIO()
    with _opened(path) as image:
        image.draft("RGB", size)
        small = image.convert("RGB")
        small.thumbnail(size)
        small.save(out, "JPEG", quality=85)
    return out.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from PIL import Image

    try:
        if not path.is_file():
            raise UnreadablePictureError(f"{path.name} is not a file")
        if path.stat().st_size > MOST_BYTES:
            raise UnreadablePictureError(f"{path.name} is larger than {MOST_BYTES >> 20} MiB")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UnreadablePictureError(f"{path.name} has more than {MOST_PIXELS:,} pixels")
            yield image
    # What Pillow raises for damaged files.
    except (OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnreadablePictureError):
            raise
        raise UnreadablePictureError(f"{path.name} cannot be read: {error}") from error
