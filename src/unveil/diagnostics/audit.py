"""The identity that variational inference rests on, with each of its three terms computed on its own.

log p(x) = ELBO + KL(q(z|x)‖p(z|x))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch
from ..data import Split
from ..divergence import kl
from ..errors import positive
from ..estimators.base import DECODED, ROWS, draws
from ..estimators.bounds import IwaeBound
from ..estimators.cells import DIMS
from ..estimators.grid import Grid, posterior_grid
from ..files import finite
from ..model import Model, Posterior, device_of, evaluating, num_latents, require_latents
from ..ops import keyed
from .finding import Finding

TOLERANCE = 2e-3  # nats of rounding and of grid that no standard error knows of
PROBES = 64  # draws of z at which p(x, z)/p(z|x) is compared
ROUTES = {
    "closed": "p(z|x) in closed form",
    "sum": "p(z|x) by summing over the values of z",
    "grid": "p(x, z) normalised on a grid over z",
    "construction": "no route to p(z|x)",
}


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
        """Over the examples."""
        return float(self.value.mean())

    @property
    def stderr(self) -> float:
        """Of the mean, from the errors of the examples, which are independent."""
        return float(self.error.square().sum().sqrt()) / len(self.error)

    def to_json(self) -> dict[str, Any]:
        """Means, as plain values."""
        return {"mean": finite(self.mean), "stderr_mc": finite(self.stderr), "how": self.how}


@dataclass(frozen=True)
class Audit:
    """log p(x) = ELBO + KL(q(z|x)‖p(z|x)), for N examples.

    Arguments:
        route: where p(z|x) comes from: "closed", "sum", "grid", or "construction": from nowhere, and KL is only what
            is missing between the other two.
        log_px, elbo, kl: the terms.
        residual: log p(x) − ELBO − KL.
        bias: [N], numerical error of the grid in nats, which does not average out; 0 elsewhere.
        constant: [N], standard deviation over z of log p(x, z) − log p(z|x), where p(z|x) has a formula of its own.
        checked: whether the residual is within 4 standard errors and the tolerance; None where there is no check.
    """

    route: str
    log_px: Term
    elbo: Term
    kl: Term
    residual: Term
    bias: Tensor
    constant: Tensor | None
    checked: bool | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        terms = {name: getattr(self, name).to_json() for name in ("log_px", "elbo", "kl", "residual")}
        spread = self.constant
        return {
            "num_examples": len(self.bias),
            "route": self.route,
            **terms,
            "grid_error": finite(float(self.bias.mean())),
            "constant_mean": None if spread is None else finite(float(spread.mean())),
            "constant_max": None if spread is None else finite(float(spread.max())),
            "checked": self.checked,
            "words": self.words,
        }

    @property
    def words(self) -> str:
        """The verdict, in a sentence."""
        if self.checked is None:
            return (
                "Closes by construction: this model has no posterior p(z|x) to compute a KL from, so KL is only what "
                f"is left between {self.log_px.how} and the ELBO, and no more than a lower bound of it."
                if "lower" in self.log_px.how
                else "Closes by construction: KL is only what is left between log p(x) and the ELBO."
            )
        off = f"{self.residual.mean:+.4f} ± {self.residual.stderr:.4f} nats"
        if self.checked:
            return f"It closes: the three terms, each computed on its own, differ by {off}."
        return f"It does not close: the three terms differ by {off}."

    def lines(self) -> list[str]:
        """A small table to print; a ✓ only where the identity was really checked."""
        rows = [("log p(x)", self.log_px), ("ELBO", self.elbo), ("KL(q(z|x)‖p(z|x))", self.kl)]
        if self.route == "grid":
            how = f"{self.log_px.how}, within {float(self.bias.mean()):.4f}"
            rows[0] = ("log p(x)", replace(self.log_px, how=how))
        mark = {True: "✓ closes", False: "✗ does not close", None: "closes by construction"}[self.checked]
        rows.append(("residual", replace(self.residual, how=mark)))
        table = [f"{name:<18} {term.mean:>12.4f} ± {term.stderr:.4f}  {term.how}" for name, term in rows]
        return [
            f"log p(x) = ELBO + KL(q(z|x)‖p(z|x)): means over {len(self.bias):,} examples, in nats",
            *table,
            *self._rest(),
        ]

    def _rest(self) -> Iterator[str]:
        if self.constant is not None:
            mean, most = float(self.constant.mean()), float(self.constant.max())
            yield (
                f"p(x, z)/p(z|x) is p(x) whatever z: its logarithm has a standard deviation of {mean:.1e} over "
                f"{PROBES} z on average, at most {most:.1e}."
            )
        elif self.checked is not None:
            yield "p(x, z)/p(z|x) is constant over z by construction: p(z|x) is p(x, z) divided by its sum."
        yield self.words

    def findings(self) -> list[Finding]:
        """`audit_open`: the terms do not add up."""
        if self.checked is not False:
            return []
        sentence = (
            f"log p(x) − ELBO − KL(q(z|x)‖p(z|x)) is {self.residual.mean:+.4f} nats on average, with a standard error "
            f"of {self.residual.stderr:.4f}; it is 0 where the densities agree with each other."
        )
        remedy = (
            "Check that each density of a part of your own is complete (log_prob against its samples), then run the "
            "audit with more samples; do not quote this model's bounds before it closes."
        )
        return [Finding("audit_open", sentence, self.residual.mean, remedy)]


@torch.no_grad()
def audit(model: Model, split: Split, *, seed: int = 0, limit: int | None = 100, num_samples: int = 1000) -> Audit:
    """The three terms of log p(x) = ELBO + KL(q(z|x)‖p(z|x)) for the first examples of a split, and their sum.

    Arguments:
        seed: of the draws.
        limit: the number of examples; None takes all.
        num_samples: draws of q(z|x) per example for the ELBO (and of the IWAE bound, where there is nothing better).
    """
    positive(num_samples)
    require_latents(model, "The audit")
    model.require("The audit", {"log_w|enumerate"})
    count = len(split) if limit is None else min(limit, len(split))
    found = []
    with evaluating(model):
        for first in range(0, count, ROWS):
            last = min(first + ROWS, count)
            rows = torch.arange(first, first + ROWS).clamp(max=last - 1).to(split.x.device)
            with keyed("audit", seed, first):
                found.append(_kept(_block(model, split.batch(rows).to(device_of(model)), num_samples), last - first))
    return _judged(found)


@dataclass(frozen=True)
class _Found:
    """The terms of a block."""

    route: str
    log_px: Term
    elbo: Term
    kl: Term
    bias: Tensor
    constant: Tensor | None = None


def _block(model: Model, batch: Batch, num_samples: int) -> _Found:
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


# Four routes to KL(q(z|x)‖p(z|x))


def _by_sum(model: Model, batch: Batch, posterior: Posterior, truth: Posterior | None) -> _Found:
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
    return _Found("sum", summed[0], summed[1], summed[2], exact, constant)


def _by_closed_form(
    model: Model, batch: Batch, posterior: Posterior, truth: Posterior, elbo: Term, num_samples: int
) -> _Found:
    log_px = model.log_prob(batch).double()
    exact = torch.zeros_like(log_px)
    z = posterior.draw(PROBES)[0]
    terms = model.joint(batch, z)
    constant = _spread(terms.log_px_z.double() + terms.log_pz.double().sum(-1), truth.log_prob(z).double().sum(-1))
    divergence = _divergence(posterior, truth, num_samples)
    return _Found("closed", Term(log_px, exact, "closed form"), elbo, divergence, exact, constant)


def _divergence(posterior: Posterior, truth: Posterior, num_samples: int) -> Term:
    """KL(q(z|x)‖p(z|x)), in closed form or from draws that the ELBO did not see."""
    if posterior.distribution is not None and truth.distribution is not None:
        found = kl(posterior.distribution, truth.distribution)
        if found.method == "closed":
            return Term(found.value.double(), found.stderr.double(), "closed form")
    z, log_q = posterior.draw(num_samples)
    each = (log_q - truth.log_prob(z)).double().sum(-1)
    return Term(each.mean(0), _stderr(each), f"{num_samples:,} draws of q(z|x), p(z|x) in closed form")


def _by_grid(model: Model, batch: Batch, posterior: Posterior, elbo: Term) -> _Found:
    """∫ q (log q − log p(z|x)) dz on the grid that normalises p(x, z)."""
    grid = posterior_grid(model, batch)
    exact = torch.zeros_like(grid.log_px)
    log_q = _on_grid(posterior, grid)
    q = (log_q + grid.log_weight).exp()
    gap = torch.where(q > 0, q * (log_q - grid.log_posterior), 0.0)
    divergence, mass = grid.sum(gap), grid.sum(q)
    bias = grid.stderr + (1 - mass).abs() * (1 + divergence.abs())  # q sums to 1 on a grid that is fine enough for it
    log_px = Term(grid.log_px, exact, "adaptive grid over z")
    return _Found("grid", log_px, elbo, Term(divergence, exact, "the same grid, p(z|x) = p(x, z)/p(x) on it"), bias)


def _by_construction(model: Model, batch: Batch, elbo: Term, num_samples: int) -> _Found:
    """KL as the difference of the other two, log p(x) being the best there is without p(z|x)."""
    if "exact" in model.gives:
        value = model.log_prob(batch).double()
        log_px = Term(value, torch.zeros_like(value), "closed form")
    else:
        bound = IwaeBound(num_samples=num_samples)(model, batch)
        log_px = Term(bound.log_px, bound.stderr_mc, f"IWAE-{num_samples:,}, a lower bound")
    left = Term(log_px.value - elbo.value, _both(log_px.error, elbo.error), "log p(x) − ELBO")
    return _Found("construction", log_px, elbo, left, torch.zeros_like(log_px.value))


# Pieces


def _elbo(model: Model, batch: Batch, posterior: Posterior, num_samples: int) -> Term:
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)) from fresh draws, the KL in closed form where it has one."""
    each = []
    for terms in draws(model, batch, num_samples, posterior):
        each.append(terms.log_px_z.double() - terms.rate.double().sum(-1))
    value = torch.cat(each)  # [K, B]
    return Term(value.mean(0), _stderr(value), f"{num_samples:,} draws of q(z|x)")


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


def _stderr(value: Tensor) -> Tensor:
    """Of the mean over K draws [K, B] → [B]; one draw cannot tell."""
    return value.std(0) / math.sqrt(len(value)) if len(value) > 1 else torch.full_like(value[0], math.nan)


def _both(a: Tensor, b: Tensor) -> Tensor:
    return (a.square() + b.square()).sqrt()


# Blocks


def _kept(found: _Found, count: int) -> _Found:
    """The first examples of a block, on the CPU."""
    return _mapped([found], lambda parts: parts[0][:count].cpu())


def _mapped(found: list[_Found], change: Callable[[list[Tensor]], Tensor]) -> _Found:
    """The blocks as one, each of their tensors changed."""

    def one(parts: list[Any]) -> Any:
        if isinstance(parts[0], Term):
            value, error = (change([getattr(part, name) for part in parts]) for name in ("value", "error"))
            return Term(value, error, parts[0].how)
        return change(parts) if isinstance(parts[0], Tensor) else parts[0]

    return _Found(**{f.name: one([getattr(block, f.name) for block in found]) for f in fields(_Found)})


def _judged(found: list[_Found]) -> Audit:
    """The verdict over all blocks."""
    all_of_it = _mapped(found, torch.cat)
    log_px, elbo, divergence = all_of_it.log_px, all_of_it.elbo, all_of_it.kl
    error = _both(_both(log_px.error, elbo.error), divergence.error)
    residual = Term(log_px.value - elbo.value - divergence.value, error, "log p(x) − ELBO − KL")
    bias = all_of_it.bias
    if all_of_it.route == "construction":
        exact = torch.zeros_like(residual.error)
        return Audit("construction", log_px, elbo, divergence, replace(residual, error=exact), bias, None, None)
    allowed = 4 * residual.stderr + float(bias.mean()) + TOLERANCE
    checked = abs(residual.mean) <= allowed
    return Audit(all_of_it.route, log_px, elbo, divergence, residual, bias, all_of_it.constant, checked)
