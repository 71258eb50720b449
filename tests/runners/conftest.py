"""Share the tiny world and the one Ray with the tests of the promises, and a runner that uses that Ray."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from vidatlas.runners.on_ray import RayRunner
from vidatlas.types import Options

_KNOWN = "vidatlas_tests_contract_conftest"
if _KNOWN not in sys.modules:
    _spec = importlib.util.spec_from_file_location(_KNOWN, Path(__file__).parents[1] / "contract" / "conftest.py")
    assert _spec and _spec.loader
    sys.modules[_KNOWN] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_KNOWN])

world = sys.modules[_KNOWN].world
whole = sys.modules[_KNOWN].whole
ray_here = sys.modules[_KNOWN].ray_here


@pytest.fixture
def runner() -> Iterator[RayRunner]:
    """Return a runner of at most two actors; it must leave Ray running."""
    with RayRunner(Options(actors=(1, 2))) as found:
        yield found
    assert ray.is_initialized(), "a Ray that was there is not to be stopped"
