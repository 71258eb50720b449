"""The verbs of vidatlas as plain functions: plan, embed, reduce, publish, run, on Ray unless told otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from vidatlas.clustering.backends import Backend
from vidatlas.errors import UsageError
from vidatlas.pipeline.embed import embed as embedding
from vidatlas.pipeline.explore.atlas import Atlas
from vidatlas.pipeline.plan import plan as planning
from vidatlas.pipeline.plan.plan import MAX_REJECTS, RunOptions
from vidatlas.pipeline.publish import publish as publishing
from vidatlas.pipeline.reduce import probe as probing
from vidatlas.pipeline.reduce import reduce as reduction
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.runners.remote import refuse_relative
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.folder import expand, is_remote
from vidatlas.storage.store import MANIFEST, TIMINGS, Store, to_json
from vidatlas.types import Event, Json, Listener, Place, Runner, ignore


@dataclass(frozen=True, slots=True)
class Options:
    """Say how and where a run works; none of it changes what the atlas contains, but ``threads`` its last bits.

    Attributes:
        runner: "ray", or "serial" for a plain loop in this process.
        address: a Ray cluster's address; None starts Ray on this machine.
        actors: fewest and most encoder actors; None fits them to the machine or cluster.
        threads: CPU threads of each actor.
        gpus: GPUs of each actor; None takes one where there are any.
        max_rejects: largest share of rows that may be unusable.
        take_over: take the atlas from a run that is gone for certain.
        backend: what k-means runs on: "sklearn", "torch" or "cuml"; None takes the best for the hardware.
            Each finds somewhat other centroids.
    """

    runner: Literal["ray", "serial"] = "ray"
    address: str | None = None
    actors: tuple[int, int] | None = None
    threads: int = 1
    gpus: float | None = None
    max_rejects: float = MAX_REJECTS
    take_over: bool = False
    backend: Backend | None = None


DEFAULTS = Options()
Inputs = Place | Iterable[Place]


def plan(
    recipe: Recipe | str, inputs: Inputs, atlas: Place, options: Options = DEFAULTS, listener: Listener = ignore
) -> Json:
    """Read every part once and write down where each shard starts; return the plan's entry of the manifest."""
    urls, where = _list(inputs), fspath(atlas)
    with _runner(options, [*urls, f"{where}/{MANIFEST}"]) as runner:
        return _plan(_recipe(recipe), urls, where, (runner, options, listener))


def embed(
    recipe: Recipe | str, inputs: Inputs, atlas: Place, options: Options = DEFAULTS, listener: Listener = ignore
) -> Json:
    """Plan where needed, then embed every shard that is not done; return the stage's entry of the manifest."""
    parsed, urls, where = _recipe(recipe), _list(inputs), fspath(atlas)
    with _runner(options, [*urls, f"{where}/{MANIFEST}"]) as runner:
        _plan(parsed, urls, where, (runner, options, listener))
        return _embed(parsed, where, (runner, options, listener))


def reduce(
    atlas: Place, settings: Mapping[str, Any] | None = None, options: Options = DEFAULTS, listener: Listener = ignore
) -> Json:
    """Find subcategories in an embedded atlas; return the stage's entry of the manifest.

    Args:
        atlas: the atlas folder or URL.
        settings: dotted keys below ``reduce`` that are to differ from the recipe, such as ``{"reduce.clusters.k": 8}``.
        options: how to run.
        listener: told how far it has come.
    """
    recipe = _made_with(atlas, settings, "reduce")
    with _runner(options, [f"{fspath(atlas)}/{MANIFEST}"]) as runner:
        return _reduce(recipe, fspath(atlas), (runner, options, listener))


def publish(
    atlas: Place, settings: Mapping[str, Any] | None = None, options: Options = DEFAULTS, listener: Listener = ignore
) -> Json:
    """Write map, search index, report and data card of a reduced atlas; return the stage's entry of the manifest."""
    recipe = _made_with(atlas, settings, "publish")
    with _runner(options, [f"{fspath(atlas)}/{MANIFEST}"]) as runner:
        return _publish(recipe, fspath(atlas), (runner, options, listener))


def run(
    recipe: Recipe | str, inputs: Inputs, atlas: Place, options: Options = DEFAULTS, listener: Listener = ignore
) -> Atlas:
    """Plan, embed, reduce and publish; whatever an earlier run finished is not done again."""
    parsed, urls, where = _recipe(recipe), _list(inputs), fspath(atlas)
    with _runner(options, [*urls, f"{where}/{MANIFEST}"]) as runner:
        how = (runner, options, listener)
        if options.backend:
            reduction.find_backend(runner, options.backend)  # what cannot run should not cost the embedding first
        if parsed.reduce.probe:
            probing.known_classes(parsed.reduce.probe)
        _plan(parsed, urls, where, how)
        _embed(parsed, where, how)
        _reduce(parsed, where, how)
        _publish(parsed, where, how)
    return Atlas(where)


_How = tuple[Runner, Options, Listener]


def _plan(recipe: Recipe, inputs: list[str], atlas: str, how: _How) -> Json:
    runner, options, listener = how
    with _timed(atlas, "plan", listener) as counted:
        return planning.plan(recipe, inputs, atlas, runner, _safety(options), counted)


def _embed(recipe: Recipe, atlas: str, how: _How) -> Json:
    runner, options, listener = how
    with _timed(atlas, "embed", listener) as counted:
        return embedding.embed(recipe, atlas, options.threads, runner, _safety(options), counted)


def _reduce(recipe: Recipe, atlas: str, how: _How) -> Json:
    runner, options, listener = how
    with _timed(atlas, "reduce", listener) as counted:
        return reduction.reduce(recipe, atlas, runner, _safety(options), counted)


def _publish(recipe: Recipe, atlas: str, how: _How) -> Json:
    runner, options, listener = how
    with _timed(atlas, "publish", listener) as counted:
        return publishing.publish(recipe, atlas, runner, _safety(options), counted)


def _safety(options: Options) -> RunOptions:
    return RunOptions(options.max_rejects, options.take_over, options.backend)


def _recipe(recipe: Recipe | str) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _list(inputs: Inputs) -> list[str]:
    return [fspath(inputs)] if isinstance(inputs, str | PathLike) else [fspath(url) for url in inputs]


def _made_with(atlas: Place, settings: Mapping[str, Any] | None, section: str) -> Recipe:
    """Return the recipe of an atlas, with other settings in one section."""
    made = Store(atlas).manifest().get("recipe")
    if made is None:
        raise UsageError(f"{atlas} is no atlas yet. Start with: vidatlas run RECIPE INPUT… {atlas}")
    foreign = [key for key in settings or {} if key.split(".")[0] != section]
    if foreign:
        raise UsageError(
            f"{foreign[0]} cannot be changed here: only keys below {section} can. Make a new atlas for it."
        )
    return load_recipe(made, settings)


@contextmanager
def _runner(options: Options, places: Iterable[str]) -> Iterator[Runner]:
    places = list(places)
    refuse_relative(places)
    if options.runner == "serial":
        yield SerialRunner()
        return
    from vidatlas.runners.on_ray import Cluster, RayRunner

    local = tuple(Path(found) for place in places if not is_remote(place) for found in expand(place)[:1])
    with RayRunner(Cluster(options.address, options.actors, options.threads, options.gpus), local) as runner:
        yield runner


@contextmanager
def _timed(atlas: str, stage: str, listener: Listener) -> Iterator[Listener]:
    """Add the seconds of a stage that had something to do to those of earlier runs."""
    started, worked = time.perf_counter(), False

    def counted(event: Event) -> None:
        nonlocal worked
        worked = worked or event.stage != "wait"
        listener(event)

    try:
        yield counted
    finally:
        if worked:
            store = Store(atlas)
            timings = store.read_json(TIMINGS) if store.folder.size(TIMINGS) is not None else {}
            timings[stage] = round(timings.get(stage, 0.0) + time.perf_counter() - started, 2)
            store.folder.put(TIMINGS, to_json(timings))
