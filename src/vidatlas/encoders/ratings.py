"""Ratings from a CSV file: user, item and value."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator

from vidatlas.errors import DamagedError, InputError, UsageError
from vidatlas.sources.content.text import Text
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.paths import compile_paths
from vidatlas.sources.rows import RowSpec
from vidatlas.sources.scan import Scan
from vidatlas.storage.folder import input_state, open_input
from vidatlas.types import Floats, Reason

_MOST = float(np.finfo(np.float32).max)


class RatingsSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the file of ratings and its columns."""

    file: str
    format: Annotated[CsvSpec, BeforeValidator(lambda value: CsvSpec() if value == "csv" else value)] = CsvSpec()
    user: str = "user"
    thing: str = "item"
    value: str = "rating"


@dataclass(frozen=True, slots=True)
class Ratings:
    """Hold ratings, with users and items as numbers.

    Attributes:
        things: keys of the items, as text, in order of first occurrence.
        users: number of users.
        pairs: int64 [n, 2], user and item of each rating.
        values: float32 [n].
    """

    things: tuple[str, ...]
    users: int
    pairs: NDArray[np.int64]
    values: Floats


def read_ratings(spec: RatingsSpec) -> Ratings:
    """Return all ratings of a file.

    Raises:
        InputError: the file is missing or damaged, a row is invalid, or a column is missing.
    """
    users: dict[str, int] = {}
    things: dict[str, int] = {}
    pairs, values = array("q"), array("f")
    with closing(_rows(spec)) as rows:
        for number, row in enumerate(rows, 1):
            user, thing, value = _rating(row, number, spec)
            pairs.extend((users.setdefault(user, len(users)), things.setdefault(thing, len(things))))
            values.append(value)
    if not values:
        raise InputError(f"{spec.file} holds no ratings. Name another file with --set encoder.ratings.file=…")
    return Ratings(tuple(things), len(users), np.array(pairs).reshape(-1, 2), np.array(values))


def _rating(row: dict[str, Any] | Reason, number: int, spec: RatingsSpec) -> tuple[str, str, float]:
    """Return user, item and value of a row."""
    if isinstance(row, Reason):
        raise InputError(
            f"{spec.file}: rating {number:,} is invalid: {row.meaning}. Fix it, or encoder.ratings.format."
        )
    try:
        user, thing, value = str(row[spec.user]), str(row[spec.thing]), float(row[spec.value])
        if not abs(value) <= _MOST:
            raise ValueError(f"{value} is no number that float32 holds")
    except (KeyError, TypeError, ValueError) as error:
        what = f"no column {error} among {', '.join(map(repr, row))}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{spec.file}: rating {number:,} cannot be read ({what}). Name its columns with "
            "--set encoder.ratings.user=…, encoder.ratings.thing=… and encoder.ratings.value=…, or fix the row."
        ) from error
    return user, thing, value


def find_ratings(spec: RatingsSpec) -> None:
    """Raise InputError if the file of ratings is missing."""
    try:
        input_state(spec.file)
    except FileNotFoundError as error:
        raise _absent(spec) from error


def hash_ratings(spec: RatingsSpec) -> str:
    """Return the SHA-256 of the file of ratings.

    Raises:
        InputError: the file is missing.
    """
    try:
        with closing(open_input(spec.file)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise _absent(spec) from error


def _absent(spec: RatingsSpec) -> InputError:
    return InputError(f"no such file: {spec.file}. Say where the ratings are: --set encoder.ratings.file=…")


def _rows(spec: RatingsSpec) -> Generator[dict[str, Any] | Reason, None, None]:
    try:
        with closing(open_input(spec.file)) as file, closing((scan := Scan(file)).chunks()) as content:
            text = Text(content, scan.compression, spec.format)
            source = RowSpec(spec.format, nested=compile_paths((spec.user, spec.thing, spec.value)))
            source, names, raw = source.inside(scan.compression, text.encoding).start(text.chunks(), len)
            yield from (source.decode(row, names) for row in raw)
    except FileNotFoundError as error:
        raise _absent(spec) from error
    except DamagedError as error:
        raise InputError(f"{spec.file} is damaged ({error}). Download or copy it again.") from error
    except (InputError, UsageError) as error:
        raise InputError(f"{spec.file}: {error}") from error
