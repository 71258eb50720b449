"""Do readers find clusters and their names good? Sheets of clusters to read without knowing the method, and the tally.

The protocol is in docs/quality.md. In the order of use:

    python -m benchmarks.verdict peers --atlas ATLAS --method bertopic --out bertopic.jsonl   # and --method tfidf
    python -m benchmarks.verdict draw --to FOLDER --seed 1 --parts 4 ours=ATLAS bertopic=bertopic.jsonl …
    python -m benchmarks.verdict tabulate --key FOLDER/key.json anna=grades-1.txt ben=grades-2.txt …

A method is an atlas, or a file of JSON lines {group, name, terms, members: titles, nearest first}. The peers cluster
the videos of an atlas inside each of its categories, into as many clusters. BERTopic gets the atlas's vectors, its
default UMAP, and KMeans; its name is its four best words, as it prints them. TF-IDF + KMeans has the settings of
scikit-learn's example of LSA. Nearest are those nearest to the mean, in the space that was clustered.
"""

from __future__ import annotations

import argparse
import io
import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from benchmarks.corpus import Labels
from benchmarks.quality import PEER_STARTS, kmeans
from vidatlas.storage.parquet import open_parquet
from vidatlas.types import Floats

LEAST = 10
"""Videos that a cluster must have to be drawn: five nearest and five more."""
SHOWN = 5
TERMS, NAME_TERMS = 10, 4
LSA_COMPONENTS, FEW_ROWS, SEED = 100, 100, 0
LONGEST = 150  # characters of a title on the sheet
BETWEEN = " · "
COVERAGES = (0.25, 0.6)
"""Where what coverage tells is cut."""
INTRODUCTION = """\
# Clusters of videos: sheet {part} of {parts}

Good cluster: at least 8 of the 10 titles share one subject that can be named, is more specific than the category, and
is not merely a language. Good name: the name alone makes you expect at least 7 of the 10 titles (not its terms).
Write a line per cluster: number, cluster good (1 or 0), name good, and a note if you like: `17 1 0 it is a channel`.
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Hold a cluster: its category, its name and terms, and the titles of its members, nearest first."""

    group: str
    name: str
    terms: list[str]
    members: list[str]
    coverage: float | None = None
    """Share of its videos that have a term of the name; of atlases that say so."""


class Grade(NamedTuple):
    """Hold what a reader said of a cluster."""

    cluster: bool
    name: bool


def read_clusters(path: Path) -> list[Cluster]:
    """Return the clusters of an atlas, of any version, or of a file of JSON lines."""
    if path.is_dir():
        return _clusters_of_atlas(path)
    with path.open(encoding="utf-8") as lines:
        return [Cluster(**json.loads(line)) for line in lines]


def _clusters_of_atlas(atlas: Path) -> list[Cluster]:
    assigned, embedded = _table(atlas, "assignments"), _table(atlas, "embeddings")
    if not assigned["id"].equals(embedded["id"]):
        raise SystemExit(f"{atlas}: assignments/ and embeddings/ hold other videos; finish the run")
    titles = embedded["title"].to_pylist()
    groups = assigned["in_group" if "in_group" in assigned.column_names else "group"].to_pylist()
    labels, distances = assigned["subcategory"].to_pylist(), assigned["distance"].to_pylist()
    members: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for row in np.argsort(distances, kind="stable").tolist():
        members[groups[row], labels[row]].append(titles[row] or "")
    return [
        Cluster(
            row["group"],
            row["name"],
            list(row["terms"]),
            members[row["group"], row["subcategory"]],
            row.get("coverage"),
        )
        for row in _table(atlas, "subcategories.parquet").to_pylist()
    ]


def _table(atlas: Path, name: str) -> pa.Table:
    place = atlas / name
    files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    return pa.concat_tables([open_parquet(io.BytesIO(file.read_bytes())).read() for file in files])


def draw(clusters: Mapping[str, list[Cluster]], each: int, seed: int) -> list[tuple[str, Cluster]]:
    """Return this many clusters of each method, shuffled: every cluster of a method is equally likely."""
    drawn = []
    for at, method in enumerate(sorted(clusters)):
        large = [cluster for cluster in clusters[method] if len(cluster.members) >= LEAST]
        if len(large) < each:
            raise SystemExit(f"{method}: {len(large)} clusters of {LEAST} or more videos; ask for fewer than {each}")
        chosen = np.random.default_rng([seed, at]).choice(len(large), each, replace=False)
        drawn += [(method, large[place]) for place in chosen.tolist()]
    return [drawn[place] for place in np.random.default_rng(seed).permutation(len(drawn)).tolist()]


def entry(number: int, cluster: Cluster, seed: int) -> str:
    """Return a cluster as the sheet shows it: in lower case, because some methods have only that."""
    rest = cluster.members[SHOWN:]
    others = np.random.default_rng([seed, number]).choice(len(rest), SHOWN, replace=False)
    shown = {"Nearest": cluster.members[:SHOWN], "Random": [rest[place] for place in others.tolist()]}
    name, terms = cluster.name.lower(), ", ".join(cluster.terms[:TERMS]).lower()
    lines = [f"## {number}\n\n**{name}**\n\nCategory: {cluster.group}. Terms: {terms}"]
    for what, titles in shown.items():
        lines += [f"\n{what}:\n", *(f"- {' '.join(title.split())[:LONGEST] or '(no title)'}" for title in titles)]
    return "\n".join(lines) + "\n"


def write_sheets(methods: Mapping[str, Path], to: Path, each: int, seed: int, parts: int) -> None:
    """Draw, and write ``sheet-1.md`` … and ``key.json``, once: a folder that has a key is refused."""
    if (to / "key.json").exists():
        raise SystemExit(f"{to}: has a key already; a draw is made once (docs/quality.md), choose another folder")
    drawn = draw({method: read_clusters(path) for method, path in methods.items()}, each, seed)
    to.mkdir(parents=True, exist_ok=True)
    numbers = range(1, len(drawn) + 1)
    for part, inside in enumerate(np.array_split(np.array(numbers), parts), start=1):
        entries = [entry(number, drawn[number - 1][1], seed) for number in inside.tolist()]
        text = "\n".join([INTRODUCTION.format(part=part, parts=parts), *entries])
        (to / f"sheet-{part}.md").write_text(text, encoding="utf-8")
    clusters = {
        number: {
            "method": method,
            "group": cluster.group,
            "name": cluster.name,
            "size": len(cluster.members),
            "coverage": cluster.coverage,
        }
        for number, (method, cluster) in zip(numbers, drawn, strict=True)
    }
    key = {"seed": seed, "methods": {method: str(path) for method, path in methods.items()}, "clusters": clusters}
    (to / "key.json").write_text(json.dumps(key, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_grades(files: Iterable[tuple[str, Path]], known: Iterable[str]) -> dict[str, dict[str, Grade]]:
    """Return each reader's grades; a reader may have several files."""
    numbers, grades = set(known), defaultdict[str, dict[str, Grade]](dict)
    for reader, path in files:
        for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            words = line.replace(",", " ").split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] not in numbers or len(words) < 3 or not {"0", "1"}.issuperset(words[1:3]):
                raise SystemExit(f"{path}, line {at}: write the number of a cluster and two grades, 0 or 1")
            if words[0] in grades[reader]:
                raise SystemExit(f"{path}, line {at}: {reader} has graded cluster {words[0]} before; keep one line")
            grades[reader][words[0]] = Grade(words[1] == "1", words[2] == "1")
    missing = numbers.difference(*grades.values())
    if missing:
        raise SystemExit(f"{len(missing)} clusters have no grade, such as {min(missing, key=int)}: grade all of them")
    return dict(grades)


def agreed(numbers: Iterable[str], grades: Mapping[str, Mapping[str, Grade]]) -> dict[str, tuple[bool, bool, bool]]:
    """Return whether more than half of its readers call good: each cluster, its name, and both at once."""
    found = {}
    for number in numbers:
        said = [own[number] for own in grades.values() if number in own]
        votes = (sum(one.cluster for one in said), sum(one.name for one in said), sum(map(all, said)))
        cluster, name, both = (2 * count > len(said) for count in votes)
        found[number] = cluster, name, both
    return found


def share(good: int, of: int) -> str:
    """Return a count as a share, with Wilson's 95 % interval."""
    from scipy.stats import binomtest

    found = binomtest(good, of).proportion_ci(0.95, "wilson")
    return f"{good} = {good / of:.0%} ({found.low:.0%} to {found.high:.0%})"


def print_tables(key: Path, files: Sequence[tuple[str, Path]]) -> None:
    """Print the tally of methods, what coverage tells, and the agreement of readers who graded the same clusters."""
    clusters = json.loads(key.read_text(encoding="utf-8"))["clusters"]
    grades = read_grades(files, clusters)
    found = agreed(clusters, grades)
    print(f"| method | clusters | cluster good | name good | both good | both, by videos |\n{'|---' * 6}|")
    for method in sorted({str(cluster["method"]) for cluster in clusters.values()}):
        own = [number for number in clusters if clusters[number]["method"] == method]
        shares = [share(sum(found[number][at] for number in own), len(own)) for at in range(3)]
        sizes = np.array([clusters[number]["size"] for number in own], float)
        by_videos = np.average([found[number][2] for number in own], weights=sizes)
        print(f"| {method} | {len(own)} | {' | '.join(shares)} | {by_videos:.0%} |")
        _print_by_coverage(method, {number: clusters[number].get("coverage") for number in own}, found)
    for (one, first), (other, second) in combinations(grades.items(), 2):
        both = sorted(first.keys() & second.keys(), key=int)
        for at, what in enumerate(Grade._fields if both else ()):
            same = sum(first[number][at] == second[number][at] for number in both)
            print(f"\n{one} and {other} agree, {what} good: {share(same, len(both))} of {len(both)}")


def _print_by_coverage(method: str, coverage: Mapping[str, float | None], found: Mapping[str, Sequence[bool]]) -> None:
    known = {number: value for number, value in coverage.items() if value is not None}
    for low, high in pairwise((0.0, *COVERAGES, 1.01)) if known else ():
        own = [found[number][2] for number, value in known.items() if low <= value < high]
        print(f"|   {method}, coverage from {low:.0%} | {len(own)} | | | {sum(own)} of {len(own)} | |")


def peer_clusters(atlas: Path, method: str) -> list[Cluster]:
    """Cluster an atlas's videos by BERTopic or by TF-IDF and KMeans, in each category that has enough of them."""
    table, found = _table(atlas, "embeddings"), []
    groups = np.array(table["group"].to_pylist())
    counts = Counter(_table(atlas, "subcategories.parquet")["group"].to_pylist())
    for group in sorted(counts):
        inside = table.filter(pa.array(groups == group))
        titles = [title or "" for title in inside["title"].to_pylist()]
        texts = ["\n".join([title, *tags]) for title, tags in zip(titles, inside["tags"].to_pylist(), strict=True)]
        if len(titles) >= LEAST and method == "bertopic":
            vectors = np.stack(inside["embedding"].to_numpy()).astype(np.float32)
            found += _clusters(group, titles, bertopic(texts, vectors, counts[group]))
        elif len(titles) >= LEAST:
            found += _clusters(group, titles, tfidf(texts, counts[group]))
    return found


Found = tuple[Floats, Labels, dict[int, list[str]]]
"""The space that was clustered [videos, dimensions], each video's label, and each label's terms."""


def bertopic(texts: list[str], vectors: Floats, k: int) -> Found:
    """Cluster by BERTopic with its default UMAP, and KMeans; as "english" it would drop all letters but ASCII."""
    from bertopic import BERTopic
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import CountVectorizer
    from umap import UMAP

    reducer = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=SEED)
    words, means = CountVectorizer(stop_words="english"), KMeans(k, n_init=PEER_STARTS, random_state=SEED)
    model = BERTopic("multilingual", umap_model=reducer, hdbscan_model=means, vectorizer_model=words)
    topics, _ = model.fit_transform(texts, embeddings=vectors)
    terms = {topic: [word for word, _ in model.get_topic(topic) if word] for topic in set(topics)}
    return np.asarray(reducer.embedding_), np.array(topics, np.int32), terms


def tfidf(texts: list[str], k: int) -> Found:
    """Cluster by TF-IDF, TruncatedSVD at unit length, and KMeans; terms weigh most in the mean of the members."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    least = 5 if len(texts) >= FEW_ROWS else 1  # of few texts, hardly a word is in five and not in half of them
    vectorizer = TfidfVectorizer(stop_words="english", min_df=least, max_df=0.5)
    weighed = vectorizer.fit_transform(texts)
    components = min(LSA_COMPONENTS, weighed.shape[1] - 1, len(texts) - 1)
    space: Floats = normalize(TruncatedSVD(components, random_state=SEED).fit_transform(weighed))
    labels, known = kmeans(space, k, SEED), vectorizer.get_feature_names_out()
    terms = {}
    for label in np.unique(labels).tolist():
        weights = np.asarray(weighed[labels == label].mean(axis=0)).ravel()
        terms[label] = [str(known[at]) for at in np.argsort(-weights, kind="stable")[:TERMS] if weights[at] > 0]
    return space, labels, terms


def _clusters(group: str, titles: list[str], clustered: Found) -> list[Cluster]:
    space, labels, terms = clustered
    found = []
    for label, own in sorted(terms.items()):
        rows = np.flatnonzero(labels == label)
        far = np.linalg.norm(space[rows] - space[rows].mean(axis=0), axis=1)
        members = [titles[row] for row in rows[np.argsort(far, kind="stable")].tolist()]
        found.append(Cluster(group, BETWEEN.join(own[:NAME_TERMS]), own, members))
    return found


def _labelled(text: str) -> tuple[str, Path]:
    label, is_labelled, path = text.partition("=")
    return (label, Path(path)) if is_labelled else (Path(text).stem, Path(text))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    peers = commands.add_parser("peers", help="cluster an atlas's videos by another method")
    peers.add_argument("--method", choices=("bertopic", "tfidf"), required=True)
    peers.add_argument("--atlas", type=Path, required=True)
    peers.add_argument("--out", type=Path, required=True)
    sheets = commands.add_parser("draw", help="write sheets and their key")
    sheets.add_argument("--to", type=Path, required=True)
    sheets.add_argument("--seed", type=int, required=True)
    sheets.add_argument("--each", type=int, default=40, help="clusters of each method")
    sheets.add_argument("--parts", type=int, default=1)
    sheets.add_argument("methods", nargs="+", type=_labelled, metavar="LABEL=ATLAS-OR-FILE")
    tables = commands.add_parser("tabulate", help="print the tally of grades")
    tables.add_argument("--key", type=Path, required=True)
    tables.add_argument("grades", nargs="+", type=_labelled, metavar="READER=FILE")
    return parser.parse_args()


def main() -> None:
    """Run one of the commands."""
    options = _options()
    if options.command == "draw":
        write_sheets(dict(options.methods), options.to, options.each, options.seed, options.parts)
    elif options.command == "tabulate":
        print_tables(options.key, options.grades)
    else:
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = peer_clusters(options.atlas, options.method)
        options.out.write_text("".join(json.dumps(asdict(cluster)) + "\n" for cluster in found), encoding="utf-8")


if __name__ == "__main__":
    main()
