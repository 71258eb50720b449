"""Input files of a plan: which there are, whether they changed, and planning those that are not planned yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

from vidatlas.encoders.given import GivenSpec
from vidatlas.errors import UsageError
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, divisible, plan_part
from vidatlas.pipeline.stage import Run
from vidatlas.recipe import Recipe
from vidatlas.sources.scan import errors_of
from vidatlas.storage import store as layout
from vidatlas.storage.folder import expand, input_state
from vidatlas.storage.json_files import Inputs
from vidatlas.storage.parquet import to_parquet
from vidatlas.storage.store import INPUTS, Files, Store, to_json
from vidatlas.types import Event, Listener, Runner

SPLIT_FROM = 64 << 20
"""Bytes from which many tasks parse a file, some seconds of work: a task each is enough for small ones."""
MOST_SPLIT = 16
"""Files that are split at most, since finding their lines is this process's work: of many files each is a task."""
WRITE_EVERY = 1.0
"""Seconds after which the plans of input files are stored: small files wait for each other, and share one sync."""


def expand_all(inputs: Iterable[str]) -> list[str]:
    """Return the locations of all input files, in the order of the patterns; one that is named twice is there twice.

    Raises:
        UsageError: a pattern matches nothing, or there is no input.
    """
    urls = []
    for pattern in inputs:
        found = expand(pattern)
        if not found:
            raise UsageError(f"no file matches {pattern}. Check it; ** stands for any folders.")
        urls += found
    if not urls:
        raise UsageError("no input. Name at least one file.")
    return urls


def known_inputs(store: Store) -> Inputs:
    """Return where each part lay when it was planned, and what it looked like; nothing where that file is damaged."""
    return store.read_json_if_valid(INPUTS, Inputs) or {}


def unchanged(url: str, known: Inputs) -> bool:
    """Tell whether an input file is there as it was when it was planned."""
    try:
        return url in known and [known[url]["bytes"], known[url]["modified"]] == list(input_state(url))
    except FileNotFoundError:
        return False


def files_beside(recipe: Recipe) -> list[str]:
    """Return the files that are read with the input."""
    return recipe.encoder.files if isinstance(recipe.encoder, GivenSpec) else []


def plan_inputs(run: Run, urls: list[str]) -> tuple[list[str], Files]:
    """Plan the input files that are not planned yet; return all part keys in the order of the inputs, and their files.

    Raises:
        InputError: a file is absent or damaged.
    """
    store, recipe, known = run.store, run.recipe, known_inputs(run.store)
    again = recipe.source.limit is not None or not all(unchanged(file, known) for file in files_beside(recipe))
    earlier = {} if again else _planned_earlier(store, recipe, known, set(urls))
    places: list[tuple[str, str | None]] = [(url, earlier.pop(url, None)) for url in urls]
    todo = [url for url, part in places if part is None]
    writer = _Writer(store, known, recipe.fingerprint("plan"), {part for _, part in places if part})
    sizes = [(url, _size(url)) for url in todo]
    meter = _Meter(run.listener, sum(size for _, size in sizes))
    made = []
    given = recipe.encoder.vectors(recipe.mix.normalize) if isinstance(recipe.encoder, GivenSpec) else None
    if given and given.file and given.state:
        size, modified = given.state
        known[given.file] = {"part": "", "plan": "", "bytes": size, "modified": modified}
    spec = PlanSpec(recipe.record, recipe.source.shard_rows, recipe.source.limit, recipe.rows, given, len(urls) == 1)
    for url, plan in _planned(sizes, spec, run.runner, meter):
        made.append(writer.add(url, plan))
        meter.finish(known[url]["bytes"], plan.facts["rows"])
    writer.flush()
    new = iter(made)
    parts = [found for _, part in places if (found := part or next(new, None))]
    files = writer.files
    for name in (name for part in parts for name in layout.plan_files(part) if name not in files):
        files |= store.entry(name)
    return parts, files


def _planned_earlier(store: Store, recipe: Recipe, known: Inputs, urls: set[str]) -> dict[str, str]:
    """Return the part key of each input file that an earlier run planned with the same settings, and is undamaged."""
    fingerprint = recipe.fingerprint("plan")
    return {
        url: facts["part"]
        for url, facts in known.items()
        if url in urls
        and facts["plan"] == fingerprint
        and unchanged(url, known)
        and all(map(store.is_sound, layout.plan_files(facts["part"])))
    }


@dataclass(slots=True)
class _Writer:
    """Store the plans of input files, many small ones at once, and then that they are there."""

    store: Store
    known: Inputs
    fingerprint: str
    taken: set[str]
    """Part keys in use."""
    files: Files = field(default_factory=dict)
    _waiting: dict[str, bytes] = field(default_factory=dict)
    _written: float = field(default_factory=time.monotonic)

    def add(self, url: str, plan: PartPlan) -> str:
        """Take the plan of an input file; return its part key: that of its content, numbered where it is in use."""
        part = first = plan.part
        number = 1
        while part in self.taken:
            number += 1
            part = f"{first}-{number}"
        self.taken.add(part)
        plan.facts["part"] = part
        facts, shards, ids = layout.plan_files(part)
        self._waiting |= {shards: to_parquet(plan.shards), ids: to_parquet(plan.ids), facts: to_json(plan.facts)}
        size, modified = input_state(url)
        self.known[url] = {"part": part, "plan": self.fingerprint, "bytes": size, "modified": modified}
        if time.monotonic() - self._written >= WRITE_EVERY:
            self.flush()
        return part

    def flush(self) -> None:
        """Store what was added since the last time; the list of inputs comes last: what it names is there."""
        if self._waiting:
            self.files |= self.store.put_all(self._waiting)
            self.store.folder.put(INPUTS, to_json(self.known))
        self._waiting, self._written = {}, time.monotonic()


@dataclass(slots=True)
class _Meter:
    """Tell a listener how many bytes of all parts have been read."""

    listener: Listener
    total: int
    done: int = 0
    rows: int = 0

    def __call__(self, rows: int, at: int, only_found: bool = False) -> None:
        if only_found:
            found = {"rows": self.rows, "found_lines": rows, "found_bytes": at}
            self.listener(Event("plan", self.done, self.total, found))
            return
        self.listener(Event("plan", self.done + at, self.total, {"rows": self.rows + rows}))

    def finish(self, size: int, rows: int) -> None:
        self.done += size
        self.rows += rows
        self(0, 0)


def _size(url: str) -> int:
    with errors_of(url):
        return input_state(url)[0]


def _planned(
    sizes: list[tuple[str, int]], spec: PlanSpec, runner: Runner, progress: Callable[..., None]
) -> Iterable[tuple[str, PartPlan]]:
    """Yield the plan of each file: many tasks parse a large one, if it can be divided, and one task each other one."""
    left = spec.limit
    large = max(SPLIT_FROM, sum(size for _, size in sizes) // MOST_SPLIT)
    for split, found in groupby(sizes, lambda pair: pair[1] >= large and divisible(pair[0], spec)):
        urls = [url for url, _ in found]
        if left is None and not split and len(sizes) > 1:
            yield from zip(urls, runner.map(partial(plan_part, spec=spec), urls), strict=True)
            continue
        for url in urls:
            if left == 0:
                return
            part = plan_part(url, replace(spec, limit=left), progress, runner if split else None)
            left = None if left is None else max(0, left - int(part.facts["rows"]))
            yield url, part
