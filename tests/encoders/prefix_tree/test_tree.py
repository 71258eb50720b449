"""Every distinct prefix is one node, and nothing else is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.encoders.prefix_tree.gathered import attention_groups
from vidatlas.encoders.prefix_tree.tree import build, cut
from vidatlas.encoders.transformer.distinct import sort_distinct

TOKENS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=40)


def prefixes(sequences: list[list[int]]) -> set[tuple[int, ...]]:
    return {tuple(sequence[:end]) for sequence in sequences for end in range(1, len(sequence) + 1)}


@settings(max_examples=100)
@given(TOKENS, st.integers(1, 50))
def test_each_run_holds_each_prefix_of_its_sequences_once(sequences: list[list[int]], budget: int) -> None:
    distinct, place = sort_distinct(sequences)
    rows = [tuple(row[:length]) for row, length in zip(distinct.tokens.tolist(), distinct.lengths, strict=True)]
    assert [rows[at] for at in place] == [tuple(sequence) for sequence in sequences]
    assert len(set(rows)) == len(rows)
    covered = 0
    for run in cut(distinct, budget):
        tree, inside = build(distinct, run), rows[run]
        assert len(tree.tokens) == len(prefixes([list(row) for row in inside]))
        assert len(tree.tokens) <= budget or len(inside) == 1
        assert covered == run.start
        covered = run.stop
    assert covered == len(rows)


@pytest.mark.parametrize("seed", range(5))
def test_the_ancestors_of_a_node_spell_its_prefix(seed: int) -> None:
    draw = random.Random(seed)
    sequences = [[7, *(draw.randrange(3) for _ in range(draw.randrange(30))), 9] for _ in range(200)]
    distinct, _ = sort_distinct(sequences)
    tree = build(distinct, slice(0, len(distinct.lengths)))
    spelled = {}
    for node in range(len(tree.tokens)):
        path = tree.paths[tree.rows[node], : tree.depths[node] + 1]
        assert path[-1] == node
        spelled[node] = tuple(int(token) for token in tree.tokens[path])
    assert set(spelled.values()) == prefixes(sequences)
    assert {spelled[int(leaf)] for leaf in tree.leaves} == {tuple(sequence) for sequence in sequences}


def test_gathered_groups_hold_every_node_but_the_root_with_its_ancestors() -> None:
    draw = random.Random(1)
    sequences = [[7, *(draw.randrange(3) for _ in range(draw.randrange(70))), 9] for _ in range(100)]
    distinct, _ = sort_distinct(sequences)
    tree = build(distinct, slice(0, len(distinct.lengths)))
    seen = [0]
    for group in attention_groups(tree):
        present = np.ones_like(group.ancestors, bool) if group.present is None else group.present
        for node, ancestors, there in zip(range(group.start, group.stop), group.ancestors, present, strict=True):
            assert ancestors[there].tolist() == tree.paths[tree.rows[node], : tree.depths[node] + 1].tolist()
            seen.append(node)
    assert seen == list(range(len(tree.tokens)))


def test_a_cut_at_the_root_costs_the_first_sequence_again_and_no_more() -> None:
    sequences = [[0, 1, 2, tag] for tag in range(10, 30)]
    distinct, _ = sort_distinct(sequences)
    sizes = [len(build(distinct, run).tokens) for run in cut(distinct, 8)]
    assert sizes == [8, 8, 8, 8]
    assert sum(sizes) == 20 + 4 * 3
