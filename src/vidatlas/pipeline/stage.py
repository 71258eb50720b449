"""A stage of the pipeline: when it is current, how it is locked, worked, committed and listed in the manifest.

To resume means: a stage whose entry in the manifest names what it was made of, and whose files are there, is not run
again; one that was interrupted is run again and finds what it has committed so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from vidatlas.errors import UnavailableError, UsageError
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.lock import CLAIMS, Lock
from vidatlas.storage.manifest import STAGES, EmbedEntry, PlanEntry, PublishEntry, ReduceEntry, Stage
from vidatlas.storage.store import Files, Store, digest_of
from vidatlas.types import Listener, Options, Runner

Facts = Mapping[str, object]
Work = Callable[[], tuple[Files, Facts]]
"""Do a stage's work; return the files written, and what else its entry of the manifest is to say."""
Entry = TypeVar("Entry", PlanEntry, EmbedEntry, ReduceEntry, PublishEntry)
_BEGUN = {layout.LOCK, layout.PROGRESS, layout.TIMINGS, layout.INPUTS, CLAIMS, "input", "logs", "plan"}
"""What a run leaves that failed before it wrote the manifest."""
_STAGE: dict[type, Stage] = {PlanEntry: "plan", EmbedEntry: "embed", ReduceEntry: "reduce", PublishEntry: "publish"}


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


def refuse_foreign(store: Store) -> None:
    """Raise UsageError where a folder is no atlas and holds other files, which a new atlas could overwrite."""
    if any(store.folder.size(name) is not None for name in (layout.MANIFEST, layout.ENCODER)):
        return
    found = [name for name in store.folder.entries() if name not in _BEGUN and not name.startswith(".")]
    if found:
        raise UsageError(
            f"{store.url} is no atlas and not empty: it holds {found[0]!r}, and an atlas could overwrite such files. "
            f"Name a new folder, such as {store.url.rstrip('/')}/atlas"
        )


def committed(run: Run, kind: type[Entry], made_of: Facts) -> Entry | None:
    """Return a stage's entry of the manifest if it was made of this and all its files are there, else None."""
    entry = run.store.manifest()["stages"].get(_STAGE[kind])
    current = entry and made_of.items() <= entry.items() and run.store.intact(entry["files"])
    return cast(Entry, entry) if current else None


def commit(run: Run, kind: type[Entry], made_of: Facts, work: Work, replaces: bool = True) -> Entry:
    """Do a stage's work under the atlas's lock and list it in the manifest; return its entry.

    Args:
        run: what the stage was given.
        kind: the type of its entry, which names it.
        made_of: what tells it from another of that name: settings, and the digest of the stage before.
        work: what is done under the lock.
        replaces: whether the work overwrites files of an earlier run, which then must not be listed meanwhile; else
            the stages behind stay listed until the digest turns out to be another one.

    Raises:
        ConflictError: another run holds the lock, or took it over.
    """
    stage = _STAGE[kind]
    behind = STAGES[STAGES.index(stage) :]
    with Lock(run.store, run.options.take_over, run.listener) as lock:
        # Only now: another run may have committed while this one waited for the lock.
        before = run.store.manifest()["stages"].get(stage)
        if replaces:
            run.store.unseal(behind)
        try:
            files, facts = work()
        except UnavailableError:
            lock.confirm()  # a run that takes over removes the temporary files of this one
            raise
        lock.confirm()
        digest = digest_of(files)
        entry = cast(Entry, {**made_of, **facts, "digest": digest, "files": files})
        if not replaces and before and before["digest"] != digest:
            run.store.unseal(behind[1:])
        run.store.seal(stage, entry, run.recipe.model_dump(mode="json"))
    return entry
