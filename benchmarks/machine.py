"""Say on what a figure was measured."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("vidatlas", "torch", "transformers", "tokenizers", "scikit-learn", "numpy", "pyarrow", "ray")


def machine() -> str:
    """Return processor, cores, memory, versions and date in one line."""
    import torch

    flags = torch.cpu.get_capabilities()
    multiplies = [name for name in ("avx512_bf16", "amx_bf16") if flags.get(name)]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {found}" for name in LIBRARIES if (found := _version(name)))
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    card = f"{torch.cuda.get_device_name()} · " if torch.cuda.is_available() else ""
    cores = f"{card}{processor}, {os.cpu_count()} cores ({', '.join(multiplies) or 'no bf16'}), {memory:.0f} GiB"
    return (
        f"{datetime.datetime.now(tz=datetime.UTC).date()} · {cores} · Python {platform.python_version()} · {versions}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
