"""Tensors from untrusted safetensors files: the format holds numbers and no code."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from vidatlas.errors import InputError


class Tensors(dict[str, NDArray[Any]]):
    """Hold the tensors of a file by name; a missing one raises InputError."""

    def __init__(self, arrays: dict[str, NDArray[Any]], where: str) -> None:
        super().__init__(arrays)
        self._where = where

    def __missing__(self, name: str) -> NDArray[Any]:
        raise InputError(f"{self._where} has no array {name!r}. Make the atlas again.")


def read_tensors(data: bytes, where: str) -> Tensors:
    """Return the tensors of a safetensors file; error messages say ``where`` it is.

    Raises:
        InputError: it is not valid; or, later, a tensor is requested that it does not hold.
    """
    try:
        return Tensors(load(data), where)
    except SafetensorError as error:
        raise InputError(f"{where} is not a valid safetensors file ({error}). Make the atlas again.") from error
