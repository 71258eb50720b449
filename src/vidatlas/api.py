"""The Python API: plan, embed, reduce, publish and run, on Ray by default."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from vidatlas.errors import UsageError
from vidatlas.pipeline.embed import embed as embedding
from vidatlas.pipeline.explore.atlas import Atlas
from vidatlas.pipeline.plan import plan as planning
from vidatlas.pipeline.publish import publish as publishing
from vidatlas.pipeline.reduce import probe as probing
from vidatlas.pipeline.reduce import reduce as reduction
from vidatlas.pipeline.stage import Run
from vidatlas.recipe import Recipe, load_recipe, recipe_of
from vidatlas.runners.remote import refuse_relative
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.folder import expand, is_remote
from vidatlas.storage.store import MANIFEST, TIMINGS, Store, to_json
from vidatlas.types import Event, Json, Listener, Options, Place, Runner, ignore

DEFAULTS = Options()
Inputs = Place | Iterable[Place]


def plan(
    recipe: Recipe | str, inputs: Inputs, atlas: Place, options: Options = DEFAULTS, listener: Listener = ignore
) -> Json:
    """Read every input file once and write down where each shard starts; return the plan's entry of the manifest."""
    urls = _list(inputs)
    with _opened(_recipe(recipe), atlas, options, listener, urls) as run:
        return _plan(run, urls)


def embed(
    recipe: Recipe | str, inputs: Inputs, atlas: Place, options: Options = DEFAULTS, listener: Listener = ignore
) -> Json:
    """Plan where needed, then embed every shard that is not done; return the stage's entry of the manifest."""
    urls = _list(inputs)
    with _opened(_recipe(recipe), atlas, options, listener, urls) as run:
        _plan(run, urls)
        return _timed(run, "embed", embedding.embed)


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
    with _opened(_made_with(atlas, settings, "reduce"), atlas, options, listener) as run:
        return _timed(run, "reduce", reduction.reduce)


def publish(
    atlas: Place, settings: Mapping[str, Any] | None = None, options: Options = DEFAULTS, listener: Listener = ignore
) -> Json:
    """Write map, search index, report and data card of a reduced atlas; return the stage's entry of the manifest."""
    with _opened(_made_with(atlas, settings, "publish"), atlas, options, listener) as run:
        return _timed(run, "publish", publishing.publish)


def run(
    recipe: Recipe | str, inputs: Inputs, atlas: Place, options: Options = DEFAULTS, listener: Listener = ignore
) -> Atlas:
    """Run plan, embed, reduce and publish through the API; what an earlier run finished is not repeated."""
    urls, parsed = _list(inputs), _recipe(recipe)
    with _opened(parsed, atlas, options, listener, urls) as opened:
        if options.backend:
            reduction.find_backend(opened.runner, options.backend)  # what cannot run should not cost the embedding
        if parsed.reduce.probe:
            probing.known_classes(parsed.reduce.probe)
        _plan(opened, urls)
        _timed(opened, "embed", embedding.embed)
        _timed(opened, "reduce", reduction.reduce)
        _timed(opened, "publish", publishing.publish)
    return Atlas(atlas)


def _plan(run: Run, inputs: list[str]) -> Json:
    return _timed(run, "plan", lambda timed: planning.plan(timed, inputs))


def _recipe(recipe: Recipe | str) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _list(inputs: Inputs) -> list[str]:
    return [fspath(inputs)] if isinstance(inputs, str | PathLike) else [fspath(url) for url in inputs]


def _made_with(atlas: Place, settings: Mapping[str, Any] | None, section: str) -> Recipe:
    """Return the recipe of an atlas, with other settings in one section."""
    store = Store(atlas)
    if store.manifest().get("recipe") is None:
        raise UsageError(f"{atlas} is not an atlas yet. Start with: vidatlas run RECIPE INPUT… {atlas}")
    # A link is made when it is shown.
    own = {"publish": "record.url"}.get(section)
    foreign = [key for key in settings or {} if key.split(".")[0] != section and key != own]
    if foreign:
        raise UsageError(
            f"{foreign[0]} cannot be changed here: only keys below {section} can. Make a new atlas for it."
        )
    # Checked before any of it is followed: an atlas may be a stranger's, and a recipe can name files.
    return load_recipe(recipe_of(store).model_dump(mode="json"), settings)


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
def _opened(
    recipe: Recipe, atlas: Place, options: Options, listener: Listener, inputs: Iterable[str] = ()
) -> Iterator[Run]:
    """Open a run on an atlas, with the runner that is asked for."""
    with _runner(options, [*inputs, f"{fspath(atlas)}/{MANIFEST}"]) as runner:
        yield Run(recipe, Store(atlas), runner, options, listener)


def _timed(run: Run, stage: str, work: Callable[[Run], Json]) -> Json:
    """Run a stage; where it had something to do, add its seconds to those of earlier runs."""
    started, worked = time.perf_counter(), False

    def counted(event: Event) -> None:
        nonlocal worked
        worked = worked or event.stage != "wait"
        run.listener(event)

    try:
        return work(replace(run, listener=counted))
    finally:
        if worked:
            store = run.store
            timings = store.read_json(TIMINGS) if store.folder.size(TIMINGS) is not None else {}
            timings[stage] = round(timings.get(stage, 0.0) + time.perf_counter() - started, 2)
            store.folder.put(TIMINGS, to_json(timings))
