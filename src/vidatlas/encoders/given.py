"""Given vectors: embeddings that the input already holds, in a column or in a .npy file beside it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tokenize import TokenError
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from vidatlas.encoders.languages import Languages
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import InputError, UsageError
from vidatlas.storage.folder import input_state, is_remote, local_path
from vidatlas.storage.json_files import PartVectors
from vidatlas.types import EncodeStats, Floats, Json, Reason

MOST = float(np.finfo(np.float16).max)
"""Largest magnitude of a number: vectors are stored as float16."""
_BRACKETS = "[](){}"
State = tuple[int, str]
"""Size and modification time of a file."""


class GivenSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose where the vectors are; ``mix.normalize`` scales each to unit length, nothing else is done to them."""

    kind: Literal["given"] = "given"
    languages: ClassVar[Languages] = "any"
    column: str | None = None
    """The column of vectors: lists of numbers, such a list as text, or base64 of float32."""
    file: str | None = None
    """A local .npy file [rows, dim] in place of a column: its row i belongs to row i of the only input file."""
    dim: Annotated[int, Field(ge=1)] | None = None
    """Numbers per vector; None takes the length of the first one."""

    @model_validator(mode="after")
    def _one_place(self) -> GivenSpec:
        if (self.column is None) == (self.file is None):
            raise ValueError("given vectors are in a column or in a file: set encoder.column or encoder.file")
        if self.file is not None and is_remote(self.file):
            raise ValueError("encoder.file is memory-mapped: it must be a local path")
        return self

    @property
    def name(self) -> str:
        """Return what the vectors are called where an encoder is named."""
        place = f"column {self.column}" if self.column is not None else Path(str(self.file)).name
        return f"given vectors ({place})"

    @property
    def files(self) -> list[str]:
        """Return the absolute path of the .npy file, if there is one."""
        return [] if self.file is None else [str(local_path(self.file))]

    def inspect(self) -> Inspection:
        """Return name and width, 0 where only the input tells it; nothing is computed.

        Raises:
            InputError: the .npy file is missing or not one of vectors.
        """
        dim = open_vectors(self.files[0], _state(self.files[0])).shape[1] if self.file else self.dim
        return Inspection(self.name, dim or 0, None, len)

    def vectors(self, scaled: bool = False) -> GivenVectors:
        """Return the reader of the vectors, as they are now; ``scaled`` to unit length, or not, they are stored.

        Raises:
            InputError: the .npy file is missing.
        """
        file = next(iter(self.files), None)
        return GivenVectors(self.column, file, self.dim, _state(file) if file else None, scaled)

    def load_planned(self, dim: int) -> GivenEncoder:
        """Return the stand-in of an encoder, for vectors of the dimensions that the plan found."""
        return GivenEncoder(self.name, dim)


@dataclass(frozen=True, slots=True)
class GivenVectors:
    """Read the vector of each row.

    Attributes:
        column: the column of vectors.
        file: the absolute path of a .npy file in place of a column.
        dim: numbers per vector; None accepts any.
        state: size and modification time that the file must have.
        scaled: whether they are scaled to unit length before they are stored.
    """

    column: str | None
    file: str | None = None
    dim: int | None = None
    state: State | None = None
    scaled: bool = False

    def of(self, number: int, row: dict[str, Any]) -> Floats | Reason:
        """Return the vector float32 [dim] of the row with a number in its input file, or why it is unusable."""
        found = read_vector(row.get(self.column)) if self.column is not None else self._stored(number)
        if found is None or not len(found) or len(found) != (self.dim or len(found)):
            return Reason.INVALID_VECTOR
        return found if bool((np.abs(found) <= MOST).all() and self._kept(found).any()) else Reason.INVALID_VECTOR

    def _kept(self, vector: Floats) -> NDArray[np.float16]:
        """Return a vector as it is stored: tiny numbers become zeros."""
        length = np.linalg.norm(vector) if self.scaled else 0
        return (vector / length if length else vector).astype(np.float16)

    def _stored(self, number: int) -> Floats | None:
        rows = open_vectors(str(self.file), self.state)
        with np.errstate(over="ignore"):
            return np.asarray(rows[number], np.float32) if number < len(rows) else None

    def require_rows(self, url: str, read: int, complete: bool) -> None:
        """Raise InputError where the input, of which so many rows were read, has other rows than the .npy file."""
        if self.file is None:
            return
        there = len(open_vectors(self.file, self.state))
        if read > there or (complete and read != there):
            raise InputError(
                f"{url} has {read:,} rows and {self.file} {there:,} vectors: row i of one must belong to row i of the "
                "other. Write the vectors for every row of the input, in its order."
            )

    def require_unchanged(self) -> None:
        """Raise InputError where the .npy file is not the one that was planned."""
        if self.file is not None and _state(self.file) != self.state:
            raise InputError(f"{self.file} changed since it was planned. Restore it, or plan into a new atlas.")

    def facts(self) -> PartVectors:
        """Return what a plan says of the vectors: their dimensions, and the SHA-256 of the .npy file."""
        if self.file is None:
            return {"dim": self.dim}
        with Path(self.file).open("rb") as file:
            return {"dim": self.dim, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def read_vector(cell: Any) -> Floats | None:
    """Return the numbers of a cell as float32: a list, a list as text, or base64 of float32; None for anything else."""
    if isinstance(cell, str):
        decoded = _decoded(cell.strip())
        if decoded is not None:
            return decoded
        cell = cell.strip().strip(_BRACKETS).replace(",", " ").split()
    if not isinstance(cell, list):
        return None
    try:
        with np.errstate(over="ignore"):
            found = np.array(cell, np.float32)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.ndim == 1 else None


def _decoded(text: str) -> Floats | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return None if len(data) % 4 else np.frombuffer(data, "<f4").astype(np.float32)


@lru_cache(maxsize=4)
def open_vectors(file: str, state: State | None) -> NDArray[Any]:
    """Return the rows of a .npy file, memory-mapped; ``state`` keeps a file apart from what it was before.

    Raises:
        InputError: it is missing, or not a table of float16, float32, float64 or int8.
    """
    remedy = "Save it with numpy.save: float16, float32, float64 or int8 [rows, dim]."
    try:
        # Not numpy.load, which would take an archive or a pickle too.
        found = np.lib.format.open_memmap(file, mode="r")
    except FileNotFoundError as error:
        raise InputError(f"no such file: {file}. Check encoder.file.") from error
    except (ValueError, TypeError, OverflowError, MemoryError, RecursionError, OSError, TokenError) as error:
        why = " ".join(str(error).split()) or "its header is nested too deeply"
        raise InputError(f"{file} is not a .npy file of vectors ({why}). {remedy}") from error
    if found.ndim != 2 or found.dtype.str[1:] not in ("f2", "f4", "f8", "i1"):
        raise InputError(f"{file} holds {found.dtype} {list(found.shape)}, not vectors. {remedy}")
    return found


def _state(file: str) -> State:
    try:
        return input_state(file)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {file}. Check encoder.file.") from error


@dataclass(frozen=True, slots=True)
class GivenEncoder:
    """Stand in for the encoder that made the vectors, which is not known: it says their width and refuses texts."""

    name: str
    dim: int

    @property
    def identity(self) -> Json:
        """Return the width of the vectors; which they are is part of the input's identity."""
        return {"model": self.name, "dim": self.dim}

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Raise UsageError: what encoded the given vectors is not known.

        Raises:
            UsageError: always.
        """
        raise UsageError("the vectors were given, so there is no encoder for texts. Search by an id.")
