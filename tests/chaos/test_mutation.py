"""Every safety is needed: a test turns red where it is taken out."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MUTATION = Path(__file__).with_name("mutation.py")


def load() -> Any:
    spec = importlib.util.spec_from_file_location("vidatlas_tests_mutation", MUTATION)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_mutant_still_has_its_place_and_its_tests() -> None:
    module = load()
    mutants = module.load_mutants()
    assert module.faults(mutants) == []
    assert len(mutants) >= 30


def test_an_anchor_that_is_gone_is_an_error() -> None:
    module = load()
    first = module.load_mutants()[0]
    gone = type(first)(first.name, first.file, "no such line", "", first.tests)
    assert "0 times" in module.faults((gone,))[0]
    lost = type(first)(first.name, first.file, first.old, first.new, ("storage/test_folder.py::test_nothing",))
    assert "there is no test" in module.faults((lost,))[0]


def test_every_test_that_the_matrix_names_is_there() -> None:
    tests, named = MUTATION.parents[1], 0
    for row in MUTATION.with_name("README.md").read_text(encoding="utf-8").splitlines():
        file = None
        for token in re.findall(r"`([^`]+)`", row) if row.startswith("|") else ():
            path, _, function = token.partition("::")
            if (tests / path).is_file():
                file = tests / path
            elif path.endswith(".py"):
                file = file.with_name(path) if file else None
            elif path.startswith("test_"):
                function = path
            else:
                continue
            assert file, token
            assert file.is_file(), token
            if function:
                named += 1
                text = file.read_text(encoding="utf-8")
                assert re.search(rf"^def {re.escape(function.split('[')[0])}\(", text, re.MULTILINE), token
    assert named > 100


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
def test_no_mutant_survives() -> None:
    done = subprocess.run([sys.executable, str(MUTATION)], check=False, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
