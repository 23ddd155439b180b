"""The start of a local q and its climb: log p(x, u) of one batch, its mode and curvature, and Adam.

Everything here is per example: no step, rate or choice of one example depends on another.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..batch import Batch
from ..model import Model, held
from . import base
from .flat import Flat
from .local_families import FamilyName, LocalFamily, family_at

RATE, LAST = 0.05, 0.01  # Adam's first step, in standard deviations of q, and the share of it that the last one is
WARM = 0.1  # share of the steps over which the rate is brought up, while Adam learns what is noise
CURVES, GAUSSIAN = 0.3, 0.25  # a flow's curves take that share of a step, and none in that share of all steps
TO_MODE, MODE_RATE = 100, 0.1  # most steps to the mode, and their size in units of the prior
POLISH = 5  # Newton's steps after them
PROBED, APART = 64, 0.1  # most latents whose curvature is taken in full; how far from the mode, in units of the prior
FLATTEST, STEEPEST = 0.1, 1e10  # the curvatures that a start believes, in units of the prior
TRIED = 16  # draws behind the choice between two starts


class Target:
    """log p(x, u) = log p(x, z) + log|det ∂z/∂u| of one batch, the weights of the model being held.

    Arguments: model; batch; flat.
    """

    def __init__(self, model: Model, batch: Batch, flat: Flat) -> None:
        self.model, self.batch, self.flat = model, batch, flat

    def __call__(self, u: Tensor) -> Tensor:
        """[K, B]."""
        z, log_det = self.flat.to_z(u)
        terms = self.model.joint(self.batch, z)
        return terms.log_px_z + terms.log_pz.sum(-1) + log_det

    def slope(self, u: Tensor, value: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """∂/∂u of log p(x, u), or of another `value` that reads the model, [K, B, D]."""
        with torch.enable_grad(), held(self.model.parameters()):
            at = u.detach().requires_grad_()
            (slope,) = torch.autograd.grad((value or self)(at).sum(), at)
        return slope

    def elbo(self, q: LocalFamily, num_samples: int) -> Tensor:
        """[B]."""
        u, log_q = q(pairs(q, num_samples))
        return (self(u).double() - log_q.double()).mean(0)


def pairs(q: LocalFamily, num_samples: int) -> Tensor:
    """ε and −ε [K, B, D]: what is linear in ε cancels in their mean, and with it most of the noise of a gradient."""
    half = q.noise(math.ceil(num_samples / 2))
    return torch.cat([half, -half])[:num_samples]


def at_the_mode(target: Target, name: FamilyName, u: Tensor, unit: Tensor, steps: int) -> LocalFamily:
    """Laplace's approximation N(û, Λ⁻¹), û the mode climbed to from u [B, D] and Λ = −∂²/∂u² log p(x, u) there.

    The mean field takes 1/√Λ_dd, its optimum were p(z|x) Gaussian. Where there are more than 64 latents, Λ is diagonal.

    Arguments: unit, the spread of the prior [D]; steps, the most to be taken to the mode.
    """
    u = _mode(target, u, unit, min(steps, TO_MODE))
    if u.shape[-1] > PROBED:
        return family_at(name, u, unit * _diagonal_curvature(target, u, unit).clamp(FLATTEST, STEEPEST).rsqrt())
    curvature = _curvature(target, u, unit)
    scale_tril = unit.unsqueeze(-1) * _inverse_root(curvature).to(u.dtype)
    u = _polished(target, u, scale_tril)
    if name == "mean_field":
        return family_at(name, u, unit * curvature.diagonal(dim1=-2, dim2=-1).clamp(FLATTEST, STEEPEST).rsqrt())
    return family_at(name, u, scale_tril)


def better(target: Target, one: LocalFamily, other: LocalFamily) -> LocalFamily:
    """`one`, with m and L of `other` for the examples whose ELBO is higher there."""
    mine, its = target.elbo(one, TRIED), target.elbo(other, TRIED)
    wins = torch.isfinite(its) & ~(mine >= its)  # [B]
    for kept, taken in zip(one.affine.buffers(), other.affine.buffers(), strict=True):
        kept.copy_(torch.where(wins.reshape(-1, *[1] * (kept.ndim - 1)), taken, kept))
    return one


def _mode(target: Target, u: Tensor, unit: Tensor, steps: int) -> Tensor:
    """argmax_u log p(x, u) by Adam, in units of the prior."""
    moved = torch.zeros_like(u)
    adam = torch.optim.Adam([moved], betas=(0.9, 0.99))
    for step in range(steps):
        adam.param_groups[0]["lr"] = MODE_RATE * _cosine((step + 0.5) / steps)
        moved.grad = -unit * target.slope((u + unit * moved).unsqueeze(0))[0]
        adam.step()
    return u + unit * moved


def _polished(target: Target, u: Tensor, scale_tril: Tensor) -> Tensor:
    """A few steps u ← u + Λ⁻¹ ∂ log p(x, u), Λ⁻¹ = L Lᵀ, each taken where it climbs."""
    value = target(u.unsqueeze(0))[0]
    for _ in range(POLISH):
        slope = target.slope(u.unsqueeze(0))[0].unsqueeze(-1)
        there = u + (scale_tril @ (scale_tril.mT @ slope)).squeeze(-1)
        found = target(there.unsqueeze(0))[0]
        climbs = found > value
        u, value = torch.where(climbs.unsqueeze(-1), there, u), torch.where(climbs, found, value)
    return u


def _curvature(target: Target, u: Tensor, unit: Tensor) -> Tensor:
    """Λ [B, D, D], in units of the prior."""
    rows = _differences(target, u, unit, torch.eye(u.shape[-1], dtype=u.dtype, device=u.device)).movedim(0, 1)
    return 0.5 * (rows + rows.mT)


def _diagonal_curvature(target: Target, u: Tensor, unit: Tensor) -> Tensor:
    """diag Λ [B, D] = E[v ∘ Λ v] over random signs v (Bekas, Kokiopoulou & Saad 2007), in units of the prior."""
    signs = torch.randint(2, (PROBED, u.shape[-1]), device=u.device).to(u.dtype) * 2 - 1
    return (_differences(target, u, unit, signs) * signs.unsqueeze(1)).mean(0)


def _inverse_root(curvature: Tensor) -> Tensor:
    """L with L Lᵀ = Λ⁻¹, lower triangular, float64; where Λ is flat or not a number, as wide as a start may be."""
    values, vectors = torch.linalg.eigh(curvature.double().nan_to_num(0, 0, 0))
    covariance = vectors * values.clamp(FLATTEST, STEEPEST).reciprocal().unsqueeze(-2) @ vectors.mT
    return torch.linalg.cholesky(covariance)


def _differences(target: Target, u: Tensor, unit: Tensor, directions: Tensor) -> Tensor:
    """Λ v [P, B, D] of directions v [P, D], from slopes on both sides of u: kinks of a network are averaged over."""
    found = []
    for some in directions.split(max(1, base.rows_at_once(target.model) // (2 * len(u)))):
        apart = APART * unit * some.unsqueeze(1)  # [P, 1, D]
        up, down = target.slope(torch.cat([u + apart, u - apart])).chunk(2)
        found.append(unit * (down - up) / (2 * APART))
    return torch.cat(found)


def climb(target: Target, q: LocalFamily, steps: int, num_samples: int) -> None:
    """Maximise the ELBO of each example, E[log p(x, u) − log q(u)], by Adam on λ_b, with a rate that decays.

    With the parameters of log q held, the slope h along w has no noise where q is p(u|x) itself; it gives m and L their
    relative gradients, Σ h and Σ h wᵀ, and the curves theirs by the chain rule.

    References: Roeder, Wu & Duvenaud, Sticking the Landing (2017), eq. 7.
    """
    curves = list(q.curves.parameters())
    shift = torch.zeros_like(q.affine.mean)
    stretch = torch.zeros_like(q.affine.slope(shift.unsqueeze(0), shift.unsqueeze(0)))
    groups = [{"params": [shift, stretch], "share": 1.0}, {"params": curves, "share": CURVES}]
    adam = torch.optim.Adam([group for group in groups if group["params"]], betas=(0.9, 0.99))
    for step in range(steps):
        done = (step + 0.5) / steps
        for group in adam.param_groups:
            group["lr"] = RATE * group["share"] * min(1.0, done / WARM) * _cosine(done)
        with torch.enable_grad():
            w, _ = q.curved(pairs(q, num_samples))
        h = -_slope_of_bound(target, q, w) / num_samples
        shift.grad, stretch.grad = h.sum(0), q.affine.slope(h, w.detach())
        if curves and done > GAUSSIAN:
            for parameter, grad in zip(curves, torch.autograd.grad(w, curves, h), strict=True):
                parameter.grad = grad
        adam.step()
        q.affine.move(shift, stretch)
        shift.zero_(), stretch.zero_()


def _slope_of_bound(target: Target, q: LocalFamily, w: Tensor) -> Tensor:
    """∂/∂w of log p(x, u(w)) − log q(w), the parameters of q being held."""
    with held(q.curves.parameters()):
        return target.slope(w, lambda at: target(q.affine(at)) - q.log_prob_curved(at))


def _cosine(done: float) -> float:
    return LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * done))
