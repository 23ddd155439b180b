"""Hamiltonian Monte Carlo between two densities, for many chains of many examples in one tensor program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

JITTER = 0.2  # the step size varies by this share, whatever the state: no trajectory is caught in a period


@dataclass(frozen=True)
class Point:
    """The place of C chains of B examples, with all that a transition at any β needs to know of it.

    Both ends are kept apart, so that nothing is computed again when β changes.

    Arguments:
        u: [C, B, D].
        log_f0, log_f1: [C, B], the log densities at both ends of the path.
        slope0, slope1: [C, B, D], their gradients.
    """

    u: Tensor
    log_f0: Tensor
    log_f1: Tensor
    slope0: Tensor
    slope1: Tensor

    @property
    def log_ratio(self) -> Tensor:
        """log f1(u) − log f0(u) [C, B], float64."""
        return self.log_f1.double() - self.log_f0.double()

    def log_f(self, beta: Tensor) -> Tensor:
        """(1−β) log f0 + β log f1, [C, B]."""
        return torch.lerp(self.log_f0, self.log_f1, beta.to(self.u.dtype))

    def slope(self, beta: Tensor) -> Tensor:
        """(1−β) ∇log f0 + β ∇log f1, [C, B, D]."""
        return torch.lerp(self.slope0, self.slope1, beta.to(self.u.dtype).unsqueeze(-1))

    def where(self, mask: Tensor, other: Point) -> Point:
        """This point where mask [C, B] holds, elsewhere the other."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Point(*(torch.where(mask if a.ndim == mask.ndim else mask.unsqueeze(-1), a, b) for a, b in pairs))


@dataclass(frozen=True)
class Kernel:
    """The constants of a transition: β [B], the step size ε [B] and the scale s of each coordinate [B, D]."""

    beta: Tensor
    step: Tensor
    scale: Tensor


@dataclass(frozen=True)
class Moved:
    """A transition: where the chains are now, which of them moved, and the probability with which they should have.

    Arguments: accepted [C, B] bool; expected min(1, e^{−ΔH}) [C, B].
    """

    point: Point
    accepted: Tensor
    expected: Tensor


def transition(at: Callable[[Tensor], Point], here: Point, kernel: Kernel, leapfrog: int) -> Moved:
    """One transition that leaves f_β invariant, and is reversible with respect to it.

    H(u, p) = −log f_β(u) + ½‖p‖² in the scaled coordinates u/s: p ∼ N(0, I), then L times

        p ← p + ½ε s ∇log f_β(u),   u ← u + ε s p,   p ← p + ½ε s ∇log f_β(u),

    accepted with probability min(1, e^{−ΔH}). It costs L evaluations of the gradient. A ΔH that is not a number is
    refused like an infinite one.

    References: Neal, MCMC Using Hamiltonian Dynamics (2011), §3 and §4.1.

    Arguments:
        at: u [C, B, D] → Point.
        leapfrog: L.
    """
    p = momentum = torch.randn_like(here.u)
    stride = _stride(kernel, here.u)  # ε s, [C, B, D]
    there = here
    p = torch.addcmul(p, stride, here.slope(kernel.beta), value=0.5)
    for i in range(leapfrog):
        there = at(torch.addcmul(there.u, stride, p))
        p = torch.addcmul(p, stride, there.slope(kernel.beta), value=1.0 if i + 1 < leapfrog else 0.5)
    gain = there.log_f(kernel.beta) - here.log_f(kernel.beta) + 0.5 * (momentum**2 - p**2).sum(-1)  # −ΔH
    gain = torch.where(gain.isnan(), -torch.inf, gain)
    accepted = accepts(gain)
    return Moved(there.where(accepted, here), accepted, gain.clamp(max=0).exp())


def accepts(gain: Tensor) -> Tensor:
    """Whether each chain [C, B] moves: U < e^{−ΔH}."""
    return torch.rand_like(gain) < gain.exp()


def _stride(kernel: Kernel, u: Tensor) -> Tensor:
    jitter = 1 + JITTER * (2 * torch.rand_like(u[..., :1]) - 1)  # [C, B, 1]
    return jitter * (kernel.step.unsqueeze(-1) * kernel.scale).to(u.dtype)
