"""Quality figures of the report, each with a sentence on how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vidatlas.storage.json_files import AgreementFacts, Metrics, ProbeFacts
from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Figure


def quality_figures(metrics: Metrics, nouns: Nouns) -> tuple[Figure, ...]:
    """Return the figures in ``metrics.json`` for the whole atlas, without those not measured."""
    return tuple(_figures(metrics, nouns))


def _figures(metrics: Metrics, nouns: Nouns) -> Iterator[Figure]:
    yield from _variance(metrics, nouns.record[1])
    overall: Mapping[str, Any] = metrics.get("overall", {})
    for name, key, show, reading in _MEANS:
        value = overall.get(key)
        if value is not None:
            yield Figure(name, show(value), reading.format(*nouns.record))
    yield from _agreement_with_labels(metrics.get("labels"))
    yield from _probe(metrics.get("probe"), nouns)
    agreement = metrics.get("agreement")
    if agreement:
        yield Figure(
            f"Agreement with the {nouns.group[1]}",
            f"AMI {agreement['ami']:.3f}, NMI {agreement['nmi']:.3f}, purity {agreement['purity']:.1%}",
            f"How well {agreement['clusters']:,} subcategories made without them match the input's {nouns.group[1]}: "
            "AMI is 0 by chance and 1 for the same split; purity rises with the number of subcategories.",
        )


def _variance(metrics: Metrics, many: str) -> Iterator[Figure]:
    """Yield the explained variance; nothing if the vectors were not reduced."""
    found = metrics["explained_variance"]
    total, kept, network = f"{found['total']:.1%}", found["components"], metrics.get("network")
    if network:
        when = ", before they were tuned to the clusters" if "dec" in network else ""
        yield Figure(
            "Variance explained by the codes",
            total,
            f"Share of the variance between {many} that the auto-encoder reconstructs from codes of {kept:,} dimensions"
            f"{when}; subcategories are clusters of codes.",
        )
    elif kept:
        yield Figure(
            "Explained variance",
            total,
            f"Share of the variance between {many} that {kept:,} components explain; "
            "subcategories are clusters of these components.",
        )


def _agreement_with_labels(found: AgreementFacts | None) -> Iterator[Figure]:
    if found:
        yield Figure(
            "Agreement with known labels",
            f"AMI {found['ami']:.3f}, NMI {found['nmi']:.3f}, purity {found['purity']:.1%}",
            "How well subcategories made without them match the known labels of the records; a record counts once "
            "for each of its labels. AMI is 0 by chance and 1 for the same split.",
        )


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
            yield Figure(
                f"Label prediction, {name}",
                "micro F1 {micro_f1:.3f}, macro F1 {macro_f1:.3f}, ranking {lrap:.3f}".format(**split["head"]),
                f"How well a linear classifier predicts {found['labels']:,} labels of {many} from vectors, for "
                f"{groups} {what}; "
                "the most frequent labels alone reach {micro_f1:.3f}, {macro_f1:.3f}, {lrap:.3f}.".format(
                    **split["most_frequent"]
                ),
            )


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


_MEANS: tuple[tuple[str, str, Callable[[float], str], str], ...] = (
    (
        "Silhouette",
        "silhouette",
        _two,
        "1: every {0} deep inside its subcategory; 0: subcategories overlap. Low values are normal for short texts; "
        "compare atlases of the same {1}, not with 1.",
    ),
    (
        "Davies\N{EN DASH}Bouldin index",
        "davies_bouldin",
        _two,
        "Width of subcategories relative to the distance to their nearest sibling: lower is better.",
    ),
    (
        "Stability",
        "stability",
        _two,
        "How similar the subcategories are with other random seeds: 1 identical, 0 no more than by chance (adjusted "
        "Rand index).",
    ),
    (
        "Coherence of names",
        "coherence",
        _two,
        "How much more often than by chance a name's terms occur in the same {1}: 1 always, 0 by chance (NPMI).",
    ),
)
