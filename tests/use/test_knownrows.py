"""How far rows of a table are from known ones: distances without the row itself, tails of columns, levels, and gaps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unveil.data import Data, Split
from unveil.domain import ColumnDomain, Domain
from unveil.use import knownrows
from unveil.use.knownrows import KnownRows, column_tail, half_whitening, is_table, rarity

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)) @ RNG.normal(size=(4, 4))


def split(x: np.ndarray, domain: Domain | None = None) -> Split:
    seen = torch.tensor(~np.isnan(x))
    held = torch.tensor(np.nan_to_num(x), dtype=torch.float32)
    return Split(held, None, domain or Domain("real", x.shape[1:]), "none", torch.arange(len(x)), observed=seen)


def known(x: np.ndarray, domain: Domain | None = None) -> KnownRows:
    train, valid, test = (split(part, domain) for part in np.array_split(x, 3))
    return KnownRows.of(Data("array", train.domain, train, valid, test, None, None, "", 0, "by hand"))


def test_rows_of_all_three_splits_are_known() -> None:
    rows = known(X)
    assert len(rows.split) == 120 and rows.compares
    np.testing.assert_allclose(rows.x, X, rtol=1e-5)
    assert is_table(Domain("real", (4,))) and not is_table(Domain("unit", (8, 8)))


def test_a_known_row_is_compared_with_the_others() -> None:
    rows = known(X)
    np.testing.assert_allclose(rows.distance(split(X)), np.sort(_apart(rows), axis=1)[:, 1], rtol=1e-3)
    near = X[:5] + 1e-3
    assert (rows.distance(split(near)) < 0.1 * rows.distance(split(X[:5]))).all()  # which is no known row


def _apart(rows: KnownRows) -> np.ndarray:
    turned = rows.features(rows.x, rows.seen) @ rows.turn
    found: np.ndarray = np.linalg.norm(turned[:, None] - turned, axis=-1)
    return found


def test_of_two_rows_that_are_alike_each_is_near_the_other() -> None:
    rows = known(np.concatenate([X, X[:1]]))
    assert rows.distance(split(X[:2]))[0] == 0 < rows.distance(split(X[:2]))[1]


def test_the_unit_of_a_column_changes_nothing() -> None:
    units = np.array([1.0, 100.0, 0.01, -3.0])
    one, other, new = known(X), known(X * units), X[:9] * 1.3
    for measure in ("distance", "tails"):
        found = [getattr(rows, measure)(split(x)) for rows, x in ((one, new), (other, new * units))]
        np.testing.assert_allclose(*found, rtol=1e-3)


def test_far_out_is_far_on_either_side_and_beyond_the_last() -> None:
    column = np.arange(1.0, 100.0)
    middle, low, high, lower, higher = column_tail(np.array([50.0, 1.0, 99.0, -100.0, 200.0]), column)
    assert middle == pytest.approx(0, abs=0.02) and low == pytest.approx(high) and lower == pytest.approx(higher)
    assert high == pytest.approx(-math.log(2 * 1.0 / 100)) and higher > high + 5
    constant = column_tail(np.array([3.0, 4.0]), np.full(50, 3.0))
    assert constant[0] == 0 and constant[1] > 3


def test_a_rare_level_is_odd_whatever_its_code() -> None:
    codes = np.repeat([0.0, 1.0, 2.0], [50, 2, 48])  # the rare one is in the middle
    np.testing.assert_allclose(np.exp(-rarity(np.array([1.0, 2.0, 0.0]), np.sort(codes))), [0.025, 0.5, 1], atol=0.01)
    assert rarity(np.array([7.0]), np.sort(codes))[0] > rarity(np.array([1.0]), np.sort(codes))[0]
    domain = Domain("mixed", (2,), columns=(ColumnDomain("category", 3), ColumnDomain("real")))
    x = np.c_[RNG.permutation(codes), RNG.normal(size=100)]
    rows = known(x, domain)
    new = np.array([[0, 0.0], [1, 0.0], [2, 0.0]])
    assert rows.tails(split(new, domain)).argmax() == 1 and rows.distance(split(new, domain)).argmax() == 1


def test_two_levels_are_as_far_apart_as_the_same_two_numbers() -> None:
    codes = np.r_[np.zeros(30), np.ones(70)]
    x = np.c_[codes, RNG.normal(size=100)]
    as_levels = known(x, Domain("mixed", (2,), columns=(ColumnDomain("category", 2), ColumnDomain("real"))))
    as_numbers = known(x)
    a, b = (rows.features(rows.x, rows.seen) for rows in (as_levels, as_numbers))
    for rows in (a, b):
        assert np.linalg.norm(rows[0, :-1] - rows[-1, :-1]) == pytest.approx(1 / math.sqrt(0.3 * 0.7))


def test_gaps_are_neither_near_nor_far() -> None:
    rows = known(X)
    new = X[:3] * 1.1
    new[0, 0], new[1] = np.nan, np.nan
    tails, far = rows.tails(split(new)), rows.distance(split(new))
    others = rows.tails(split(X[:1] * 1.1))
    assert np.isfinite(far).all() and tails[1] == 0
    without = known(X[:, 1:]).tails(split(new[:1, 1:]))  # the mean of the three stands for the fourth
    assert tails[0] == pytest.approx(without[0] * math.sqrt(4 / 3)) and tails[0] != others[0]


def test_wide_tables_have_the_tails_of_columns_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knownrows, "MOST_PLACES", 3)
    rows = known(X)
    assert not rows.compares and np.isfinite(rows.tails(split(X[:5]))).all()


def test_whitening_by_half_leaves_long_directions_longer() -> None:
    x = RNG.normal(size=(5000, 2)) @ np.diag([4.0, 1.0])
    turned = x @ half_whitening(x)
    np.testing.assert_allclose(np.sort(turned.var(0)), [1, 4], rtol=0.1)
