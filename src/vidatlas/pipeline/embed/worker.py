"""The worker inside an actor: it holds the model, encodes shards, and commits each whole or not at all."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from vidatlas.errors import ConflictError, VidatlasError
from vidatlas.pipeline.embed.encoder import open_encoder
from vidatlas.pipeline.embed.rows import kept, rejected
from vidatlas.pipeline.embed.vectors import embedding_table, vectors_of
from vidatlas.recipe import Recipe
from vidatlas.sources.values.language import detector
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Attempts
from vidatlas.storage.manifest import EncoderIdentity
from vidatlas.storage.store import Store, to_json
from vidatlas.storage.tables import parquet_bytes
from vidatlas.types import Encoder, EncodeStats, Floats, Json, ModelEncoder, Receipt

MAX_ATTEMPTS = 5
"""At a shard, after which the job ends."""


@dataclass(slots=True)
class EmbedWorker:
    """Hold the model inside an actor; encode and commit shards. Threads may call a worker, each with its own shard."""

    store: Store
    recipe: Recipe
    encoder: Encoder
    hardware: str = "cpu"
    flops_per_node: float = 0.0
    limit: float = 0.0
    """FLOP/s that the device was measured to have; 0 without a model."""

    def __call__(self, table: pa.Table) -> Json:
        """Commit the shard whose rows are given; return its receipt as JSON."""
        started = time.perf_counter()
        shard, rows = table.schema.metadata[b"shard"].decode(), int(table.schema.metadata[b"rows"])
        attempt = mark_attempt(self.store, shard)
        records = kept(table)
        lost, reasons = rejected(table)
        if table.num_rows != rows or records.num_rows + sum(reasons.values()) != rows:
            raise VidatlasError(
                f"shard {shard}: {rows} rows were planned, {table.num_rows} arrived. This is a bug; please report it."
            )
        stats = EncodeStats()
        vectors = self._encode(shard, records, stats)
        files = self.store.put(
            layout.embeddings(shard), parquet_bytes(embedding_table(records, self.recipe.record, vectors))
        )
        if lost:
            files |= self.store.put(layout.rejects(shard), lost)
        receipt = Receipt(
            shard=shard,
            rows=rows,
            kept=records.num_rows,
            rejects=reasons,
            files=files,
            seconds=round(time.perf_counter() - started, 3),
            attempt=attempt,
            **self._computed(stats),
        )
        # The receipt is the commit: a shard without one is done again, over the same names.
        self.store.put(layout.receipt(shard), to_json(asdict(receipt)))
        self.store.folder.delete(layout.attempt(shard))
        return asdict(receipt)

    def _encode(self, shard: str, records: pa.Table, stats: EncodeStats) -> Floats:
        """Return the vectors of a shard's records, checked before anything is written of them."""
        vectors = vectors_of(records, self.recipe, self.encoder, stats)
        with np.errstate(over="ignore"):  # what is too large for float16 becomes infinite
            finite = np.isfinite(vectors.astype(np.float16)).all()
        if vectors.shape != (records.num_rows, self.encoder.dim) or not finite:
            raise VidatlasError(
                f"shard {shard}: the encoder {self.recipe.encoder.kind} returned vectors "
                "that are not finite float16. Choose another model or dtype."
            )
        return vectors

    def _computed(self, stats: EncodeStats) -> Json:
        """Return what a receipt says of the work, and of the device that did it."""
        return {
            "texts": stats.texts,
            "distinct": stats.distinct,
            "tokens": stats.tokens,
            "nodes": stats.nodes,
            "compute_seconds": round(stats.seconds, 3),
            "flops": stats.nodes * self.flops_per_node,
            "possible_flops": stats.seconds * self.limit,
            "idle_seconds": round(stats.idle, 3),
            "batch_tokens": stats.batch_tokens,
            "worker": self.hardware,
            "host": socket.gethostname(),
        }


def mark_attempt(store: Store, shard: str) -> int:
    """Note that a shard is begun, and return which attempt this is.

    Raises:
        VidatlasError: it killed its worker each time.
    """
    name = layout.attempt(shard)
    begun = store.read_json_if_valid(name, Attempts)
    count = 1 + (begun["attempts"] if begun else 0)
    if count > MAX_ATTEMPTS:
        raise VidatlasError(
            f"shard {shard} crashed its worker {MAX_ATTEMPTS} times, most likely out of memory. "
            "Use a machine with more, or a new atlas with --set source.shard_rows=1000 "
            "and a smaller --set encoder.batch_tokens."
        )
    marked: Attempts = {
        "shard": shard,
        "attempts": count,
        "worker": f"process {os.getpid()} on {socket.gethostname()}",
    }
    store.folder.put(name, to_json(marked))
    return count


def open_worker(store: Store, recipe: Recipe, threads: int) -> EmbedWorker:
    """Open a worker: load the encoder, and require that it is the one the atlas's other shards were made with.

    Raises:
        ConflictError: weights, precision, threads or library versions differ from those of the shards that are there,
            or what tells the languages of texts.
    """
    encoder = open_encoder(store, recipe, threads)
    identity = encoder.identity
    if recipe.record.languages:
        identity = {**identity, "languages": detector()}
    if not store.folder.put_new(layout.ENCODER, to_json(identity)):
        there = store.read_json(layout.ENCODER, EncoderIdentity)
        changes = [
            f"{key}: {there.get(key)} → {identity.get(key)}"
            for key in {**there, **identity}
            if key not in ("model", "revision") and there.get(key) != identity.get(key)
        ]
        if changes:
            raise ConflictError(
                f"{store.url} was begun with another encoder or language detector ({'; '.join(changes)}). "
                "Go back to that one, or choose another output folder."
            )
    if isinstance(encoder, ModelEncoder):
        return EmbedWorker(store, recipe, encoder, encoder.hardware, encoder.flops_per_node, encoder.limit())
    return EmbedWorker(store, recipe, encoder)
