"""A level seen through Gaussian noise, and which level it may have been."""

import torch
from torch import Tensor

from .event import Shape, Unchecked

NEAR = 9  # levels around u that are looked at: with s ≤ ½ all others together weigh less than e^{−32}


class NoisedLevel(Unchecked):
    """P(x = i|u) ∝ exp(−½ ((u − i)/s)²), i = 0 … n − 1: the level behind u = i + s·ε where all are equally likely.

    The n probabilities sum to one, to the precision of the numbers.

    References: Kingma et al., Variational Diffusion Models (2021), eq. 8.

    Arguments:
        u: [...], in level units.
        scale: s, at most ½ where there are more than nine levels.
        num_levels: n.
    """

    def __init__(self, u: Tensor, scale: Tensor, num_levels: int) -> None:
        self.u, self.scale, self.num_levels = torch.broadcast_tensors(u, scale)[0], scale, num_levels
        super().__init__(self.u.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        off, (levels, nearest) = (self.u - value) / self.scale, self._near()
        least = ((self.u - nearest) / self.scale).square()  # taken off, so that nothing is lost where u is far away
        weight = torch.zeros_like(self.u)
        for level in levels:
            weight = weight + (0.5 * (least - ((self.u - level) / self.scale).square())).exp()
        return 0.5 * (least - off.square()) - weight.log()

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self._moment(1).square()

    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        with torch.no_grad():
            levels, nearest = self._near()
            each = torch.stack(levels)  # [n', ...]
            logits = 0.5 * (((self.u - nearest) / self.scale).square() - ((self.u - each) / self.scale).square())
            shape = (*sample_shape, *each.shape)
            gumbel = -torch.log(-torch.log(torch.rand(shape, device=each.device).clamp(1e-20, 1 - 1e-7)))
            which = (logits + gumbel).argmax(len(sample_shape)).unsqueeze(len(sample_shape))
            return each.expand(shape).gather(len(sample_shape), which).squeeze(len(sample_shape))

    def _near(self) -> tuple[list[Tensor], Tensor]:
        """The levels that have any weight, each [...], and the nearest one."""
        nearest = self.u.detach().round().clamp(0, self.num_levels - 1)
        count = min(NEAR, self.num_levels)
        first = (nearest - count // 2).clamp(0, self.num_levels - count)
        return [first + i for i in range(count)], nearest

    def _moment(self, power: int) -> Tensor:
        total = torch.zeros_like(self.u)
        for level in self._near()[0]:
            total = total + self.log_prob(level).exp() * level**power
        return total
