"""Generated videos in YouNiverse's layout: one gzip of any size, the same bytes for the same arguments.

Run python -m benchmarks.generate --rows 1000000 videos.jsonl.gz. What is imitated, and where its figures come from
(60,000 real videos, youtube/videos.jsonl.gz): lengths of titles (in words), tags and descriptions are drawn from
quantiles; 17 % have no tags; channels come one after another, as in YouNiverse, with 1 to 30 and more videos each
(quantiles), and a third of a video's tags are its channel's; 15 categories at their shares; words follow Zipf's law,
half of them from the vocabulary of the channel's subject; 28 % of the channels write no Latin letters. A share of
lines can be damaged, and a share of ids can occur twice. No text of a real video is used.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 10_000
"""Rows that are drawn together; each block has a generator of its own, so that blocks can be made in any order."""
SHARES = {
    "Gaming": 0.25, "Music": 0.19, "Entertainment": 0.18, "People & Blogs": 0.09, "Sports": 0.06,
    "News & Politics": 0.05, "Comedy": 0.04, "Film & Animation": 0.035, "Science & Technology": 0.033,
    "Howto & Style": 0.028, "Autos & Vehicles": 0.014, "Education": 0.013, "Pets & Animals": 0.006,
    "Travel & Events": 0.006, "Nonprofits & Activism": 0.005,
}  # fmt: skip
AT = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""The percentiles of the quantiles below."""
TITLE_WORDS = (1, 1, 2, 4, 6, 9, 12, 16, 17, 20, 23)
TAGS = (0, 0, 0, 0, 4, 14, 24, 33, 39, 56, 87)
DESCRIPTION = (0, 0, 0, 0, 0, 56, 710, 1503, 2121, 3810, 4912)
OF_A_CHANNEL = (1, 1, 1, 1, 1, 1, 2, 5, 7, 16, 30)
NO_LATIN = 0.28
SUBJECTS, WORDS_OF_SUBJECT, WORDS = 40, 400, 120_000
"""Subjects of a category, words of a subject, and words that all share."""
ALPHABETS = ("abcdefghijklmnoprstuvwyz", "абвгдежзиклмнопрстуфхцчшыэюя", "かきくけこさしすせそたちつてとなにの")
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Shares:
    """Hold the shares of lines that are damaged, and of ids that occur twice."""

    damaged: float = 0.0001
    repeated: float = 0.001


def draw(quantiles: tuple[int, ...], count: int, rng: np.random.Generator) -> Ints:
    """Draw whole numbers whose percentiles ``AT`` are these."""
    return np.interp(rng.uniform(0, 100, count), AT, quantiles).round().astype(np.int64)


def zipf(count: int, size: int, rng: np.random.Generator) -> Ints:
    """Draw ranks below ``size`` by Zipf's law with exponent 1."""
    return (np.exp(rng.uniform(0, np.log(size + 1), count)) - 1).astype(np.int64).clip(0, size - 1)


@cache
def vocabulary(alphabet: int) -> list[str]:
    """Return the words of an alphabet, those of all subjects first, then those that all share."""
    rng = np.random.default_rng(alphabet)
    count = len(SHARES) * SUBJECTS * WORDS_OF_SUBJECT + WORDS
    signs, lengths = ALPHABETS[alphabet], rng.integers(2, 11, count)
    ends = list(accumulate(lengths.tolist(), initial=0))
    letters = "".join(np.array(list(signs))[rng.integers(0, len(signs), ends[-1])])
    return [letters[start:end] for start, end in pairwise(ends)]


@cache
def prose(alphabet: int) -> str:
    """Return a long text of the shared words, of which descriptions are pieces: no stage reads them."""
    ranks = len(SHARES) * SUBJECTS * WORDS_OF_SUBJECT + zipf(200_000, WORDS, np.random.default_rng(alphabet))
    return " ".join(vocabulary(alphabet)[rank] for rank in ranks.tolist())


def texts(counts: Ints, subject: Ints, alphabet: Ints, rng: np.random.Generator) -> list[list[str]]:
    """Return so many words for each row, half of them from its subject."""
    total = int(counts.sum())
    shared = WORDS_OF_SUBJECT * SUBJECTS * len(SHARES) + zipf(total, WORDS, rng)
    own = np.repeat(subject, counts) * WORDS_OF_SUBJECT + zipf(total, WORDS_OF_SUBJECT, rng)
    ranks = np.where(rng.random(total) < 0.5, own, shared).tolist()
    words = [vocabulary(at) for at in range(len(ALPHABETS))]
    ends = list(accumulate(counts.tolist(), initial=0))
    spans = zip(pairwise(ends), alphabet.tolist(), strict=True)
    return [[words[at][rank] for rank in ranks[start:end]] for (start, end), at in spans]


def tags(counts: Ints, channels: Ints, subject: Ints, alphabet: Ints, rng: np.random.Generator) -> list[str]:
    """Return the tags of each row, joined by commas: one or two words each, every third one its channel's."""
    words = texts(2 * counts, subject, alphabet, rng)
    firsts = np.flatnonzero(np.diff(channels, prepend=-1))
    own_tags = texts(np.full(len(firsts), 60), subject[firsts], alphabet[firsts], rng)
    pools = dict(zip(channels[firsts].tolist(), own_tags, strict=True))
    joined = []
    for own, channel in zip(words, channels.tolist(), strict=True):
        pairs = [f"{a} {b}" if len(a) < 6 else a for a, b in zip(own[::2], own[1::2], strict=True)]
        third = len(pairs) // 3
        joined.append(",".join(pools[channel][:third] + pairs[third:]))
    return joined


def block(number: int, rows: int, seed: int, shares: Shares) -> bytes:
    """Return the lines of a block."""
    rng = np.random.default_rng((seed, number))
    sizes = draw(OF_A_CHANNEL, rows, rng)
    channels = np.repeat(np.arange(rows), sizes)[:rows]
    category = rng.choice(len(SHARES), rows, p=np.array([*SHARES.values()]) / sum(SHARES.values()))[channels]
    subject = category * SUBJECTS + zipf(rows, SUBJECTS, rng)[channels]
    alphabet = np.where(rng.random(rows) < NO_LATIN, rng.integers(1, len(ALPHABETS), rows), 0)[channels]
    titles = texts(draw(TITLE_WORDS, rows, rng), subject, alphabet, rng)
    tagged = tags(draw(TAGS, rows, rng), channels, subject, alphabet, rng)
    told, starts = draw(DESCRIPTION, rows, rng).tolist(), rng.integers(0, 1_000_000, rows).tolist()
    views = np.exp(rng.normal(8, 2.5, rows)).astype(np.int64)
    days = (np.datetime64("2006-01-01") + rng.integers(0, 5_000, rows)).astype(str)
    kinds = rng.random((3, rows))
    names, lines = list(SHARES), []
    for row in range(rows):
        first = number * BLOCK + row
        video = {
            "categories": names[category[row]],
            "channel_id": f"UC{number:06x}{channels[row]:06x}",
            "crawl_date": "2019-10-31 20:19:26.270363",
            "description": prose(int(alphabet[row]))[starts[row] : starts[row] + told[row]],
            "dislike_count": int(views[row] * 0.0005),
            "display_id": f"v{max(0, first - 1 if kinds[1, row] < shares.repeated else first):010x}",
            "duration": int(60 + kinds[2, row] * 1_200),
            "like_count": int(views[row] * 0.01),
            "tags": tagged[row],
            "title": " ".join(titles[row]),
            "upload_date": f"{days[row]} 00:00:00",
            "view_count": int(views[row]),
        }
        line = json.dumps(video, ensure_ascii=False)
        lines.append(line[: len(line) // 2] if kinds[0, row] < shares.damaged else line)
    return ("\n".join(lines) + "\n").encode()


def generate(rows: int, seed: int, shares: Shares, processes: int = 2) -> Iterator[bytes]:
    """Yield the blocks in order."""
    counts = [min(BLOCK, rows - start) for start in range(0, rows, BLOCK)]
    one = partial(block, seed=seed, shares=shares)
    with ProcessPoolExecutor(processes) as pool:
        for start in range(0, len(counts), 4 * processes):
            some = range(start, min(start + 4 * processes, len(counts)))
            yield from pool.map(one, some, [counts[number] for number in some])


def write(path: Path, rows: int, seed: int = 0, shares: Shares | None = None, level: int = 6) -> int:
    """Write one gzip stream; return how many bytes of text it holds."""
    packer, plain = zlib.compressobj(level, zlib.DEFLATED, 31), 0
    with path.open("wb") as out:
        for data in generate(rows, seed, shares or Shares()):
            plain += len(data)
            out.write(packer.compress(data))
        out.write(packer.flush())
    return plain


def main() -> None:
    """Write a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--damaged", type=float, default=Shares.damaged, help="share of lines cut in half")
    parser.add_argument("--repeated", type=float, default=Shares.repeated, help="share of ids that occur twice")
    parser.add_argument("--level", type=int, default=6, help="gzip's level; YouNiverse has the default")
    options = parser.parse_args()
    shares = Shares(options.damaged, options.repeated)
    plain = write(options.path, options.rows, options.seed, shares, options.level)
    size = options.path.stat().st_size
    print(f"{options.rows:,} lines, {plain:,} bytes ({plain / options.rows:,.0f} per line), {size:,} gzipped")


if __name__ == "__main__":
    main()
