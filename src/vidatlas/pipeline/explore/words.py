"""The index of words in titles: SQLite's full-text search, in the cache of this machine and never in an atlas.

A scan of a million titles takes 0.3 s a word, and would grow with the atlas; this index is made once, in about 8 s per
million titles, and finds a rare word in milliseconds. Small atlases have theirs in memory.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from vidatlas.naming.filler import english_function_words
from vidatlas.pipeline.explore.videos import IN_MEMORY, Mask, Videos
from vidatlas.sources.values.segmentation import combining_marks
from vidatlas.storage.cache import kept_open

_VERSION = 2
_COMMON = 20_000
"""A word in more titles than this does not rank them: scoring each of a million takes seconds, and says little."""
_RARE = 3
"""A word in at most so many titles, and in at most one of a hundred, is what somebody who writes it looks for."""
_MOST_WORDS = 12
_UNSPLIT = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
"""Signs of scripts without spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese): each is a word."""


def words_of(text: str) -> list[str]:
    """Return the distinct words of a text as the index knows them, but for accents; scripts without spaces by sign."""
    return list(dict.fromkeys(_patterns().word.findall(_spaced(text))))


def folded(text: str) -> str:
    """Return a text as it is compared: without differences of case, width and blanks."""
    return " ".join(normalize("NFKC", text).casefold().split())


def _spaced(text: str) -> str:
    if text.isascii():
        return text.lower()
    spaced = _UNSPLIT.sub(r" \1 ", normalize("NFKC", text).casefold())
    return _patterns().no_letter.sub("", spaced) if _patterns().mark.search(spaced) else spaced


class _Patterns(NamedTuple):
    word: re.Pattern[str]
    mark: re.Pattern[str]
    """Without those of rare scripts, with which a search takes ten times as long."""
    no_letter: re.Pattern[str]
    """Marks of no letter; and those that hardly anybody types: the dot of a Turkish İ in lower case, the short vowels
    of Arabic, and what chooses the picture of an emoji."""


@cache
def _patterns() -> _Patterns:
    marks = combining_marks()
    return _Patterns(
        re.compile(rf"[^\W_](?:[^\W_]|[{marks}])*"),
        re.compile("[" + "".join(sign for sign in marks if sign <= "\uffff") + "]"),
        re.compile(rf"(?<![\w{marks}])[{marks}]+|[\u0307\u064b-\u065f\ufe00-\ufe0f]"),
    )


def _whole(title: str) -> str:
    """Return a word that stands for a whole title."""
    return "t0t" + blake2b(folded(title).encode(errors="replace"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Found:
    """Hold the positions of videos by the words of their titles, each list the best first."""

    rare: list[int]
    """Those with a word that hardly any other has."""
    every: list[int]
    """Those with all words; where there are too many to rank, of the nearest by vectors, if there are vectors."""
    some: list[int]


class Words:
    """Find videos by the words of their titles."""

    def __init__(self, videos: Videos, checksum: str) -> None:
        self._lock, self._total = threading.Lock(), len(videos)
        if len(videos) <= IN_MEMORY:
            self._database = sqlite3.connect(":memory:", check_same_thread=False)
            _fill(self._database, videos)
        else:
            key = f"words-{_VERSION}-{checksum}.sqlite"
            self._database = kept_open(key, lambda at: _make(at, videos), _open, sqlite3.DatabaseError)

    def exact(self, title: str, k: int, among: Mask | None = None) -> list[int]:
        """Return the positions of at most k videos with this title, whatever its case."""
        return self._found(f'"{_whole(title)}"', k, among, ranked=False) if title.strip() else []

    def find(self, text: str, k: int, among: Mask | None = None, near: Sequence[int] | None = None) -> Found:
        """Return the positions of at most k videos each: with a very rare word of a text, with all words, with some.

        Args:
            text: whose words are looked up.
            k: how many.
            among: which may be found; None for all.
            near: the nearest by vectors, the best first; None where there are no vectors.
        """
        counts = self._counts(_telling(words_of(text)[:_MOST_WORDS]))
        known = {word: count for word, count in counts.items() if count}
        every: list[int] = []
        if known and len(known) == len(counts):
            match, ranked = " AND ".join(map(_quoted, known)), min(known.values()) <= _COMMON
            # Without ranks they come in the order of the files, which says nothing.
            every = self._found(match, k, among, ranked) if ranked or near is None else self._of(near, match)
        some = [word for word, count in known.items() if count <= _COMMON] if len(counts) > 1 else []
        rare = [word for word, count in known.items() if count <= min(_RARE, self._total // 100)]
        return Found(self._any(rare, _RARE * len(rare), among), every, self._any(some, k, among))

    def _any(self, words: list[str], k: int, among: Mask | None) -> list[int]:
        return self._found(" OR ".join(map(_quoted, words)), k, among, ranked=True) if words else []

    def _counts(self, words: list[str]) -> dict[str, int]:
        """Return in how many titles each word stands, at most one more than makes it common."""
        with self._lock:
            return {word: self._count(word) for word in words}

    def _count(self, word: str) -> int:
        match = "SELECT count(*) FROM (SELECT 1 FROM titles WHERE titles MATCH ? LIMIT ?)"
        try:
            return int(self._database.execute(match, (_quoted(word), _COMMON + 1)).fetchone()[0])
        except sqlite3.OperationalError as error:
            # A letter that is newer than this SQLite parts a word for it.
            if "phrase" not in str(error):
                raise
            return 0

    def _found(self, match: str, k: int, among: Mask | None, ranked: bool) -> list[int]:
        passes = " AND passes(rowid)" if among is not None else ""
        order = " ORDER BY rank" if ranked else ""
        with self._lock:
            if among is not None:
                mask = among
                self._database.create_function("passes", 1, lambda row: bool(mask[row - 1]))
            rows = self._database.execute(
                f"SELECT rowid FROM titles WHERE titles MATCH ?{passes}{order} LIMIT ?",  # noqa: S608 - fixed parts
                (match, k),
            ).fetchall()
        return [row - 1 for (row,) in rows]

    def _of(self, near: Sequence[int], match: str) -> list[int]:
        """Return those of some positions that match, in their order."""
        rows = ",".join(str(row + 1) for row in near)
        query = f"SELECT rowid FROM titles WHERE titles MATCH ? AND rowid IN ({rows})"  # noqa: S608 - numbers
        with self._lock:
            has = {row - 1 for (row,) in self._database.execute(query, (match,))}
        return [row for row in near if row in has]


def _telling(words: list[str]) -> list[str]:
    """Return the words without English function words, unless there are no others."""
    return [word for word in words if word not in english_function_words()] or words


def _quoted(word: str) -> str:
    return f'"{word}"'


def _make(path: Path, videos: Videos) -> None:
    """Write an index into a file of the cache.

    Raises:
        OSError: it cannot be written; the cache says where.
    """
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode=OFF")
            database.execute("PRAGMA synchronous=OFF")
            _fill(database, videos)
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error


def _open(path: Path) -> sqlite3.Connection:
    """Open an index that was made before; one that a power failure cut off raises sqlite3.DatabaseError."""
    database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    database.execute("SELECT rowid FROM titles WHERE titles MATCH 'a' LIMIT 1").fetchone()
    return database


def _fill(database: sqlite3.Connection, videos: Videos) -> None:
    database.execute(
        "CREATE VIRTUAL TABLE titles USING fts5(title, content='', detail=none, "
        "tokenize=\"unicode61 remove_diacritics 2 categories 'L* N* Co Mc Mn'\")"
    )
    database.executemany("INSERT INTO titles(rowid, title) VALUES (?, ?)", _rows(videos))
    database.commit()


def _rows(videos: Videos) -> Iterator[tuple[int, str]]:
    number = 0
    for titles in videos.column("title").chunks:
        for title in titles.to_pylist():
            number += 1
            # What is no valid text comes back as such: SQLite takes UTF-8 only.
            yield number, f"{_spaced(title or '')} {_whole(title or '')}".encode(errors="replace").decode()
