"""A denoiser that takes dimensions as independent: it knows only how often each value occurs."""

import math

import torch
from torch import Tensor, nn

SPIKES, BROAD = 3, 5  # components at one level each, and Gaussians over all the rest
OFTEN = 0.03  # share of all values from which a level has a component of its own
VALUES, ROUNDS = 2**20, 8  # of x, and of EM, for the start


class Marginals(nn.Module):
    """E[ε|z_d] for x_d ∼ Σ_j w_dj N(m_j, s_j²), z = α x + σ ε, each dimension by itself.

    Given j, z_d ∼ N(α m_j, v_j) with v_j = α² s_j² + σ², and E[ε|z_d, j] = σ (z_d − α m_j)/v_j.

    A network that adds to it starts where independent dimensions leave off. Most pixels of a scan are exactly black:
    a step that a network of smooth layers takes long to learn at every strength of noise.

    Arguments: shape of x.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        count = SPIKES + BROAD
        self.logits = nn.Parameter(torch.zeros(count, *shape))
        self.middle = nn.Parameter(torch.linspace(-1, 1, count))
        self.log_scale = nn.Parameter(torch.zeros(count))

    def forward(self, z: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """[N, *shape] of z [N, *shape], α and σ [N]."""
        weights = self.logits.log_softmax(0)
        variance = (alpha * self.log_scale.exp().unsqueeze(-1)).square() + sigma.square()  # [J, N]
        best, log_p, noise = None, [], []
        for j in range(len(weights)):
            alone = (...,) + (None,) * (z.ndim - 1)
            off, v = z - (alpha * self.middle[j])[alone], variance[j][alone]
            log_p.append(weights[j] - 0.5 * (off.square() / v + v.log()))
            noise.append(sigma[alone] * off / v)
            best = log_p[-1] if best is None else torch.maximum(best, log_p[-1])
        assert best is not None
        share = [(each - best.detach()).exp() for each in log_p]
        total = torch.zeros_like(z)
        for s, n in zip(share, noise, strict=True):
            total = total + s * n
        return total / torch.stack(share).sum(0)

    @torch.no_grad()
    def initialise(self, x: Tensor, distance: float) -> None:
        """Components of training examples x [N, *shape], standardised; distance of neighbouring levels, 0: real x."""
        x = x[: max(1, VALUES // x[0].numel())]
        frequent = _frequent(x) if distance else x.new_zeros(0)
        rest = x.flatten()
        for value in frequent:
            rest = rest[(rest - value).abs() > distance / 2]
        rest = rest if len(rest) else x.flatten()
        shares = (torch.arange(len(self.middle) - len(frequent), device=x.device) + 0.5) / BROAD
        spread = rest.std() if len(rest) > 1 else torch.ones_like(x.mean())
        broad = torch.quantile(rest[:: 1 + len(rest) // 100_000], shares.clamp(max=1).to(rest.dtype))
        self.middle.copy_(torch.cat([frequent, broad]))
        self.logits.zero_()
        narrow = torch.full_like(frequent, math.log(distance / 50) if distance else 0.0)
        self.log_scale.copy_(torch.cat([narrow, (spread.clamp(min=1e-3) / 3).log().expand(len(broad))]))
        for _ in range(ROUNDS):
            self._improve(x, len(frequent), max(distance / 2, 1e-2))

    def _improve(self, x: Tensor, num_spikes: int, least: float) -> None:
        """One round of EM; spikes stay where they are."""
        alone = (...,) + (None,) * x.ndim
        scale = self.log_scale.exp()
        u = (x - self.middle[alone]) / scale[alone]
        r = (self.logits.unsqueeze(1) - 0.5 * u.square() - self.log_scale[alone]).softmax(0)  # [J, N, *shape]
        count, whole = r.sum(1), r.flatten(1).sum(1).clamp(min=1e-6)
        self.logits.copy_((count + 0.1 * whole[alone[:-1]] / whole.sum() + 1e-3).log())
        mean = (r * x).flatten(1).sum(1) / whole
        square = (r * (x - mean[alone]).square()).flatten(1).sum(1) / whole
        self.middle[num_spikes:] = mean[num_spikes:]
        self.log_scale[num_spikes:] = (square.sqrt().clamp(min=least)).log()[num_spikes:]


def _frequent(x: Tensor) -> Tensor:
    """The values that occur most, each in at least its share of all places."""
    values, counts = x.flatten().unique(return_counts=True)
    kept = counts >= OFTEN * x.numel()
    order = counts[kept].argsort(descending=True)[:SPIKES]
    return values[kept][order]
