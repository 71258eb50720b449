"""Arrays from safetensors files that anyone may have written; the format holds numbers and nothing else."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from vidatlas.errors import InputError


class Tensors(dict[str, NDArray[Any]]):
    """Hold a file's arrays by name; one that is absent is the file's fault."""

    def __init__(self, arrays: dict[str, NDArray[Any]], where: str) -> None:
        super().__init__(arrays)
        self._where = where

    def __missing__(self, name: str) -> NDArray[Any]:
        raise InputError(f"{self._where} holds no array {name!r}. Make the atlas again.")


def read_tensors(data: bytes, where: str) -> Tensors:
    """Return the arrays of a safetensors file.

    Args:
        data: its bytes.
        where: it lies, for what errors say.

    Raises:
        InputError: it is not valid, or later, an array is asked for that it does not hold.
    """
    try:
        return Tensors(load(data), where)
    except SafetensorError as error:
        raise InputError(f"{where} is no valid safetensors file ({error}). Make the atlas again.") from error
