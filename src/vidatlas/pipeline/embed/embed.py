"""Embed: read, encode and commit every shard that has no receipt yet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from vidatlas.encoders.given import GivenSpec
from vidatlas.errors import ConflictError, InputError, VidatlasError
from vidatlas.pipeline.embed.encoder import Learning, learn_encoder, refuse_other_source, uses_gpu
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.embed.totals import Totals
from vidatlas.pipeline.embed.vectors import planned_vectors
from vidatlas.pipeline.embed.watchdog import watched
from vidatlas.pipeline.embed.worker import open_worker
from vidatlas.pipeline.plan.plan import has_vectors
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.pipeline.stage import Run, commit, committed
from vidatlas.recipe import Recipe, recipe_of
from vidatlas.storage import store as layout
from vidatlas.storage.manifest import EmbedEntry, EmbedFacts, EncoderIdentity, PlanCounts, PlanEntry
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.types import Event, FileFacts, Json, Receipt, Runner, Shard

_TOLD = ("shard", "rows", "kept", "seconds", "host", "attempt")
"""What a listener is told of a shard as it is committed."""


def embed(run: Run) -> EmbedEntry:
    """Embed every shard of a committed plan that has no receipt yet; return the stage's entry of the manifest.

    Raises:
        InputError: an input file changed since it was planned.
        ConflictError: another encoder or another run.
        UnavailableError: the storage cannot be written.
    """
    store = run.store
    if has_vectors(store):
        refuse_other_source(store, run.recipe)
    made_of = {"upstream": store.stage("plan")["digest"]}
    entry = committed(run, EmbedEntry, made_of)
    if entry:
        _refuse_other_weights(store, run.recipe, entry["encoder"])
        return entry
    said = {**made_of, "fingerprint": run.recipe.fingerprint("embed")}
    return commit(run, EmbedEntry, said, partial(_embed, run), replaces=False)


def _embed(run: Run) -> tuple[Files, EmbedFacts]:
    """Embed the shards without a receipt; return the files of all, and what the manifest says of them."""
    store, planned, shards = run.store, run.store.stage("plan"), load_shards(run.store)
    before = store.manifest()["stages"].get("embed")
    if before and not store.is_sound(layout.ENCODER):
        store.put(layout.ENCODER, to_json(before["encoder"]))
    earlier = _committed_shards(store, {shard.name for shard in shards})
    for name in store.folder.list("attempts"):
        store.folder.delete(name)
    learned = learn_encoder(store, run.recipe, planned["digest"], shards, run.runner)
    receipts = earlier | _embedded(run, planned, [shard for shard in shards if shard.name not in earlier], earlier)
    _prove(store, earlier, run.runner)
    files, facts = _sums(run.recipe, store, planned["counts"], [receipts[shard.name] for shard in shards])
    return files | learned, facts


def _committed_shards(store: Store, wanted: set[str]) -> dict[str, Receipt]:
    """Return the receipts of shards that an earlier run committed and whose files are there."""
    found = {name: receipt for name, receipt in store.receipts().items() if name in wanted}
    there = store.sizes(name for receipt in found.values() for name in receipt.files)
    return {
        name: receipt
        for name, receipt in found.items()
        if all(there.get(file) == facts["bytes"] for file, facts in receipt.files.items())
    }


def _embedded(run: Run, planned: PlanEntry, todo: list[Shard], earlier: Mapping[str, Receipt]) -> dict[str, Receipt]:
    """Stream shards through readers and encoders; return their receipts, each told to the listener as it comes."""
    totals, receipts = Totals(earlier.values()), dict[str, Receipt]()

    def tell(last: Json | None) -> None:
        facts = {**totals.facts(), "planned_rows": planned["counts"]["read"], "last": last}
        run.listener(Event("embed", len(earlier) + len(receipts), planned["shards"], facts))

    tell(None)
    record = run.recipe.record.typed(planned.get("columns", {}))
    given = planned_vectors(run.store, run.recipe)
    read = partial(read_shard, spec=record, source=run.recipe.rows, given=given)
    opened = partial(open_worker, run.store, run.recipe, run.options.threads)
    found = run.runner.embed(read, opened, todo, uses_gpu(run.recipe)) if todo else ()
    for data in watched(found, run.store, run.options.stalled_after, run.runner.lost):
        receipts[data["shard"]] = receipt = Receipt(**data)
        totals.add(receipt)
        tell({name: getattr(receipt, name) for name in _TOLD})
    return receipts


def _refuse_other_weights(store: Store, recipe: Recipe, made_with: EncoderIdentity) -> None:
    """Raise ConflictError where a finished atlas is given a model that lies elsewhere and holds other weights."""
    # Given vectors are planned, as input is.
    if recipe_of(store).encoder == recipe.encoder or isinstance(recipe.encoder, Learning | GivenSpec):
        return
    weights = recipe.encoder.inspect().weights_sha256
    if weights != made_with.get("weights_sha256"):
        raise ConflictError(
            f"{store.url} was made with other weights than those of this model. Choose another output folder."
        )


def _prove(store: Store, earlier: Mapping[str, Receipt], runner: Runner) -> None:
    """Check the bytes of shards that an earlier run committed, before they are sealed."""
    files = [(name, facts) for receipt in earlier.values() for name, facts in receipt.files.items()]
    for name in runner.map(partial(_is_altered, store), files):
        if name:
            raise InputError(
                f"{store.url}/{name} was altered after it was written. Delete it and "
                "rerun the same command; it rebuilds just that file."
            )


def _is_altered(store: Store, file: tuple[str, FileFacts]) -> str:
    name, facts = file
    return "" if store.entry(name)[name]["sha256"] == facts["sha256"] else name


def _sums(recipe: Recipe, store: Store, counts: PlanCounts, receipts: list[Receipt]) -> tuple[Files, EmbedFacts]:
    """Return the files of all shards, and their sums, which must be those of the plan."""
    total = Totals(receipts).facts()
    if total["rows"] != counts["read"] or total["kept"] != counts["kept"]:
        raise VidatlasError(
            f"{store.url}: {counts['kept']:,} rows were to be kept, "
            f"{total['kept']:,} were. This is a bug; please report it."
        )
    files = {name: facts for receipt in receipts for name, facts in receipt.files.items()}
    return files | store.entry(layout.ENCODER), {
        "encoder": store.read_json(layout.ENCODER, EncoderIdentity),
        "counts": total,
        "hardware": sorted({receipt.worker for receipt in receipts}),
    }
