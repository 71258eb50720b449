"""Run vidatlas with ``python -m vidatlas``."""

from __future__ import annotations

from vidatlas.cli.main import script

script()
