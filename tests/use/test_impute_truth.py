"""Imputation where the easy way is wrong: channels that hang together, modes that q does not know, and M draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from quick import fitted, short_adaptation
from unveil.batch import Batch
from unveil.distributions.given import Dependent, mean_given, sample_given
from unveil.domain import Domain
from unveil.estimators.proposals import Proposal
from unveil.likelihoods import Likelihood
from unveil.models.vae import VAE
from unveil.registry import load_all
from unveil.use.impute import _block


@pytest.fixture(scope="module")
def few_draws() -> None:
    """As many as users have, but where it is said."""


COLOUR = Domain("levels", (1, 2, 3), 8)


def mixture() -> tuple[Any, Tensor]:
    likelihood = load_all("likelihood")["discretized_logistic_mixture"](COLOUR, num_components=3)
    h = torch.randn(1, likelihood.num_outputs)
    with torch.no_grad():
        likelihood.initialise(torch.randint(8, (50, 1, 2, 3)).float())
    return likelihood, h


@torch.no_grad()
def test_channels_are_drawn_given_those_observed_as_bayes_rule_says() -> None:
    """P(g, b|r) = P(r, g, b)/P(r) over all 64 values, against 20,000 draws."""
    likelihood, h = mixture()
    red = 5.0
    g, b = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    pixels = torch.stack([torch.full_like(g, red), g, b], -1).reshape(64, 1, 1, 3).expand(64, 1, 2, 3)
    joint = likelihood(h).base.log_prob(pixels)[:, 0, 0].sum(-1).exp()
    x = torch.zeros(1, 1, 2, 3)
    x[..., 0] = red
    seen = torch.zeros(1, 1, 2, 3, dtype=torch.bool)
    seen[..., 0] = True
    drawn = sample_given(likelihood(h.expand(20_000, -1)), x, seen)[:, 0, 0]
    assert (drawn[:, 0] == red).all()
    found = torch.bincount((8 * drawn[:, 1] + drawn[:, 2]).long(), minlength=64) / len(drawn)
    truth = joint / joint.sum()
    assert (found - truth).abs().max() < 0.015
    mean = mean_given(likelihood(h), x, seen)[0, 0, 0]
    expected = torch.stack([(truth * v.flatten()).sum() for v in (g, b)])
    torch.testing.assert_close(mean[1:], expected, rtol=0, atol=0.3)


def test_likelihoods_that_do_not_factorise_say_how_to_condition() -> None:
    for cls in (cls for cls in load_all("likelihood").values() if "levels" in cls.domains):
        likelihood: Likelihood = cls(COLOUR)
        p = likelihood(torch.randn(1, likelihood.num_outputs))
        assert likelihood.factorises or isinstance(p.base, Dependent)


def test_green_follows_the_red_that_was_observed(tmp_path: Path) -> None:
    """Grey pictures: G = B = R in the data, and so in what is filled in."""
    grey = np.random.default_rng(0).integers(0, 32, (300, 2, 2, 1)).astype(np.uint8)
    x = np.repeat(grey, 3, -1)
    options: dict[str, Any] = {"likelihood": "discretized_logistic_mixture", "model__network": "mlp"}
    run = fitted(x, tmp_path / "run", steps=120, latent=2, model__width=32, **options)
    holes = np.ma.masked_array(x[:20], mask=np.zeros((20, 2, 2, 3), bool))
    holes.mask[..., 1:] = True
    with short_adaptation():
        found = np.asarray(run.impute(holes, num_samples=20)).astype(float)
    assert np.corrcoef(found[..., 1].ravel(), found[..., 0].ravel())[0, 1] > 0.8


def parabola() -> VAE:
    """x = (z₀, z₀²) + noise, z ~ N(0, I₂), and a q that knows one of the two modes of z₀ given x₁ alone."""
    model = VAE.build(Domain("real", (2,)), has_missing=True, latent=2, network="mlp", width=8, depth=1)

    class Decoder(torch.nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return torch.stack([z[..., 0], z[..., 0] ** 2], -1)

    model.decoder = Decoder()
    with torch.no_grad():
        model.likelihood.offset.zero_()
        model.likelihood.log_sigma.fill_(-1.6 / model.likelihood.pace)
        for p in model.posterior_head.parameters():
            p.zero_()
        model.posterior_head.linear.bias.copy_(torch.tensor([-0.7, 0.0, -1.5, 0.0]))
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("mean", [False, True])
def test_a_mode_that_q_does_not_know_is_found(mean: bool) -> None:
    """x₁ ≈ z₀² was observed: z₀ is ±√x₁ with equal probability, and q knows the minus sign only."""
    model = parabola()
    x = torch.tensor([[0.0, 0.5]]).expand(200, 2)
    observed = torch.tensor([[False, True]]).expand(200, 2)
    z = torch.linspace(-6, 6, 4001)
    terms = model.joint(Batch(x[:1], observed=observed[:1]), (torch.stack([z, torch.zeros_like(z)], -1).unsqueeze(1),))
    weight = (terms.log_px_z[:, 0] - z**2 / 2).softmax(0)
    spread = float((weight * z**2).sum().sqrt())
    values, ess = _block(model, Batch(x, observed=observed), 500, 1, mean)
    z0 = values[0, :, 0]
    if mean:
        assert z0.abs().mean() < 0.1
    else:
        assert abs(float(z0.mean())) < 4 * spread / 200**0.5 and 0.8 * spread < float(z0.std()) < 1.3 * (spread + 0.2)
    assert ess.median() > 50


@torch.no_grad()
def test_imputations_do_not_share_their_z() -> None:
    """With one set of K = 2 z, M draws hold two values of z; with sets of their own they are M."""
    model = parabola()
    x, observed = torch.tensor([[0.0, 0.5]]), torch.tensor([[False, True]])
    values, _ = _block(model, Batch(x, observed=observed), 2, 200, False)
    rows = Batch(x.expand(200, 2), observed=observed.expand(200, 2))
    alone = _block(model, rows, 500, 1, False)[0][0, :, 0]  # a draw of each row, all of them alike
    assert abs(float(values[:, 0, 0].std() / alone.std()) - 1) < 0.5


@torch.no_grad()
def test_the_weights_of_a_proposal_average_to_p_of_x() -> None:
    model = parabola()
    x, observed = torch.tensor([[0.3, 0.5], [0.0, 0.1]]), torch.tensor([[False, True], [True, True]])
    batch = Batch(x, observed=observed)
    z, log_w = Proposal(model, batch).draw(20_000)
    grid = torch.linspace(-6, 6, 4001)
    terms = model.joint(batch, (torch.stack([grid, torch.zeros_like(grid)], -1).unsqueeze(1).expand(-1, 2, -1),))
    truth = (terms.log_px_z - grid[:, None] ** 2 / 2).logsumexp(0) + torch.tensor(
        12 / 4000 / (2 * torch.pi) ** 0.5
    ).log()
    torch.testing.assert_close(log_w.logsumexp(0) - torch.tensor(20_000.0).log(), truth, rtol=0, atol=0.05)
    assert z[0].shape == (20_000, 2, 2)
