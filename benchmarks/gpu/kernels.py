"""Alternatives to our kernel: FlexAttention over the ancestors of a tree, CUDA graphs, and what the device runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.bench import FUSED, GATHERED, Bench
from benchmarks.gpu.clock import each_call, timed
from benchmarks.gpu.rows import Row, skipped
from benchmarks.gpu.shard import named, open_worker_of
from vidatlas.encoders.prefix_tree.gathered import GatheredAttention, Upload
from vidatlas.encoders.prefix_tree.tree import Tree, build, cut
from vidatlas.encoders.transformer.distinct import sort_distinct
from vidatlas.encoders.transformer.feeding import Feed

BLOCK = 128
FLEX = "FlexAttention, ancestors as its mask"
_GRAPH = "CUDA graph of the tower over one tree"
_CLOSE = 1.1
Attend = Callable[[torch.Tensor], torch.Tensor]


class AncestorFlex:
    """Let the nodes of one tree attend to their ancestors by torch's FlexAttention.

    Blocks of 128 nodes are told which blocks hold an ancestor of theirs; inside them the mask asks for each pair.
    """

    def __init__(self, tree: Tree, heads: int, upload: Upload, attend: Any) -> None:
        from torch.nn.attention.flex_attention import BlockMask

        self._heads, self._attend, self._nodes = heads, attend, len(tree.tokens)
        blocks = -(-self._nodes // BLOCK)
        self._padding = blocks * BLOCK - self._nodes
        counts, columns = _blocks(tree, blocks)
        paths, longest = upload(tree.paths.astype(np.int32).reshape(-1)), tree.paths.shape[1]
        rows, depths = (
            upload(np.pad(values.astype(np.int32), (0, self._padding))) for values in (tree.rows, tree.depths)
        )

        def ancestor(batch: Any, head: Any, node: Any, other: Any) -> Any:
            above = (depths[other] <= depths[node]) & (paths[rows[node] * longest + depths[other]] == other)
            return above | (node == other)

        self._mask = BlockMask.from_kv_blocks(
            upload(counts)[None, None], upload(columns)[None, None], BLOCK_SIZE=BLOCK, mask_mod=ancestor
        )

    def __call__(self, mixed: torch.Tensor) -> torch.Tensor:
        """Return [nodes, width], what each node takes, given its query, key and value [nodes, 3 width]."""
        width = mixed.shape[1] // 3
        padded = torch.nn.functional.pad(mixed, (0, 0, 0, self._padding))
        parts = padded.view(1, len(padded), 3, self._heads, width // self._heads).permute(2, 0, 3, 1, 4)
        taken = self._attend(*(part.contiguous() for part in parts), block_mask=self._mask, scale=1.0)
        return taken[0].transpose(0, 1).reshape(len(padded), width)[: self._nodes]


def _blocks(tree: Tree, blocks: int) -> tuple[Any, Any]:
    """Return for each block of nodes how many blocks hold an ancestor of theirs, and which: int32 [n], int32 [n, n]."""
    touched = np.eye(blocks, dtype=bool)
    nodes = np.arange(len(tree.tokens))
    for depth in range(tree.paths.shape[1]):
        deep = tree.depths >= depth
        touched[nodes[deep] // BLOCK, tree.paths[tree.rows[deep], depth] // BLOCK] = True
    counts = touched.sum(axis=1).astype(np.int32)
    return counts, np.argsort(~touched, axis=1, kind="stable").astype(np.int32)


def largest_tree(bench: Bench, budget: int) -> Tree:
    """Return the tree of the first run of the shard's texts that fits into a budget."""
    sequences, _ = sort_distinct(list(bench.tokens.ids.values()))
    return build(sequences, next(iter(cut(sequences, budget))))


def attention(bench: Bench) -> Iterator[Row]:
    """Compare one layer's attention over one tree: our kernel and gathered ancestors."""
    yield from _compared(bench, (FUSED, GATHERED))[0]


def flex(bench: Bench) -> Iterator[Row]:
    """Compare our kernel with FlexAttention over the same tree, and say whether ours is still needed."""
    what = "verdict on our kernel"
    rows, seconds = _compared(bench, (FUSED, FLEX))
    yield from rows
    if FUSED not in seconds:
        yield skipped(what, "not on this device: the kernel needs CUDA, and FlexAttention is not compiled here")
        return
    ratio = seconds[FLEX] / seconds[FUSED]
    said = "within 10 % of ours: delete ours" if ratio <= _CLOSE else "slower than ours: keep ours"
    yield Row(
        what, {"FlexAttention, times ours": ratio}, f"FlexAttention is {said}; attention alone, masks made before"
    )


def _compared(bench: Bench, names: tuple[str, ...]) -> tuple[list[Row], dict[str, float]]:
    """Return rows and seconds of ways to attend, in turn over the same tree."""
    heads, size = bench.pick((12, 64), (12, 64), (4, 8))
    dtype = bench.pick("bfloat16", "float32", "float32")
    tree = largest_tree(bench, bench.pick(65_536, 1024, 256))
    random = torch.Generator(bench.device).manual_seed(0)
    mixed = torch.randn(len(tree.tokens), 3 * heads * size, generator=random, device=bench.device)
    mixed = (mixed * size**-0.25).to(getattr(torch, dtype))
    upload = Feed(bench.device).upload
    ways, took = {}, {}
    with torch.inference_mode():
        for name in names:
            if not bench.lacks(name):
                prepared, ways[name] = timed(bench.device, partial(_prepare(bench, name), tree, heads, upload))
                took[name] = (prepared, timed(bench.device, partial(ways[name], mixed))[0])
        exact = GatheredAttention(tree, heads, upload)(mixed.float())
        off = {name: float((attend(mixed).float() - exact).abs().max()) for name, attend in ways.items()}
        seconds = each_call(bench.device, {name: partial(attend, mixed) for name, attend in ways.items()}, bench.rounds)
    note = f"{dtype}, {len(tree.tokens):,} nodes, {tree.paths.shape[1]} deep, {heads} heads of {size}"
    rows = [skipped(name, why) for name in names if (why := bench.lacks(name))]
    for name, (prepared, first) in took.items():
        figures = {
            "ms a layer": seconds[name] * 1e3,
            "ms to prepare a tree": prepared * 1e3,
            "ms of the first call": first * 1e3,
        }
        rows.append(Row(name, {**figures, "off by at most": off[name]}, note))
    return rows, seconds


def _prepare(bench: Bench, name: str) -> Callable[[Tree, int, Upload], Attend]:
    if name == GATHERED:
        return GatheredAttention
    if name == FUSED:
        from vidatlas.encoders.prefix_tree.kernel import FusedAttention

        return FusedAttention
    from torch.nn.attention.flex_attention import flex_attention

    warnings.filterwarnings("ignore", message=".*flex_attention called without torch.compile.*")
    attend = torch.compile(flex_attention, dynamic=False) if bench.device == "cuda" else flex_attention
    return partial(AncestorFlex, attend=attend)


class _Kept(Feed):
    """Upload the arrays of one tree once, and hand them out again in the same order: nothing is copied then."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self._arrays: list[torch.Tensor] = []
        self._next: Iterator[torch.Tensor] | None = None

    def again(self) -> None:
        """Begin handing out from the first."""
        self._next = iter(self._arrays)

    def upload(self, array: Any) -> torch.Tensor:
        """Return the array on the device."""
        if self._next is None:
            self._arrays.append(super().upload(array))
            return self._arrays[-1]
        return next(self._next)


class FixedTree:
    """Compute the features of one tree whose arrays lie on the device already: kernels alone, again and again."""

    def __init__(self, model: Any, tree: Tree, device: str, dtype: str) -> None:
        from vidatlas.encoders.prefix_tree.tower import TreeTower

        self._tree, self._feed = tree, _Kept(device)
        self._tower = TreeTower(model, self._feed, dtype)
        self.first: torch.Tensor = self._tower.forward(tree)

    def __call__(self) -> torch.Tensor:
        """Return the features [leaves, projection]."""
        self._feed.again()
        return self._tower.forward(self._tree)


def graphs(bench: Bench) -> Iterator[Row]:
    """Capture the whole tower over one tree as a CUDA graph, and compare with launching its kernels one by one."""
    if bench.device != "cuda":
        yield skipped(_GRAPH, "not on this device: needs CUDA")
        return
    from transformers import CLIPTextModelWithProjection

    model = CLIPTextModelWithProjection.from_pretrained(bench.checkpoint).eval()
    for nodes in bench.pick((65_536, 16_384, 2_048), (), (256,)):
        tree = largest_tree(bench, nodes)
        with torch.inference_mode():
            yield _captured(bench, FixedTree(model, tree, bench.device, "bfloat16"), len(tree.tokens))


def _captured(bench: Bench, forward: FixedTree, nodes: int) -> Row:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            forward()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = forward()
    seconds = each_call(bench.device, {"launched": forward, "replayed": graph.replay}, bench.rounds)
    graph.replay()
    share = 1 - seconds["replayed"] / seconds["launched"]
    figures = {
        "nodes": nodes,
        "launched, ms": seconds["launched"] * 1e3,
        "replayed, ms": seconds["replayed"] * 1e3,
        "share that launching costs": share,
        "off by at most": float((captured - forward()).abs().max()),
    }
    said = "launching is within 10 %: no graph needed" if share <= 1 - 1 / _CLOSE else "a graph would save over 10 %"
    padded = "trees differ in nodes and depth, so a graph would need a padded shape for each size"
    return Row(_GRAPH, figures, f"{said}; {padded}")


def busy(bench: Bench) -> Iterator[Row]:
    """Trace the kernels of one shard: how much of its time the device runs any, and which take the most."""
    if bench.device != "cuda":
        yield skipped("kernels of one shard", "not on this device: needs CUDA")
        return
    from torch.profiler import ProfilerActivity, profile

    table, worker = bench.table(), open_worker_of(bench, FUSED, "busy")
    worker(named(table, "warm", 1000))
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        seconds, receipt = timed(bench.device, partial(worker, named(table, "traced")))
    yield from _traced(trace.key_averages(), seconds, receipt["compute_seconds"])


def _traced(found: Iterable[Any], seconds: float, computing: float) -> Iterator[Row]:
    """Yield what a shard's time on the device went into, by the profiler's sums for each kernel."""
    kernels = sorted(found, key=lambda kernel: -kernel.self_device_time_total)
    total = sum(kernel.self_device_time_total for kernel in kernels) / 1e6
    figures = {
        "s of a shard": seconds,
        "of which its turn on the device": computing / seconds,
        "of which kernels and copies ran": total / max(computing, 1e-9),
    }
    yield Row("one shard, traced", figures, "copies and kernels of one stream do not overlap")
    for kernel in kernels[:8]:
        share = {"share of all": kernel.self_device_time_total / 1e6 / max(total, 1e-9), "calls": int(kernel.count)}
        yield Row(f"kernel {kernel.key[:70]}", share)
