"""Share the tiny world and its processes with the tests of the promises."""

import importlib.util
import sys
from pathlib import Path

_KNOWN = "vidatlas_tests_contract_conftest"
if _KNOWN not in sys.modules:
    _spec = importlib.util.spec_from_file_location(_KNOWN, Path(__file__).parents[1] / "contract" / "conftest.py")
    assert _spec and _spec.loader
    sys.modules[_KNOWN] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_KNOWN])

world = sys.modules[_KNOWN].world
world_class = sys.modules[_KNOWN].world_class
whole = sys.modules[_KNOWN].whole
processes = sys.modules[_KNOWN].processes
until = sys.modules[_KNOWN].until
main = sys.modules[_KNOWN].main
