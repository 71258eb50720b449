"""Quality figures of the report: each with a verdict, how to read it, and what to do about a poor one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vidatlas.storage.json_files import AgreementFacts, Metrics, ProbeFacts, ProbeSplit
from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Figure
from vidatlas.views.report import decimal


def quality_figures(metrics: Metrics, nouns: Nouns) -> tuple[Figure, ...]:
    """Return the figures in ``metrics.json`` for the whole atlas, without those not measured."""
    return tuple(_figures(metrics, nouns))


def _figures(metrics: Metrics, nouns: Nouns) -> Iterator[Figure]:
    yield from _variance(metrics, nouns.record[1])
    overall: Mapping[str, Any] = metrics.get("overall", {})
    for name, key, reading, scale in _MEANS:
        value = overall.get(key)
        if value is not None:
            yield _judged(Figure(name, decimal(value), reading.format(*nouns.record)), value, scale)
    if labels := metrics.get("labels"):
        reading = (
            "How well subcategories made without them match the known labels of the records; a record counts once "
            "for each of its labels. AMI is 0 by chance and 1 for the same split."
        )
        yield _agreement("known labels", labels, reading)
    yield from _probe(metrics.get("probe"), nouns)
    if agreement := metrics.get("agreement"):
        groups = nouns.group[1]
        reading = (
            f"How well {agreement['clusters']:,} subcategories made without them match the input's {groups}: "
            "AMI is 0 by chance and 1 for the same split; purity rises with the number of subcategories."
        )
        yield _agreement(f"the {groups}", agreement, reading)


@dataclass(frozen=True)
class _Scale:
    """Judge a figure: from which value on it is good, and fair; lower is better where good is below fair."""

    good: float
    fair: float
    advice: str
    """What to do about a poor one."""


def _judged(figure: Figure, value: float, scale: _Scale) -> Figure:
    """Return a figure with its verdict."""
    sign = -1 if scale.good < scale.fair else 1
    if sign * value >= sign * scale.good:
        return replace(figure, verdict="good")
    if sign * value >= sign * scale.fair:
        return replace(figure, verdict="fair")
    return replace(figure, verdict="poor", advice=scale.advice)


def _variance(metrics: Metrics, many: str) -> Iterator[Figure]:
    """Yield the explained variance; nothing if the vectors were not reduced."""
    found = metrics["explained_variance"]
    kept, network = found["components"], metrics.get("network")
    if network:
        name, when = "Variance explained by the codes", ", before they were tuned to the clusters"
        how = f"the auto-encoder reconstructs from codes of {kept:,} dimensions{when if 'dec' in network else ''}"
    else:
        name, how = "Explained variance", f"{kept:,} components explain"
    if network or kept:
        of = "codes" if network else "these components"
        reading = f"Share of the variance between {many} that {how}; subcategories are clusters of {of}."
        yield _judged(Figure(name, f"{found['total']:.1%}", reading), found["total"], _VARIANCE)


def _agreement(what: str, found: AgreementFacts, reading: str) -> Figure:
    value = f"AMI {found['ami']:.3f}, NMI {found['nmi']:.3f}, purity {found['purity']:.1%}"
    return _judged(Figure(f"Agreement with {what}", value, reading), found["ami"], _AGREEMENT)


def _probe(found: ProbeFacts | None, nouns: Nouns) -> Iterator[Figure]:
    (_, many), (_, groups) = nouns.record, nouns.group
    if not found:
        return
    splits = (
        ("by group", found["by_group"], "it has not seen"),
        ("by record", found["by_record"], f"of which it has seen other {many}"),
    )
    for name, split, what in splits:
        if split:
            figure = Figure(
                f"Label prediction, {name}",
                "micro F1 {micro_f1:.3f}, macro F1 {macro_f1:.3f}, ranking {lrap:.3f}".format(**split["head"]),
                f"How well a linear classifier predicts {found['labels']:,} labels of {many} from vectors, for "
                f"{groups} {what}; "
                "the most frequent labels alone reach {micro_f1:.3f}, {macro_f1:.3f}, {lrap:.3f}.".format(
                    **split["most_frequent"]
                )
                + _tuned(split),
            )
            yield _judged(figure, split["head"]["micro_f1"] - split["most_frequent"]["micro_f1"], _PREDICTION)


def _tuned(split: ProbeSplit) -> str:
    tuned = split.get("tuned")
    if not tuned:
        return ""
    return " With the encoder's last layers tuned: {micro_f1:.3f}, {macro_f1:.3f}, {lrap:.3f}.".format(**tuned)


_VARIANCE = _Scale(0.5, 0.3, "Keep more dimensions: --set reduce.pca.components=128, or those of the auto-encoder.")
_AGREEMENT = _Scale(0.3, 0.1, "They say something else than the texts do. If they should not, try another encoder.")
_PREDICTION = _Scale(0.1, 0.02, "The vectors say little of the labels: try another encoder, or more texts per record.")
_MEANS = (
    (
        "Silhouette",
        "silhouette",
        "1: every {0} deep inside its subcategory; 0: subcategories overlap. Short texts seldom exceed 0.2; compare it "
        "with other atlases of the same {1}.",
        _Scale(
            0.25,
            0.05,
            "Try fewer subcategories (--set reduce.clusters.k=10), or the recipe topics, which also compares words.",
        ),
    ),
    (
        "Davies\N{EN DASH}Bouldin index",
        "davies_bouldin",
        "Width of subcategories, divided by the distance to the nearest other one: lower is better.",
        _Scale(1.5, 3.5, "Try fewer subcategories (--set reduce.clusters.k=10)."),
    ),
    (
        "Stability",
        "stability",
        "How similar the subcategories are with other random seeds: 1: identical; 0: no more than by chance (adjusted "
        "Rand index).",
        _Scale(0.7, 0.4, "Do not rely on a single subcategory. Try fewer (--set reduce.clusters.k=10), or more input."),
    ),
    (
        "Coherence of names",
        "coherence",
        "How much more often than by chance the terms of a name occur in the same {0}: 1: always; 0: by chance; below "
        "0: less often (NPMI).",
        _Scale(
            0.15,
            0.0,
            "The terms of a name seldom occur together: it may stand for several topics or languages. Read the example "
            "titles. Try more subcategories (--set reduce.clusters.k=auto), or an encoder that knows the languages.",
        ),
    ),
)
