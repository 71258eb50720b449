"""The precision is what was asked for, or the best the hardware has."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from vidatlas.encoders.transformer.device import choose_dtype, device_memory, environment
from vidatlas.errors import UsageError


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"avx2": True}, "float32"),
        ({}, "float32"),
    ],
)
def test_a_cpu_runs_bfloat16_where_it_multiplies_it(
    flags: dict[str, bool], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    assert choose_dtype("auto", "cpu") == dtype
    assert choose_dtype("float32", "cpu") == "float32"
    assert choose_dtype("bfloat16", "cpu") == "bfloat16"


@pytest.mark.parametrize(("native", "dtype"), [(True, "bfloat16"), (False, "float16")])
def test_a_gpu_runs_bfloat16_or_float16(native: bool, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert choose_dtype("auto", "cuda") == dtype
    assert choose_dtype("float16", "cuda") == "float16"


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(UsageError, match="float16 is for GPUs"):
        choose_dtype("float16", "cpu")


def test_a_process_that_may_have_part_of_a_gpu_has_so_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80 * 2**30))
    for share in (1.0, 0.05):
        monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda share=share: share)
        assert device_memory("cuda") == int(80 * 2**30 * share)


def test_the_environment_names_what_decides_the_last_bits() -> None:
    found = environment("cpu", "float32", 2)
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert set(found) == {"device", "dtype", "threads", "torch", "transformers", "tokenizers"}
