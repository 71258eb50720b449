"""The figures of quality with a sentence each on how to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Figure


def quality_figures(metrics: Mapping[str, Any], nouns: Nouns) -> tuple[Figure, ...]:
    """Return what ``metrics.json`` says of the whole atlas; what was not measured is left out."""
    return tuple(_figures(metrics, nouns))


def _figures(metrics: Mapping[str, Any], nouns: Nouns) -> Iterator[Figure]:
    yield from _variance(metrics, nouns.record[1])
    for name, key, show, reading in _MEANS:
        value = metrics.get("overall", {}).get(key)
        if value is not None:
            yield Figure(name, show(value), reading.format(*nouns.record))
    yield from _agreement_with_labels(metrics.get("labels"))
    yield from _probe(metrics.get("probe"), nouns)
    agreement = metrics.get("agreement")
    if agreement:
        yield Figure(
            f"Agreement with the {nouns.group[1]}",
            f"AMI {agreement['ami']:.3f}, NMI {agreement['nmi']:.3f}, purity {agreement['purity']:.1%}",
            f"How far {agreement['clusters']:,} subcategories made without them repeat the input's {nouns.group[1]}: "
            "AMI is 0 by chance and 1 for the same split; purity rises with the number of subcategories.",
        )


def _variance(metrics: Mapping[str, Any], many: str) -> Iterator[Figure]:
    """Yield how much of the vectors is left; nothing where they were not shortened."""
    found = metrics["explained_variance"]
    total, kept, network = f"{found['total']:.1%}", found["components"], metrics.get("network")
    if network:
        when = ", before they were tuned to the clusters" if "dec" in network else ""
        yield Figure(
            "Variance restored from the codes",
            total,
            f"Share of the differences between {many} that the auto-encoder restores from codes of {kept:,} numbers"
            f"{when}; subcategories are made of codes.",
        )
    elif kept:
        yield Figure(
            "Explained variance",
            total,
            f"Share of the differences between {many} that {kept:,} components keep; "
            "subcategories are made of what they keep.",
        )


def _agreement_with_labels(found: Mapping[str, Any] | None) -> Iterator[Figure]:
    if found:
        yield Figure(
            "Agreement with known labels",
            f"AMI {found['ami']:.3f}, NMI {found['nmi']:.3f}, purity {found['purity']:.1%}",
            "How far subcategories made without them repeat the labels that records came with; a record counts once "
            "for each of its labels. AMI is 0 by chance and 1 for the same split.",
        )


def _probe(found: Mapping[str, Any] | None, nouns: Nouns) -> Iterator[Figure]:
    (_, many), (_, groups) = nouns.record, nouns.group
    splits = {"by_group": "it has not seen", "by_record": f"it has seen other {many} of"}
    for split, what in splits.items():
        if found and found[split]:
            yield Figure(
                f"Labels told, {split.replace('_', ' ')}",
                "micro F1 {micro_f1:.3f}, macro F1 {macro_f1:.3f}, ranking {lrap:.3f}".format(**found[split]["head"]),
                f"How well a linear head tells {found['labels']:,} labels of {many} of {groups} {what}, from vectors; "
                "the most frequent labels alone reach {micro_f1:.3f}, {macro_f1:.3f}, {lrap:.3f}.".format(
                    **found[split]["most_frequent"]
                ),
            )


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


_MEANS: tuple[tuple[str, str, Callable[[float], str], str], ...] = (
    (
        "Silhouette",
        "silhouette",
        _two,
        "1: every {0} deep inside its subcategory; 0: subcategories run into each other. Short texts stay low; "
        "compare atlases of the same {1}, not against 1.",
    ),
    (
        "Davies\N{EN DASH}Bouldin index",
        "davies_bouldin",
        _two,
        "Width of subcategories beside the distance to their nearest sibling: the smaller the better.",
    ),
    (
        "Stability",
        "stability",
        _two,
        "How alike the subcategories come out with other random seeds: 1 the same, 0 no more than by chance (adjusted "
        "Rand index).",
    ),
    (
        "Coherence of names",
        "coherence",
        _two,
        "How much more often than by chance a name's terms stand in the same {1}: 1 never apart, 0 by chance (NPMI).",
    ),
)
