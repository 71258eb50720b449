"""Do clusters of real videos agree with their categories, cohere and stay, beside those of TF-IDF and of BERTopic?

Run python -m benchmarks.quality --data FOLDER --cache FOLDER (see benchmarks/README.md), with --ablation for one option
at a time. All methods cluster the same videos (see benchmarks.corpus; --mixed: in any language) over all categories
into as many clusters, with three seeds, and all clusters get their terms in the same way. Figures: AMI with the
category; NPMI of the ten best terms, each cluster weighing the same, and weighing as many as its videos; coverage, the
share of videos that hold one of the three best terms of their cluster; stability, the adjusted Rand index between
seeds. No method sees the categories.

Ours: the mix, components and words of topics, and one start of its k-means, as the job measures its own stability;
plain: with the notebook's weights, without words and smoothing. Peers get three starts of scikit-learn's KMeans, whose
default is one. All peers but TF-IDF alone get the vectors of topics, before components. BERTopic's UMAP is fitted once
for each seed (and kept in the cache), and with KMeans its topics are the clusters of those coordinates.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

from benchmarks.corpus import Corpus, Labels, parser, read_corpus
from benchmarks.machine import machine
from vidatlas import load_recipe
from vidatlas.clustering.backends import open_backend
from vidatlas.clustering.kmeans import assign, fit_clusters, sample_rows
from vidatlas.decomposition.lexical import document_frequencies, fit_lexical, hash_words
from vidatlas.decomposition.pca import fit_pca, moments_of
from vidatlas.recipe import Recipe
from vidatlas.types import Floats

SEEDS = (0, 1, 2)
PEER_STARTS = 3
NONE = 1e-6
"""A field's weight that leaves it out wherever a record has another."""
TITLE, TAGS = "record.fields.title.weight", "record.fields.tags.weight"
PLAIN: Mapping[str, Any] = {
    TITLE: 0.6, TAGS: 0.4, "mix.normalize_fields": False, "reduce.lexical": None, "reduce.clusters.smooth": 0
}  # fmt: skip
"""The notebook's weights, and nothing of what ``topics`` adds: what single options are compared with."""
FIGURES = ("AMI", "NPMI", "stability", "coverage", "NPMI by videos", "largest cluster")
HIGHER_IS_BETTER = FIGURES[:4]
Cluster = Callable[[int, int], Labels]
"""Return the labels of all videos for a number of clusters and a seed."""


@dataclass(frozen=True)
class Method:
    """Hold a name, and what prepares a corpus (with a folder to keep things in) for being clustered."""

    name: str
    prepare: Callable[[Corpus, Path], Cluster]


@dataclass(frozen=True)
class Ours:
    """Cluster by a recipe with some of its settings changed."""

    recipe: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, corpus: Corpus, _: Path) -> Cluster:
        """Reduce the videos' vectors; return what clusters them."""
        recipe = load_recipe(self.recipe, self.changes)
        vectors, backend = reduced(corpus, recipe), open_backend("sklearn")
        how = replace(recipe.reduce.clusters.fitting, starts=1)

        def cluster(k: int, seed: int) -> Labels:
            return assign(vectors, fit_clusters(vectors, k, seed, backend, how).centroids).labels

        return cluster


def reduced(corpus: Corpus, recipe: Recipe) -> Floats:
    """Return what a recipe clusters: float32 [videos, components], and words where it wants them."""
    mixed = corpus.mixed(recipe)
    components = fit_pca(moments_of(mixed), recipe.reduce.pca).transform(mixed)
    spec = recipe.reduce.lexical
    if spec is None:
        return components
    rows = len(corpus.records)
    fields = zip(*(["\n".join(texts) for texts in record.texts] for record in corpus.records), strict=True)
    weights = (recipe.record.fields[name].weight for name in ("title", "tags"))
    hashed = hash_words([(list(texts), weight) for texts, weight in zip(fields, weights, strict=True)], spec.buckets)
    sample = scipy.sparse.csr_array(hashed[sample_rows(rows, spec.fit_rows, spec.seed)])
    words = fit_lexical(sample, document_frequencies(hashed), rows, spec).transform(hashed)
    return np.concatenate([components, words], axis=1)


def tfidf(corpus: Corpus, _: Path, *, unit: bool, vectors: bool = False) -> Cluster:
    """TF-IDF, TruncatedSVD, KMeans: at their defaults, or as scikit-learn's example of LSA; beside vectors or alone."""
    weighed = weigh(corpus.documents, **({"min_df": 5, "max_df": 0.5} if unit else {}))
    beside = [corpus.mixed(load_recipe("topics"))] if vectors else []

    @cache
    def projected(seed: int) -> Floats:
        return np.hstack([*beside, project(weighed, seed, unit=unit)])

    return lambda k, seed: kmeans(projected(seed), k, seed)


def weigh(documents: list[str], **settings: float) -> scipy.sparse.csr_array:
    """Return TF-IDF by scikit-learn, without English stop words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(stop_words="english", **settings).fit_transform(documents)


def project(weighed: scipy.sparse.csr_array, seed: int, *, unit: bool) -> Floats:
    """Return 100 components of TF-IDF by scikit-learn."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    found: Floats = TruncatedSVD(100, random_state=seed).fit_transform(weighed)
    return normalize(found) if unit else found


def same_vectors(corpus: Corpus, _: Path) -> Cluster:
    """KMeans of the vectors alone."""
    vectors = corpus.mixed(load_recipe("topics"))
    return lambda k, seed: kmeans(vectors, k, seed)


def kmeans(vectors: Floats, k: int, seed: int) -> Labels:
    """Return the labels of scikit-learn's KMeans."""
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(k, n_init=PEER_STARTS, random_state=seed).fit(vectors).labels_, np.int32)


def umap_coordinates(vectors: Floats, seed: int, folder: Path) -> Floats:
    """Return BERTopic's default coordinates, with a seed."""
    kept = folder / f"umap-{hashlib.sha256(vectors.tobytes()).hexdigest()[:12]}-{seed}.npy"
    if not kept.exists():
        from umap import UMAP

        model = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
        np.save(kept, model.fit_transform(vectors))
    return np.asarray(np.load(kept))


def bertopic_kmeans(corpus: Corpus, folder: Path) -> Cluster:
    """BERTopic with KMeans as its cluster model: the words that it then finds do not change the clusters."""
    vectors = corpus.mixed(load_recipe("topics"))
    return lambda k, seed: kmeans(umap_coordinates(vectors, seed, folder), k, seed)


def bertopic_hdbscan(corpus: Corpus, folder: Path) -> Cluster:
    """BERTopic's defaults, merged to k topics (nr_topics); outliers then go to the topic of the nearest embedding."""
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer

    vectors, documents = corpus.mixed(load_recipe("topics")), corpus.documents

    def cluster(k: int, seed: int) -> Labels:
        words = CountVectorizer(stop_words="english")
        same = _Same(umap_coordinates(vectors, seed, folder))
        model = BERTopic("multilingual", umap_model=same, vectorizer_model=words, nr_topics=k + 1)
        topics, _ = model.fit_transform(documents, embeddings=vectors)
        if -1 in topics:
            topics = model.reduce_outliers(documents, topics, strategy="embeddings", embeddings=vectors)
        return np.array(topics, np.int32)

    return cluster


class _Same:
    """Stand in for a UMAP whose coordinates are known."""

    def __init__(self, coordinates: Floats) -> None:
        self._coordinates = coordinates

    def fit(self, _: object, y: object = None) -> _Same:
        return self

    def transform(self, _: object) -> Floats:
        return self._coordinates


def methods() -> list[Method]:
    """Return the peers, our recipes, and the weights of words beside vectors."""
    peers = [Method("TF-IDF, SVD 100, KMeans", partial(tfidf, unit=False))]
    peers += [Method("LSA (the same at unit length)", partial(tfidf, unit=True))]
    peers += [Method("vectors, KMeans", same_vectors)]
    peers += [Method("vectors and LSA, KMeans", partial(tfidf, unit=True, vectors=True))]
    if find_spec("bertopic"):
        peers += [Method("BERTopic, HDBSCAN, outliers reassigned", bertopic_hdbscan)]
        peers += [Method("BERTopic, KMeans", bertopic_kmeans)]
    else:
        print("BERTopic is left out: pip install bertopic\n")
    own = [Method("plain", Ours("topics", PLAIN)), Method("topics", Ours("topics"))]
    own += [Method("fast", Ours("fast")), Method("fast, no words", Ours("fast", {"reduce.lexical": None}))]
    smooth, weight, dimensions = "reduce.clusters.smooth", "reduce.lexical.weight", "reduce.lexical.components"
    changed: list[tuple[str, dict[str, float]]] = [(f"smooth {n}", {smooth: n}) for n in (0, 15)]
    changed += [(f"words weigh {w:g}", {weight: w}) for w in (0.6, 1.5)]
    changed += [("words in 128 dimensions", {dimensions: 128})]
    return [*peers, *own, *(Method(f"topics, {name}", Ours("topics", changes)) for name, changes in changed)]


def ablations() -> list[Method]:
    """Return the plain settings, and what differs from them in one thing."""
    one: list[tuple[str, Mapping[str, Any]]] = [
        (f"components {n}", {"reduce.pca.components": n}) for n in (16, 32, 128)
    ]
    one += [("mix not at unit length", {"mix.normalize": False})]
    one += [("components at unit length", {"reduce.pca.normalize": True})]
    one += [("components whitened", {"reduce.pca.whiten": True})]
    one += [(f"tags {w:g}", {TITLE: 1 - w or NONE, TAGS: w or NONE}) for w in (0.0, 0.2, 0.6, 0.7, 1.0)]
    one += [("fields at unit length", {"mix.normalize_fields": True})]
    one += [("fields at unit length, tags 0.6", {"mix.normalize_fields": True, TITLE: 0.4, TAGS: 0.6})]
    one += [("init k-means++", {"reduce.clusters.init": "k-means++"})]
    one += [(f"smooth {n}", {"reduce.clusters.smooth": n}) for n in (15, 40)]
    plain = Method("plain: 0.6/0.4, unit length, 64 components, ward", Ours("topics", PLAIN))
    return [plain, *(Method(f"plain, {name}", Ours("topics", {**PLAIN, **changes})) for name, changes in one)]


def run(method: Method, corpus: Corpus, folder: Path, ks: tuple[int, ...]) -> list[dict[str, float]]:
    """Return the figures of a method for each number of clusters."""
    found = []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = method.prepare(corpus, folder)
        for k in ks:
            started = time.perf_counter()
            runs = [cluster(k, seed) for seed in SEEDS]
            seconds = time.perf_counter() - started
            found.append({**corpus.measure(runs), "seconds": seconds})
            print(method.name, k, *(f"{found[-1][figure]:.3f}" for figure in FIGURES), file=sys.stderr, flush=True)
    return found


def report(names: list[str], results: list[list[dict[str, float]]], ks: tuple[int, ...]) -> None:
    """Print a Markdown table for each number of clusters; the best of the first four figures are bold."""
    for at, k in enumerate(ks):
        rows = [result[at] for result in results]
        best = {figure: max(row[figure] for row in rows) for figure in HIGHER_IS_BETTER}
        print(
            f"\n### {k} clusters\n\n| method | {' | '.join(FIGURES)} | clusters | s |\n{'|---' * (len(FIGURES) + 3)}|"
        )
        for name, row in zip(names, rows, strict=True):
            cells = [f"{row[figure]:.3f}" for figure in FIGURES]
            shown = [
                f"**{cell}**" if row[name] == best.get(name) else cell
                for name, cell in zip(FIGURES, cells, strict=True)
            ]
            print(f"| {name} | {' | '.join(shown)} | {row['clusters']:g} | {row['seconds']:.0f} |")


def main() -> None:
    """Cluster, measure, and print tables."""
    line = parser(__doc__)
    line.add_argument("--ablation", action="store_true", help="change one option of the demo recipe at a time")
    line.add_argument("--processes", type=int, default=1, help="methods at a time")
    line.add_argument("--k", type=int, nargs="+", help="numbers of clusters, instead of the categories', 50 and 100")
    options = line.parse_args()
    corpus = read_corpus(options)
    categories = int(corpus.categories.max()) + 1
    chosen, ks = (ablations(), (50,)) if options.ablation else (methods(), (categories, 50, 100))
    ks = tuple(options.k or ks)
    chosen = [method for method in chosen if re.search(options.only, method.name)]
    print(machine(), f"· {len(corpus.records):,} videos of {categories} categories · {len(SEEDS)} seeds", flush=True)
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(options.processes, fork) as pool:
        each = partial(run, corpus=corpus, folder=options.cache, ks=ks)
        report([method.name for method in chosen], list(pool.map(each, chosen)), ks)


if __name__ == "__main__":
    main()
