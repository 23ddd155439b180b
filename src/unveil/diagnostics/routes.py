"""Four routes to KL(q(z|x)‖p(z|x)) of a block of examples, beside log p(x) and the ELBO."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch
from ..divergence import kl
from ..estimators.base import DECODED, draws
from ..estimators.bounds import IwaeBound
from ..estimators.cells import DIMS
from ..estimators.grid import Grid, posterior_grid
from ..estimators.label import label
from ..files import finite
from ..model import Model, Posterior, num_latents
from ..ops import error_of_known, error_of_mean

PROBES = 64  # draws of z at which p(x, z)/p(z|x) is compared


@dataclass(frozen=True)
class Term:
    """One term of N examples.

    Arguments: value [N], in nats; error [N], its standard error, 0 where it is exact; how, in words.
    """

    value: Tensor
    error: Tensor
    how: str

    @property
    def mean(self) -> float:
        return float(self.value.mean())

    @property
    def stderr(self) -> float:
        """The standard error of the mean; the errors of the examples are independent."""
        return error_of_known(self.error)

    def to_json(self) -> dict[str, Any]:
        return {"mean": finite(self.mean), "stderr_mc": finite(self.stderr), "how": self.how}


@dataclass(frozen=True)
class Found:
    """The terms of a block of examples, as `Audit` has them."""

    route: str
    log_px: Term
    elbo: Term
    kl: Term
    bias: Tensor
    slack: Tensor
    constant: Tensor | None = None


def terms_of(model: Model, batch: Batch, num_samples: int) -> Found:
    """The terms of a block of examples, by the first route that its model has."""
    posterior = model.posterior(batch)
    truth = model.true_posterior(batch)
    if "enumerate" in model.gives:
        return _by_sum(model, batch, posterior, truth)
    elbo = _elbo(model, batch, posterior, num_samples)
    if truth is not None and "exact" in model.gives:
        return _by_closed_form(model, batch, posterior, truth, elbo, num_samples)
    if "pathwise" in model.gives and num_latents(model) <= DIMS:
        return _by_grid(model, batch, posterior, elbo)
    return _by_construction(model, batch, elbo, num_samples)


def both(a: Tensor, b: Tensor) -> Tensor:
    """The standard error of a sum, from those of its two independent parts."""
    return (a.square() + b.square()).sqrt()


def _by_sum(model: Model, batch: Batch, posterior: Posterior, truth: Posterior | None) -> Found:
    """Everything by summing over z; p(z|x) = p(x, z)/Σ_z p(x, z) where the model has no formula for it."""
    terms = model.enumerate(batch)
    assert terms.log_qz_x is not None
    log_q = terms.log_qz_x.double().sum(-1)  # [M, B]
    log_joint = terms.log_px_z.double() + terms.log_pz.double().sum(-1)
    log_sum = torch.logsumexp(log_joint, 0)
    log_p = log_joint - log_sum if truth is None else truth.log_prob(terms.z).double().sum(-1)
    rate = model.expected_kl(posterior)
    kl_prior = _under(log_q, log_q - terms.log_pz.double().sum(-1)) if rate is None else rate.double().sum(-1)
    elbo, divergence = _under(log_q, terms.log_px_z.double()) - kl_prior, _under(log_q, log_q - log_p)
    log_px = model.log_prob(batch).double() if "exact" in model.gives else log_sum
    constant = None if truth is None else _spread(log_joint, log_p)
    exact = torch.zeros_like(log_px)
    summed = [Term(value, exact, "sum over z") for value in (log_px, elbo, divergence)]
    return Found("sum", summed[0], summed[1], summed[2], exact, exact, constant)


def _by_closed_form(
    model: Model, batch: Batch, posterior: Posterior, truth: Posterior, elbo: Term, num_samples: int
) -> Found:
    log_px = model.log_prob(batch).double()
    exact = torch.zeros_like(log_px)
    z = posterior.draw(PROBES)[0]
    terms = model.joint(batch, z)
    constant = _spread(terms.log_px_z.double() + terms.log_pz.double().sum(-1), truth.log_prob(z).double().sum(-1))
    divergence = _divergence(posterior, truth, num_samples)
    return Found("closed", Term(log_px, exact, "closed form"), elbo, divergence, exact, exact, constant)


def _divergence(posterior: Posterior, truth: Posterior, num_samples: int) -> Term:
    """KL(q(z|x)‖p(z|x)), in closed form or from draws that the ELBO did not see."""
    if posterior.distribution is not None and truth.distribution is not None:
        found = kl(posterior.distribution, truth.distribution)
        if found.method == "closed":
            return Term(found.value.double(), found.stderr.double(), "closed form")
    z, log_q = posterior.draw(num_samples)
    each = (log_q - truth.log_prob(z)).double().sum(-1)
    return Term(each.mean(0), error_of_mean(each), f"{num_samples:,} draws of q(z|x), p(z|x) in closed form")


def _by_grid(model: Model, batch: Batch, posterior: Posterior, elbo: Term) -> Found:
    """∫ q (log q − log p(z|x)) dz on the grid that normalises p(x, z).

    An error of log p(x) on that grid is in the KL, too, and cancels in the residual. What does not cancel is what the
    grid makes of q, and that is seen: q sums to 1.
    """
    grid = posterior_grid(model, batch)
    exact = torch.zeros_like(grid.log_px)
    log_q = _on_grid(posterior, grid)
    q = (log_q + grid.log_weight).exp()
    gap = torch.where(q > 0, q * (log_q - grid.log_posterior), 0.0)
    divergence, mass = grid.sum(gap), grid.sum(q)
    slack = (1 - mass).abs() * (1 + divergence.abs())
    log_px = Term(grid.log_px, exact, "adaptive grid over z")
    how = "the same grid, p(z|x) = p(x, z)/p(x) on it"
    return Found("grid", log_px, elbo, Term(divergence, exact, how), grid.stderr, slack)


def _by_construction(model: Model, batch: Batch, elbo: Term, num_samples: int) -> Found:
    """KL as the difference of the other two, log p(x) being the best there is without p(z|x)."""
    if "exact" in model.gives:
        value = model.log_prob(batch).double()
        log_px = Term(value, torch.zeros_like(value), "closed form")
    else:
        bound = IwaeBound(num_samples=num_samples)(model, batch)
        log_px = Term(bound.log_px, bound.stderr_mc, f"{label('iwae', num_samples)}, a lower bound")
    left = Term(log_px.value - elbo.value, both(log_px.error, elbo.error), "log p(x) − ELBO")
    exact = torch.zeros_like(log_px.value)
    return Found("construction", log_px, elbo, left, exact, exact)


def _elbo(model: Model, batch: Batch, posterior: Posterior, num_samples: int) -> Term:
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)) from fresh draws, the KL in closed form where it has one."""
    each = []
    for terms in draws(model, batch, num_samples, posterior):
        each.append(terms.log_px_z.double() - terms.rate.double().sum(-1))
    value = torch.cat(each)  # [K, B]
    return Term(value.mean(0), error_of_mean(value), f"{num_samples:,} draws of q(z|x)")


def _on_grid(posterior: Posterior, grid: Grid) -> Tensor:
    """log q(z|x) at each point of the grid, [P]."""
    B, order = len(grid.log_px), grid.row.argsort(stable=True)
    row = grid.row[order]
    first = torch.searchsorted(row, torch.arange(B, device=row.device))
    place = torch.arange(len(row), device=row.device) - first[row]  # the number of a point among those of its example
    log_q = torch.empty_like(grid.log_joint)
    chunk = max(1, 64 * DECODED // B)
    for start in range(0, int(place.max()) + 1, chunk):
        here = (place >= start) & (place < start + chunk)
        k, b, points = place[here] - start, row[here], order[here]
        z = tuple(_laid_out(group[points], k, b, (int(k.max()) + 1, B)) for group in grid.z)
        log_q[points] = posterior.log_prob(z).double().sum(-1)[k, b]
    return log_q


def _laid_out(values: Tensor, k: Tensor, b: Tensor, size: tuple[int, int]) -> Tensor:
    """Values [P, …] at places (k, b) of [K, B, …], 0 elsewhere."""
    table = values.new_zeros(*size, *values.shape[1:])
    table[k, b] = values
    return table


def _under(log_q: Tensor, value: Tensor) -> Tensor:
    """Σ_m q_m value_m, [M, B] → [B]; where q is 0 nothing is added, whatever the value."""
    return torch.where(log_q > -torch.inf, log_q.exp() * value, 0.0).sum(0)


def _spread(log_joint: Tensor, log_posterior: Tensor) -> Tensor:
    """The standard deviation over z of log p(x, z) − log p(z|x), [K, B] → [B], where z can be at all."""
    ratio = log_joint - log_posterior
    possible = torch.isfinite(ratio)
    count = possible.sum(0)
    mean = torch.where(possible, ratio, 0.0).sum(0) / count
    return (torch.where(possible, ratio - mean, 0.0).square().sum(0) / count).sqrt()
