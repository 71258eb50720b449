"""The GPU's benchmark runs from end to end on a CPU, so that it cannot be broken on the day a card is at hand."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import card, child, kernels, small_cards, steps
from benchmarks.gpu.bench import Bench, Options
from benchmarks.gpu.kernels import AncestorFlex, FixedTree
from benchmarks.gpu.plan import NAMES, groups
from benchmarks.gpu.rows import Attempt, Row, markdown, read, shown, skipped, write
from vidatlas.encoders.prefix_tree.gathered import GatheredAttention
from vidatlas.encoders.prefix_tree.tree import Tree, build
from vidatlas.encoders.transformer.distinct import sort_distinct

ROOT = Path(__file__).parents[2]
BROUGHT = {*command.NEEDED, "threadpoolctl", "typing_extensions", "fsspec", "triton"}
"""What may be imported: the wheels, and torch, transformers and what they bring."""


def absent() -> list[str]:
    """Return the modules of everything else that vidatlas depends on, by what pyproject.toml says today."""
    owners = {
        module: {re.sub("[-_.]+", "-", name).lower() for name in names}
        for module, names in packages_distributions().items()
    }
    brought = set.union(*(owners.get(module, set()) for module in BROUGHT))
    wanted = {re.split(r"[^\w.-]", line)[0].lower() for line in requires("vidatlas") or ()} - brought - {"vidatlas"}
    found = {module for module, names in owners.items() if names & wanted}
    return sorted(found | {"sentence_transformers"})


BLOCKER = """
import importlib.machinery
absent, finder = set({absent!r}), importlib.machinery.PathFinder
found = finder.find_spec
finder.find_spec = lambda name, *rest: None if name.split(".")[0] in absent else found(name, *rest)
"""


def environment(*more: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*more, ROOT / "src", ROOT)))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the JSON and what was printed of a run where only what it needs can be imported."""
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "sitecustomize.py").write_text(BLOCKER.format(absent=absent()))
    path = folder / "gpu.json"
    arguments = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick", "--json", str(path)]
    done = subprocess.run(arguments, env=environment(folder), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path, done.stdout


def test_every_step_gives_rows_and_none_fails(whole: tuple[Path, str]) -> None:
    about, rows = read(whole[0])
    assert [row for row in rows if row.status == "failed"] == []
    assert list(dict.fromkeys(row.step for row in rows)) == [*NAMES, "the run"]
    assert all(row.figures for row in rows if row.status == "ok")
    for row in rows:
        if row.status == "skipped":
            assert row.note == "not installed" or row.note.startswith("not on this device"), row
    assert "invented videos" in about["of what"]
    assert "learned from them" in about["of what"]


def test_what_is_absent_is_said_to_be_so(whole: tuple[Path, str]) -> None:
    absent = Counter(row.step for row in read(whole[0])[1] if row.note == "not installed")
    assert absent == {"peers": 1, "sentence": 1, "kmeans": 1}


def test_the_figures_hold_what_a_cpu_can_prove(whole: tuple[Path, str]) -> None:
    rows = read(whole[0])[1]
    near = {row.what: row.figures for row in rows if "1 - least cosine" in row.figures}
    assert near["tree, gathered attention, float32"]["1 - least cosine"] < 1e-6
    assert [figures["agrees"] for figures in near.values() if "agrees" in figures] == [True] * 4
    assert near["out of memory, pretended"]["halved once"]
    assert [row.figures["equal bytes"] for row in rows if "equal bytes" in row.figures] == [True] * 5
    flex = next(row for row in rows if row.what.startswith("FlexAttention"))
    assert flex.figures["off by at most"] < 1e-5


def test_the_table_is_printed_and_can_be_printed_again(
    whole: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--report", str(whole[0])]) == 0
    again = capsys.readouterr().out
    assert again.strip() in whole[1]
    assert "### headline" in again
    assert "hours for 72.9 million" in again


def test_a_run_that_is_killed_keeps_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    arguments = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick", "--json", str(path)]
    process = subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout
        seen = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    finally:
        process.kill()
    rows = read(path)[1]
    assert len(rows) >= len(seen)
    assert [text.split(" | ")[0] for text in seen] == [row.step for row in rows[:3]] == ["card"] * 3


class Cpu:
    """Stand in for a bench."""

    device = "cpu"


def fails(bench: Any) -> Iterator[Row]:
    yield Row("half of it", {"x": 1})
    raise ValueError("broken on purpose\nand more")


def works(bench: Any) -> Iterator[Row]:
    yield Row("all of it", {"x": np.float32(2.5), "y": float("nan")})


def test_a_step_that_fails_is_a_row_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(steps.STEPS, "card", fails)
    monkeypatch.setitem(steps.STEPS, "repeat", works)
    sent: list[dict[str, Any]] = []
    assert child.run_steps(["card", "repeat"], Cpu(), sent.append) == 0
    rows = [message["row"] for message in sent if "row" in message]
    assert [(row["step"], row["status"]) for row in rows] == [("card", "ok"), ("card", "failed"), ("repeat", "ok")]
    assert rows[1]["note"] == "ValueError: broken on purpose"
    assert json.dumps(rows[2]["figures"], allow_nan=False) == '{"x": 2.5, "y": "nan"}'
    assert [message["end"] for message in sent if "end" in message] == ["card", "repeat"]


def test_an_attempt_that_fails_is_a_row_and_its_step_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Row:
        raise RuntimeError("no kernel")

    def three(bench: Any) -> Iterator[Row | Attempt]:
        yield Attempt("one engine", fail)
        yield Attempt("another", lambda: None)
        yield Attempt("a third", lambda: Row("a third"))

    monkeypatch.setitem(steps.STEPS, "card", three)
    sent: list[dict[str, Any]] = []
    child.run_steps(["card"], Cpu(), sent.append)
    rows = [message["row"] for message in sent if "row" in message]
    assert [(row["what"], row["status"]) for row in rows] == [("one engine", "failed"), ("a third", "ok")]
    assert rows[0]["note"] == "RuntimeError: no kernel"


def test_a_device_that_is_left_useless_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(steps.STEPS, "card", fails)
    monkeypatch.setattr(child, "_cleared", lambda device: False)
    assert child.run_steps(["card", "repeat"], Cpu(), lambda message: None) == child.POISONED


def a_run(tmp_path: Path, *more: str) -> command.Run:
    asked = command._options(["--device", "cpu", "--json", str(tmp_path / "gpu.json"), *more])
    return command.Run(asked, tmp_path)


SAYS = "import json, os, time; say = lambda **message: print(json.dumps(message), flush=True); "


@pytest.mark.parametrize(
    ("program", "left", "note"),
    [
        ("say(begin='card'); os.kill(os.getpid(), 11)", ["agreement"], "the process ended by SIGSEGV"),
        ("raise SystemExit(7)", ["agreement"], "the process ended with exit code 7"),
        ("import nothing_of_that_name", ["agreement"], "exit code 1: ModuleNotFoundError: No module named"),
        ("say(begin='card'); print('{', end='', flush=True); os.kill(os.getpid(), 9)", ["agreement"], "by SIGKILL"),
        ("say(end='card', seconds=1); raise SystemExit(4)", ["agreement"], None),
        ("say(end='card', seconds=1); say(end='agreement', seconds=1)", [], None),
    ],
)
def test_a_process_that_ends_early_costs_one_step(tmp_path: Path, program: str, left: list[str], note: str) -> None:
    run = a_run(tmp_path)
    assert run.child(["card", "agreement"], [sys.executable, "-c", SAYS + program]) == left
    assert [row.step for row in run.rows] == (["card"] if note else [])
    if note:
        assert note in run.rows[0].note
        assert json.loads((tmp_path / "gpu.json").read_text())["rows"][0]["status"] == "failed"


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "limit", lambda step, device: 0.5)
    run, started = a_run(tmp_path), time.monotonic()
    assert run.child(["card"], [sys.executable, "-c", SAYS + "say(begin='card'); time.sleep(60)"]) == []
    assert time.monotonic() - started < 30
    assert "longer than" in run.rows[0].note


def test_a_machine_without_a_gpu_is_told(tmp_path: Path) -> None:
    with pytest.raises(command.NoDeviceError):
        a_run(tmp_path).child(["card"], [sys.executable, "-c", f"raise SystemExit({child.NO_DEVICE})"])


def test_steps_for_which_no_time_is_left_are_rows(tmp_path: Path) -> None:
    run = a_run(tmp_path, "--minutes", "1e-9")
    run.all()
    assert [row.step for row in run.rows] == [*NAMES, "the run"]
    assert {row.status for row in run.rows[:-1]} == {"skipped"}


def test_the_plan_names_every_step_once() -> None:
    assert sorted(NAMES) == sorted(steps.STEPS)
    assert [name for group in groups(None) for name in group] == list(NAMES)
    assert groups(["graphs", "card"]) == [["card"], ["graphs"]]


def test_rows_become_json_and_markdown(tmp_path: Path) -> None:
    rows = [Row("a|b", {"x": 1234, "y": 0.5}, "why", step="s"), Row("c", {"x": 1, "y": True}, step="s")]
    rows += [Row("d", note="not here", status="skipped", step="s")]
    write(tmp_path / "rows.json", {"machine": "m"}, rows)
    assert read(tmp_path / "rows.json") == ({"machine": "m"}, rows)
    assert markdown({"machine": "m"}, rows) == (
        "m\n\n### s\n\n|  | x | y |  |\n|---|---|---|---|\n| a\\|b | 1,234 | 0.5 | why |\n| c | 1 | yes |  |\n\n"
        "- d: skipped, not here\n"
    )
    assert skipped("d", "w").status == "skipped"
    assert [shown(value) for value in (1234.6, 12.345, 0.25, 0.0001, 0.0)] == ["1,235", "12.3", "0.25", "1.0e-04", "0"]


def a_bench(tmp_path: Path) -> Bench:
    return Bench(Options("cuda", quick=False, scratch=tmp_path))


def test_the_limit_that_runs_out_lies_between_a_budget_and_its_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []

    def encode(bench: Bench, records: Any, tokens: int) -> tuple[Any, dict[str, Any]]:
        asked.append(("tokens", tokens))
        used = tokens // 2 if asked[0][0] == "limit" or ("limit", 0.75) in asked else tokens
        return np.ones((2, 3), np.float32), {"tokens together": used, "peak GiB": tokens / 32_768}

    def limited(size: float) -> Any:
        asked.append(("limit", size / 2**30))
        return nullcontext()

    monkeypatch.setattr(small_cards, "_encode", encode)
    monkeypatch.setattr(small_cards, "_limited", limited)
    row = small_cards._provoked(a_bench(tmp_path), None, np.ones((2, 3), np.float32), 40_000)
    assert asked == [("tokens", 32_768), ("tokens", 16_384), ("limit", 0.75), ("tokens", 32_768)]
    assert row.figures["halved once"]
    assert "0.75 GiB" in row.note


@pytest.mark.parametrize(("flex", "said"), [(1.05, "delete ours"), (0.5, "delete ours"), (1.2, "keep ours")])
def test_the_verdict_on_our_kernel(flex: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_compared", lambda bench, names: ([], {names[0]: 1.0, names[1]: flex}))
    (verdict,) = kernels.flex(a_bench(tmp_path))
    assert said in verdict.note
    assert verdict.figures == {"FlexAttention, times ours": flex}


def test_a_trace_says_where_the_time_went() -> None:
    found = [SimpleNamespace(key=key, count=3, self_device_time_total=us) for key, us in (("copy", 1e5), ("gemm", 3e5))]
    whole, gemm, copy = kernels._traced(found, 1.0, 0.5)
    assert list(whole.figures.values()) == [1.0, 0.5, pytest.approx(0.8)]
    assert [gemm.what, gemm.figures["share of all"]] == ["kernel gemm", pytest.approx(0.75)]
    assert copy.figures["calls"] == 3


def test_the_card_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = SimpleNamespace(name="NVIDIA X", total_memory=2**33, multi_processor_count=7, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: facts)
    monkeypatch.setattr(card.shutil, "which", lambda name: None)
    figures = card._facts(a_bench(tmp_path)).figures
    assert list(figures.values())[:4] == ["NVIDIA X", 8.0, 7, "9.0"]


@pytest.fixture
def tree() -> Tree:
    draw = np.random.default_rng(0)
    sequences = [[7, *draw.integers(0, 3, draw.integers(1, 9)).tolist(), 9] for _ in range(120)]
    distinct, _ = sort_distinct(sequences)
    return build(distinct, slice(0, len(distinct.lengths)))


def test_flex_attends_to_ancestors_over_several_blocks(tree: Tree) -> None:
    from torch.nn.attention.flex_attention import flex_attention

    assert len(tree.tokens) > 256
    mixed = torch.randn(len(tree.tokens), 3 * 2 * 16, generator=torch.Generator().manual_seed(0))
    exact = GatheredAttention(tree, 2, torch.from_numpy)(mixed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = AncestorFlex(tree, 2, torch.from_numpy, flex_attention)(mixed)
    assert float((found - exact).abs().max()) < 1e-5


def test_a_tree_whose_arrays_are_kept_gives_the_same_again(tree: Tree) -> None:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = CLIPTextModelWithProjection(CLIPTextConfig(**sizes, vocab_size=12, projection_dim=8)).eval()
    with torch.inference_mode():
        fixed = FixedTree(model, tree, "cpu", "float32")
        assert fixed().equal(fixed.first)
        assert fixed().equal(fixed.first)
