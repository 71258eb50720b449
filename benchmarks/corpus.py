"""Real videos of many categories, in English or mixed: which, their texts' vectors and terms, the figures of clusters.

A video looks English if it has a title; at least 98 % of the characters of title and tags are ASCII; title and tags
hold an English function word, and three for each foreign one; and the first 1,000 characters of its description hold
at least two for each foreign one. The first line of each id counts. Of every category with at least 300 such videos
those with the smallest SHA-256 of their id are taken, at most 4,000, and all are put in that order. By eye about one
in ten is in another language with English tags. Mixed videos are those of some consecutive lines, in any language,
chosen and put in order in the same way.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from vidatlas import load_recipe
from vidatlas.clustering.quality import stability
from vidatlas.encoders.mix import FieldMix, distinct_texts, mix
from vidatlas.encoders.static import StaticSpec
from vidatlas.encoders.universal import UniversalSpec
from vidatlas.naming.coherence import count_pairs, npmi
from vidatlas.naming.filler import function_words, is_filler
from vidatlas.naming.terms import record_terms
from vidatlas.recipe import Recipe
from vidatlas.sources.fields import parse_row
from vidatlas.sources.jsonl import parse_line
from vidatlas.types import EncodeStats, Floats, Json, Record

MOST, LEAST = 4_000, 300
MIXED = 124_000, 136_000
"""Lines of the file that mixed videos are taken from: nothing was tuned on them."""
TOP_TERMS, NAME_TERMS = 10, 3
TERM_FIGURES = ("NPMI", "NPMI by videos", "coverage")
Labels = NDArray[np.int32]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words(
    "the and of to in is for with on you this that my your how what from it we are at be have all do not when was our "
    "get can will about"
)
_FOREIGN = _words(
    "ang ao auf avec bir che como dan dans das de del della der des di dos ein eine el em en est et gli icin il ile "
    "ini ist itu la las le les los mga mi mit na nao ng nicht os para por pour que sa tu uma una und une von y yang "
    "zu"
)
_WORD = re.compile(r"[a-z']+")


def looks_english(row: Json) -> bool:
    """Tell whether a video's title, tags and description are likely in English (the rule is the module's)."""
    title, tags = row.get("title") or "", row.get("tags") or ""
    own = title + tags
    if not title.strip() or sum(sign.isascii() for sign in own) < 0.98 * len(own):
        return False
    english, foreign = _counts(f"{title} {tags}")
    said, said_foreign = _counts((row.get("description") or "")[:1000])
    return english >= max(1, 3 * foreign) and said >= 2 * said_foreign


def _counts(text: str) -> tuple[int, int]:
    words = _WORD.findall(text.lower())
    return sum(word in _ENGLISH for word in words), sum(word in _FOREIGN for word in words)


def select_records(data: Path, *, is_mixed: bool, most: int) -> list[Record]:
    """Return the selected videos of youtube/videos.jsonl.gz; texts are read as the demo recipe reads them."""
    spec = load_recipe("demo").record
    found: defaultdict[str, list[tuple[str, Record]]] = defaultdict(list)
    for row in _first_of_each(data / "youtube" / "videos.jsonl.gz", *(MIXED if is_mixed else (0, None))):
        if (is_mixed or looks_english(row)) and isinstance(record := parse_row(row, spec), Record):
            found[record.group].append((hashlib.sha256(record.id.encode()).hexdigest(), record))
    kept = [sorted(rows, key=lambda pair: pair[0])[:most] for rows in found.values() if len(rows) >= LEAST]
    return [record for _, record in sorted((pair for rows in kept for pair in rows), key=lambda pair: pair[0])]


def _first_of_each(path: Path, start: int, stop: int | None) -> Iterator[Json]:
    seen = set()
    with gzip.open(path) as lines:
        for line in islice(lines, start, stop):
            row = parse_line(line)
            if isinstance(row, dict) and row["display_id"] not in seen:
                seen.add(row["display_id"])
                yield row


@dataclass(frozen=True)
class Corpus:
    """Hold the videos and the vector of each of their distinct texts."""

    records: list[Record]
    vectors: Floats

    @cached_property
    def categories(self) -> NDArray[np.int64]:
        """Return the number of each video's category."""
        return np.unique([record.group for record in self.records], return_inverse=True)[1]

    @cached_property
    def documents(self) -> list[str]:
        """Return the title and the tags of each video, one a line, as the job reads words from them."""
        return ["\n".join(text for field in record.texts for text in field) for record in self.records]

    def mixed(self, recipe: Recipe) -> Floats:
        """Return the vectors that the job would make of the videos by a recipe; only static vectors are not kept."""
        texts, weights = distinct_texts(_fields(self.records, recipe))
        spec = recipe.encoder
        vectors = spec.load(1).encode(texts, EncodeStats()) if isinstance(spec, StaticSpec) else self.vectors
        return mix(weights, vectors, recipe.mix)

    @cached_property
    def _terms(self) -> tuple[list[str], scipy.sparse.csr_array, list[frozenset[str]]]:
        """Return the terms of two or more videos that are no filler, who holds them, and each video's own."""
        found = [record_terms(record.texts[0], record.texts[1]).texts for record in self.records]
        held = Counter(key for texts in found for key in texts)
        written = {key: text for texts in found for key, text in texts.items()}
        known = sorted(
            key
            for key, count in held.items()
            if count > 1 and not is_filler(key, written[key]) and written[key] not in function_words()
        )
        at = {key: number for number, key in enumerate(known)}
        keys = [frozenset(key for key in texts if key in at) for texts in found]
        columns = [sorted(at[key] for key in own) for own in keys]
        ends = np.cumsum([0, *map(len, columns)])
        flat = np.concatenate([np.array(own, np.int64) for own in columns])
        return known, scipy.sparse.csr_array((np.ones(len(flat)), flat, ends), (len(keys), len(known))), keys

    def top_terms(self, labels: Labels) -> list[list[str]]:
        """Return each cluster's ten best terms by c-TF-IDF of terms that two of its videos hold."""
        known, holds, _ = self._terms
        numbers = np.unique(labels, return_inverse=True)[1]
        rows = np.arange(len(labels))
        sums = scipy.sparse.csr_array((np.ones(len(labels)), (numbers, rows))) @ holds
        totals = np.asarray(sums.sum(axis=0)).ravel()
        rarity = np.log(1 + totals.sum() / sums.shape[0] / totals)
        tops = []
        for label in range(sums.shape[0]):
            span = slice(sums.indptr[label], sums.indptr[label + 1])
            often = sums.data[span] > 1
            terms, counts = sums.indices[span][often], sums.data[span][often]
            best = np.lexsort((terms, -counts * rarity[terms]))[:TOP_TERMS]
            tops.append([known[term] for term in terms[best]])
        return tops

    def coherence(self, labels: Labels) -> tuple[float, float, float]:
        """Return figures of clusters' best terms, as ``TERM_FIGURES`` names them.

        Mean NPMI, each cluster weighing the same, and each as many as its videos; coverage, the share of all videos
        that hold one of the three best terms of their cluster.
        """
        tops = self.top_terms(labels)
        counts = count_pairs(self._terms[2], tops)
        numbers, sizes = np.unique(labels, return_inverse=True, return_counts=True)[1:]
        scores = [npmi(terms, counts) for terms in tops]
        scored = [(score, size) for score, size in zip(scores, sizes, strict=True) if score is not None]
        values, weights = zip(*scored, strict=True)
        names = [frozenset(terms[:NAME_TERMS]) for terms in tops]
        covered = [not keys.isdisjoint(names[at]) for at, keys in zip(numbers, self._terms[2], strict=True)]
        return float(np.mean(values)), float(np.average(values, weights=weights)), float(np.mean(covered))

    def measure(self, runs: list[Labels]) -> dict[str, float]:
        """Return the figures of one method's clusters of all videos, the mean over its runs with different seeds."""
        from sklearn.metrics import adjusted_mutual_info_score

        of_terms = np.mean([self.coherence(labels) for labels in runs], axis=0).tolist()
        return {
            "AMI": float(np.mean([adjusted_mutual_info_score(self.categories, labels) for labels in runs])),
            "stability": stability(runs) or 0.0,
            **dict(zip(TERM_FIGURES, of_terms, strict=True)),
            "largest cluster": float(np.mean([np.unique(run, return_counts=True)[1].max() / len(run) for run in runs])),
            "clusters": float(np.mean([len(np.unique(labels)) for labels in runs])),
        }


def _fields(records: list[Record], recipe: Recipe) -> list[FieldMix]:
    return [
        FieldMix(
            pa.array([record.texts[at] for record in records], pa.list_(pa.string())), field.max_chars, field.weight
        )
        for at, field in enumerate(recipe.record.fields.values())
    ]


def read_corpus(options: argparse.Namespace) -> Corpus:
    """Select the videos, and embed their distinct texts with the demo encoder unless the cache holds just those."""
    recipe, cache = load_recipe("demo"), options.cache
    assert isinstance(recipe.encoder, UniversalSpec)
    records = select_records(options.data, is_mixed=options.mixed, most=options.most)
    texts = distinct_texts(_fields(records, recipe))[0]
    made_of = {"model": recipe.encoder.inspect().model, "texts": texts}
    name = "mixed" if options.mixed else "english"
    known, vectors = cache / f"texts-{name}.json", cache / f"vectors-{name}.npy"
    if not known.exists() or json.loads(known.read_text(encoding="utf-8")) != made_of:
        cache.mkdir(parents=True, exist_ok=True)
        np.save(vectors, recipe.encoder.load(1).encode(texts, EncodeStats()).astype(np.float16))
        known.write_text(json.dumps(made_of, ensure_ascii=False), encoding="utf-8")
    return Corpus(records, np.load(vectors).astype(np.float32))


def parser(text: str) -> argparse.ArgumentParser:
    """Return a command line that says which videos."""
    found = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--data", type=Path, required=True)
    found.add_argument("--cache", type=Path, required=True, help="keeps vectors of texts, and UMAP's coordinates")
    found.add_argument("--mixed", action="store_true", help="videos in any language, instead of English ones")
    found.add_argument("--most", type=int, default=MOST, help="videos of a category")
    found.add_argument("--only", default="", help="methods whose names match this pattern")
    return found
