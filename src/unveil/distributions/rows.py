"""One of two distributions for each row of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from .event import Shape, Unchecked
from .real_latents import JointDraw


class Rows(Unchecked):
    """p_a of the rows that are chosen, p_b of the others; batch shape [B], event shape [D]. No mean in closed form.

    Arguments:
        chosen: [B] bool.
        a, b: distributions over the same values.
    """

    has_rsample = True

    def __init__(self, chosen: Tensor, a: Distribution, b: Distribution) -> None:
        self.chosen, self.a, self.b = chosen, a, b
        super().__init__(a.batch_shape, a.event_shape, validate_args=False)

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
