"""Build the search index of an invented atlas as publish does, and say how long it took and in how much memory."""

from __future__ import annotations

import multiprocessing
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from benchmarks.vectors import clustered
from vidatlas import load_recipe
from vidatlas.clustering.kmeans import sample_rows
from vidatlas.pipeline.publish.index import make_index
from vidatlas.pipeline.stage import Run, Steps
from vidatlas.search_index import QUERIES, BruteForce, K, Rows, SearchIndex, recall_at, unit, without
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.storage.tables import matrix, parquet_bytes, read_embeddings, sealed_shards
from vidatlas.threads import one_thread
from vidatlas.types import Event, Floats, Json, Options

T = TypeVar("T")
R = TypeVar("R")
_SUMS = dict.fromkeys(("rows", "kept", "texts", "distinct", "tokens", "nodes", "compute_seconds"), 1)
_COUNTS = {"read": 1, "kept": 1, "rejected": 0, "duplicates": 0, "rejects": {}}


class Workers:
    """Map over processes, a bounded number of items in flight, and keep the most memory that one of them took."""

    def __init__(self, processes: int) -> None:
        self.bytes, self._ahead = 0, 2 * processes
        self._pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        """Yield ``function(item)`` for every item, in the order of the items."""
        flying: deque[Any] = deque()
        for item in items:
            flying.append(self._pool.submit(_measured, function, item))
            if len(flying) >= self._ahead:
                yield self._taken(flying.popleft())
        while flying:
            yield self._taken(flying.popleft())

    def embed(self, *_: Any, **__: Any) -> Iterator[Json]:
        """Refuse: nothing is embedded here."""
        raise NotImplementedError

    def lost(self) -> str:
        """Return an empty text: a pool whose process dies raises."""
        return ""

    def _taken(self, future: Any) -> Any:
        result, size = future.result()
        self.bytes = max(self.bytes, size)
        return result


def _measured(function: Callable[[T], R], item: T) -> tuple[R, int]:
    return function(item), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def anonymous() -> int:
    """Return the bytes of this process's memory that are not mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


class Watch(threading.Thread):
    """Watch the memory of this process that is not mapped files, which the system can take back."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self._ended = 0, threading.Event()

    def run(self) -> None:
        """Look every 20 ms."""
        while not self._ended.wait(0.02):
            self.bytes = max(self.bytes, anonymous())

    def end(self) -> int:
        """Return the most bytes."""
        self._ended.set()
        self.join()
        return self.bytes


def write_atlas(folder: Path, rows: int, dim: int) -> None:
    """Write what the index is made of: ids, titles, vectors and homes of so many videos."""
    store = Store(folder)
    embedded: Files = {}
    placed: Files = {}
    for number, vectors in enumerate(clustered(rows, dim)):
        shard, count = f"videos-{number:05d}", len(vectors)
        ids = pa.array([f"v{number}-{row}" for row in range(count)])
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim)
        columns = {"id": ids, "group": pa.array(["g"] * count), "title": ids, "author": ids, "embedding": lists}
        embedded |= store.put(layout.embeddings(shard), parquet_bytes(pa.table(columns)))
        homes = {
            "id": ids,
            "group": columns["group"],
            "in_group": columns["group"],
            "subcategory": pa.array(np.zeros(count, np.int32)),
            "distance": pa.array(np.zeros(count, np.float32)),
        }
        placed |= store.put_table(layout.assignments(shard), pa.table(homes))
    plan = {"inputs": ["/videos"], "parts": ["videos"], "shards": len(embedded), "complete": True, "counts": _COUNTS}
    encoder = {"model": "invented", "dim": dim}
    embed = {"encoder": encoder, "counts": {**_SUMS, "rejects": {}, "gemm_share": None}, "hardware": ["cpu"]}
    reduce = {
        "counts": {"rows": rows, "groups": 1, "subcategories": 1, "components": 2},
        "backend": {"name": "sklearn", "version": "1", "device": "cpu"},
        "notes": [],
    }
    entries = {"plan": (plan, {}), "embed": (embed, embedded), "reduce": (reduce, placed)}
    stages = {name: {**entry, "digest": name, "files": files} for name, (entry, files) in entries.items()}
    store.folder.put(layout.MANIFEST, to_json({"schema": layout.SCHEMA, "stages": stages}))


def build(folder: Path, rows: int, dim: int, processes: int) -> None:
    """Print how an index is built, opened and searched."""
    atlas = folder / f"{rows}-{dim}"
    if not (atlas / layout.MANIFEST).exists():
        # In a process of its own: what this one takes is measured.
        writing = multiprocessing.get_context("spawn").Process(target=write_atlas, args=(atlas, rows, dim))
        writing.start()
        writing.join()
    store, recipe = Store(atlas), load_recipe("demo", {"encoder": {"kind": "hashing"}, "record.columns": {}})
    began: dict[str, float] = {}

    def tell(event: Event) -> None:
        began.setdefault(event.facts["step"].split(":")[-1].split(" on ")[0].strip(), time.perf_counter())

    start, busy, before = time.perf_counter(), time.process_time(), anonymous()
    workers, watch = Workers(processes), Watch()
    watch.start()
    run = Run(recipe, store, workers, Options(), tell)
    files, facts = make_index(recipe, store, list(sealed_shards(store.stage("embed"))), Steps(run, "publish", 2))
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    print(
        "| built in | CPU of driver | driver before | at most | largest worker | file | recall@10 | opened in | query |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    sizes = " | ".join(f"{size / 1e6:,.0f} MB" for size in (before, watch.end(), workers.bytes, facts["bytes"]))
    opened, query = used(store, facts["probes"], rows, dim)
    print(
        f"| {seconds:,.0f} s | {busy:,.0f} s | {sizes} | {facts['recall_at_10']:.2%}, {facts['probes']} of "
        f"{facts['lists']:,} cells | {1000 * opened:.1f} ms | {1000 * query:.1f} ms |"
    )
    print(
        "begins after:", {step: round(moment - start) for step, moment in began.items()}, files[layout.INDEX]["sha256"]
    )


def published(atlas: Path) -> None:
    """Print how the index of a published atlas is opened and searched, the memory it takes, and recall by cells."""
    store = Store(atlas)
    facts, rows = store.stage("publish")["index"], store.stage("plan")["counts"]["kept"]
    dim, before = store.stage("embed")["encoder"]["dim"], anonymous()
    opened, query = used(store, facts["probes"], rows, dim)
    taken, size = ((bytes_ / 1e6) for bytes_ in (anonymous() - before, facts["bytes"]))
    print("| videos | file | recall@10 | opened in | query | memory it takes |")
    print("|---|---|---|---|---|---|")
    looked = f"{facts['recall_at_10']:.2%}, {facts['probes']} of {facts['lists']:,} cells"
    print(f"| {rows:,} | {size:,.0f} MB | {looked} | {opened:.3f} s | {1000 * query:.1f} ms | {taken:,.0f} MB |\n")
    index = SearchIndex.from_file(store.folder.plain(layout.INDEX), 1, rows, dim)  # type: ignore[union-attr]
    queries, own, truth = _asked(store, rows)
    print("| cells | recall@10 | ms per query, all queries at once |")
    print("|---|---|---|")
    while index.lists:
        start = time.perf_counter()
        recall = recall_at(without(index.search(queries, K + 1)[0], own), truth)
        print(f"| {index.probes:,} | {recall:.2%} | {1000 * (time.perf_counter() - start) / len(queries):.1f} |")
        if index.probes == index.lists:
            break
        index.probes = min(2 * index.probes, index.lists)


def _asked(store: Store, rows: int) -> tuple[Floats, Rows, Rows]:
    """Return vectors of some videos, their numbers, and the numbers of their ten nearest by brute force."""
    shards = list(sealed_shards(store.stage("embed")))
    own, first, found = sample_rows(rows, QUERIES, 7), 0, []
    for shard in shards:
        vectors = unit(matrix(read_embeddings(store, *shard, ["embedding"])["embedding"]))
        found.append(vectors[own[(own >= first) & (own < first + len(vectors))] - first])
        first += len(vectors)
    queries = np.concatenate(found)
    brute = BruteForce(queries, K + 1)
    for shard in shards:
        brute.add(unit(matrix(read_embeddings(store, *shard, ["embedding"])["embedding"])))
    return queries, own, without(brute.rows, own)


def used(store: Store, probes: int, rows: int, dim: int) -> tuple[float, float]:
    """Return the seconds to open the index, and those of a query, one at a time on one thread."""
    shard = next(iter(sealed_shards(store.stage("embed"))))
    queries = unit(matrix(read_embeddings(store, *shard, ["embedding"])["embedding"])[:QUERIES])
    start = time.perf_counter()
    index = SearchIndex.from_file(store.folder.plain(layout.INDEX), probes, rows, dim)  # type: ignore[union-attr]
    opened = time.perf_counter() - start
    with one_thread():
        index.search(queries, K)
        start = time.perf_counter()
        for query in queries:
            index.search(query[None], K)
        return opened, (time.perf_counter() - start) / len(queries)
