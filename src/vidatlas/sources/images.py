"""Pictures from files: decoded by Pillow within bounds, as small arrays, grey or in colour."""

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
"""A file that says it is larger is not decoded: a few kilobytes can claim to be gigabytes."""
FORMATS = ("JPEG", "PNG", "WEBP")
_LONGEST = 4
"""Times the shorter side: what lies beyond is cut off before a picture is scaled."""


class UnreadablePictureError(ValueError):
    """Say why a file is no usable picture."""


def locate(folder: str, name: str) -> Path:
    """Return where a picture lies.

    Raises:
        UnreadablePictureError: the name leads out of the folder.
    """
    root = Path(folder).resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise UnreadablePictureError(f"{name} leads out of the folder of images")
    return path


def grey_picture(path: Path, size: tuple[int, int]) -> Pictures:
    """Return a picture in grey, uint8 [height, width] for a size (width, height).

    Raises:
        UnreadablePictureError: the file is absent, damaged, too large, or no JPEG, PNG or WebP.
    """
    from PIL.Image import Resampling

    with _opened(path) as image:
        image.draft("L", size)
        return np.asarray(image.convert("L").resize(size, Resampling.BILINEAR), np.uint8)


def colour_picture(path: Path, edge: int, side: int) -> Pictures:
    """Return the middle of a picture in red, green and blue, uint8 [side, side, 3].

    Args:
        path: of the file.
        edge: pixels of the shorter side, to which the picture is scaled first (bicubic); at least ``side``.
        side: of the square that is cut from the middle.

    Raises:
        UnreadablePictureError: as above.
    """
    from PIL.Image import Resampling

    with _opened(path) as image:
        # No draft: it would blend pixels in another way than the bicubic filter.
        shorter = min(image.size)
        whole = _middle(image, shorter * _LONGEST, shorter * _LONGEST).convert("RGB")
        width, height = (int(edge * pixels / shorter) for pixels in whole.size)
        return np.asarray(_middle(whole.resize((width, height), Resampling.BICUBIC), side, side), np.uint8)


def _middle(image: Any, width: int, height: int) -> Any:
    """Cut the middle out of an image, at most so wide and high."""
    width, height = min(width, image.width), min(height, image.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def thumbnail(path: Path, size: tuple[int, int]) -> bytes:
    """Return a picture as a JPEG of at most a size (width, height), made anew: nothing else of the file is passed on.

    Raises:
        UnreadablePictureError: as above.
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
            raise UnreadablePictureError(f"{path.name} is no file")
        if path.stat().st_size > MOST_BYTES:
            raise UnreadablePictureError(f"{path.name} is larger than {MOST_BYTES >> 20} MiB")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UnreadablePictureError(f"{path.name} has more than {MOST_PIXELS:,} pixels")
            yield image
    # Pillow says so of damaged files, each in its own way.
    except (OSError, SyntaxError, EOFError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnreadablePictureError):
            raise
        raise UnreadablePictureError(f"{path.name} cannot be read: {error}") from error
