"""log p(x_d|all other columns) from weighted draws of z, against sums over all rows of a tiny table."""

from __future__ import annotations

import itertools
from functools import cache

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.domain import ColumnDomain, Domain
from unveil.estimators.conditionals import GROUPS, can_leave_out, leave_out
from unveil.models.autoregressive.any_order import AnyOrder
from unveil.models.vae import VAE

LEVELS = (2, 3, 2)
DOMAIN = Domain("mixed", (3,), None, tuple(ColumnDomain("category", n) for n in LEVELS))
ROWS = torch.tensor(list(itertools.product(*map(range, LEVELS))), dtype=torch.float32)


@cache
def tiny() -> VAE:
    """A VAE of one latent whose columns hang together, and a q that is rough."""
    torch.manual_seed(0)
    model = VAE.build(DOMAIN, latent=1, network="mlp", width=8, depth=1)
    with torch.no_grad():
        model.initialise(Batch(ROWS))
        for p in model.decoder.parameters():
            p.normal_(0, 1.2)
    return model.eval()


def log_p(model: VAE, x: Tensor, observed: Tensor) -> Tensor:
    """log p of what is observed, [B], by a sum over a grid of z."""
    z = torch.linspace(-8, 8, 801)
    grid = z.reshape(-1, 1, 1).expand(-1, len(x), -1)
    terms = model.joint(Batch(x, observed=observed), (grid,))
    return (terms.log_px_z + terms.log_pz.sum(-1)).double().logsumexp(0) + torch.tensor(16 / 800).log()


@torch.no_grad()
def test_left_out_columns_are_ratios_of_enumerated_rows() -> None:
    model, whole = tiny(), torch.ones(len(ROWS), 3, dtype=torch.bool)
    torch.manual_seed(1)
    found = leave_out(model, Batch(ROWS), 1500)
    p = log_p(model, ROWS, whole).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-4)
    assert float((p.max() / p.min()).log()) > 1  # the columns say something
    for d in range(3):
        rest = [i for i in range(3) if i != d]
        alike = (ROWS[:, None, rest] == ROWS[None, :, rest]).all(-1)
        truth = (p / (alike * p).sum(1)).log()
        assert bool(((found.log_p[:, d] - truth).abs() < 5 * found.stderr[:, d] + 1e-3).all())
    assert float(found.stderr.max()) < 0.1


@torch.no_grad()
def test_a_column_that_is_not_observed_says_nothing_and_others_are_given_less() -> None:
    model, x = tiny(), ROWS[:4]
    seen = torch.ones(4, 3, dtype=torch.bool)
    seen[:, 1] = False
    torch.manual_seed(1)
    found = leave_out(model, Batch(x, observed=seen), 1500)
    without = seen.clone()
    without[:, 0] = False
    truth = log_p(model, x, seen) - log_p(model, x, without)
    assert bool(((found.log_p[:, 0] - truth).abs() < 5 * found.stderr[:, 0] + 1e-3).all())
    assert bool((found.log_p[:, 1] == 0).all()) and bool((found.stderr[:, 1] == 0).all())


@torch.no_grad()
def test_a_column_that_moves_q_away_is_found_by_draws_that_do_not_see_it() -> None:
    """x₀ says z = −4, the nine others z = 3, far out in p(z): q(z|x) believes x₀ alone."""
    torch.manual_seed(0)
    model = VAE.build(Domain("real", (10,)), latent=1, network="mlp", width=8, depth=1, has_missing=True)

    class Encoder(torch.nn.Module):
        num_features = 1

        def forward(self, x: Tensor) -> Tensor:
            return torch.where(x[:, 10:11] > 0, x[:, :1], x[:, 1:10].mean(1, keepdim=True))

    class Head(torch.nn.Module):
        num_features = 1

        def forward(self, h: Tensor) -> torch.distributions.Distribution:
            return torch.distributions.Independent(torch.distributions.Normal(h, 0.3), 1)

    class Decoder(torch.nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z.expand(*z.shape[:-1], 10)

    model.encoder, model.posterior_head, model.decoder, model.linear = Encoder(), Head(), Decoder(), None
    with torch.no_grad():
        model.likelihood.offset.zero_()
        model.likelihood.log_sigma.zero_()
    x = torch.full((1, 10), 3.0)
    x[0, 0] = -4.0
    torch.manual_seed(1)
    found = leave_out(model.eval(), Batch(x), 3000)
    precision = 10.0  # of z given nine of them and N(0, 1)
    truth = torch.distributions.Normal(2.7, (1 + 1 / precision) ** 0.5).log_prob(torch.tensor(-4.0))
    assert float(found.log_p[0, 0]) == pytest.approx(float(truth), abs=0.3)


def test_what_is_weighed_are_models_with_a_sampled_z() -> None:
    assert can_leave_out(tiny())
    assert not can_leave_out(AnyOrder.build(DOMAIN, width=8, depth=1))
    assert not can_leave_out(VAE.build(Domain("binary", (4, 4)), latent=1, network="mlp", width=8, depth=1))
    assert not can_leave_out(VAE.build(DOMAIN, 3, latent=1, network="mlp", width=8, depth=1, condition="label"))


@torch.no_grad()
def test_a_wide_table_hides_some_columns_at_a_time() -> None:
    domain = Domain("binary", (40,))
    assert domain.num_dims > GROUPS
    torch.manual_seed(0)
    model = VAE.build(domain, latent=2, network="mlp", width=8, depth=1).eval()
    found = leave_out(model, Batch(torch.randint(2, (3, 40)).float()), 100)
    assert found.log_p.shape == (3, 40) and bool((found.log_p < 0).all()) and bool(found.stderr.isfinite().all())
