"""The Python API: plan, embed, reduce, publish and run, on Ray by default."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from os import fspath
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from vidatlas.errors import UsageError, require
from vidatlas.pipeline.embed import embed as embedding
from vidatlas.pipeline.explore.atlas import Atlas
from vidatlas.pipeline.names.accepted import refuse_to_replace
from vidatlas.pipeline.plan import plan as planning
from vidatlas.pipeline.plan.auto import from_data
from vidatlas.pipeline.plan.memory import Data, as_files, text_table
from vidatlas.pipeline.publish import publish as publishing
from vidatlas.pipeline.reduce import probe as probing
from vidatlas.pipeline.reduce import reduce as reduction
from vidatlas.pipeline.stage import Run, refuse_foreign
from vidatlas.recipe import Recipe, load_recipe, recipe_of
from vidatlas.recipes import AUTO
from vidatlas.runners.remote import refuse_relative
from vidatlas.runners.serial import SerialRunner
from vidatlas.storage.folder import expand, is_remote
from vidatlas.storage.json_files import Timings
from vidatlas.storage.manifest import STAGES, EmbedEntry, PlanEntry, PublishEntry, ReduceEntry, Stage
from vidatlas.storage.store import MANIFEST, TIMINGS, Store, to_json
from vidatlas.types import Event, Json, Listener, Options, Place, Runner, T, ignore

DEFAULTS = Options()
Planned = Callable[[PlanEntry], object]


def plan(
    recipe: Recipe | str,
    inputs: Data,
    atlas: Place,
    options: Options = DEFAULTS,
    listener: Listener = ignore,
    planned: Planned = ignore,
) -> PlanEntry:
    """Read every input file once and write down where each shard starts; return the plan's entry of the manifest."""
    with _begun(recipe, inputs, atlas, options, listener) as (run, urls):
        return _plan(run, urls, planned)


def embed(
    recipe: Recipe | str,
    inputs: Data,
    atlas: Place,
    options: Options = DEFAULTS,
    listener: Listener = ignore,
    planned: Planned = ignore,
) -> EmbedEntry:
    """Plan where needed, then embed every shard that is not done; return the stage's entry of the manifest."""
    with _begun(recipe, inputs, atlas, options, listener) as (run, urls):
        _plan(run, urls, planned)
        return _timed(run, "embed", embedding.embed)


def reduce(
    atlas: Place, settings: Mapping[str, Any] | None = None, options: Options = DEFAULTS, listener: Listener = ignore
) -> ReduceEntry:
    """Find subcategories in an embedded atlas; return the stage's entry of the manifest.

    Args:
        atlas: the atlas folder or URL.
        settings: dotted keys below ``reduce`` that are to differ from the recipe, such as ``{"reduce.clusters.k": 8}``.
        options: how to run.
        listener: told how far it has come.
    """
    with _opened(_made_with(atlas, settings, "reduce"), atlas, options, listener) as run:
        refuse_to_replace(run.store, run.recipe)
        return _timed(run, "reduce", reduction.reduce)


def publish(
    atlas: Place, settings: Mapping[str, Any] | None = None, options: Options = DEFAULTS, listener: Listener = ignore
) -> PublishEntry:
    """Write map, search index, report and data card of a reduced atlas; return the stage's entry of the manifest."""
    with _opened(_made_with(atlas, settings, "publish"), atlas, options, listener) as run:
        return _timed(run, "publish", publishing.publish)


def run(
    recipe: Recipe | str,
    inputs: Data,
    atlas: Place,
    options: Options = DEFAULTS,
    listener: Listener = ignore,
    planned: Planned = ignore,
) -> Atlas:
    """Run plan, embed, reduce and publish through the API; what an earlier run finished is not repeated.

    Args:
        recipe: a recipe, or the name or file of one; "auto" makes one from a look at the input, and logs what it
            assumed (logger ``vidatlas``): as warnings, or as information where it is sure.
        inputs: paths or URLs; or rows in memory, which are written into the atlas first: a data frame (pandas, polars),
            an Arrow table, an iterable of dicts, one split of a Hugging Face dataset.
        atlas: the folder or URL to make.
        options: how to run.
        listener: told how far it has come.
        planned: called once with the plan's entry of the manifest, before anything is embedded.
    """
    with _begun(recipe, inputs, atlas, options, listener) as (opened, urls):
        spec = opened.recipe.reduce
        if options.backend:
            reduction.find_backend(opened.runner, options.backend)  # what cannot run should not cost the embedding
        if spec.reducer.kind == "autoencoder":
            require("reduce.reducer=autoencoder", "torch")
        if spec.probe:
            probing.known_classes(spec.probe)
        _plan(opened, urls, planned)
        refuse_to_replace(opened.store, opened.recipe)
        _timed(opened, "embed", embedding.embed)
        _timed(opened, "reduce", reduction.reduce)
        _timed(opened, "publish", publishing.publish)
    return Atlas(atlas)


def fit(  # noqa: PLR0913 - four columns, and three that say how
    texts: Iterable[str | None],
    groups: Iterable[Any] | None = None,
    vectors: Any = None,
    ids: Iterable[Any] | None = None,
    *,
    atlas: Place | None = None,
    recipe: Recipe | str = "topics",
    options: Options = DEFAULTS,
) -> Atlas:
    """Make an atlas of texts; return it.

    Args:
        texts: one per record, which is also its title.
        groups: the group of each; None clusters all together.
        vectors: the vector of each, [n, dim], in place of those that the recipe's encoder would make.
        ids: the id of each; None numbers them from 0.
        atlas: the folder or URL to make; None makes a folder in the system's temporary directory (``Atlas.url``).
        recipe: everything but the section ``record``, and with vectors the section ``encoder``.
        options: how to run.

    Raises:
        UsageError: there are more or fewer groups, vectors or ids than texts.
    """
    table = text_table(texts, groups, vectors, ids)
    title = {"column": "title", "weight": 1}
    group = None if groups is None else "group"
    changes: Json = {
        "record": {"id": "id", "group": group, "title": "title", "fields": {"title": title}},
        "source.explode": None,
    }
    if vectors is not None:
        changes["encoder"] = {"kind": "given", "column": "embedding"}
    made = load_recipe(_recipe(recipe).model_dump(mode="json"), changes)
    return run(made, table, mkdtemp(prefix="vidatlas-") if atlas is None else atlas, options)


def _plan(run: Run, inputs: list[str], planned: Planned) -> PlanEntry:
    entry = _timed(run, "plan", lambda timed: planning.plan(timed, inputs))
    planned(entry)
    return entry


@contextmanager
def _begun(
    recipe: Recipe | str, inputs: Data, atlas: Place, options: Options, listener: Listener
) -> Iterator[tuple[Run, list[str]]]:
    """Open a run on an atlas that need not be there yet, with the input as files.

    Raises:
        UsageError: the folder of the atlas holds other files.
    """
    refuse_foreign(Store(atlas))
    parsed, urls = from_data(inputs, atlas) if recipe == AUTO else as_files(inputs, _recipe(recipe), atlas)
    with _opened(parsed, atlas, options, listener, urls) as run:
        yield run, urls


def _recipe(recipe: Recipe | str) -> Recipe:
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def _made_with(atlas: Place, settings: Mapping[str, Any] | None, section: str) -> Recipe:
    """Return the recipe of an atlas, with other settings in one section."""
    store = Store(atlas)
    if "recipe" not in store.manifest():
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
def _opened(
    recipe: Recipe, atlas: Place, options: Options, listener: Listener, inputs: Iterable[str] = ()
) -> Iterator[Run]:
    """Open a run on an atlas, with the runner that is asked for."""
    if not isinstance(options, Options):
        raise UsageError(f"options must be vidatlas.Options(…), not {type(options).__name__}.")
    places = [*inputs, f"{fspath(atlas)}/{MANIFEST}"]
    refuse_relative(places)
    if options.runner == "ray" or options.address:
        require("--address" if options.address else "--runner ray", "ray")
    opened: AbstractContextManager[Runner] = nullcontext(SerialRunner())
    if options.runner != "serial":
        from vidatlas.runners.on_ray import RayRunner

        local = tuple(Path(found) for place in places if not is_remote(place) for found in expand(place)[:1])
        opened = RayRunner(options, local)
    with opened as runner:
        yield Run(recipe, Store(atlas), runner, options, listener)


def _timed(run: Run, stage: Stage, work: Callable[[Run], T]) -> T:
    """Run a stage; where it had something to do, add its seconds to those of the runs that it resumes."""
    started, worked = time.perf_counter(), False
    again = stage in ("reduce", "publish") and stage in run.store.manifest()["stages"]

    def counted(event: Event) -> None:
        nonlocal worked
        worked = worked or event.stage != "wait"
        run.listener(event)

    try:
        return work(replace(run, listener=counted))
    finally:
        if worked:
            store = run.store
            timings = store.read_json_if_valid(TIMINGS, Timings) or {}
            for replaced in STAGES[STAGES.index(stage) :] if again else ():
                timings.pop(replaced, None)
            timings[stage] = round(timings.get(stage, 0.0) + time.perf_counter() - started, 2)
            store.folder.put(TIMINGS, to_json(timings))
