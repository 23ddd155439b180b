"""p(x|z, y): the bounds with labels observed, missing and mixed, against sums over labels and quadrature over z."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.models.vae import VAE
from unveil.objectives import Elbo, Iwae
from unveil.registry import lookup
from unveil.terms import Terms
from unveil.use.impute import _block as impute_block

CLASSES, ROWS = 3, 5
GRID = torch.linspace(-25, 25, 10001)


@pytest.fixture
def model() -> VAE:
    """One latent, three labels of unequal frequency, and weights far from any special value."""
    made = VAE.build(Domain("binary", (6,)), CLASSES, latent=1, width=8, depth=1, condition="label")
    made.initialise(Batch(torch.randint(2, (60, 6)).float(), y=torch.tensor([0] * 30 + [1] * 20 + [2] * 10)))
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.1 * torch.randn_like(p))
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


def error(terms: Terms, num_samples: int) -> Tensor:
    """Four standard errors of the bound [B], from the spread of the weights; where that is small, 1e-3."""
    log_w = terms.log_w if terms.log_m is None else terms.log_w + terms.log_m
    w = log_w.unflatten(0, (num_samples, -1)).double().exp().sum(1)  # [K, B]
    return 4 * w.std(0) / w.mean(0) / num_samples**0.5 + 1e-3


def test_label_frequencies_are_counted_with_one_more_of_each(model: VAE) -> None:
    torch.testing.assert_close(model.log_frequency.exp(), torch.tensor([31.0, 21.0, 11.0]) / 63)


@torch.no_grad()
def test_many_samples_reach_log_p_with_labels_observed_missing_and_mixed(model: VAE, batch: Batch) -> None:
    for labels in (batch.y, torch.tensor([0, 1, 2, 1, 0]), torch.full((ROWS,), -1)):
        given = replace(batch, y=labels)
        found = model.infer(given, 4000)
        assert ((found.bound - truth(model, given)).abs() < error(found, 4000)).all()
        assert error(found, 4000).max() < 0.3
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
    terms = model.infer(batch, 4000, posterior=q)
    assert ((terms.bound - truth(model, batch)).abs() < error(terms, 4000)).all()


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


def test_a_prior_made_of_the_posterior_is_refused() -> None:
    with pytest.raises(RequestError, match=r"'vamp' is made of q\(z\|x\), which .* takes a label"):
        VAE.build(Domain("binary", (6,)), 2, condition="label", width=8, prior=lookup("prior", "vamp"))


def test_a_condition_needs_labels() -> None:
    with pytest.raises(RequestError, match="at least two classes"):
        VAE.build(Domain("binary", (6,)), condition="label")
    made = VAE.build(Domain("binary", (6,)), 2, condition="label", width=8)
    with pytest.raises(RequestError, match="none of whose labels"):
        made.initialise(Batch(torch.zeros(4, 6), y=torch.full((4,), -1)))


# -- a discrete z: plain sums over (y, z) -----------------------------------------------------------------------------


@pytest.fixture
def discrete() -> VAE:
    """Two latents of 0 and 1, three labels."""
    made = VAE.build(
        Domain("binary", (6,)),
        CLASSES,
        latent=2,
        width=8,
        depth=1,
        condition="label",
        prior=lookup("prior", "bernoulli"),
    )
    made.initialise(Batch(torch.randint(2, (60, 6)).float(), y=torch.tensor([0] * 30 + [1] * 20 + [2] * 10)))
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return made.eval()


def many(batch: Batch, times: int) -> Batch:
    """The batch over and over."""
    assert batch.y is not None
    return Batch(batch.x.repeat(times, 1), y=batch.y.repeat(times))


def each_y_and_z(model: VAE, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """log p(y) + log p(z) + log p(x|z, y) and log q(z|x, y), [C, M, B] each, by loops over y and z; and z [M, 2]."""
    every_z = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    log_p, log_q = torch.empty(CLASSES, 4, ROWS), torch.empty(CLASSES, 4, ROWS)
    for label, (m, z) in product(range(CLASSES), enumerate(every_z)):
        y, at = torch.full((ROWS,), label), z.expand(ROWS, 2)
        features = model.encoder((batch.x - model.centre) / model.spread)
        q = model.posterior_head(torch.cat([features, torch.eye(CLASSES)[y]], -1))
        p = model.likelihood(model.decoder(torch.cat([at, torch.eye(CLASSES)[y]], -1)))
        log_q[label, m] = q.log_prob(at)
        log_p[label, m] = model.log_frequency[label] + model.prior().log_prob(at) + p.log_prob(batch.x)
    return log_p, log_q, every_z


def summed_truth(model: VAE, batch: Batch, log_p: Tensor) -> Tensor:
    """log p(x|y) where the label is observed, else log p(x)."""
    assert batch.y is not None
    given = (log_p.logsumexp(1) - model.log_frequency[:, None]).gather(0, batch.y.clamp(min=0)[None])[0]
    return torch.where(batch.y < 0, log_p.logsumexp((0, 1)), given)


@torch.no_grad()
def test_bounds_with_a_discrete_z_are_below_the_sum_over_label_and_z_and_reach_it(discrete: VAE, batch: Batch) -> None:
    for labels in (batch.y, torch.full((ROWS,), -1)):
        given = replace(batch, y=labels)
        log_p, log_q, _ = each_y_and_z(discrete, given)
        expected = summed_truth(discrete, given, log_p)
        possible = torch.stack([(given.y < 0) | (given.y == label) for label in range(CLASSES)])  # [C, B]
        variance = (2 * log_p - log_q).exp().sum(1) - log_p.exp().sum(1) ** 2  # of p(y) w of each label
        total = (log_p.exp().sum(1) * possible).sum(0)
        error = ((variance * possible).sum(0) / 4000).sqrt() / total
        assert ((discrete.infer(given, 4000).bound - expected).abs() < 4 * error + 1e-4).all()
        each = discrete.infer(many(given, 1000), 3).bound.unflatten(0, (1000, ROWS))
        assert (each.mean(0) < expected + 4 * each.std(0) / 1000**0.5).all()


@torch.no_grad()
def test_the_elbo_with_a_discrete_z_is_the_enumerated_one(discrete: VAE, batch: Batch) -> None:
    """E_q over all z of each label; where the label is missing, log Σ_y p(y) exp of one draw's, in the mean."""
    log_p, log_q, _ = each_y_and_z(discrete, batch)
    per_label = (log_q.exp() * (log_p - log_q)).sum(1)  # [C, B], with log p(y)
    assert batch.y is not None
    given = (per_label - discrete.log_frequency[:, None]).gather(0, batch.y.clamp(min=0)[None])[0]
    # z drawn for each label by itself: the mean of log Σ_y exp over all 4³ joint draws
    log_w, q = log_p - log_q, log_q.exp()
    missing = torch.zeros(ROWS)
    for a, b, c in product(range(4), repeat=3):
        drawn = torch.stack([log_w[0, a], log_w[1, b], log_w[2, c]])
        missing += q[0, a] * q[1, b] * q[2, c] * drawn.logsumexp(0)
    expected = torch.where(batch.y < 0, missing, given)
    each = discrete.infer(many(batch, 4000), 1).elbo.unflatten(0, (4000, ROWS))
    assert ((each.mean(0) - expected).abs() < 4 * each.std(0) / 4000**0.5 + 1e-5).all()


@torch.no_grad()
def test_a_label_is_drawn_with_each_z(discrete: VAE, batch: Batch) -> None:
    log_p, _, every_z = each_y_and_z(discrete, batch)
    z = every_z[:, None].expand(-1, ROWS, -1).repeat(4000, 1, 1)
    y = discrete.draw_label(batch, (z,))
    assert y is not None and batch.y is not None
    shares = torch.nn.functional.one_hot(y, CLASSES).float().unflatten(0, (4000, 4)).mean(0)  # [M, B, C]
    given = torch.nn.functional.one_hot(batch.y.clamp(min=0), CLASSES).float()
    expected = torch.where(batch.y[None, :, None] < 0, log_p.softmax(0).movedim(0, -1), given)
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.035)


@torch.no_grad()
def test_an_imputation_draws_the_label_with_each_draw(discrete: VAE, batch: Batch) -> None:
    """p(x_missing|x_observed) sums over labels; to take the likeliest for known is another distribution."""
    for p in discrete.decoder.parameters():
        p.mul_(2)  # so that the label matters
    observed = torch.ones(ROWS, 6, dtype=torch.bool)
    observed[:, :3] = False
    gappy = replace(batch, x=torch.where(observed, batch.x, 0.0), y=None, observed=observed)
    weight, mean = torch.empty(CLASSES, 4, ROWS), torch.empty(CLASSES, 4, ROWS, 6)
    for label, (m, z) in product(range(CLASSES), enumerate(each_y_and_z(discrete, batch)[2])):
        y, at = torch.full((ROWS,), label), z.expand(1, ROWS, 2)
        terms = discrete.joint(replace(gappy, y=y), (at,))
        weight[label, m] = (terms.log_px_z + terms.log_pz[..., 0])[0] + discrete.log_frequency[label]
        mean[label, m] = discrete.decode((at[0],), y).mean
    share = weight.flatten(0, 1).softmax(0).reshape(CLASSES, 4, ROWS, 1)
    expected = (share * mean).sum((0, 1))[:, :3]
    likeliest = share.sum((1, 3)).argmax(0)
    rows = torch.arange(ROWS)
    alone = ((share * mean).sum(1) / share.sum(1))[likeliest, rows][:, :3]
    drawn, _ = impute_block(discrete, gappy, 4000, 4000, mean=False)
    averaged, _ = impute_block(discrete, gappy, 8000, 1, mean=True)
    assert (alone - expected).abs().max() > 0.06
    torch.testing.assert_close(drawn.mean(0)[:, :3], expected, rtol=0, atol=0.04)
    torch.testing.assert_close(averaged[0][:, :3], expected, rtol=0, atol=0.03)
