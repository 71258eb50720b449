"""Embed: read, encode and commit every shard that has no receipt yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from vidatlas.errors import ConflictError, InputError, VidatlasError
from vidatlas.pipeline.embed.encoder import Learning, learn_encoder, refuse_other_source
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.embed.worker import open_worker
from vidatlas.pipeline.plan.plan import has_vectors, refuse_other_recipe
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.pipeline.stage import Run, commit, committed
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.store import Store
from vidatlas.types import Event, Json, Listener, Receipt, Runner, Shard


def embed(run: Run) -> Json:
    """Embed every shard of a committed plan that has no receipt yet; return the stage's entry of the manifest.

    Raises:
        InputError: an input file changed since it was planned.
        ConflictError: another encoder or another run.
        UnavailableError: the storage cannot be written.
    """
    store = run.store
    refuse_other_recipe(store, run.recipe)
    if has_vectors(store):
        refuse_other_source(store, run.recipe)
    made_of = {"upstream": store.stage("plan")["digest"]}
    entry = committed(run, "embed", made_of)
    if entry:
        _refuse_other_weights(store, run.recipe, entry["encoder"])
        return entry
    return commit(run, "embed", made_of, partial(_embed, run), replaces=False)


def _embed(run: Run) -> tuple[layout.Files, Json]:
    """Embed the shards without a receipt; return the files of all, and what the manifest says of them."""
    store, shards = run.store, load_shards(run.store)
    earlier = _committed_shards(store, {shard.name for shard in shards})
    for name in store.folder.list("attempts"):
        store.folder.delete(name)
    learned = learn_encoder(store, run.recipe, shards, run.runner)
    receipts = earlier | _embedded(run, [shard for shard in shards if shard.name not in earlier], earlier)
    _prove(store, earlier, run.runner)
    return _sums(run.recipe, store, [receipts[shard.name] for shard in shards], learned)


def _committed_shards(store: Store, wanted: set[str]) -> dict[str, Receipt]:
    """Return the receipts of shards that an earlier run committed and whose files are there."""
    found = store.receipts().items()
    return {name: receipt for name, receipt in found if name in wanted and store.intact(receipt.files)}


def _embedded(run: Run, todo: list[Shard], earlier: Mapping[str, Receipt]) -> dict[str, Receipt]:
    """Stream shards through readers and encoders; return their receipts, each told to the listener as it comes."""
    planned, totals = run.store.stage("plan"), Totals(earlier.values())
    tell = partial(_tell, run.listener, planned["shards"], planned["counts"]["read"], totals)
    tell(len(earlier))
    read = partial(read_shard, spec=run.recipe.record, source=run.recipe.rows)
    opened = partial(open_worker, run.store, run.recipe, run.options.threads)
    receipts: dict[str, Receipt] = {}
    for data in run.runner.embed(read, opened, todo) if todo else ():
        receipts[data["shard"]] = receipt = Receipt(**data)
        totals.add(receipt)
        tell(len(earlier) + len(receipts), receipt)
    return receipts


def _refuse_other_weights(store: Store, recipe: Recipe, made_with: Json) -> None:
    """Raise ConflictError where a finished atlas is given a model that lies elsewhere and holds other weights."""
    same = store.manifest()["recipe"]["encoder"] == recipe.model_dump(mode="json")["encoder"]
    if same or isinstance(recipe.encoder, Learning):
        return
    weights = recipe.encoder.inspect().weights_sha256
    if weights != made_with.get("weights_sha256"):
        raise ConflictError(
            f"{store.url} was made with other weights than those of this model. Choose another output folder."
        )


_COUNTS = ("rows", "kept", "texts", "distinct", "tokens", "nodes")
_TOLD = ("shard", "rows", "kept", "seconds", "host", "attempt")
"""What a listener is told of a shard as it is committed."""
_AMOUNTS = ("seconds", "compute_seconds", "idle_seconds", "flops", "possible_flops")


class Totals:
    """Sum the receipts of embedded shards as they arrive, each looked at once."""

    def __init__(self, receipts: Iterable[Receipt] = ()) -> None:
        self._reasons: Counter[str] = Counter()
        self._batch_tokens: set[int] = set()
        self._redone = 0
        self._sums: dict[str, Any] = dict.fromkeys((*_COUNTS, *_AMOUNTS), 0)
        for receipt in receipts:
            self.add(receipt)

    def add(self, receipt: Receipt) -> None:
        """Add a receipt to the totals."""
        self._reasons.update(receipt.rejects)
        self._redone += receipt.attempt > 1
        if receipt.batch_tokens:
            self._batch_tokens.add(receipt.batch_tokens)
        for name in self._sums:
            self._sums[name] += getattr(receipt, name)

    def facts(self) -> Json:
        """Return counts, rejects by reason, seconds, the devices' idle share, and the share of the possible operations.

        ``redone`` counts shards that were begun more than once, as a worker or its node went in the middle;
        ``batch_tokens`` lists the batch sizes that occurred: more than one where a device ran out of memory.
        """
        sums = self._sums
        waited = sums["idle_seconds"] + sums["compute_seconds"]
        return {
            **{name: sums[name] for name in _COUNTS},
            "rejects": dict(sorted(self._reasons.items())),
            "redone": self._redone,
            "worker_seconds": round(sums["seconds"], 1),
            "compute_seconds": round(sums["compute_seconds"], 1),
            "idle_share": round(sums["idle_seconds"] / waited, 3) if waited else None,
            "batch_tokens": sorted(self._batch_tokens, reverse=True),
            "gemm_share": round(sums["flops"] / sums["possible_flops"], 3) if sums["possible_flops"] else None,
        }


def _tell(
    listener: Listener, shards: int, rows: int, totals: Totals, done: int, receipt: Receipt | None = None
) -> None:
    last = {name: getattr(receipt, name) for name in _TOLD} if receipt else None
    listener(Event("embed", done, shards, {**totals.facts(), "planned_rows": rows, "last": last}))


def _prove(store: Store, earlier: Mapping[str, Receipt], runner: Runner) -> None:
    """Check the bytes of shards that an earlier run committed, before they are sealed."""
    files = [(name, facts) for receipt in earlier.values() for name, facts in receipt.files.items()]
    for name in runner.map(partial(_is_altered, store), files):
        if name:
            raise InputError(
                f"{store.url}/{name} was altered after it was written. Delete it and "
                "rerun the same command; it rebuilds just that file."
            )


def _is_altered(store: Store, file: tuple[str, Mapping[str, Any]]) -> str:
    name, facts = file
    return "" if store.entry(name)[name]["sha256"] == facts["sha256"] else name


def _sums(recipe: Recipe, store: Store, receipts: list[Receipt], learned: layout.Files) -> tuple[layout.Files, Json]:
    """Return the files of all shards, and their sums, which must be those of the plan."""
    total, counts = Totals(receipts).facts(), store.stage("plan")["counts"]
    if total["rows"] != counts["read"] or total["kept"] != counts["kept"]:
        raise VidatlasError(
            f"{store.url}: {counts['kept']:,} rows were to be kept, "
            f"{total['kept']:,} were. This is a bug; please report it."
        )
    files = {name: dict(facts) for receipt in receipts for name, facts in receipt.files.items()}
    files |= store.entry(layout.ENCODER) | learned
    return files, {
        "fingerprint": recipe.fingerprint("embed"),
        "encoder": store.read_json(layout.ENCODER),
        "counts": total,
        "hardware": sorted({receipt.worker for receipt in receipts}),
    }
