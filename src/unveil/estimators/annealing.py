"""The path from f0 to p(x, z), and the passes along it: forward from a draw of f0, back from one of p(z|x)."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError
from ..model import Model
from . import base
from .adapted import Kernels, adapt, wide
from .brute_force import prior_draws
from .flat import Flat, joined
from .hmc import Kernel, Moved, Point, accepts, transition

Start = Literal["auto", "posterior", "prior", "adapted"]
FEW = 3  # dimensions of z in which "auto" adapts the start: there kernels find every mode
SCALE_DRAWS = 64  # draws that the scale of each coordinate is taken from
FURTHEST = 20.0  # nats at which a change of log p(x, z) is cut
STAYING = 10  # moves at β = 1 before the way back


class Path:
    """log f_β(u) = (1−β) log f0(u) + β log p(x, z(u)), f0 = q(z|x), p(z) or `Kernels`, over the groups of u joined.

    u are the model's own coordinates, z = T(u); both densities are of u, and hold log|det ∂z/∂u|. x is encoded once.

    Arguments:
        model: with its weights held; gradients are taken of u alone.
        batch: B examples; its z is handed out by `known`, and read nowhere else.
        start: f0, "posterior", "prior", "adapted" (to p(z|x), by `adapt`, which the caller's noise now pays for), or
            "auto": adapted where z has at most three dimensions, else the posterior.
    """

    kernels: Kernels | None = None

    def __init__(self, model: Model, batch: Batch, start: Start) -> None:
        self.model, self.batch = model, replace(batch, z=None)
        self._z = batch.z
        self.posterior, coordinates = model.posterior(batch), model.coordinates(batch)
        groups = coordinates.to_u(self.posterior.draw(1)[0])
        self.flat, self.dtype = Flat(coordinates, [group.shape[2:] for group in groups]), groups[0].dtype
        self.size = sum(shape.numel() for shape in self.flat.shapes)
        few = self.size <= FEW
        self.start = start if start != "auto" else "adapted" if few else "posterior"

    def adapt(self) -> None:
        """Lay kernels over p(z|x), where the start is adapted."""
        if self.start == "adapted":
            self.kernels = adapt(wide(self.draw_prior(SCALE_DRAWS)), self.draw_adapted, self.densities)

    def at(self, u: Tensor) -> Point:
        """Both log densities and their gradients at u [C, B, D]."""
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            log_f0, log_f1 = self._densities(u)
            (slope0,) = torch.autograd.grad(log_f0.sum(), u, retain_graph=True)
            (slope1,) = torch.autograd.grad(log_f1.sum(), u)
        return Point(u.detach(), log_f0.detach(), log_f1.detach(), slope0, slope1)

    def _densities(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """log f0 and log f1 [C, B]."""
        log_f1, log_q, log_p = self.densities(u)
        if self.kernels is not None:
            return self.kernels.log_prob(u, log_q, log_p), log_f1
        return (log_p if self.start == "prior" else log_q), log_f1

    def densities(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x, u), log q(u|x) (which a path from the prior does not need) and log p(u), [C, B] each."""
        parts = [self._at_once(part) for part in u.split(max(1, base.rows_at_once(self.model) // u.shape[1]))]
        log_f1, log_q, log_p = (torch.cat(each) for each in zip(*parts, strict=True))
        return log_f1, log_q, log_p

    def _at_once(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, log_det = self.flat.to_z(u)
        terms = self.model.joint(self.batch, z)
        log_p = terms.log_pz.sum(-1) + log_det
        log_q = log_p if self.start == "prior" else self.posterior.log_prob(z).sum(-1) + log_det
        return terms.log_px_z + log_p, log_q, log_p

    def draw(self, num_chains: int) -> Tensor:
        """u ∼ f0, [C, B, D]."""
        if self.kernels is not None:
            return self.draw_adapted(self.kernels, num_chains)
        return self.draw_prior(num_chains) if self.start == "prior" else self.draw_posterior(num_chains)

    def draw_adapted(self, kernels: Kernels, num_chains: int) -> Tensor:
        return kernels.draw(self.draw_posterior(num_chains), self.draw_prior(num_chains))

    def scales(self) -> tuple[Tensor, Tensor]:
        """The standard deviation of each coordinate under f0 and under q(z|x), [B, D] each."""
        if self.kernels is not None:
            return self.kernels.scale, self.kernels.scale
        s1 = _spread(self.draw_posterior(SCALE_DRAWS))
        return (_spread(self.draw_prior(SCALE_DRAWS)) if self.start == "prior" else s1), s1

    def known(self) -> tuple[Tensor, Tensor]:
        """u [1, B, D] of the z that the batch holds, 0 where it is not known, and where it is [B].

        An x that was simulated together with this z makes it an exact draw of p(z|x).
        """
        if self._z is None:
            x = self.batch.x
            return x.new_zeros(1, len(x), self.size, dtype=self.dtype), x.new_zeros(len(x), dtype=torch.bool)
        z = joined(tuple(group.unsqueeze(0).to(self.dtype) for group in self._z))
        if z.shape[-1] != self.size:
            known = f"The known z has {z.shape[-1]} values and the model's {self.size}"
            raise RequestError(f"{known}; simulate x with z anew.")
        finite = torch.isfinite(z).all(-1)
        return self.flat.to_u(self.flat.split(torch.where(finite.unsqueeze(-1), z, 0.0))), finite[0]

    def draw_posterior(self, num_chains: int) -> Tensor:
        return self.flat.to_u(self.posterior.draw(num_chains)[0])

    def draw_prior(self, num_chains: int) -> Tensor:
        return self.flat.to_u(prior_draws(self.model, self.batch, num_chains)).to(self.dtype)


def _spread(u: Tensor) -> Tensor:
    return u.std(0).clamp(min=1e-6)


@dataclass(frozen=True)
class Schedule:
    """The constants of a pass: the temperatures, the step size at each, and the scale of u.

    Arguments:
        betas: β_0 = 0 < … < β_T = 1 of each example, [T+1, B].
        steps: ε at each, [T+1, B].
        scale0, scale1: the standard deviation of u under f0 and under q(z|x), [B, D].
    """

    betas: Tensor
    steps: Tensor
    scale0: Tensor
    scale1: Tensor

    def kernel(self, t: int) -> Kernel:
        beta = self.betas[t]
        return Kernel(beta, self.steps[t], scale_at(beta, self.scale0, self.scale1))


def scale_at(beta: Tensor, scale0: Tensor, scale1: Tensor) -> Tensor:
    """s with 1/s² = (1−β)/s0² + β/s1², [B, D]."""
    precision = torch.lerp(scale0**-2, scale1**-2, beta.to(scale0.dtype).unsqueeze(-1))
    return precision.rsqrt()


class Tally:
    """Counts transitions: how many of the chains of each example [B] moved, and how many should have."""

    def __init__(self) -> None:
        self._count, self._sums = 0, torch.zeros(())

    def add(self, moved: Moved) -> None:
        share = moved.expected.double()
        each = torch.stack([moved.accepted.double(), share, share * (1 - share)])  # [3, C, B]
        self._count, self._sums = self._count + each.shape[1], self._sums + each.sum(1)

    def shares(self) -> dict[str, Tensor]:
        """accepted and acceptance, actual and expected, and the standard error of their difference; NaN without any."""
        if not self._count:
            return {}
        accepted, expected, variance = self._sums / self._count
        return {"accepted": accepted, "acceptance": expected, "acceptance_stderr": (variance / self._count).sqrt()}


def forward(path: Path, schedule: Schedule, num_chains: int, leapfrog: int, tally: Tally) -> tuple[Tensor, Tensor]:
    """Chains from f0 to p(x, z): log w [C, B] in float64, and where they end, u [C, B, D].

    log w = Σ_{t=1..T} (β_t − β_{t−1}) [log f1 − log f0](u_{t−1}),   u_0 ∼ f0,   u_t ∼ K_t(u_{t−1})

    with K_t invariant for f_{β_t}, so that E[w] = p(x).

    References: Neal, Annealed Importance Sampling (2001), eq. 4–6.
    """
    here = path.at(path.draw(num_chains))
    log_w = torch.zeros_like(here.log_ratio)
    last = len(schedule.betas) - 1
    for t in range(1, last + 1):
        log_w += (schedule.betas[t] - schedule.betas[t - 1]) * here.log_ratio
        if t < last:
            here = _move(path, schedule.kernel(t), here, leapfrog, tally)
    return log_w, here.u


def reverse(path: Path, schedule: Schedule, u: Tensor, leapfrog: int, tally: Tally) -> tuple[Tensor, Tensor]:
    """The forward chains backwards, from u [C, B, D]: log w [C, B] of each, and the drift at β = 1, [B].

    Started at a draw of p(z|x), u_T → K_T → u_{T−1} → K_{T−1} → … → K_1 → u_0 has the law of a forward chain read
    backwards, but for the weight: P_forward(u_0 … u_T) · w = p(x) · P_reverse(u_0 … u_T), since every K_t is reversible
    with respect to f_{β_t}. So E_reverse[1/w] = 1/p(x), with the same sum for log w. K_T, which leaves p(z|x) as it is,
    is applied several times; the drift is the mean change of log p(x, z) over these moves. Where both ends have the law
    p(z|x) they may be exchanged, so the change is symmetric about 0, and its mean is 0 also when it is cut at ±20 nats,
    without which a sampler that flies off would hide behind the spread of its numbers.

    References: Grosse, Ghahramani & Adams, Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo (2015),
    §3; Wu et al., On the Quantitative Analysis of Decoder-Based Generative Models (2017), §3.2.
    """
    start = here = path.at(u)
    last = len(schedule.betas) - 1
    for _ in range(STAYING):
        here = _move(path, schedule.kernel(last), here, leapfrog, tally, back=True)
    drift = (here.log_f1.double() - start.log_f1.double()).clamp(-FURTHEST, FURTHEST).mean(0)
    log_w = torch.zeros_like(here.log_ratio)
    for t in range(last, 0, -1):
        log_w += (schedule.betas[t] - schedule.betas[t - 1]) * here.log_ratio
        if t > 1:
            here = _move(path, schedule.kernel(t - 1), here, leapfrog, tally, back=True)
    return log_w, drift


def _move(path: Path, kernel: Kernel, here: Point, leapfrog: int, tally: Tally, back: bool = False) -> Point:
    """K_t, or on the way back its reversal. Where the start is adapted: a step of HMC, then a jump; or jump, then step.

    Each of the two is reversible with respect to f_β; of two in a row, the reversal is the two in the other order.
    """
    if back:
        here = _jump(path, kernel, here)
    moved = transition(path.at, here, kernel, leapfrog)
    tally.add(moved)
    return moved.point if back else _jump(path, kernel, moved.point)


def _jump(path: Path, kernel: Kernel, here: Point) -> Point:
    """An independent proposal u' ∼ f0, accepted with probability min(1, (w(u')/w(u))^β), w = f1/f0 (Hastings, 1970).

    Since f_β/f0 = w^β, that leaves f_β invariant. It takes chains from one mode to another; only an adapted f0 lies
    near enough to f1 for it to be accepted.
    """
    if path.kernels is None:
        return here
    there = path.at(path.draw(len(here.u)))
    gain = kernel.beta * (there.log_ratio - here.log_ratio)
    return there.where(accepts(torch.where(gain.isnan(), -torch.inf, gain)), here)
