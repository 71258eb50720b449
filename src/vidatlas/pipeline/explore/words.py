"""The index of words in titles: SQLite's full-text search, in the cache of this machine and never in an atlas.

A scan of a million titles takes 0.3 s a word, and would grow with the atlas; this index is made once, in about 8 s per
million titles, and finds a rare word in milliseconds. Small atlases have theirs in memory.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from unicodedata import normalize

from vidatlas.pipeline.explore.videos import IN_MEMORY, Mask, Videos
from vidatlas.storage.cache import kept

_VERSION = 1
_COMMON = 20_000
"""A word in more titles than this does not rank them: scoring each of a million takes seconds, and says little."""
_RARE = 20
"""A word in at most so many titles, and in at most one of fifty, is what somebody who writes it looks for."""
_MOST_WORDS = 12
_WORD = re.compile(r"[^\W_]+")
_UNSPLIT = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
"""Signs of scripts without spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese): each is a word."""


def words_of(text: str) -> list[str]:
    """Return the distinct words of a text as the index knows them, but for accents; scripts without spaces by sign."""
    return list(dict.fromkeys(_WORD.findall(_spaced(text))))


def folded(text: str) -> str:
    """Return a text as it is compared: without differences of case, width and blanks."""
    return " ".join(normalize("NFKC", text).casefold().split())


def _spaced(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _UNSPLIT.sub(r" \1 ", normalize("NFKC", text).casefold())


def _whole(title: str) -> str:
    """Return a word that stands for a whole title."""
    return "t0t" + blake2b(folded(title).encode(errors="replace"), digest_size=8).hexdigest()


class Words:
    """Find videos by the words of their titles."""

    def __init__(self, videos: Videos, checksum: str) -> None:
        self._lock, self._total = threading.Lock(), len(videos)
        if len(videos) <= IN_MEMORY:
            self._database = sqlite3.connect(":memory:", check_same_thread=False)
            _fill(self._database, videos)
        else:
            path = kept(f"words-{_VERSION}-{checksum}.sqlite", lambda at: _make(at, videos))
            self._database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)

    def exact(self, title: str, k: int, among: Mask | None = None) -> list[int]:
        """Return the positions of at most k videos with this title, whatever its case."""
        return self._found(f'"{_whole(title)}"', k, among, ranked=False) if title.strip() else []

    def find(self, text: str, k: int, among: Mask | None = None) -> list[int]:
        """Return the positions of at most k videos: those with all words of a text, then those with rare ones."""
        counts = self._counts(words_of(text)[:_MOST_WORDS])
        known = {word: count for word, count in counts.items() if count}
        if not known:
            return []
        found: list[int] = []
        if len(known) == len(counts):
            rare = min(known.values()) <= _COMMON
            found = self._found(" AND ".join(map(_quoted, known)), k, among, rare)
        some = [word for word, count in known.items() if count <= _COMMON]
        if len(found) < k and some and len(counts) > 1:
            more = self._found(" OR ".join(map(_quoted, some)), k, among, ranked=True)
            found += [row for row in more if row not in set(found)]
        return found[:k]

    def rare(self, text: str, among: Mask | None = None) -> list[int]:
        """Return the positions of the videos with a word of a text that hardly any title has, best first."""
        counts = self._counts(words_of(text)[:_MOST_WORDS])
        most = min(_RARE, self._total // 50)
        words = [word for word, count in counts.items() if 0 < count <= most]
        return self._found(" OR ".join(map(_quoted, words)), _RARE * len(words), among, ranked=True) if words else []

    def _counts(self, words: list[str]) -> dict[str, int]:
        """Return in how many titles each word stands, at most one more than makes it common."""
        match = "SELECT count(*) FROM (SELECT 1 FROM titles WHERE titles MATCH ? LIMIT ?)"
        with self._lock:
            found = [self._database.execute(match, (_quoted(word), _COMMON + 1)).fetchone()[0] for word in words]
        return dict(zip(words, found, strict=True))

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


def _quoted(word: str) -> str:
    return f'"{word}"'


def _make(path: Path, videos: Videos) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        _fill(database, videos)


def _fill(database: sqlite3.Connection, videos: Videos) -> None:
    database.execute(
        "CREATE VIRTUAL TABLE titles USING fts5(title, content='', detail=none, "
        "tokenize='unicode61 remove_diacritics 2')"
    )
    database.executemany("INSERT INTO titles(rowid, title) VALUES (?, ?)", _rows(videos))
    database.commit()


def _rows(videos: Videos) -> Iterator[tuple[int, str]]:
    number = 0
    for table in videos.batches(["title"]):
        for title in table["title"].to_pylist():
            number += 1
            # What is no valid text comes back as such: SQLite takes UTF-8 only.
            yield number, f"{_spaced(title or '')} {_whole(title or '')}".encode(errors="replace").decode()
