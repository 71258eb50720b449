"""A stage of the pipeline: when it is current, how it is locked, worked, committed and listed in the manifest.

To resume means: a stage whose entry in the manifest names what it was made of, and whose files are there, is not run
again; one that was interrupted is run again and finds what it has committed so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from vidatlas.errors import UnavailableError, UsageError
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.lock import CLAIMS, Lock
from vidatlas.storage.manifest import STAGES, EmbedEntry, PlanEntry, PublishEntry, ReduceEntry, Stage, digest_of
from vidatlas.storage.store import Files, Store
from vidatlas.types import Event, Listener, Options, R, Runner, T

Facts = Mapping[str, object]
Work = Callable[[], tuple[Files, Facts]]
"""Do a stage's work; return the files written, and what else its entry of the manifest is to say."""
Entry = TypeVar("Entry", PlanEntry, EmbedEntry, ReduceEntry, PublishEntry)
_BEGUN = {layout.LOCK, layout.PROGRESS, layout.TIMINGS, layout.INPUTS, CLAIMS, "input", "logs", "plan"}
"""What a run leaves that failed before it wrote the manifest."""
_STAGE: dict[type, Stage] = {PlanEntry: "plan", EmbedEntry: "embed", ReduceEntry: "reduce", PublishEntry: "publish"}
_AGAIN = ", pass"


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


@dataclass(slots=True)
class Steps:
    """Tell a listener how far a stage has come: steps that are done, and how much of the current one.

    Attributes:
        run: whose listener is told, and whose runner the steps map with.
        stage: its name.
        total: number of its steps.
    """

    run: Run
    stage: Stage
    total: int
    _begun: int = 0
    _step: str = ""
    _of: int = 0
    _unit: str = ""

    def begin(self, step: str, of: int = 0, unit: str = "") -> None:
        """Begin a step, or another pass of it; ``of`` is how much there is to do, where it will be told."""
        self._begun += step.partition(_AGAIN)[0] != self._step.partition(_AGAIN)[0]
        self._step, self._of, self._unit = step, of, unit
        self.tell(0)

    def tell(self, done: int) -> None:
        """Tell how much of the current step is done."""
        inside = {"inside": {"done": done, "total": self._of, "unit": self._unit}} if self._of else {}
        self.run.listener(Event(self.stage, self._begun - 1, self.total, {"step": self._step, **inside}))

    def of(self, step: str, unit: str = "parts") -> Counting:
        """Return a runner for a step; what it maps is counted in this unit, and lists of shards in shards."""
        return Counting(self, step, unit)

    def end(self) -> None:
        """Tell that all steps are done."""
        self.run.listener(Event(self.stage, self.total, self.total, {"step": "done"}))


@dataclass(slots=True)
class Counting:
    """Map as the run's runner does, and tell how many items are done; each ``map`` is one pass of a step."""

    steps: Steps
    step: str
    unit: str
    _passes: int = 0

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        """Yield ``function(item)`` for every item, in the order of the items."""
        listed: list[Any] = list(items)
        shards = bool(listed) and isinstance(listed[0], list)
        sizes = [len(item) if shards else 1 for item in listed]
        self._passes += 1
        step = self.step if self._passes == 1 else f"{self.step}{_AGAIN} {self._passes}"
        self.steps.begin(step, sum(sizes), "shards" if shards else self.unit)
        done = 0
        for size, found in zip(sizes, self.steps.run.runner.map(function, listed, gpus), strict=True):
            yield found
            done += size
            self.steps.tell(done)


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
