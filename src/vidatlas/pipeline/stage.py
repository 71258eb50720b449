"""A stage of the pipeline: when it is current, how it is locked, worked, committed and listed in the manifest.

To resume means: a stage whose entry in the manifest names what it was made of, and whose files are there, is not run
again; one that was interrupted is run again and finds what it has committed so far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vidatlas.recipe import STAGES, Recipe, Stage
from vidatlas.storage.lock import Lock
from vidatlas.storage.store import Files, Store, digest_of
from vidatlas.types import Json, Listener, Options, Runner

Work = Callable[[], tuple[Files, Json]]
"""Do a stage's work; return the files written, and what else its entry of the manifest is to say."""


@dataclass(frozen=True, slots=True)
class Run:
    """Hold what every stage is given.

    Attributes:
        recipe: what the atlas is to contain.
        store: where it lies.
        runner: how work is spread.
        options: how careful, and on what.
        listener: told how far it has come.
    """

    recipe: Recipe
    store: Store
    runner: Runner
    options: Options
    listener: Listener


def committed(run: Run, stage: Stage, made_of: Json) -> Json | None:
    """Return a stage's entry of the manifest if it was made of this and all its files are there, else None."""
    entry = run.store.manifest()["stages"].get(stage)
    current = entry and made_of.items() <= entry.items() and run.store.intact(entry["files"])
    return dict(entry) if current else None


def commit(
    run: Run, stage: Stage, made_of: Json, work: Callable[[], tuple[Files, Json]], replaces: bool = True
) -> Json:
    """Do a stage's work under the atlas's lock and list it in the manifest; return its entry.

    Args:
        run: what the stage was given.
        stage: its name.
        made_of: what tells it from another of that name: settings, and the digest of the stage before.
        work: what is done under the lock.
        replaces: whether the work overwrites files of an earlier run, which then must not be listed meanwhile; else
            the stages behind stay listed until the digest turns out to be another one.

    Raises:
        ConflictError: another run holds the lock, or took it over.
    """
    behind = STAGES[STAGES.index(stage) :]
    with Lock(run.store, run.options.take_over, run.listener) as lock:
        # Only now: another run may have committed while this one waited for the lock.
        before = run.store.manifest()["stages"].get(stage, {}).get("digest")
        if replaces:
            run.store.unseal(behind)
        files, facts = work()
        lock.confirm()
        entry = {**made_of, **facts, "digest": digest_of(files), "files": files}
        if not replaces and before != entry["digest"]:
            run.store.unseal(behind[1:])
        run.store.seal(stage, entry, run.recipe.model_dump(mode="json"))
    return entry
