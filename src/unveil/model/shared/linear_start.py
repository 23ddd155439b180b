"""A VAE that holds a `LinearPosterior` starts as the best linear-Gaussian model of x, with its exact posterior.

For u = (x − centre)/spread, and with labels for u − E[u|y], factor analysis gives u = W z + ε. The linear map of the
decoder is set to W, q to p(z|u), the noise of p(x|z) to ψ; what else the networks say is small. So the bound starts at
the log p(x) of that model, and training adds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from ...batch import Batch
from ...likelihoods import Likelihood
from ...nn.factors import Factors, best_factors, best_fit, climbed
from ...nn.linear_posterior import LinearPosterior
from ...nn.mixed_factors import MixedFactors, best_mixture, mixed
from ...posteriors import PosteriorHead
from ...priors import Prior
from .labels import one_hot
from .scaled import centre_and_spread

LEAST_NOISE = 1e-3  # σ in spreads of x
MOST = 200  # factors
VALUES = 2_000_000  # of x that are looked at
QUIET = 0.3  # of the usual start, and of the noise, for all that is not the linear model
WHOLE = 10  # rows without a gap for each column, from which a start is fitted to these alone


@runtime_checkable
class Starting(Protocol):
    """A model that can start linear."""

    linear: LinearPosterior | None
    prior: Prior
    posterior_head: PosteriorHead
    decoder: nn.Module
    likelihood: Likelihood
    num_classes: int
    spread: Tensor

    def scaled(self, batch: Batch) -> Tensor: ...


def takes_start(head: Callable[..., Any]) -> bool:
    """Whether a posterior head, or a partial of one, can start at a given normal."""
    return bool(getattr(getattr(head, "func", head), "starts_at_last", False))


@torch.no_grad()
def starts_given(prior: Prior) -> bool:
    """Whether p(z) is N(0, I) before it has learned anything, or can start at a mixture of Gaussians."""
    if prior.starts_mixed:
        return True
    if prior.support != "real" or prior.shares_encoder:
        return False
    z = torch.linspace(-2, 2, 5 * prior.num_values).reshape(5, -1)
    return torch.allclose(prior().log_prob(z), Normal(0.0, 1.0).log_prob(z).sum(-1), atol=1e-3)


@torch.no_grad()
def start_linear(model: Starting, batch: Batch) -> None:
    """Set q, the decoder's linear map and the noise from training examples."""
    assert model.linear is not None
    u, seen = model.scaled(batch).flatten(1).double(), None if batch.observed is None else batch.observed.flatten(1)
    u = u[: _rows(u)]
    seen, y = None if seen is None else seen[: len(u)], None if batch.y is None else batch.y[: len(u)]
    means = u.new_zeros(0, u.shape[1])
    if model.num_classes:
        assert y is not None
        means, known = _class_means(u, seen, y, model.num_classes), y >= 0
        u, seen = (u - means[y.clamp(min=0)])[known], None if seen is None else seen[known]
        u = u if seen is None else torch.where(seen, u, 0.0)
    factors = _factors(u, seen, model.posterior_head.num_latents, model.spread)
    start = mixed(factors, u if seen is None else u[seen.all(-1)], model.prior.num_components)
    model.linear.set(start, means)
    if model.prior.starts_mixed:
        model.prior.start_at(model.linear.log_pi, model.linear.loc, model.linear.scale)
    stddev = model.linear.W.new_ones(model.posterior_head.num_latents)
    stddev[: start.stddev.numel()] = start.stddev.to(stddev)
    model.posterior_head.start_at_last(stddev)
    _start_p(model, start.factors, means)


def linear_model(x: Tensor, observed: Tensor | None, images: bool, mixes: bool) -> MixedFactors:
    """The best linear model of x [N, *shape], of up to 200 factors, which may follow a mixture where it `mixes`.

    Only rows without gaps say whether they do; so where there are gaps, they follow N(0, I).
    """
    centre, spread = centre_and_spread(x, observed, images)
    u = (x - centre) / spread
    u = (u if observed is None else torch.where(observed, u, 0.0)).flatten(1).double()
    u, seen = u[: _rows(u)], None if observed is None else observed.flatten(1)[: _rows(u)]
    if mixes and seen is None:
        return best_mixture(best_fit(u, MOST, LEAST_NOISE**2, _unit(spread)), u)
    return MixedFactors.normal(_factors(u, seen, MOST, spread))


def _unit(spread: Tensor) -> Tensor | None:
    return spread if spread.ndim else None


def _rows(u: Tensor) -> int:
    return max(1, VALUES // u.shape[1])


def _class_means(u: Tensor, seen: Tensor | None, y: Tensor, num_classes: int) -> Tensor:
    """E[u|y] [C, D] over what is observed, 0 of a class without examples."""
    member = one_hot(y.clamp(min=0), num_classes).to(u) * (y >= 0).unsqueeze(-1)  # [N, C]
    count = member.sum(0).unsqueeze(-1) if seen is None else member.T @ seen.to(u)
    return member.T @ u / count.clamp(min=1)


def _factors(u: Tensor, seen: Tensor | None, most: int, spread: Tensor) -> Factors:
    """The best linear model of u [N, D], from the rows without gaps where there are enough of them, then all by EM."""
    least, unit = LEAST_NOISE**2, _unit(spread)
    if seen is None:
        return best_factors(u, most, least, unit)
    whole = seen.all(-1)
    rows = u[whole] if int(whole.sum()) >= WHOLE * u.shape[1] else u
    return climbed(best_factors(rows, most, least, unit), u, seen, least)


def _start_p(model: Starting, factors: Factors, means: Tensor) -> None:
    shape, slope = model.likelihood.domain.shape, model.likelihood.slope
    assert slope is not None
    per_unit = (model.spread / slope).expand(shape).reshape(-1)  # ∂h/∂u [D]
    noise = factors.psi.sqrt().float()
    linear = model.decoder.linear
    assert isinstance(linear, nn.Linear)
    weight = linear.weight[: len(per_unit)]
    weight *= QUIET * (noise * per_unit).unsqueeze(-1)
    weight[:, : factors.W.shape[1]] = factors.W.float() * per_unit.unsqueeze(-1)
    if model.num_classes:
        weight[:, -model.num_classes :] = (means.float() * per_unit).T
    model.decoder.quieten(QUIET * noise * per_unit)  # type: ignore[operator]
    model.likelihood.start_noise(noise.reshape(shape) * model.spread)
