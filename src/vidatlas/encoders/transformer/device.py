"""The device and precision that a model runs with."""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from typing import Any, Literal

from vidatlas.errors import UsageError
from vidatlas.gpus import sees_gpu
from vidatlas.types import Json

_ROWS, _TRIES = 2048, 5
_ROWS_ON_GPU, _PRODUCTS_ON_GPU = 32_768, 10
"""A single small product would measure the kernel launch."""

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


def choose_device() -> str:
    """Return the device: "cuda" if this process sees a GPU, else "cpu".

    Raises:
        UnavailableError: this process was given a GPU but sees none.
    """
    return "cuda" if sees_gpu() else "cpu"


def choose_dtype(wanted: Dtype, device: str) -> str:
    """Return the precision for a device: as set or, for "auto", bfloat16 if the hardware has it."""
    import torch

    if wanted != "auto":
        if wanted == "float16" and device == "cpu":
            raise UsageError("float16 is for GPUs. On a CPU choose --set encoder.dtype=bfloat16 or float32.")
        return wanted
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    flags = torch.cpu.get_capabilities()
    return "bfloat16" if flags.get("avx512_bf16") or flags.get("amx_bf16") else "float32"


def device_name(device: str) -> str:
    """Return the device's product name."""
    import torch

    if device == "cuda":
        return str(torch.cuda.get_device_name())
    return str(torch.cpu.get_capabilities().get("cpu_name", "cpu"))


def device_memory(device: str) -> int:
    """Return the device's total memory in bytes for this process, in use or not: torch's limit if there is one."""
    import torch

    if device == "cuda":
        share = torch.cuda.get_per_process_memory_fraction()
        return int(torch.cuda.get_device_properties("cuda").total_memory * share)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def product_speed(device: str, dtype: str, width: int) -> float:
    """Measure a device's peak GEMM throughput in FLOP/s: [rows, width] x [width, 4 width], as in an MLP."""
    import torch

    kind = getattr(torch, dtype)
    rows, products = (_ROWS_ON_GPU, _PRODUCTS_ON_GPU) if device == "cuda" else (_ROWS, 1)
    left = torch.ones(rows, width, device=device, dtype=kind)
    right = torch.ones(4 * width, width, device=device, dtype=kind)
    best = float("inf")
    for _ in range(_TRIES):
        started = time.perf_counter()
        for _ in range(products):
            found = torch.nn.functional.linear(left, right)
        # Reading one number synchronises with the device.
        found[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return products * 2 * rows * 4 * width * width / best


def environment(device: str, dtype: str, threads: int) -> Json:
    """Return what the last bits of a vector depend on besides weights: device, precision, threads and libraries."""
    libraries: dict[str, Any] = {name: version(name) for name in ("torch", "transformers", "tokenizers")}
    return {"device": device, "dtype": dtype, "threads": threads, **libraries}
