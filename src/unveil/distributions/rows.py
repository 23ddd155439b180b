"""One of two distributions for each row of a batch."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor
from torch.distributions import Distribution

from .event import Shape, Unchecked
from .real_latents import JointDraw, Pushforward

DRAWS = 1024  # that the moments of a pushforward are taken of


class Rows(Unchecked):
    """p_a of the rows that are chosen, p_b of the others; batch shape [B], event shape [D].

    The mean and the standard deviation of p_a, which has none in closed form, are those of 1,024 draws on noise that is
    the same for every row, and each time.

    Arguments:
        chosen: [B] bool.
        a: a pushforward, such as a flow; b: a distribution over the same values.
    """

    has_rsample = True

    def __init__(self, chosen: Tensor, a: Pushforward, b: Distribution) -> None:
        self.chosen, self.a, self.b = chosen, a, b
        super().__init__(a.batch_shape, a.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return torch.where(self.chosen.unsqueeze(-1), self._draws.mean(0), self.b.mean)

    @property
    def stddev(self) -> Tensor:
        return torch.where(self.chosen.unsqueeze(-1), self._draws.std(0), self.b.stddev)

    @cached_property
    def _draws(self) -> Tensor:
        """p_a at fixed noise, [1024, B, D]."""
        half = torch.randn(DRAWS // 2, self.event_shape[-1], generator=torch.Generator().manual_seed(0))
        noise = torch.cat([half, -half]).to(self.chosen.device)
        z: Tensor = self.a.transform(noise.unsqueeze(1).expand(-1, len(self.chosen), -1))
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.where(self.chosen, self.a.log_prob(value), self.b.log_prob(value))

    @torch.no_grad()
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self.rsample(sample_shape)

    def rsample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        return self.rsample_and_log_prob(sample_shape)[0]

    def rsample_and_log_prob(self, sample_shape: Shape) -> tuple[Tensor, Tensor]:
        """A reparametrised draw and its log density."""
        (z, log_z), (u, log_u) = (_drawn(p, sample_shape) for p in (self.a, self.b))
        return torch.where(self.chosen.unsqueeze(-1), z, u), torch.where(self.chosen, log_z, log_u)


def _drawn(p: Distribution, sample_shape: Shape) -> tuple[Tensor, Tensor]:
    if isinstance(p, JointDraw):
        return p.rsample_and_log_prob(sample_shape)
    z = p.rsample(torch.Size(sample_shape))
    return z, p.log_prob(z)
