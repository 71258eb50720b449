"""Run vidatlas with ``python -m vidatlas``."""

from vidatlas.cli import script

script()
