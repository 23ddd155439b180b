"""p(x|z, y): the bounds with labels observed, missing and mixed, against sums over labels and quadrature over z."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.models.vae import VAE
from unveil.objectives import Elbo, Iwae

CLASSES, ROWS = 3, 5
GRID = torch.linspace(-25, 25, 10001)


@pytest.fixture
def model() -> VAE:
    """One latent, three labels of unequal frequency, and weights far from any special value."""
    made = VAE.build(Domain("binary", (6,)), CLASSES, latent=1, width=8, depth=1, condition="label")
    made.initialise(Batch(torch.randint(2, (60, 6)).float(), y=torch.tensor([0] * 30 + [1] * 20 + [2] * 10)))
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return made.eval()


@pytest.fixture
def batch() -> Batch:
    return Batch(torch.randint(2, (ROWS, 6)).float(), y=torch.tensor([0, -1, 2, -1, 1]))


def log_px_y(model: VAE, batch: Batch, label: int) -> Tensor:
    """log ∫ p(z) p(x|z, y) dz [B] by quadrature."""
    z = GRID.reshape(-1, 1, 1).expand(-1, ROWS, 1)
    terms = model.joint(replace(batch, y=torch.full((ROWS,), label)), (z,))
    return (terms.log_px_z + terms.log_pz[..., 0]).logsumexp(0) + (GRID[1] - GRID[0]).log()


def truth(model: VAE, batch: Batch) -> Tensor:
    """log p(x|y) where the label is observed, else log Σ_y p(y) p(x|y)."""
    each = torch.stack([log_px_y(model, batch, label) for label in range(CLASSES)])  # [C, B]
    summed = (each + model.log_frequency.unsqueeze(1)).logsumexp(0)
    assert batch.y is not None
    return torch.where(batch.y < 0, summed, each.gather(0, batch.y.clamp(min=0).unsqueeze(0))[0])


def test_label_frequencies_are_counted_with_one_more_of_each(model: VAE) -> None:
    torch.testing.assert_close(model.log_frequency.exp(), torch.tensor([31.0, 21.0, 11.0]) / 63)


@torch.no_grad()
def test_many_samples_reach_log_p_with_labels_observed_missing_and_mixed(model: VAE, batch: Batch) -> None:
    for labels in (batch.y, torch.tensor([0, 1, 2, 1, 0]), torch.full((ROWS,), -1)):
        given = replace(batch, y=labels)
        found = model.infer(given, 4000)
        torch.testing.assert_close(found.bound.float(), truth(model, given), rtol=0, atol=0.03)
        assert (found.elbo < truth(model, given) + 1e-3).all()


@torch.no_grad()
def test_no_labels_at_all_are_labels_all_missing(model: VAE, batch: Batch) -> None:
    torch.manual_seed(1)
    none = model.infer(replace(batch, y=None), 7).log_w
    torch.manual_seed(1)
    missing = model.infer(replace(batch, y=torch.full((ROWS,), -1)), 7).log_w
    assert torch.equal(none, missing)


@torch.no_grad()
def test_weights_of_samples_sum_to_one_and_observed_labels_take_all_of_theirs(model: VAE, batch: Batch) -> None:
    terms = model.infer(batch, 4)
    assert terms.log_m is not None and terms.log_m.shape == (4 * CLASSES, ROWS)
    torch.testing.assert_close(terms.log_m.exp().sum(0), torch.ones(ROWS))
    by_label = terms.log_m.exp().reshape(4, CLASSES, ROWS).sum(0)  # [C, B]
    torch.testing.assert_close(by_label[:, 0], torch.tensor([1.0, 0, 0]))
    assert (by_label[:, 1] > 0).all()


@torch.no_grad()
def test_the_elbo_is_a_log_sum_over_labels_of_the_elbo_of_each(model: VAE, batch: Batch) -> None:
    """With q*(y|x) at its optimum, Σ_y q* [ELBO_y + log p(y) − log q*] = log Σ_y p(y) exp ELBO_y, draw by draw."""
    blank = replace(batch, y=None)
    terms = model.infer(blank, 1)
    log_w = []
    for label in range(CLASSES):
        z = tuple(g[label : label + 1] for g in terms.z)
        given = replace(batch, y=torch.full((ROWS,), label))
        log_q = model.posterior(given).log_prob(z)
        joint = model.joint(given, z)
        log_w.append(joint.log_px_z + (joint.log_pz - log_q).sum(-1))
    expected = (torch.cat(log_w) + model.log_frequency.unsqueeze(1)).logsumexp(0)
    torch.testing.assert_close(terms.elbo, expected)


@torch.no_grad()
def test_the_marginal_posterior_and_joint_agree_with_quadrature(model: VAE, batch: Batch) -> None:
    q = model.posterior(batch)
    z = GRID.reshape(-1, 1, 1).expand(-1, ROWS, 1)
    density = q.log_prob((z,))[..., 0].exp() * (GRID[1] - GRID[0])  # [grid, B]
    torch.testing.assert_close(density.sum(0), torch.ones(ROWS), rtol=0, atol=1e-3)
    assert q.mean is not None and q.stddev is not None
    mean = (density * z[..., 0]).sum(0)
    torch.testing.assert_close(q.mean[0][:, 0], mean, rtol=1e-3, atol=1e-3)
    spread = ((density * z[..., 0] ** 2).sum(0) - mean**2).sqrt()
    torch.testing.assert_close(q.stddev[0][:, 0], spread, rtol=1e-2, atol=1e-3)
    joint = model.joint(batch, (z,))
    found = (joint.log_px_z + joint.log_pz[..., 0]).logsumexp(0) + (GRID[1] - GRID[0]).log()
    torch.testing.assert_close(found, truth(model, batch), rtol=0, atol=1e-3)
    bound = model.infer(batch, 4000, posterior=q).bound
    torch.testing.assert_close(bound.float(), truth(model, batch), rtol=0, atol=0.03)


@pytest.mark.parametrize("objective", [Elbo(warmup=0.0), Iwae(num_samples=3)], ids=["elbo", "iwae"])
def test_every_weight_learns_from_rows_with_and_without_labels(model: VAE, batch: Batch, objective: Elbo) -> None:
    loss = objective(model, batch)
    assert torch.isfinite(loss.surrogate).all()
    loss.surrogate.mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name


def test_decoding_needs_the_label_and_sampling_draws_it(model: VAE) -> None:
    with pytest.raises(RequestError, match="takes the labels y"):
        model.decode((torch.zeros(2, 1),))
    torch.manual_seed(0)
    y = model.draw_labels(6000)
    assert y is not None
    torch.testing.assert_close(torch.bincount(y) / 6000, model.log_frequency.exp(), rtol=0, atol=0.03)
    x, (z,) = model.sample(4, y=torch.tensor([0, 1, 2, 0]))
    assert x.shape == (4, 6) and z.shape == (4, 1)


def test_a_condition_needs_labels() -> None:
    with pytest.raises(RequestError, match="at least two classes"):
        VAE.build(Domain("binary", (6,)), condition="label")
    made = VAE.build(Domain("binary", (6,)), 2, condition="label", width=8)
    with pytest.raises(RequestError, match="none of whose labels"):
        made.initialise(Batch(torch.zeros(4, 6), y=torch.full((4,), -1)))
