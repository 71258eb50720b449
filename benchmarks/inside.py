"""Are clusters inside each category any good, beside LSA, k-means and BERTopic on the same videos?

Run python -m benchmarks.inside --data FOLDER --cache FOLDER (see benchmarks/README.md). Each category of the videos of
benchmarks.quality with at least 200 of them is clustered on its own into 0.8 times the square root of its videos, with
three seeds. Peers are those of benchmarks.quality. Figures, the mean over categories: AMI with a label that nobody saw,
each video's most frequent tag among those of at least five videos of the category (videos without one are left out;
methods that read tags as words have an advantage here); NPMI of clusters' ten best terms; coverage, the share of videos
that hold one of the three best terms of their cluster; stability between seeds.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.corpus import TERM_FIGURES, Corpus, Labels, parser, read_corpus
from benchmarks.machine import machine
from benchmarks.quality import PLAIN, SEEDS, kmeans, project, reduced, umap_coordinates, weigh
from vidatlas import load_recipe
from vidatlas.clustering.backends import open_backend
from vidatlas.clustering.choose_k import k_by_size
from vidatlas.clustering.kmeans import ClusterSpec, assign, fit_clusters
from vidatlas.clustering.quality import stability
from vidatlas.naming.terms import key_of
from vidatlas.recipe import Recipe

LEAST_TAGGED, LEAST_VIDEOS = 5, 200
FIGURES = ("AMI with a tag", *TERM_FIGURES, "stability")
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Method:
    """Hold a name, and what clusters some rows: (rows, number of clusters, seed) -> labels."""

    name: str
    cluster: Callable[[Rows, int, int], Labels]


def by_recipe(corpus: Corpus, name: str, recipe: Recipe) -> Method:
    """Return how a recipe clusters; its components and words are found on the videos of all categories, as in a job."""
    vectors, backend = reduced(corpus, recipe), open_backend("sklearn")
    how = replace(recipe.reduce.clusters.fitting, starts=1)

    def cluster(rows: Rows, k: int, seed: int) -> Labels:
        inside = vectors[rows]
        return assign(inside, fit_clusters(inside, k, seed, backend, how).centroids).labels

    return Method(name, cluster)


def peer(corpus: Corpus, name: str, *, words: bool, vectors: bool) -> Method:
    """Return KMeans inside the category of the vectors, of LSA as in scikit-learn's example, or of both."""
    found = corpus.mixed(load_recipe("topics"))

    def cluster(rows: Rows, k: int, seed: int) -> Labels:
        parts = [found[rows]] if vectors else []
        if words:
            weighed = weigh([corpus.documents[row] for row in rows], min_df=5, max_df=0.5)
            parts.append(project(weighed, seed, unit=True))
        return kmeans(np.hstack(parts), k, seed)

    return Method(name, cluster)


def bertopic(corpus: Corpus, folder: Path) -> Method:
    """Return BERTopic with KMeans inside the category: the clusters of its UMAP's coordinates."""
    found = corpus.mixed(load_recipe("topics"))
    return Method(
        "BERTopic, KMeans", lambda rows, k, seed: kmeans(umap_coordinates(found[rows], seed, folder), k, seed)
    )


def main_tags(corpus: Corpus, rows: Rows) -> tuple[Rows, list[str]]:
    """Return the places among the rows of videos that have a frequent tag, and the most frequent one of each."""
    own = [{key_of(tag) for tag in corpus.records[row].texts[1]} for row in rows]
    often = Counter(tag for tags in own for tag in tags)
    frequent = [[tag for tag in tags if often[tag] >= LEAST_TAGGED] for tags in own]
    at = [place for place, tags in enumerate(frequent) if tags]
    return np.array(at), [max(frequent[place], key=lambda tag: (often[tag], tag)) for place in at]


def measure(method: Method, corpus: Corpus) -> dict[str, float]:
    """Return the means over categories of a method's figures."""
    from sklearn.metrics import adjusted_mutual_info_score

    found: list[list[float]] = []
    for category in range(int(corpus.categories.max()) + 1):
        rows = np.flatnonzero(corpus.categories == category)
        if len(rows) < LEAST_VIDEOS:
            continue
        inside = Corpus([corpus.records[row] for row in rows], corpus.vectors[:0])
        places, tags = main_tags(corpus, rows)
        runs = [method.cluster(rows, k_by_size(len(rows), ClusterSpec()), seed) for seed in SEEDS]
        coherent = np.mean([inside.coherence(labels) for labels in runs], axis=0).tolist()
        agrees = float(np.mean([adjusted_mutual_info_score(tags, labels[places]) for labels in runs]))
        found.append([agrees, *coherent, stability(runs) or 0.0])
        print(method.name, len(rows), *(f"{figure:.3f}" for figure in found[-1]), file=sys.stderr, flush=True)
    return dict(zip(FIGURES, np.mean(found, axis=0).tolist(), strict=True))


def main() -> None:
    """Cluster, measure, and print a table."""
    options = parser(__doc__).parse_args()
    corpus = read_corpus(options)
    ours = partial(by_recipe, corpus)
    methods = [peer(corpus, "LSA: TF-IDF, SVD 100, unit length, KMeans", words=True, vectors=False)]
    methods += [peer(corpus, "vectors, KMeans", words=False, vectors=True)]
    methods += [peer(corpus, "vectors and LSA, KMeans", words=True, vectors=True)]
    methods += [bertopic(corpus, options.cache)] if find_spec("umap") else []
    methods += [ours("plain", load_recipe("topics", PLAIN)), ours("topics", load_recipe("topics"))]
    methods += [ours("fast", load_recipe("fast"))]
    methods += [ours("topics, smooth 0", load_recipe("topics", {"reduce.clusters.smooth": 0}))]
    methods += [ours("topics, words in 128 dimensions", load_recipe("topics", {"reduce.lexical.components": 128}))]
    methods = [method for method in methods if re.search(options.only, method.name)]
    print(machine(), f"· {len(corpus.records):,} videos · {len(SEEDS)} seeds\n")
    print(f"| inside each category | {' | '.join(FIGURES)} |\n{'|---' * (len(FIGURES) + 1)}|")
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method in methods:
            figures = measure(method, corpus)
            print(f"| {method.name} | {' | '.join(f'{figures[name]:.3f}' for name in FIGURES)} |", flush=True)


if __name__ == "__main__":
    main()
