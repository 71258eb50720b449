"""Turn video metadata into named subcategories, a map, a report and a search.

Everything below is loaded on first use: importing vidatlas takes neither torch nor Ray with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vidatlas.version import __version__ as __version__

if TYPE_CHECKING:
    from vidatlas.api import embed, fit, plan, publish, reduce, run
    from vidatlas.errors import VidatlasError
    from vidatlas.pipeline.explore.assign import assign
    from vidatlas.pipeline.explore.atlas import Atlas, open_atlas
    from vidatlas.pipeline.explore.status import status, verify
    from vidatlas.pipeline.plan.auto import assume
    from vidatlas.recipe import Recipe, load_recipe
    from vidatlas.sample import sample_path
    from vidatlas.types import Options


__all__ = [
    "Atlas", "Options", "Recipe", "VidatlasError", "assign", "assume", "embed", "fit", "load_recipe", "open_atlas",
    "plan", "publish", "reduce", "run", "sample_path", "status", "verify",
]  # fmt: skip

_HOMES = {
    "vidatlas.pipeline.explore.assign": ("assign",),
    "vidatlas.pipeline.explore.atlas": ("Atlas", "open_atlas"),
    "vidatlas.pipeline.explore.status": ("status", "verify"),
    "vidatlas.pipeline.plan.auto": ("assume",),
    "vidatlas.recipe": ("Recipe", "load_recipe"),
    "vidatlas.api": ("embed", "fit", "plan", "publish", "reduce", "run"),
    "vidatlas.sample": ("sample_path",),
    "vidatlas.errors": ("VidatlasError",),
    "vidatlas.types": ("Options",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vidatlas' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
