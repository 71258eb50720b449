"""Ship a small invented sample of YouTube video metadata, in YouNiverse's schema."""

from importlib.resources import files
from pathlib import Path

__all__ = ["sample_path"]


def sample_path() -> Path:
    """Return the path of the bundled sample, a gzipped file of one JSON object a line."""
    return Path(str(files(__name__) / "videos.jsonl.gz"))
