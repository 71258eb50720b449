"""Break one safety at a time in a copy of the source, and show which test notices: no mutant may survive.

Run as: python tests/chaos/mutation.py [--only NAME …] [--skip NAME …] [--lanes 2] [--list]
At the end all of their tests run where nothing is broken: a test that fails anyway proves nothing.
"""

import argparse
import importlib.util
import multiprocessing
import os
import queue
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 600
LIBRARIES = ["hypothesis", "numpy", "pandas", "pyarrow.parquet", "pytest", "scipy.sparse", "sklearn.decomposition"]
"""Imported once for all mutants: most of the time of a short test."""
CONTEXT = multiprocessing.get_context("forkserver")
COPIED = ("src", "tests")
"""What a mutant has of its own; the rest of the checkout is linked."""


def load_mutants() -> tuple[Any, ...]:
    """Return the mutants; tests are no package, so their module is loaded by its path."""
    known = "vidatlas_tests_mutants"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, Path(__file__).with_name("mutants.py"))
        assert spec and spec.loader
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return tuple(sys.modules[known].MUTANTS)


def faults(mutants: tuple[Any, ...], root: Path = ROOT) -> list[str]:
    """Return what is wrong with the list itself: an anchor that is not there exactly once, a test that is gone."""
    found = [f"two mutants are called {name}" for name in {one.name for one in mutants if _named(one, mutants) > 1}]
    for one in mutants:
        file = root / "src" / "vidatlas" / one.file
        count = file.read_text(encoding="utf-8").count(one.old) if file.exists() else 0
        if count != 1:
            found.append(f"{one.name}: its anchor is {count} times in {one.file}, not once: {one.old!r}")
        if one.old == one.new:
            found.append(f"{one.name}: it changes nothing")
        for test in one.tests:
            path, _, function = test.partition("::")
            text = (root / "tests" / path).read_text(encoding="utf-8") if (root / "tests" / path).exists() else ""
            if not re.search(rf"^def {re.escape(function.split('[')[0])}\(", text, re.MULTILINE):
                found.append(f"{one.name}: there is no test {test}")
    return found


def _named(one: Any, mutants: tuple[Any, ...]) -> int:
    return sum(one.name == other.name for other in mutants)


def _pytest(root: str, tests: list[str], log: str) -> None:
    """Run tests in a fresh process, until one fails; the process ends with pytest's exit code."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(root)
    places = [str(Path(root) / "src"), root]
    os.environ.update(PYTHONPATH=":".join(places), OMP_NUM_THREADS="1")
    sys.path[:0] = places
    import pytest

    code = pytest.main(["-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=200", "-m", "", *tests])
    sys.stdout.flush()
    os._exit(int(code))


class Lane:
    """A copy of the checkout in which one mutant after the other lives."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        folder.mkdir()
        skipped = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for entry in ROOT.iterdir():
            if entry.name in COPIED:
                shutil.copytree(entry, folder / entry.name, ignore=skipped)
            elif not entry.name.startswith("."):
                (folder / entry.name).symlink_to(entry)

    def check(self, tests: list[str]) -> tuple[int, list[str], str]:
        """Run some tests until one fails; return pytest's exit code, the tests that were red, and the end of it all."""
        log = self.root / "log"
        process = CONTEXT.Process(target=_pytest, args=(str(self.root), [f"tests/{test}" for test in tests], str(log)))
        process.start()
        process.join(MOST_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        said = log.read_text(errors="replace")
        red = re.findall(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", said, re.MULTILINE)
        return -1 if process.exitcode is None else process.exitcode, red, said[-3_000:]

    def break_safety(self, one: Any) -> tuple[bool, str]:
        """Break one safety, run the tests that should notice, mend it; return whether one did, and which."""
        file = self.root / "src" / "vidatlas" / one.file
        whole, state = file.read_text(encoding="utf-8"), file.stat()
        file.write_text(whole.replace(one.old, one.new), encoding="utf-8")
        try:
            code, red, end = self.check(list(one.tests))
        finally:
            file.write_text(whole, encoding="utf-8")
            # With its old time, Python takes the old bytecode again, and never that of the mutant.
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        if code == 1 and red:
            return True, red[0].removeprefix("tests/")
        return False, "survived" if code == 0 else f"pytest ended with {code}: {end}"


def green(lane: Lane, mutants: tuple[Any, ...]) -> str:
    """Run all tests of the mutants where nothing is broken; return what is wrong, or nothing."""
    tests = list(dict.fromkeys(test for one in mutants for test in one.tests))
    code, red, end = lane.check(tests)
    return "" if code == 0 else f"nothing is broken, and yet {red or end}"


def run(mutants: tuple[Any, ...], most: int) -> int:
    """Try the mutants, some at a time; print a line for each; return 1 where one survived."""
    CONTEXT.set_forkserver_preload(LIBRARIES)
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        lanes: queue.Queue[Lane] = queue.Queue()
        for number in range(min(most, len(mutants))):
            lanes.put(Lane(Path(scratch) / str(number)))

        def attempt(one: Any) -> bool:
            lane, started = lanes.get(), time.monotonic()
            try:
                killed, said = lane.break_safety(one)
            finally:
                lanes.put(lane)
            print(f"{'killed' if killed else 'ALIVE '} {time.monotonic() - started:5.1f} s  {one.name}: {said}")
            sys.stdout.flush()
            return killed

        with ThreadPoolExecutor(most) as pool:
            killed = list(pool.map(attempt, mutants))
        print(f"{sum(killed)} of {len(killed)} mutants killed")
        sys.stdout.flush()
        wrong = green(lanes.get(), mutants)
    print(wrong or "where nothing is broken, all of their tests are green")
    return int(bool(wrong) or not all(killed))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="names of mutants, or parts of them")
    parser.add_argument("--skip", nargs="+", default=[], help="names of mutants to leave out, or parts of them")
    parser.add_argument("--lanes", type=int, default=2, help="mutants at a time")
    parser.add_argument("--list", action="store_true", help="list the mutants and end")
    asked = parser.parse_args(arguments)
    mutants = load_mutants()
    if asked.only:
        mutants = tuple(one for one in mutants if any(part in one.name for part in asked.only))
    mutants = tuple(one for one in mutants if not any(part in one.name for part in asked.skip))
    wrong = faults(mutants)
    for fault in wrong:
        print(fault)
    if asked.list:
        print("\n".join(f"{one.name} ({one.file})" for one in mutants))
    if wrong or asked.list:
        return int(bool(wrong))
    return run(mutants, asked.lanes)


if __name__ == "__main__":
    sys.exit(main())
