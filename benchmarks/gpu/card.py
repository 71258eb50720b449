"""The card: what it is, and the limits of its arithmetic and memory at the tower's shapes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.clock import each_call
from benchmarks.gpu.rows import Row, skipped
from vidatlas.encoders.transformer.device import product_speed

DTYPES = ("bfloat16", "float16", "float32")


def card(bench: Bench) -> Iterator[Row]:
    """Measure products of matrices in each precision, and copies within the device and to it."""
    yield _facts(bench)
    width = bench.pick(768, 768, 32)
    for dtype in DTYPES:
        if why := bench.lacks("", dtype):
            yield skipped(f"GEMM, {dtype}", why)
        else:
            yield _products(bench, dtype, width)
    yield _square(bench)
    yield _copies(bench)


def _facts(bench: Bench) -> Row:
    if bench.device != "cuda":
        return skipped("the card", f"not on this device: {bench.cores} CPU cores, {bench.options.threads} thread(s)")
    facts = torch.cuda.get_device_properties("cuda")
    figures = {
        "card": facts.name,
        "GiB": facts.total_memory / 2**30,
        "multiprocessors": facts.multi_processor_count,
        "capability": f"{facts.major}.{facts.minor}",
        "CUDA of torch": str(torch.version.cuda),
        "driver, power limit, clock": _driver(),
    }
    return Row("the card", figures, f"{bench.cores} CPU cores")


def _driver() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "nvidia-smi is not there"
    query = [program, "--query-gpu=driver_version,power.limit,clocks.max.sm", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    return (done.stdout.strip() or done.stderr.strip()).splitlines()[0] if done.stdout or done.stderr else "unknown"


def _products(bench: Bench, dtype: str, width: int) -> Row:
    """Measure a layer's four products of random numbers: queries to values, out, into the MLP, out of it."""
    kind, rows = getattr(torch, dtype), bench.pick(32_768, 2048, 64)
    random = torch.Generator(bench.device).manual_seed(0)
    works, operations = {}, {}
    for inside, outside in ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width)):
        left = torch.randn(rows, inside, generator=random, device=bench.device).to(kind)
        right = torch.randn(outside, inside, generator=random, device=bench.device).to(kind)
        name = f"{inside} to {outside}"
        works[name] = partial(torch.nn.functional.linear, left, right)
        operations[name] = 2 * rows * inside * outside
    seconds = each_call(bench.device, works, bench.rounds)
    figures = {f"{name}, TFLOP/s": operations[name] / seconds[name] / 1e12 for name in works}
    figures["the four together, TFLOP/s"] = sum(operations.values()) / sum(seconds.values()) / 1e12
    figures["of ones, as receipts take it, TFLOP/s"] = product_speed(bench.device, dtype, width) / 1e12
    return Row(f"GEMM, {dtype}", figures, f"{rows:,} rows of random numbers; medians of {bench.rounds}")


def _square(bench: Bench) -> Row:
    side = bench.pick(8192, 1024, 64)
    random = torch.Generator(bench.device).manual_seed(0)
    left, right = (torch.randn(side, side, generator=random, device=bench.device).bfloat16() for _ in range(2))
    seconds = each_call(bench.device, {"product": lambda: left @ right}, bench.rounds)["product"]
    return Row(
        f"GEMM, bfloat16, {side:,} x {side:,} x {side:,}",
        {"TFLOP/s": 2 * side**3 / seconds / 1e12},
        f"median of {bench.rounds}",
    )


def _copies(bench: Bench) -> Row:
    size = bench.pick(2**31, 2**27, 2**20)
    source = torch.ones(size, dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    works = {"within": lambda: target.copy_(source)}
    upload = min(size, 2**28)
    if bench.device == "cuda":
        pinned = torch.ones(upload, dtype=torch.uint8).pin_memory()
        works["to the device"] = lambda: target[:upload].copy_(pinned, non_blocking=True)
    seconds = each_call(bench.device, works, bench.rounds)
    figures = {"within, read and written, GB/s": 2 * size / seconds["within"] / 1e9}
    if "to the device" in seconds:
        figures["to the device, pinned, GB/s"] = upload / seconds["to the device"] / 1e9
    return Row("memory", figures, f"{size / 2**20:,.0f} MiB; medians of {bench.rounds}")
