"""Does Deep Embedded Clustering find genres in what is written about Netflix's films, and does it help?

Run python -m benchmarks.netflix --data FOLDER --cache FOLDER (see benchmarks/README.md). The recipe netflix reads and
cleans the films; three kinds of features (ranks of words in sequence, TF-IDF, a sentence encoder) are clustered into 20
by k-means on the features themselves, by k-means on the codes of an auto-encoder, and by DEC, with five seeds each. No
method sees the genres. AMI and NMI: with the genres, a film counting once for each of its; "first": with the first
genre alone. Silhouettes are of 2,000 films, in the space that was clustered (which each method makes itself) and in
that of the features (the same for all of one kind). What a seed gave is kept in the cache, so a run that is stopped
goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from sklearn.cluster import KMeans

from benchmarks.machine import machine
from vidatlas import load_recipe
from vidatlas.clustering.dec import DecSpec
from vidatlas.clustering.kmeans import assign, sample_rows
from vidatlas.clustering.quality import agreement, silhouette
from vidatlas.decomposition.autoencoder import AutoencoderReducer
from vidatlas.decomposition.training import train, tune
from vidatlas.encoders.learned import Survey
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.pipeline.embed.encoder import Learning
from vidatlas.pipeline.embed.rows import kept, read_shard
from vidatlas.pipeline.embed.vectors import mixed_fields, vectors_of
from vidatlas.pipeline.plan.duplicates import duplicate_rows
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.recipe import Recipe
from vidatlas.storage.store import Store
from vidatlas.storage.training import SavedTraining
from vidatlas.threads import one_thread
from vidatlas.types import Encoder, EncodeStats, Floats, Json

FEATURES: dict[str, Json] = {
    "sequences": {"kind": "sequences"},
    "tfidf": {"kind": "tfidf"},
    "sentence": {"kind": "sentence", "model": "packaged:all-MiniLM-L6-v2"},
}
METHODS = ("k-means on the features", "auto-encoder, k-means", "DEC")
SEEDS = 5
FIGURES = ("AMI", "NMI", "AMI first", "NMI first", "silhouette", "silhouette in the features")


def films(recipe: Recipe, url: str) -> pa.Table:
    """Return the records of the file that the recipe keeps."""
    part = plan_part(url, PlanSpec(recipe.record, recipe.source.shard_rows, rows=recipe.rows), lambda rows, at: None)
    shards = descriptors(part.facts, part.shards, url, duplicate_rows([part.ids])[0])
    return pa.concat_tables([kept(read_shard(shard, recipe.record, recipe.rows)) for shard in shards])


def features(records: pa.Table, kind: str, folder: Path) -> Floats:
    """Return float32 [films, dim] of one kind, from the cache if it is there."""
    file = folder / f"netflix-{kind}.npy"
    if not file.exists():
        recipe = load_recipe("netflix", {"encoder": FEATURES[kind], "mix.normalize": kind != "sequences"})
        spec = recipe.encoder
        if isinstance(spec, Learning):
            texts = mixed_fields(records, recipe.record)[0].texts.flatten().to_pylist()
            encoder: Encoder = spec.load_learned(spec.learn(Survey().merge(spec.survey(texts))), 1)
        else:
            assert isinstance(spec, SentenceSpec)
            encoder = spec.load(1)
        np.save(file, vectors_of(records.combine_chunks(), recipe, encoder, EncodeStats()))
    found: Floats = np.load(file)
    return found


def measured(records: pa.Table, raw: Floats, clustered: Floats, centroids: Floats) -> Json:
    """Return the figures of one clustering."""
    labels = assign(clustered, centroids).labels
    genres = records["labels"].to_pylist()
    pairs: Counter[tuple[int, str]] = Counter(
        (int(label), genre) for label, known in zip(labels, genres, strict=True) for genre in known
    )
    firsts = Counter((int(label), known[0]) for label, known in zip(labels, genres, strict=True))
    every, first = agreement(pairs), agreement(firsts)
    assert every and first
    chosen = sample_rows(len(raw), 2_000, 0)
    return {
        "AMI": every.ami,
        "NMI": every.nmi,
        "AMI first": first.ami,
        "NMI first": first.nmi,
        "silhouette": silhouette(clustered[chosen], labels[chosen]).mean,
        "silhouette in the features": silhouette(raw[chosen], labels[chosen]).mean,
    }


def kmeans(vectors: Floats, k: int, starts: int, seed: int) -> Floats:
    """Return centroids float32 [k, dim]: scikit-learn's KMeans, the best of so many starts."""
    with one_thread():
        return np.asarray(KMeans(k, n_init=starts, random_state=seed).fit(vectors).cluster_centers_, np.float32)


def compared(records: pa.Table, raw: Floats, seed: int) -> Json:
    """Return the figures of the three methods with one seed, and how tuning went."""
    spec = load_recipe("netflix").reduce
    assert isinstance(spec.reducer, AutoencoderReducer)
    assert isinstance(spec.clusterer, DecSpec)
    k, starts = int(spec.clusters.k), spec.clusters.starts
    found = {METHODS[0]: measured(records, raw, raw, kmeans(raw, k, starts, seed))}
    with TemporaryDirectory() as folder:
        state = SavedTraining(Store(folder), "autoencoder", "")
        model, losses = train(raw, spec.reducer.model_copy(update={"seed": seed}), state)
    codes = model.transform(raw)
    first = kmeans(codes, k, starts, seed)
    found[METHODS[1]] = measured(records, raw, codes, first)
    with TemporaryDirectory() as folder:
        tuned, centroids, facts = tune(raw, model, first, spec.clusterer, SavedTraining(Store(folder), "dec", ""), seed)
    found[METHODS[2]] = measured(records, raw, tuned.transform(raw), centroids)
    found["course"] = {"loss": [losses[0], losses[-1]], **facts}
    return found


def spread(values: Iterable[float]) -> str:
    """Return mean and standard deviation."""
    several = list(values)
    return f"{statistics.fmean(several):.3f} ± {statistics.pstdev(several):.3f}"


def table(results: dict[str, list[Json]]) -> Iterator[str]:
    """Yield the lines of both tables."""
    yield f"| features | method | {' | '.join(FIGURES)} |"
    yield "|---|---|" + "---|" * len(FIGURES)
    for kind, runs in results.items():
        for method in METHODS:
            cells = [spread(run[method][figure] for run in runs) for figure in FIGURES]
            yield f"| {kind} | {method} | {' | '.join(cells)} |"
    yield ""
    yield "| features | seeds | updates | KL within an interval falls | largest | last KL | last change | converged |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind, runs in results.items():
        courses = [run["course"] for run in runs]
        falls = [low < high for one in courses for high, low in zip(one["before"], one["behind"], strict=False)]
        updates = ", ".join(str(len(one["before"])) for one in courses)
        worst, last = max(max(one["before"]) for one in courses), [one["behind"][-1] for one in courses]
        change = max(one["changed"][-1] for one in courses)
        yield (
            f"| {kind} | {len(runs)} | {updates} | {sum(falls):,} of {len(falls):,} | {worst:.3f} | {spread(last)} "
            f"| at most {change:.2%} | {sum(one['converged'] for one in courses)} of {len(courses)} |"
        )


def main() -> None:
    """Measure what is not in the cache, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=list(FEATURES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    records = films(load_recipe("netflix"), str(arguments.data / "netflix" / "netflix_titles.csv"))
    results: dict[str, list[Json]] = defaultdict(list)
    for seed in range(arguments.seeds):
        for kind in arguments.features:
            file = arguments.cache / f"netflix-{kind}-{seed}.json"
            if not file.exists():
                file.write_text(json.dumps(compared(records, features(records, kind, arguments.cache), seed)))
            results[kind].append(json.loads(file.read_text()))
    print(f"{machine()} · {len(records):,} films · {arguments.seeds} seeds\n")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
