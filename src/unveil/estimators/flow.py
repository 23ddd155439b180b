"""log p(x) along an ODE whose velocity a model's network gives: of another model than the one that was trained."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, positive
from ..model import Flow, Model
from ..ops import error_of_mean
from ..registry import register
from .base import Estimate, Estimator, bound_parts

COARSEST, FINEST = 8, 256  # steps of the integration, doubled from the one to the other
ORDER = 15  # by how much halving the steps of a method of fourth order makes less of its error, less one
EXACT = 16  # dimensions up to which the trace is summed instead of estimated


@register("estimator", "flow")
class FlowLikelihood(Estimator):
    """E_{q(z₀|x)}[log p(x|z₀) + log p_ODE(z₀) − log q(z₀|x)], log p_ODE(z₀) = log p(z₁) + ∫ ∇·v(z, τ) dτ.

    It is a lower bound on log p(x) of *another model* with the same network, the deterministic flow. It says nothing of
    log p(x) of the diffusion, whose bound may lie above or below: it is no side of it and is never set beside a bound
    of the diffusion as one.

    The steps of the integration (Runge–Kutta of fourth order) are doubled until what is left of the error, a
    fifteenth of the last change, is below the tolerance, for each draw by itself: an example's number does not depend
    on its neighbours. In up to 16
    dimensions the divergence is summed; above, it is estimated with random signs (Hutchinson), which adds noise of mean
    0: values are averaged, never put into a log-mean-exp.

    Diagnostics: left, the largest error that is left of a draw: above the tolerance, the integration was given up at
    256 steps.

    References: Song et al., Score-Based Generative Modeling through SDEs (2021), eq. 13 and 39–40; Grathwohl et al.,
    FFJORD (2019), eq. 6–7; Hairer et al., Solving Ordinary Differential Equations I (1993), §II.1 and II.4.

    Arguments:
        tolerance: nats.
        num_probes: vectors of random signs for the trace.
        num_samples: K draws of z₀.
    """

    needs = frozenset({"flow"})
    direction = "other"

    def __init__(self, *, tolerance: float = 0.1, num_probes: int = 1, num_samples: int = 1) -> None:
        if not tolerance > 0:
            raise RequestError(f"estimator.tolerance is {tolerance}; it takes a number of nats above 0, such as 0.1.")
        self.tolerance, self.num_probes = tolerance, positive(num_probes)
        self.num_samples: int = positive(num_samples)

    def summary(self, estimate: Estimate) -> dict[str, Any]:
        late = float((estimate.diagnostics["left"] >= self.tolerance).double().mean())
        told = (
            "This is of the deterministic flow with the same network: it bounds nothing that is said of the diffusion."
        )
        return {"not_settled": late, "words": [told]}

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        flow, found, left = model.flow(batch), [], torch.zeros(len(batch), device=batch.x.device)
        for _ in range(self.num_samples):
            z, log_q = flow.draw(1)
            log_pz, moved = log_density(flow, z, self.tolerance, self.num_probes)
            found.append((flow.log_px_z(z) + log_pz - log_q).double().squeeze(0))
            left = torch.maximum(left, moved)
        each = torch.stack(found)  # [K, B]
        return Estimate(each.mean(0), error_of_mean(each), "other", bound_parts(model, batch) | {"left": left.double()})


def log_density(flow: Flow, z: Tensor, tolerance: float, num_probes: int) -> tuple[Tensor, Tensor]:
    """log p_ODE(z) [K, B] of z [K, B, …], each integrated as finely as it needs, and the error that is left [B]."""
    probes = _probes(z, num_probes)
    steps, settled = COARSEST, torch.zeros(z.shape[:2], dtype=torch.bool, device=z.device)
    value = _integrated(flow, z, probes, steps)
    moved = torch.full_like(value, math.inf)
    while not settled.all() and steps < FINEST:
        steps *= 2
        finer = _integrated(flow, z, probes, steps)
        off = (finer - value) / ORDER  # of the finer one, to the leading order
        moved = torch.where(settled, moved, off.abs())
        value = torch.where(settled, value, finer + off)
        settled = settled | (moved < tolerance)
    return value, moved.amax(0)


def _probes(z: Tensor, num_probes: int) -> Tensor:
    """Vectors v with E[v vᵀ] = I, [P, *z.shape]; all of √D·e_d in few dimensions, where their mean is no estimate."""
    D = z[0, 0].numel()
    if D <= EXACT:
        axes = math.sqrt(D) * torch.eye(D, device=z.device, dtype=z.dtype)
        return axes.reshape(D, 1, 1, *z.shape[2:]).expand(D, *z.shape)
    return torch.randint(0, 2, (num_probes, *z.shape), device=z.device).to(z.dtype) * 2 - 1


def _integrated(flow: Flow, z: Tensor, probes: Tensor, steps: int) -> Tensor:
    """log p_ODE(z) with so many steps of Runge–Kutta."""
    size = (flow.end - flow.start) / steps
    total = torch.zeros(z.shape[:2], device=z.device, dtype=torch.float64)
    for i in range(steps):
        tau = flow.start + i * size
        v1, d1 = _rates(flow.velocity, z, probes, tau)
        v2, d2 = _rates(flow.velocity, z + size / 2 * v1, probes, tau + size / 2)
        v3, d3 = _rates(flow.velocity, z + size / 2 * v2, probes, tau + size / 2)
        v4, d4 = _rates(flow.velocity, z + size * v3, probes, tau + size)
        z = z + size / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        total = total + size / 6 * (d1 + 2 * d2 + 2 * d3 + d4).double()
    return total + flow.log_end(z).double()


def _rates(velocity: Callable[[Tensor, float], Tensor], z: Tensor, probes: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """v(z, τ) [K, B, …] and its divergence [K, B], the mean of eᵀ (∂v/∂z) e over the probes e."""
    with torch.enable_grad():
        place = z.detach().requires_grad_()
        v = velocity(place.flatten(0, 1), tau).reshape(z.shape)
        found = torch.zeros(z.shape[:2], device=z.device, dtype=z.dtype)
        for probe in probes:
            (pulled,) = torch.autograd.grad(v, place, probe, retain_graph=True)
            found = found + (pulled * probe).flatten(2).sum(-1)
    return v.detach(), found / len(probes)
