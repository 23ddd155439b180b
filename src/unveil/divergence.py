"""The Kullback–Leibler divergence, in closed form or from samples."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal, kl_divergence

from .distributions import EventSum, Levels
from .distributions.real_latents import normal_factors
from .errors import RequestError, nearest
from .ops import sum_event

METHODS = ("auto", "closed", "monte_carlo")


@dataclass(frozen=True)
class Divergence:
    """KL(p‖q) in nats.

    Arguments:
        value: [B].
        stderr: [B], the standard error of a Monte Carlo value; 0 in closed form.
        method: "closed" or "monte_carlo".
    """

    value: Tensor
    stderr: Tensor
    method: str


def kl(
    p: Distribution,
    q: Distribution,
    method: Literal["auto", "closed", "monte_carlo"] = "auto",
    num_samples: int = 10_000,
) -> Divergence:
    """KL(p‖q) = E_{x∼p}[log p(x) − log q(x)] ≥ 0, and 0 only where p = q.

    It is not a distance: KL(p‖q) ≠ KL(q‖p). For two Gaussians on the line

        KL(N(m, s²)‖N(μ, σ²)) = log σ/s + (s² + (m − μ)²) / 2σ² − ½

    so a wide p costs a narrow q dearly, which puts almost no probability where p often is, and the other way round
    is cheap:

    >>> from torch.distributions import Normal
    >>> narrow, wide = Normal(0.0, 1.0), Normal(0.0, 3.0)
    >>> print(f"{kl(wide, narrow).value:.3f} {kl(narrow, wide).value:.3f}")
    2.901 0.654

    The rate of an ELBO is KL(q(z|x)‖p(z)) and its gap to log p(x) is KL(q(z|x)‖p(z|x)). Both are expectations
    under q, so q would rather leave out a mode of p(z|x) than cover what lies between two.

    References: Kullback & Leibler, On Information and Sufficiency (1951); Bishop, PRML (2006), §10.1.2, fig. 10.3.

    Arguments:
        p, q: distributions over the same events, batch shape [B].
        method: "closed", "monte_carlo", or "auto": closed where a closed form is known.
        num_samples: draws from p; Monte Carlo only. Its standard error misleads where log p − log q has heavy tails
            under p, and the value is infinite where a draw has q(x) = 0.
    """
    if method not in METHODS:
        raise RequestError(f"There is no method {method!r} for a KL.", nearest(method, METHODS))
    if p.event_shape != q.event_shape:
        raise RequestError(
            f"KL compares distributions over the same events; they have the shapes {tuple(p.event_shape)} "
            f"and {tuple(q.event_shape)}."
        )
    if method == "monte_carlo":
        return _monte_carlo(p, q, num_samples)
    try:
        value = _closed(p, q)
    except NotImplementedError as error:
        if method == "auto":
            return _monte_carlo(p, q, num_samples)
        raise RequestError(
            f"KL({type(p).__name__}‖{type(q).__name__}) has no closed form here; use method='monte_carlo'."
        ) from error
    return Divergence(value, torch.zeros_like(value), "closed")


def _closed(p: Distribution, q: Distribution) -> Tensor:
    """Sums over independent dimensions; a diagonal Gaussian meets a full one as the full one that it is."""
    if isinstance(p, EventSum) and isinstance(q, EventSum):
        return _closed_event_sum(p, q)
    if isinstance(p, Levels) and isinstance(q, Levels):
        return (p.log_p.exp() * (p.log_p - q.log_p)).sum(-1)
    if isinstance(p, MultivariateNormal) != isinstance(q, MultivariateNormal):
        p, q = _full(p), _full(q)
    return kl_divergence(p, q)


def _closed_event_sum(p: EventSum, q: EventSum) -> Tensor:
    each = _closed(p.base, q.base)
    for seen in (p.observed, q.observed):
        each = each if seen is None else torch.where(seen, each, 0.0)
    return sum_event(each, len(p.event_shape))


def _full(p: Distribution) -> Distribution:
    normal = normal_factors(p)
    if normal is None:
        return p
    return MultivariateNormal(normal.loc, scale_tril=torch.diag_embed(normal.scale), validate_args=False)


@torch.no_grad()
def _monte_carlo(p: Distribution, q: Distribution, num_samples: int) -> Divergence:
    if num_samples < 2:
        raise RequestError(f"num_samples is {num_samples}; a mean and its error take at least 2.")
    x = p.sample(torch.Size((num_samples,)))
    log_ratio = (p.log_prob(x) - q.log_prob(x)).double()  # [K, B]
    return Divergence(log_ratio.mean(0), log_ratio.std(0) / math.sqrt(num_samples), "monte_carlo")
