"""x = 1 with probability v/(n−1): as integers, as draws, as one fixed draw."""

import numpy as np
import pytest
import torch

from unveil.data.binarize import _table, _thresholds, draw, fixed, threshold

LEVELS = [2, 3, 17, 100, 255, 256]


def exact_chance(num_levels):
    """p(x=1) by counting the 65536 values of r, the largest of which is taken for the one below it."""
    t = _thresholds(torch.arange(num_levels, dtype=torch.uint8), num_levels).double()
    return torch.where(t > 32766, 1.0, (t + 32768) / 65536)


@pytest.mark.parametrize("num_levels", LEVELS)
def test_thresholds_are_the_chances(num_levels):
    wanted = torch.arange(num_levels).double() / (num_levels - 1)
    assert (exact_chance(num_levels) - wanted).abs().max() < 1e-5


def test_the_arithmetic_for_256_levels_is_the_table():
    v = torch.arange(256, dtype=torch.uint8)
    gap = (_thresholds(v, 256).int() - _table(256, v.device).int()).abs()
    assert gap.max() <= 1 and gap[[0, 255]].max() == 0


@pytest.mark.parametrize("num_levels", LEVELS)
def test_draws_have_the_mean_v(num_levels):
    torch.manual_seed(3)
    n = 10_000
    v = torch.arange(num_levels, dtype=torch.uint8).expand(n, num_levels)
    x = draw(v, num_levels)
    assert x.dtype == torch.float32 and x.shape == v.shape
    assert set(x.unique().tolist()) <= {0.0, 1.0}
    p = torch.arange(num_levels) / (num_levels - 1)
    sigma = (p * (1 - p) / n).sqrt()
    assert ((x.mean(0) - p).abs() <= 5 * sigma + 1e-5).all()
    assert x[:, 0].sum() == 0 and x[:, -1].sum() == n


@pytest.mark.parametrize("size", [1, 2, 3, 5, 4096])
def test_draws_fill_any_size_and_are_independent(size):
    torch.manual_seed(0)
    v = torch.full((size,), 128, dtype=torch.uint8)
    draws = torch.stack([draw(v, 256) for _ in range(200)])
    assert (draws.mean(0) - 128 / 255).abs().max() < 5 * 0.5 / 200**0.5
    if size > 1:  # neighbours share a 64-bit word
        together = (draws[:, 1:] * draws[:, :-1]).mean()
        assert abs(together - (128 / 255) ** 2) < 5 * 0.45 / (200 * (size - 1)) ** 0.5


def test_draws_follow_the_default_generator():
    v = torch.randint(0, 256, (8, 5, 5), dtype=torch.uint8)
    torch.manual_seed(1)
    first, second = draw(v, 256), draw(v, 256)
    torch.manual_seed(1)
    assert torch.equal(first, draw(v, 256)) and not torch.equal(first, second)


def test_fixed_draw_belongs_to_row_and_seed():
    v = np.random.default_rng(5).integers(0, 256, (2500, 3, 3), dtype=np.uint8)
    x = fixed(v, 256, seed=0)
    rows = np.array([0, 7, 1023, 1024, 2047, 2499])
    assert np.array_equal(fixed(v, 256, 0, rows), x[rows])
    assert np.array_equal(fixed(v[:1500], 256, 0), x[:1500])
    assert not np.array_equal(fixed(v, 256, 1), x)
    assert np.array_equal(x, np.random.default_rng(0).random(v.shape, dtype=np.float32) < v / np.float32(255))
    assert len(fixed(v, 256, 0, rows[:0])) == 0


def test_fixed_draw_has_the_mean_v():
    n = 20_000
    x = fixed(np.tile(np.arange(17, dtype=np.uint8), (n, 1)), 17, seed=4)
    p = np.arange(17) / 16
    assert (np.abs(x.mean(0) - p) <= 5 * np.sqrt(p * (1 - p) / n) + 1e-6).all()


def test_threshold_is_above_half():
    v = np.arange(256, dtype=np.uint8)
    assert np.array_equal(threshold(v, 256), v >= 128)
    assert np.array_equal(threshold(v[:17], 17), v[:17] >= 9)
