"""Embed: read shards, encode each distinct text once, commit every shard whole or not at all."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas import store as layout
from vidatlas.encode.mix import FieldMix, distinct_texts, mix
from vidatlas.fields import RecordSpec
from vidatlas.lock import Lock
from vidatlas.pipeline.planning import RunOptions, load_shards, refuse_other_recipe
from vidatlas.pipeline.records import kept, read_shard, rejected, texts_of
from vidatlas.recipe import Recipe
from vidatlas.store import Store, to_json
from vidatlas.types import (
    ConflictError,
    Encoder,
    EncodeStats,
    Event,
    Floats,
    InputError,
    Json,
    Listener,
    Receipt,
    Runner,
    VidatlasError,
)

MAX_ATTEMPTS = 5
Worker = Callable[[pa.Table], Json]


def vectors_of(records: pa.Table, recipe: Recipe, encoder: Encoder, stats: EncodeStats) -> Floats:
    """Return float32 [records, dim]: the recipe's weighted mean of each record's texts. Queries use the same rule."""
    fields = [
        FieldMix(texts_of(records, name), field.max_chars, field.weight) for name, field in recipe.record.fields.items()
    ]
    texts, weights = distinct_texts(fields)
    vectors = encoder.encode(texts, stats)
    stats.texts = sum(len(field.texts.flatten()) for field in fields)
    return mix(weights, vectors, recipe.mix)


def embedding_table(records: pa.Table, spec: RecordSpec, vectors: Floats) -> pa.Table:
    """Return the table that a shard of embeddings holds: id, group, the fields' texts, embedding as float16."""
    columns: dict[str, Any] = {"id": records["id"], "group": records["group"]}
    for name, field in spec.fields.items():
        texts = texts_of(records, name)
        columns[name] = (
            texts
            if field.separator
            else pa.array([item[0] if item else None for item in texts.to_pylist()], pa.string())
        )
    flat = pa.array(vectors.astype(np.float16).reshape(-1))
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table(columns)


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a shard of embeddings as Parquet: zstd, page checksums.

    Byte-stream split would take 7 % less, but DuckDB 2.0 cannot read it for float16.
    """
    out = io.BytesIO()
    pq.write_table(
        table,
        out,
        compression="zstd",
        use_dictionary=["group"],
        write_page_checksum=True,
        row_group_size=max(table.num_rows, 1),
    )
    return out.getvalue()


@dataclass(slots=True)
class EmbedWorker:
    """Encode and commit shards, one at a time; lives in an actor, holds the model."""

    store: Store
    recipe: Recipe
    encoder: Encoder
    hardware: str

    def __call__(self, table: pa.Table) -> Json:
        """Commit the shard whose rows are given; return its receipt as JSON."""
        started = time.perf_counter()
        shard, rows = table.schema.metadata[b"shard"].decode(), int(table.schema.metadata[b"rows"])
        self._mark_attempt(shard)
        records = kept(table)
        lost, reasons = rejected(table)
        if table.num_rows != rows or records.num_rows + sum(reasons.values()) != rows:
            raise VidatlasError(
                f"shard {shard}: {rows} rows were planned, {table.num_rows} arrived. This is a bug; please report it."
            )
        stats = EncodeStats()
        vectors = vectors_of(records, self.recipe, self.encoder, stats)
        if vectors.shape != (records.num_rows, self.encoder.dim) or not np.isfinite(vectors.astype(np.float16)).all():
            raise VidatlasError(
                f"shard {shard}: the encoder {self.recipe.encoder.kind} returned vectors "
                "that are not finite float16. Choose another model or dtype."
            )
        files = self.store.put(
            layout.embeddings(shard), parquet_bytes(embedding_table(records, self.recipe.record, vectors))
        )
        if lost:
            files |= self.store.put(layout.rejects(shard), lost)
        seconds = round(time.perf_counter() - started, 3)
        receipt = Receipt(
            shard,
            rows,
            records.num_rows,
            reasons,
            files,
            stats.texts,
            stats.distinct,
            stats.tokens,
            seconds,
            self.hardware,
        )
        # The receipt is the commit: a shard without one is done again, over the same names.
        self.store.put(layout.receipt(shard), to_json(asdict(receipt)))
        self.store.folder.delete(layout.attempt(shard))
        return asdict(receipt)

    def _mark_attempt(self, shard: str) -> None:
        """Count how often a shard was begun: one that kills its worker each time must not be tried for ever."""
        name = layout.attempt(shard)
        count = 1 + (orjson.loads(self.store.read(name))["attempts"] if self.store.folder.size(name) is not None else 0)
        if count > MAX_ATTEMPTS:
            raise VidatlasError(
                f"shard {shard} ended its worker {MAX_ATTEMPTS} times, most likely for want of memory. "
                "Use a machine with more, or a new atlas with --set source.shard_rows=1000 "
                "and a smaller --set encoder.batch_tokens."
            )
        self.store.folder.put(name, to_json({"shard": shard, "attempts": count}))


def open_worker(atlas: str, recipe: Json, threads: int) -> EmbedWorker:
    """Load the encoder and make sure it is the one that the atlas's other shards were made with.

    Raises:
        ConflictError: weights, precision, threads or library versions differ from those of the shards that are there.
    """
    store, parsed = Store(atlas), Recipe.model_validate(recipe)
    encoder: Any = parsed.encoder.load(threads)
    identity = encoder.identity
    if not store.folder.put_new(layout.ENCODER, to_json(identity)):
        there = store.read_json(layout.ENCODER)
        changes = [
            f"{key}: {there.get(key)} → {identity.get(key)}"
            for key in {**there, **identity}
            if key not in ("model", "revision") and there.get(key) != identity.get(key)
        ]
        if changes:
            raise ConflictError(
                f"{atlas} was begun with another encoder ({'; '.join(changes)}). "
                "Go back to that one, or choose another output folder."
            )
    return EmbedWorker(store, parsed, encoder, encoder.hardware)


def embed(recipe: Recipe, atlas: str, threads: int, runner: Runner, options: RunOptions, listener: Listener) -> Json:
    """Embed every shard of a sealed plan that has no receipt yet; return the sealed stage's entry.

    Raises:
        InputError: a part changed since it was planned.
        ConflictError: another encoder or another run.
        UnavailableError: the storage cannot be written.
    """
    store = Store(atlas)
    refuse_other_recipe(store, recipe)
    planned = store.stage("plan")
    sealed = store.manifest()["stages"].get("embed")
    if sealed and sealed["upstream"] == planned["digest"] and store.intact(sealed["files"]):
        return dict(sealed)
    with Lock(store, options.take_over) as lock:
        shards = load_shards(store)
        wanted = {shard.name for shard in shards}
        receipts = {
            name: receipt
            for name, receipt in store.receipts().items()
            if name in wanted and store.intact(receipt.files)
        }
        for name in store.folder.list("attempts"):
            store.folder.delete(name)
        earlier = dict(receipts)
        todo = [shard for shard in shards if shard.name not in receipts]
        read = partial(read_shard, spec=recipe.record)
        opened = partial(open_worker, atlas, recipe.model_dump(mode="json"), threads)
        listener(_event(receipts, len(shards), planned))
        for data in runner.embed(read, opened, todo) if todo else ():
            receipts[data["shard"]] = Receipt(**data)
            listener(_event(receipts, len(shards), planned))
        _prove(store, earlier, runner)
        entry = _entry(recipe, store, planned, [receipts[shard.name] for shard in shards])
        lock.confirm()
        store.unseal(["reduce", "publish"])
        store.seal("embed", entry, recipe.model_dump(mode="json"))
    return entry


def _event(receipts: Mapping[str, Receipt], total: int, planned: Json) -> Event:
    return Event(
        "embed", len(receipts), total, {**summary(receipts.values()), "planned_rows": planned["counts"]["read"]}
    )


def summary(receipts: Any) -> Json:
    """Add up what receipts say."""
    reasons: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    seconds = 0.0
    for receipt in receipts:
        reasons.update(receipt.rejects)
        sums.update({key: getattr(receipt, key) for key in ("rows", "kept", "texts", "distinct", "tokens")})
        seconds += receipt.seconds
    keys = {key: sums[key] for key in ("rows", "kept", "texts", "distinct", "tokens")}
    return {**keys, "rejects": dict(sorted(reasons.items())), "worker_seconds": round(seconds, 1)}


def _prove(store: Store, earlier: Mapping[str, Receipt], runner: Runner) -> None:
    """Check the bytes of shards that an earlier run committed, before they are sealed."""
    files = [(name, facts) for receipt in earlier.values() for name, facts in receipt.files.items()]
    for name in runner.map(partial(_is_altered, store.url), files):
        if name:
            raise InputError(
                f"{store.url}/{name} was altered after it was written. Delete it and "
                "run the same command again; it rebuilds just that file."
            )


def _is_altered(atlas: str, file: tuple[str, Mapping[str, Any]]) -> str:
    name, facts = file
    return "" if Store(atlas).entry(name)[name]["sha256"] == facts["sha256"] else name


def _entry(recipe: Recipe, store: Store, planned: Json, receipts: list[Receipt]) -> Json:
    total = summary(receipts)
    counts = planned["counts"]
    if total["rows"] != counts["read"] or total["kept"] != counts["kept"]:
        raise VidatlasError(
            f"{store.url}: {counts['kept']:,} rows were to be kept, "
            f"{total['kept']:,} were. This is a bug; please report it."
        )
    files = {name: dict(facts) for receipt in receipts for name, facts in receipt.files.items()}
    files |= store.entry(layout.ENCODER)
    return {
        "fingerprint": recipe.fingerprint("embed"),
        "upstream": planned["digest"],
        "encoder": store.read_json(layout.ENCODER),
        "counts": total,
        "hardware": sorted({receipt.worker for receipt in receipts}),
        "digest": layout.digest_of(files),
        "files": files,
    }


def sealed_shards(entry: Json) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (shard name, manifest entry) of every sealed shard of embeddings, in manifest order."""
    for name, facts in entry["files"].items():
        if name.startswith("embeddings/"):
            yield name.removeprefix("embeddings/").removesuffix(".parquet"), facts


def read_embeddings(store: Store, shard: str, facts: Mapping[str, Any], columns: list[str] | None = None) -> pa.Table:
    """Return a sealed shard of embeddings after proving its hash."""
    return pq.read_table(io.BytesIO(store.check(layout.embeddings(shard), facts)), columns=columns)


def matrix(column: Any) -> np.ndarray[Any, Any]:
    """Return a fixed-size-list column as a 2-D array without copying element by element."""
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(combined.flatten().to_numpy(zero_copy_only=False)).reshape(len(combined), combined.type.list_size)
