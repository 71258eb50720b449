"""The encoder of an atlas: opened by every worker; one that learns is fitted once, before the first shard."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from safetensors.numpy import save as save_tensors

from vidatlas.encoders.clip import ClipSpec
from vidatlas.encoders.factors import FactorsSpec
from vidatlas.encoders.given import GivenSpec
from vidatlas.encoders.learned import Learned, Survey
from vidatlas.encoders.ratings import hash_ratings
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.tfidf import TfidfSpec
from vidatlas.encoders.word_ranks import SequencesSpec
from vidatlas.errors import ConflictError
from vidatlas.pipeline.embed.rows import kept, read_shard
from vidatlas.pipeline.embed.vectors import mixed_fields
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import LearnedFacts
from vidatlas.storage.manifest import EncoderIdentity
from vidatlas.storage.store import Files, Store, to_json
from vidatlas.types import Encoder, Json, Runner, Shard

LEARNED = "model/encoder.json"
ARRAYS = "model/encoder.safetensors"
Learning = TfidfSpec | SequencesSpec | FactorsSpec


def uses_gpu(recipe: Recipe) -> bool:
    """Tell whether a recipe's encoder computes on a GPU where there is one; the others compute on CPUs."""
    return isinstance(recipe.encoder, ClipSpec | SentenceSpec)


def open_encoder(store: Store, recipe: Recipe, threads: int) -> Encoder:
    """Return the recipe's encoder, with what it learned from this atlas's records if it is one that learns."""
    spec = recipe.encoder
    if isinstance(spec, Learning):
        return spec.load_learned(_load(store), threads)
    if isinstance(spec, GivenSpec):
        return spec.load_planned(store.stage("plan")["vectors"]["dim"])
    loaded: Encoder = spec.load(threads)
    return loaded


def learn_encoder(store: Store, recipe: Recipe, plan: str, shards: list[Shard], runner: Runner) -> Files:
    """Fit an encoder that learns from the plan of a digest, unless it was fitted already; return its files, if any."""
    spec = recipe.encoder
    if not isinstance(spec, Learning):
        return {}
    made_of = {"plan": plan, "settings": _settings(spec)}
    there = store.folder.size(LEARNED) is not None
    if not (there and made_of.items() <= store.read_json(LEARNED, LearnedFacts).items()):
        total = Survey()
        for found in runner.map(partial(_survey_shard, recipe), shards):
            total = total.merge(found)
        learned = spec.learn(total)
        arrays = {name: np.ascontiguousarray(array) for name, array in learned.arrays.items()}
        # The names come last: where they are, the arrays are too.
        store.put(ARRAYS, bytes(save_tensors(arrays)))
        store.put(LEARNED, to_json({**made_of, "facts": learned.facts, "names": list(learned.names)}))
    return store.entry(LEARNED) | store.entry(ARRAYS)


def refuse_other_source(store: Store, recipe: Recipe) -> None:
    """Raise ConflictError where what an atlas's encoder learned from, besides the records, is not there as it was."""
    if isinstance(recipe.encoder, FactorsSpec) and store.read_json(LEARNED, LearnedFacts)["settings"] != _settings(
        recipe.encoder
    ):
        raise ConflictError(
            f"{store.url} was made with other ratings than {recipe.encoder.ratings.file} holds now. "
            "Choose another output folder, or put the ratings back."
        )


def _settings(spec: Learning) -> Json:
    """Return what an encoder learns by; of ratings their hash, wherever they lie."""
    settings = spec.model_dump(mode="json")
    if isinstance(spec, FactorsSpec):
        settings["ratings"] |= {"file": hash_ratings(spec.ratings)}
    return settings


def _survey_shard(recipe: Recipe, shard: Shard) -> Survey:
    assert isinstance(recipe.encoder, Learning)
    records = kept(read_shard(shard, recipe.record, recipe.rows))
    texts = [text for field in mixed_fields(records, recipe.record) for text in field.texts.flatten().to_pylist()]
    return recipe.encoder.survey(texts)


def _load(store: Store) -> Learned:
    found = store.read_json(LEARNED, LearnedFacts)
    return Learned(tuple(found["names"]), store.tensors(ARRAYS), found["facts"])


def same_encoder(store: Store, recipe: Recipe) -> Any:
    """Return the encoder of an atlas, ready to encode.

    Raises:
        ConflictError: the one on this machine is another.
    """
    there = store.read_json(layout.ENCODER, EncoderIdentity)
    encoder = open_encoder(store, recipe, there.get("threads", 1))
    refuse_other(f"{store.url} was made", there, encoder)
    return encoder


def refuse_other(what: str, there: EncoderIdentity, encoder: Any) -> None:
    """Raise ConflictError where an encoder is not the one of this identity, with which something was made."""
    for key in ("weights_sha256", "dim"):
        if there.get(key) != encoder.identity.get(key):
            raise ConflictError(
                f"{what} with {key} {there.get(key)}, but here it is {encoder.identity.get(key)}: "
                "new vectors would lie in another space. Use the same model."
            )
