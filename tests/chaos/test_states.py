"""Any order of write, kill, fault, damage, resume, second run and take-over: the atlas ends as if nothing had happened.

A model counts what must be there; it is compared with the files after every step, and at the end with a fresh run.
"""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import vidatlas
from vidatlas.errors import ConflictError, InputError, UnavailableError, VidatlasError
from vidatlas.storage.lock import Lock
from vidatlas.storage.store import Store
from vidatlas.types import Options

CALLS = ("fsync", "replace", "link", "unlink")
SERIAL = Options(runner="serial", max_rejects=1.0)
DAMAGED = ("embeddings", "rejects", "receipts", "reduced", "assignments")
"""Folders whose files are damaged here; those of other stages have tables of their own."""
ROWS = st.lists(st.one_of(st.integers(0, 25), st.sampled_from(["{", "[]", "no text", ""])), min_size=3, max_size=12)


class KilledError(BaseException):
    """Stand for a SIGKILL: from now on, this run writes nothing, not even to tidy up."""


@contextmanager
def at_each_write(at_call: Callable[[int], None]) -> Iterator[None]:
    """Call a function with the number of each system call that writes, before it."""
    real, count = {name: getattr(os, name) for name in CALLS}, 0

    def watched(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            at_call(count)
            return real[name](*arguments, **options)

        return call

    try:
        for name in CALLS:
            setattr(os, name, watched(name))
        yield
    finally:
        for name in CALLS:
            setattr(os, name, real[name])


class Atlas(RuleBasedStateMachine):
    """An atlas, its input, and what must come of it."""

    def __init__(self, recipe: Any, scratch: Path) -> None:
        super().__init__()
        self.recipe, self.folder = recipe, scratch / uuid.uuid4().hex
        self.folder.mkdir()
        self.atlas, self.store = self.folder / "atlas", Store(self.folder / "atlas")
        self.inputs: list[str] = []
        self.kept: dict[str, str] = {}
        self.counts = {"read": 0, "kept": 0, "rejected": 0, "duplicates": 0}
        self.acknowledged: set[str] = set()
        self.damaged = self.reduced = False

    # What happens to an atlas.

    @initialize(rows=ROWS)
    def begin(self, rows: list[Any]) -> None:
        self.add(["first", *rows])

    @precondition(lambda self: not (self.atlas / "encoder.json").exists() and len(self.inputs) < 3)
    @rule(rows=ROWS)
    def write(self, rows: list[Any]) -> None:
        self.add(rows)

    @precondition(lambda self: (self.atlas / "encoder.json").exists())
    @rule()
    def write_too_late(self) -> None:
        """Other input never mixes in."""
        before = self.state()
        other = self.folder / "other.jsonl"
        other.write_bytes(b'{"display_id": "z", "title": "z"}\n')
        # A damaged file may be named first.
        with pytest.raises((ConflictError, InputError) if self.damaged else ConflictError):
            vidatlas.embed(self.recipe, [*self.inputs, str(other)], self.atlas, SERIAL)
        assert self.state() == before

    @rule(reduce=st.sampled_from([False, False, True]))
    def resume(self, reduce: bool) -> None:
        before = set(self.leftovers())  # a run with nothing to do sweeps nothing
        # What a reduction wrote, only a reduction writes again.
        self.mend(lambda: self.run(reduce or self.reduced))
        assert set(self.leftovers()) <= before

    @rule(at=st.integers(1, 90), reduce=st.sampled_from([False, False, True]))
    def kill(self, at: int, reduce: bool) -> None:
        def die(count: int) -> None:
            if count >= at:
                raise KilledError

        with at_each_write(die):
            self.attempt(reduce, KilledError)
        self.bury()

    @rule(at=st.integers(1, 90), forever=st.booleans(), reduce=st.sampled_from([False, False, True]))
    def fail(self, at: int, forever: bool, reduce: bool) -> None:
        """Report a full disk from some write on, or one passing error."""

        def refuse(count: int) -> None:
            if count == at or (forever and count > at):
                code = errno.ENOSPC if forever else errno.EIO
                raise OSError(code, os.strerror(code))

        with at_each_write(refuse):
            said = self.attempt(reduce, UnavailableError)
        assert said is None or "\n" not in str(said)
        self.bury()

    @precondition(lambda self: self.atlas.exists())
    @rule(folder=st.sampled_from(DAMAGED), which=st.integers(0, 9), how=st.sampled_from(["cut", "flip", "delete"]))
    def damage(self, folder: str, which: int, how: str) -> None:
        files = sorted((self.atlas / folder).glob("[!.]*")) if (self.atlas / folder).exists() else []
        if not files:
            return
        file = files[which % len(files)]
        data = file.read_bytes()
        if how == "delete":
            file.unlink()
        else:
            at = len(data) // 2
            file.write_bytes(data[:at] if how == "cut" else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        self.damaged = True

    @precondition(lambda self: self.atlas.exists())
    @rule()
    def second_run(self) -> None:
        """While another run holds the atlas, nothing is changed, unless there is nothing to do."""
        with Lock(self.store):
            before = self.state()
            try:
                vidatlas.embed(self.recipe, self.inputs, self.atlas, SERIAL)
            except VidatlasError as error:
                assert isinstance(error, ConflictError) or self.damaged
            assert self.state() == before

    @rule(at=st.integers(1, 90))
    def take_over(self, at: int) -> None:
        """At some write of a run, another takes the atlas over and finishes; the first then gives up, or is done."""
        others: list[str] = []

        def interfere(count: int) -> None:
            if count == at and not others:
                others.append("another")
                self.mend(lambda: self.run(False, Options(runner="serial", max_rejects=1.0, take_over=True)))

        with at_each_write(interfere):
            # While a run is about to take a dead one's lock over, its temporary file may be swept away.
            self.attempt(False, (ConflictError, UnavailableError))
        self.bury()

    # What must hold.

    @invariant()
    def nothing_is_lost_and_nothing_is_there_twice(self) -> None:
        if self.damaged or not self.atlas.exists():
            return
        stages = self.store.manifest()["stages"]
        for receipt in self.store.receipts().values():
            self.acknowledged |= self.ids_in([f"embeddings/{receipt.shard}.parquet"])
        if "plan" in stages:
            counts = stages["plan"]["counts"]
            assert counts["read"] == counts["kept"] + counts["rejected"] + counts["duplicates"]
        if "embed" not in stages:
            return
        files = [name for name in stages["embed"]["files"] if name.startswith("embeddings/")]
        present = self.ids_in(files)
        assert self.acknowledged <= present
        assert present == set(self.kept)
        assert sum(pq.read_metadata(self.atlas / name).num_rows for name in files) == len(present)
        assert {name: stages["plan"]["counts"][name] for name in self.counts} == self.counts  # type: ignore[literal-required]
        vidatlas.verify(self.atlas)

    def teardown(self) -> None:
        """Finish the atlas, and compare it with one that was never disturbed."""
        try:
            if self.inputs:
                self.mend(lambda: self.run(self.reduced))
                fresh = self.folder / "fresh"
                self.run(self.reduced, at=fresh)
                assert self.contents(self.atlas) == self.contents(fresh)
                assert self.damaged is False
                self.nothing_is_lost_and_nothing_is_there_twice()
        finally:
            shutil.rmtree(self.folder)

    # How.

    def add(self, rows: list[Any]) -> None:
        """Write one more input file, and note what must come of its rows."""
        lines = []
        for row in rows:
            key = f"v{row}" if isinstance(row, int) or row == "first" else None
            title = f"title {len(self.inputs)} {len(lines)}"
            values = {"display_id": key or "mute", "title": title if key else " ", "categories": "a", "tags": ""}
            lines.append(row if row in ("{", "[]", "") else json.dumps(values))
            self.counts["read"] += 1
            kind = "rejected" if key is None else "duplicates" if key in self.kept else "kept"
            self.counts[kind] += 1
            if kind == "kept":
                self.kept[str(key)] = title
        self.inputs.append(str(self.folder / f"part{len(self.inputs)}.jsonl"))
        Path(self.inputs[-1]).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(self, reduce: bool, options: Options = SERIAL, at: Path | None = None) -> None:
        vidatlas.embed(self.recipe, self.inputs, at or self.atlas, options)
        if reduce:
            self.reduced = True
            vidatlas.reduce(at or self.atlas, options=options)

    def attempt(
        self, reduce: bool, expected: type[BaseException] | tuple[type[BaseException], ...]
    ) -> BaseException | None:
        """Run; return how it ended early, if it did: as expected, or over a file that was damaged before."""
        try:
            self.run(reduce)
        except expected as error:
            return error
        except InputError:
            assert self.damaged
        else:
            self.damaged = self.damaged and not self.is_sound()
        return None

    def mend(self, run: Callable[[], None]) -> None:
        """Run, and do what a message says, until all is in order: each time, it names one more damaged file."""
        for _ in range(40):
            try:
                run()
                self.check()
            except InputError as error:
                assert self.damaged, error
                named = [file for file in self.atlas.rglob("*") if file.is_file() and str(file) in str(error)]
                if named:
                    max(named, key=lambda file: len(str(file))).unlink()
                else:
                    assert " is missing" in str(error), error
            else:
                self.damaged = False
                return
        raise AssertionError("it does not end")

    def is_sound(self) -> bool:
        try:
            self.check()
        except VidatlasError:
            return False
        return True

    def check(self) -> None:
        """Read every file that is listed, and the receipts, which are not."""
        vidatlas.verify(self.atlas)
        self.store.receipts()

    def bury(self) -> None:
        """Give the lock, and the claims on locks, that a killed run left to a process that is gone."""
        for lock in [*self.atlas.glob("lock"), *self.atlas.glob("claims/[!.]*")]:
            lock.write_text(json.dumps({**json.loads(lock.read_text()), "pid": 2**22 + 1}))

    def ids_in(self, names: list[str]) -> set[str]:
        found = [pq.read_table(self.atlas / name, columns=["id", "title"]).to_pylist() for name in names]
        rows = {row["id"]: row["title"] for rows in found for row in rows}
        assert all(self.kept[key] == title for key, title in rows.items())
        return set(rows)

    def state(self) -> dict[str, bytes]:
        return {
            str(file.relative_to(self.atlas)): file.read_bytes()
            for file in sorted(self.atlas.rglob("*"))
            if file.is_file() and "lock" not in file.name and file.parent.name not in ("claims", "logs")
        }

    def contents(self, atlas: Path) -> dict[str, bytes]:
        """Return every file that the manifest promises, with its bytes."""
        stages = Store(atlas).manifest()["stages"]
        listed = sorted(name for entry in stages.values() for name in entry["files"])  # type: ignore[attr-defined]
        return {name: (atlas / name).read_bytes() for name in listed}

    def leftovers(self) -> list[str]:
        """Return what only an unfinished run may leave, but for tries for the lock: their process lives on here."""
        temporary = [file.name for file in self.atlas.rglob(".tmp-*") if not file.name.endswith("-lock")]
        return temporary + [file.name for file in self.atlas.glob("lock")]


def machine(world: Any, scratch: Path) -> Callable[[], Atlas]:
    recipe = world.recipe(source__shard_rows=4)
    return lambda: Atlas(recipe, scratch)


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def test_any_order_of_events_gives_the_same_atlas(world: Any, tmp_path: Path) -> None:
    quick = settings(
        max_examples=10,
        stateful_step_count=7,
        suppress_health_check=QUIET,
        phases=[Phase.generate],  # shrinking takes minutes: the long test does it
    )
    run_state_machine_as_test(machine(world, tmp_path), settings=quick)


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
def test_any_longer_order_of_events_gives_the_same_atlas(world: Any, tmp_path: Path) -> None:
    long = settings(max_examples=150, stateful_step_count=20, derandomize=False, suppress_health_check=QUIET)
    run_state_machine_as_test(machine(world, tmp_path), settings=long)
