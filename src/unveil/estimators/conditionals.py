"""log p(x_d|all other columns) of every column at once, from one set of weighted draws of z."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..batch import Batch
from ..distributions import EventSum
from ..distributions.given import Dependent
from ..model import Model, prior_draw

GROUPS = 32  # most sets of columns that are hidden together
DRAWS = 128  # z of a row
PRIOR = 0.2  # share of them that come from p(z)


@dataclass(frozen=True)
class Conditionals:
    """log p(x_d|what else is observed), [B, D] in nats, 0 where x_d is not observed, and its standard error [B, D]."""

    log_p: Tensor
    stderr: Tensor


@torch.no_grad()
def can_leave_out(model: Model) -> bool:
    """Whether `leave_out` takes a model: draws of z have weights, and columns are independent given z."""
    if "log_w" not in model.gives or not model.groups or "enumerate" in model.gives:
        return False
    if model.draw_labels(1) is not None or len(model.domain.shape) != 1 or model.domain.models_gaps:
        return False
    p = model.decode(prior_draw(model))
    return isinstance(p, EventSum) and not isinstance(p.base, Dependent)


@torch.no_grad()
def leave_out(model: Model, batch: Batch, num_samples: int = DRAWS) -> Conditionals:
    """log p(x_d|x_−d) = log Σ_k w_k − log Σ_k w_k/p(x_d|z_k), with w_k = p(x, z_k)/r(z_k) and z_k ~ r.

    Both sums are over the same z. r is 4/5 a mean over q(z|x) and q(z|x without some columns), each column being left
    out in one of them, and 1/5 p(z): a column that does not belong moves q(z|x) away from where the others say that z
    lies, and draws of q(z|x) alone would miss it.

    References: Gelfand, Dey & Chang, Model Determination using Predictive Distributions (1992), for the ratio; Owen &
    Zhou, Safe and Effective Importance Sampling (2000), for r.

    Arguments: batch; num_samples K, about, of each row.
    """
    seen = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed
    rows, hidden = len(batch), _hidden(model.domain.num_dims).to(seen.device)  # [G, D]
    sets = torch.cat([seen.unsqueeze(1), seen.unsqueeze(1) & ~hidden], 1)  # [B, G + 1, D]
    num_sets, from_prior = sets.shape[1], int(PRIOR * num_samples)
    posterior = model.posterior(Batch(batch.x.repeat_interleave(num_sets, 0), observed=sets.flatten(0, 1)))
    own = -(-(num_samples - from_prior) // num_sets)
    drawn = tuple(_by_row(group, rows) for group in posterior.draw(own)[0])  # [K, B, …]
    prior = tuple(group.unsqueeze(1).expand(-1, rows, *group.shape[1:]) for group in model.draw_prior(from_prior))
    z = tuple(map(torch.cat, zip(drawn, prior, strict=True)))
    log_q = posterior.log_prob(tuple(group.repeat_interleave(num_sets, 1) for group in z)).sum(-1)
    log_q = log_q.unflatten(1, (rows, num_sets)).double().logsumexp(-1)  # [K, B]
    log_pz = model.log_pz(batch, z).sum(-1).double()
    log_r = torch.logaddexp(log_q + math.log(own), log_pz + math.log(from_prior))
    log_p = torch.where(seen, _each(model, z, torch.where(seen, batch.x, 0.0)), 0.0).double()  # [K, B, D]
    with_d = (log_p.sum(-1) + log_pz - log_r).unsqueeze(-1)  # log w
    without = with_d - log_p
    value = with_d.logsumexp(0) - without.logsumexp(0)
    error = (with_d.softmax(0) - without.softmax(0)).square().sum(0).sqrt()
    return Conditionals(torch.where(seen, value, 0.0), torch.where(seen, error, 0.0))


def _hidden(num_columns: int) -> Tensor:
    """The sets of columns that are hidden together, [G, D]: each column alone, in a wide table some at a time."""
    num_sets = min(num_columns, GROUPS)
    own = torch.arange(num_columns) * num_sets // num_columns
    return own == torch.arange(num_sets).unsqueeze(-1)


def _by_row(group: Tensor, rows: int) -> Tensor:
    """Draws [K, B·(G + 1), …] as [K·(G + 1), B, …]."""
    return group.unflatten(1, (rows, -1)).transpose(1, 2).flatten(0, 1)


def _each(model: Model, z: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """log p(x_d|z) [K, B, D]."""
    p = model.decode(z)
    assert isinstance(p, EventSum)
    return p.log_prob_each(x)
