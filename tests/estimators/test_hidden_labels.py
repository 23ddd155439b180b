"""Estimators on labels that are not observed: whatever draws z also draws the label, as p(y) has it."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.estimators.ais import Ais, Sandwich, broken
from unveil.estimators.base import Estimator
from unveil.estimators.brute_force import PriorAverage
from unveil.estimators.quadrature import Quadrature
from unveil.models.hvae import HVAE
from unveil.ops import error_of_mean, keyed

FEW: dict[str, Any] = {"num_samples": 6, "num_distributions": 20, "leapfrog": 2}


def parted() -> HVAE:
    """A ladder of one latent each, whose lower group lies elsewhere for every label."""
    model = HVAE.build(Domain("binary", (8,)), 3, num_groups=2, latent=1, width=6, depth=1, condition="label")
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
        model.ladder.enter[-1].weight[:, -3:].mul_(20)
        last = model.ladder.p_head[0][-1]
        last.weight[:1].mul_(2)
        last.bias[1] = -1.0
        for layer in (layer for layer in model.ladder.head.modules() if isinstance(layer, torch.nn.Linear)):
            layer.weight.mul_(3)
        model.log_frequency.copy_(torch.tensor([0.2, 0.3, 0.5]).log())
    return model.eval()


@functools.cache
@torch.no_grad()
def simulated() -> tuple[HVAE, Batch, Tensor]:
    """The model with x, y and z drawn from it, and the exact log p(x|y) for each y, [3, 30]."""
    with keyed("a"):
        model = parted()
        y = torch.arange(30) % 3
        x, z = model.sample(30, y)
        given = [Quadrature()(model, Batch(x, y=torch.full_like(y, label))).log_px for label in range(3)]
    return model, Batch(x, y=y, z=z), torch.stack(given)


@torch.no_grad()
def test_quadrature_finds_the_modes_of_every_hidden_label() -> None:
    """One grid over z missed those far from q, by up to 9.9 nats, and stated an error of 0.0006."""
    with keyed("hidden labels"):
        model = parted()
        y = torch.arange(3)
        x, _ = model.sample(3, y)
    judge = Quadrature(tolerance=0.02)
    given = torch.stack([judge(model, Batch(x, y=torch.full_like(y, label))).log_px for label in range(3)])
    truth = (given + model.log_frequency.unsqueeze(-1)).logsumexp(0)
    some = torch.where(y < 2, -1, y)
    found = judge(model, Batch(x, y=some))
    torch.testing.assert_close(found.log_px, torch.where(some < 0, truth, given[2]), rtol=0, atol=0.02)
    assert (found.stderr_mc < 0.1).all()


@pytest.mark.parametrize("hidden", ["all", "some"])
@pytest.mark.parametrize(
    "estimator",
    [Ais(**FEW, start="prior"), Ais(**FEW, start="adapted"), Sandwich(**FEW, start="prior"), PriorAverage()],
    ids=["prior", "adapted", "sandwich", "average"],
)
@torch.no_grad()
def test_the_sampler_and_the_density_agree_where_labels_are_hidden(estimator: Estimator, hidden: str) -> None:
    model, batch, given = simulated()
    y = batch.y
    assert y is not None
    is_hidden = torch.arange(30) < {"all": 30, "some": 20}[hidden]
    found = estimator(model, replace(batch, y=torch.where(is_hidden, -1, y)))
    of_any = (given + model.log_frequency.unsqueeze(-1)).logsumexp(0)
    off = found.log_px - torch.where(is_hidden, of_any, given.gather(0, y.unsqueeze(0))[0])
    for label in range(3):  # drawn as class 0 instead, a hidden label costs log 1/p(y) on the rows of its class
        assert off[y == label].mean() < 4 * float(error_of_mean(off[y == label])) + 0.02
    assert off.mean().abs() < 4 * error_of_mean(off) + 0.1, off
    assert broken(found) == []
