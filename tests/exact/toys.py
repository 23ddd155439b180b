"""Small models and data on which everything has a closed form, and an oracle for expectations under a Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.mixture import Mixture
from unveil.terms import Terms

DOMAINS = {
    "real": Domain("real", (2, 3)),
    "binary": Domain("binary", (2, 3)),
    "levels": Domain("levels", (2, 3), 4),
}


def real_rows(num: int, dims: int = 6, latents: int = 2, spread: float = 2.0) -> Tensor:
    """Correlated rows [N, D] of unequal scales and a mean that is not zero."""
    z, W = torch.randn(num, latents).double(), spread * torch.randn(latents, dims).double()
    scales = torch.linspace(0.5, 2.0, dims).double()
    return (z @ W + 0.5 * torch.randn(num, dims).double()) * scales + 3


def clustered(kind: str, num: int) -> Batch:
    """Rows of three clusters, in the domain of that name."""
    which = torch.randint(3, (num, 1, 1))
    noise = torch.randn(num, 2, 3).double()
    x = 2.0 * (which - 1) * torch.tensor([[1.0, -1.0, 0.5], [0.2, 1.0, -0.7]]).double() + noise
    if kind == "binary":
        x = (x > 0).double()
    if kind == "levels":
        x = x.round().clamp(-1, 2) + 1
    return Batch(x)


def once(*batches: Batch) -> Callable[[], tuple[Batch, ...]]:
    """A training set of these batches, as `solve` takes it."""
    return lambda: batches


def linear_gaussian(x: Tensor, latent: int = 2, fitted: bool = True, **kwargs: str) -> LinearGaussian:
    """A float64 model on x [N, *shape]: at its optimum, or at its random start."""
    model = LinearGaussian(Domain("real", tuple(x.shape[1:])), latent=latent, **kwargs).double()  # type: ignore[arg-type]
    model.initialise(Batch(x))
    if fitted:
        model.solve(once(Batch(x)))
    return model


def mixture(batch: Batch, kind: str, num_components: int = 4, **kwargs: float) -> Mixture:
    """A float64 mixture at its random start."""
    model = Mixture(DOMAINS[kind], num_components=num_components, **kwargs).double()
    model.initialise(batch)
    return model


def with_gaps(batch: Batch, share: float = 0.4) -> Batch:
    """The batch with values missing at random, NaN or 10⁶ in their place: whoever reads one is found out."""
    observed = torch.rand(batch.x.shape) > share
    observed.flatten(1)[:, 0] = True  # something is known of every example
    nonsense = torch.where(torch.rand(batch.x.shape) > 0.5, torch.nan, 1e6)
    return replace(batch, x=torch.where(observed, batch.x, nonsense), observed=observed)


def marginal(model: LinearGaussian) -> MultivariateNormal:
    """p(x) = N(μ, W Wᵀ + ψ), written out."""
    psi = (model.least_psi + model.log_psi.exp()).expand_as(model.mu)
    return MultivariateNormal(model.mu.detach(), (model.W @ model.W.T + psi.diag()).detach())


def sigma_points(q: MultivariateNormal) -> Tensor:
    """2Z points [2Z, B, Z] whose plain mean is *exact* for every quadratic function of z ∼ q: m ± √Z · column of L."""
    columns = math.sqrt(q.mean.shape[-1]) * q.scale_tril.movedim(-1, 0)  # [Z, B, Z]
    return torch.cat([q.mean + columns, q.mean - columns])


def exact_terms(model: LinearGaussian, batch: Batch) -> Terms:
    """Terms whose ELBO carries no noise: log p(x|z), log p(z) and log q(z|x) are quadratic in z."""
    posterior = model.posterior(batch)
    assert isinstance(posterior.distribution, MultivariateNormal)
    z = (sigma_points(posterior.distribution),)
    return replace(model.joint(batch, z), log_qz_x=posterior.log_prob(z))


def magnitude(terms: Terms) -> Tensor:
    """Σ|terms| of log w, [K, B]: what float32 rounding is relative to."""
    assert terms.log_qz_x is not None
    return terms.log_px_z.abs() + terms.log_pz.abs().sum(-1) + terms.log_qz_x.abs().sum(-1)
