"""A probe tells labels that vectors hold, no better than chance those they do not, and shows what a split leaks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, label_ranking_average_precision_score

from vidatlas.probe import ProbeSpec, figures, probe

SPEC = ProbeSpec(folds=4)


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors that show two of three labels each, those labels, and groups that mean nothing."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 3, rows)
    truth = ~np.eye(3, dtype=bool)[kinds]
    vectors = (truth + random.normal(0, 0.2, (rows, 3))).astype(np.float32)
    return vectors, truth, random.integers(0, 8, rows)


def test_labels_that_vectors_show_are_told_in_both_splits() -> None:
    vectors, truth, groups = drawn(160)
    found = probe(vectors, truth, groups, SPEC)
    for split in ("by_group", "by_record"):
        assert found.facts[split]["head"]["micro_f1"] > 0.95
        assert found.facts[split]["head"]["lrap"] > 0.95
        assert found.facts[split]["most_frequent"]["micro_f1"] < 0.8
    assert found.told.shape == (160, 2)
    assert (np.sort(found.told, axis=1) == np.array([np.flatnonzero(row) for row in truth])).all(axis=1).mean() > 0.9
    assert found.facts["groups"] == 8


def test_labels_of_a_group_leak_where_its_records_stand_on_both_sides() -> None:
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 12)
    places = random.normal(0, 1, (20, 40))
    labels = random.permuted(np.tile([True] * 2 + [False] * 4, (20, 1)), axis=1)
    vectors = (places[groups] + random.normal(0, 0.3, (240, 40))).astype(np.float32)
    found = probe(vectors, labels[groups], groups, SPEC).facts
    assert found["by_record"]["head"]["micro_f1"] > 0.95
    assert found["by_group"]["head"]["micro_f1"] < 0.6


def test_too_few_groups_are_not_split_by() -> None:
    vectors, truth, _ = drawn(40)
    found = probe(vectors, truth, np.zeros(40, np.int64), SPEC).facts
    assert found["by_group"] is None
    assert found["by_record"]["head"]["micro_f1"] > 0.9


def test_a_label_that_all_or_none_of_a_fold_have_is_no_crash() -> None:
    vectors, truth, groups = drawn(40)
    rare = np.zeros((40, 2), bool)
    rare[0, 0] = True
    rare[:, 1] = True
    found = probe(vectors, np.concatenate([truth, rare], axis=1), groups, SPEC).facts
    assert found["by_record"]["head"]["micro_f1"] > 0.8


def test_figures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    truth, scores = random.random((30, 5)) < 0.4, random.random((30, 5)).astype(np.float32)
    truth[:, 0] = True
    predicted = np.zeros_like(truth)
    for row, best in enumerate(np.argsort(-scores, axis=1)[:, :2]):
        predicted[row, best] = True
    found = figures(truth, scores, 2)
    assert found["micro_f1"] == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert found["lrap"] == pytest.approx(label_ranking_average_precision_score(truth, scores))
