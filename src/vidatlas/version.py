"""The version of this package, where code finds it whether or not it is installed."""

from __future__ import annotations

__version__ = "0.1.0"
