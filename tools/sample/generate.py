"""Make the bundled sample: about 3,000 invented videos in YouNiverse's schema.

The same seed gives the same lines on any machine. Nothing is copied from anywhere; names are made up.

Untidiness, as a share of the lines (what the default seed gives is tested within a tolerance):

- tags: 12 % "" and 1 % null; 15 % of the rest have spaces around tags and 15 % borrow tags of other subjects;
  some are in upper case, a few over 77 characters
- titles: 8 % not English, in nine languages; 8 % with emoji; 7 % all capitals; 1 % "#shorts"; some over 77 characters
- 7 % of English titles are small talk that tells nothing about the subject
- null: 30 % of descriptions, 25 % of dislike counts, 3 % of like counts, 2 % of channel ids, 3 categories
- 1 null title, 1 numeric id, 4 hostile-looking titles, all acceptable

Lines a reader must reject, 0.6 % in all: see tools.sample.defects.DEFECTS.
"""

import argparse
import gzip
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from tools.sample.channels import plan_uploads
from tools.sample.defects import add_oddities, break_lines
from tools.sample.line import Line
from tools.sample.records import write_record
from tools.sample.titles import TitleWriter
from tools.sample.vocabulary import load_vocabulary

DEFAULT_SEED = 16


def generate(seed: int = DEFAULT_SEED) -> list[Line]:
    """Return the lines of the sample; the same seed gives the same lines."""
    rng = Random(seed)
    vocabulary = load_vocabulary()
    titles = TitleWriter(rng, vocabulary.noise)
    uploads = plan_uploads(rng, vocabulary)
    videos = [write_record(rng, channel, subject, titles, vocabulary.noise) for channel, subject in uploads]
    add_oddities(rng, videos, vocabulary.noise.hostile)
    return break_lines(rng, videos)


def write(lines: Iterable[Line], path: Path) -> None:
    """Write the lines to a gzip file that holds neither a time nor a file name."""
    with path.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        for line in lines:
            packed.write(line.raw + b"\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sample where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.sample.generate", description="Make the bundled sample.")
    parser.add_argument("out", metavar="OUT.jsonl.gz", type=Path, help="file to write")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="other seeds give other videos")
    chosen = parser.parse_args(arguments)
    lines = generate(chosen.seed)
    write(lines, chosen.out)
    sys.stdout.write(f"{chosen.out}: {len(lines)} lines\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
