"""Arrays of a stranger: what is no safetensors file, or lacks an array, is one line that names the file."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from vidatlas.errors import InputError
from vidatlas.storage.tensors import read_tensors

WHOLE = save({"mean": np.arange(3, dtype=np.float32)})


def test_arrays_are_read_and_an_absent_one_is_named() -> None:
    found = read_tensors(WHOLE, "atlas/model/pca.safetensors")
    assert found["mean"].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"pca\.safetensors has no array 'components'"):
        found["components"]


@pytest.mark.parametrize("data", [b"", WHOLE[:-1], b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}"], ids=range(4))
def test_what_is_no_safetensors_file_is_said_to_be_so(data: bytes) -> None:
    with pytest.raises(InputError, match=r"atlas/pca\.safetensors is not a valid safetensors file"):
        read_tensors(data, "atlas/pca.safetensors")
