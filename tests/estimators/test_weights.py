"""Moments and weights that arrive in chunks: the same as of all at once, in memory that does not grow."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unveil.estimators.psis import pareto_k, tail_size
from unveil.estimators.weights import RunningMean, Weights

K, B = 3000, 4


def log_weights() -> Tensor:
    """Heavy tails, and a level that differs by hundreds of nats between examples."""
    return 3 * torch.randn(K, B).double() + torch.tensor([0.0, -500.0, 800.0, 3.0]).double()


def taken(log_w: Tensor, size: int) -> Weights:
    weights = Weights(len(log_w))
    for chunk in log_w.split(size):
        weights.add(chunk)
    return weights


@pytest.mark.parametrize("size", [1, 7, 512, K])
def test_chunks_come_to_what_all_of_them_do(size: int) -> None:
    log_w = log_weights()
    found, relative = taken(log_w, size), (log_w - log_w.max(0).values).exp()
    mean = relative.mean(0)
    torch.testing.assert_close(found.log_mean, torch.logsumexp(log_w, 0) - math.log(K), rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(found.stderr, relative.std(0) / math.sqrt(K) / mean, rtol=1e-9, atol=0)
    torch.testing.assert_close(found.ess, relative.sum(0) ** 2 / relative.square().sum(0), rtol=1e-9, atol=0)
    torch.testing.assert_close(found.khat, pareto_k(log_w), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1, 7, 512])
def test_moments_in_chunks(size: int) -> None:
    value, moments = 1e6 + torch.randn(K, B).double(), RunningMean()
    for chunk in value.split(size):
        moments.add(chunk)
    torch.testing.assert_close(moments.mean, value.mean(0), rtol=1e-14, atol=0)
    torch.testing.assert_close(moments.stderr, value.std(0) / math.sqrt(K), rtol=1e-8, atol=0)


def test_equal_weights_have_no_error_at_all() -> None:
    found = taken(torch.full((100, B), -87.3).double(), 9)
    assert (found.stderr == 0).all() and (found.khat == -torch.inf).all()
    torch.testing.assert_close(found.ess, torch.full((B,), 100.0).double())


def test_one_draw_cannot_tell_its_error() -> None:
    assert taken(torch.randn(1, B).double(), 1).stderr.isnan().all()


def test_impossible_draws_count_as_nothing() -> None:
    log_w = log_weights()
    log_w[:1000] = -torch.inf
    torch.testing.assert_close(taken(log_w, 100).log_mean, torch.logsumexp(log_w, 0) - math.log(K))


def test_what_is_kept_does_not_grow_with_the_number_of_draws() -> None:
    weights = Weights(K)
    for _ in range(50):
        weights.add(torch.randn(K // 50, B))
        kept = [t.numel() for t in vars(weights).values() if isinstance(t, Tensor)]
        assert max(kept) <= (tail_size(K) + 1) * B
