"""Subsets of a split: drawn with a seed from all over it, whatever its order is."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from unveil.data.split import spread_rows


@pytest.mark.parametrize(("total", "count"), [(10, 7), (1000, 7), (53, 52), (5, 9), (9, 9), (0, 3), (10_000, 1000)])
def test_rows_rise_and_each_comes_once(total: int, count: int) -> None:
    rows = spread_rows(total, count)
    assert len(rows) == min(total, count) and bool((rows.diff() > 0).all())
    assert not len(rows) or 0 <= int(rows[0]) <= int(rows[-1]) < total


def test_a_subset_depends_on_the_seed_and_holds_every_stretch() -> None:
    rows = spread_rows(10_000, 100)
    assert torch.equal(rows, spread_rows(10_000, 100)) and not torch.equal(rows, spread_rows(10_000, 100, seed=1))
    assert (rows // 100).tolist() == list(range(100))


def test_an_order_that_repeats_itself_leaves_nobody_out() -> None:
    classes = Counter((spread_rows(10_000, 1000) % 10).tolist())  # even steps of ten would meet one class alone
    assert min(classes.values()) > 60 and len(classes) == 10
