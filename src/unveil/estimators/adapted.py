"""A start for annealing that knows the modes of p(z|x) which q(z|x) misses, for z of few dimensions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST, DRAWS, ROUNDS = 4096, 1024, 7  # draws per example in the first round, and in the others; of so many
KERNELS, NEIGHBOUR = 128, 12  # Gaussians of the mixture, and the neighbour that says how wide each is
FEWEST = 64.0  # effective draws that a round must leave; with fewer the weights are tempered
WIDE = 2.5  # standard deviations of p(z): the width of the first kernel
LEAST = 0.02  # share of each part: what the kernels have missed is still drawn from q(z|x) and p(z)
EM_ROUNDS = 10  # for the shares, in each round
HELD = 2**21  # numbers that are held at once while densities of kernels are taken
HALVINGS = 20  # of the interval in which the tempering is searched


@dataclass(frozen=True)
class Kernels:
    """f0(u) = π_1/M Σ_m N(u; c_m, diag s_m²) + π_2 q(u|x) + π_3 p(u), of B examples.

    Arguments: centre c [M, B, D]; width s [M, B, D]; share π [3, B].
    """

    centre: Tensor
    width: Tensor
    share: Tensor

    def draw(self, from_q: Tensor, from_p: Tensor) -> Tensor:
        """u ∼ f0, [C, B, D], given as many draws of q and of p."""
        which = torch.randint(len(self.centre), (*from_q.shape[:-1], 1), device=from_q.device)
        index = which.expand(-1, -1, from_q.shape[-1])
        own = self.centre.gather(0, index) + self.width.gather(0, index) * torch.randn_like(from_q)
        place = torch.rand_like(from_q[..., :1])
        kernels, with_q = self.share[0].unsqueeze(-1), self.share[:2].sum(0).unsqueeze(-1)
        return torch.where(place < kernels, own, torch.where(place < with_q, from_q, from_p))

    def log_prob(self, u: Tensor, log_q: Tensor, log_p: Tensor) -> Tensor:
        """log f0(u) [C, B], given log q and log p there."""
        return (self.parts(u, log_q, log_p) + self.share.log().unsqueeze(1)).logsumexp(0)

    def parts(self, u: Tensor, log_q: Tensor, log_p: Tensor) -> Tensor:
        """The log densities of the three parts, [3, C, B]."""
        own = torch.cat([self._log_own(part) for part in u.split(max(1, HELD // self.centre.numel()))])
        return torch.stack([own, log_q, log_p])

    def _log_own(self, u: Tensor) -> Tensor:
        """log 1/M Σ_m N(u; c_m, diag s_m²), [C, B]."""
        size = 0.5 * math.log(2 * math.pi) * u.shape[-1] + math.log(len(self.centre))
        each = -(self.width.log().sum(-1) + size).unsqueeze(1)  # [M, 1, B]
        for d in range(u.shape[-1]):
            off = (u[..., d] - self.centre[..., d].unsqueeze(1)) / self.width[..., d].unsqueeze(1)  # [M, C, B]
            each = each - 0.5 * off.square()
        return torch.logsumexp(each, 0)

    @property
    def scale(self) -> Tensor:
        """How wide p(z|x) is around one mode, [B, D]."""
        return self.width.median(0).values


def wide(from_p: Tensor) -> Kernels:
    """One kernel, WIDE times as wide as draws [K, B, D] of p(z): modes lie beyond these, too."""
    mean, spread = from_p.mean(0, keepdim=True), from_p.std(0, keepdim=True)
    return Kernels(mean, WIDE * spread, torch.full_like(mean[0, :, :1].T.expand(3, -1), 1 / 3))


def adapt(
    kernels: Kernels,
    draw: Callable[[Kernels, int], Tensor],
    densities: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]],
    sizes: Sequence[int] = (FIRST, *(DRAWS,) * (ROUNDS - 1)),
) -> Kernels:
    """Kernels laid over p(z|x) by importance sampling, round after round (population Monte Carlo).

    The weights of a round are tempered, w^γ, so that no few of its draws are all that is left: γ rises to 1 as f0
    closes in. Kernels go where q(z|x) does not account for the draws, so that the mode which q knows does not hide the
    others; the shares π are fitted to each round's fresh draws: where q is good, f0 is nearly q. Nothing here reads a
    known z.

    References: Cappé et al., Adaptive importance sampling in general mixture classes (2008), eq. 6, for the shares;
    Koblents & Míguez, A population Monte Carlo scheme with transformed weights (2015), for the tempering.

    Arguments:
        kernels: to begin with, wide enough for all modes.
        draw: (kernels, number) → u [N, B, D] from f0.
        densities: u → log p(x, u), log q(u|x) and log p(u), [N, B] each.
        sizes: the draws per example in each round.
    """
    for i, size in enumerate(sizes):
        u = draw(kernels, size)
        log_f1, log_q, log_p = densities(u)
        parts = kernels.parts(u, log_q, log_p)  # [3, N, B]
        owner = (parts + kernels.share.log().unsqueeze(1)).log_softmax(0)
        log_w = (log_f1 - (parts + kernels.share.log().unsqueeze(1)).logsumexp(0)).double()
        share = _shares(kernels.share, parts, _weight(log_w).to(u.dtype))
        missed = _weight(log_w + owner[[0, 2]].logsumexp(0).double()).to(u.dtype)
        laid = _laid(u, missed) if i + 1 < len(sizes) else (kernels.centre, kernels.width)
        kernels = Kernels(*laid, share)
    return kernels


def _shares(share: Tensor, parts: Tensor, weight: Tensor) -> Tensor:
    """π [3, B] that make f0 likeliest for draws of these weights [N, B]: a few rounds of EM, kept off zero."""
    for _ in range(EM_ROUNDS):
        owner = (parts + share.log().unsqueeze(1)).softmax(0)
        share = (1 - 3 * LEAST) * (owner * weight).sum(1) + LEAST
    return share


def _laid(u: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Centres at M draws by their shares [N, B], and widths by the distance to a near neighbour, [M, B, D] each."""
    which = torch.multinomial(share.T, KERNELS, replacement=True).T.unsqueeze(-1)  # [M, B, 1]
    centre = u.take_along_dim(which, 0)
    mean = (share.unsqueeze(-1) * u).sum(0)
    spread = (share.unsqueeze(-1) * (u - mean).square()).sum(0).sqrt().clamp(min=1e-6)  # [B, D]
    scaled = (centre / spread).movedim(1, 0)  # [B, M, D]
    near = torch.cdist(scaled, scaled).sort(-1).values  # [B, M, M], the first of each row is 0
    distance = near[..., NEIGHBOUR].T  # [M, B]
    least = 0.3 * distance.median(0).values.clamp(min=1e-3)
    return centre, torch.maximum(distance, least).unsqueeze(-1) * spread


def _weight(log_w: Tensor) -> Tensor:
    """w^γ of draws [N, B], summing to 1."""
    return (_tempering(log_w) * log_w.clamp(min=-1e30)).softmax(0)


def _tempering(log_w: Tensor) -> Tensor:
    """The largest γ ≤ 1 [B] at which the effective number of draws is FEWEST."""
    low, high = torch.zeros_like(log_w[0]), torch.ones_like(log_w[0])
    enough = _effective(log_w) >= FEWEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        holds = _effective(middle * log_w) >= FEWEST
        low, high = torch.where(holds, middle, low), torch.where(holds, high, middle)
    return torch.where(enough, 1.0, low)


def _effective(log_w: Tensor) -> Tensor:
    """(Σw)²/Σw², [B]."""
    return 1 / log_w.softmax(0).square().sum(0)
