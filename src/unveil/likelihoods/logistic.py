"""Levels 0 … n − 1 as the bins of a smooth density."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..distributions import ColourLogisticMixture, DiscretizedLogistic, DiscretizedLogisticMixture, EventSum
from ..domain import Domain
from ..errors import RequestError, at_least
from ..registry import register
from .base import Likelihood, moments


@register("likelihood", "discretized_logistic")
class Logistic(Likelihood):
    """P(x_d = i|h) = σ((i + ½ − μ_d)/s_d) − σ((i − ½ − μ_d)/s_d), tails in the end bins; for levels(n).

    References: Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016).
    """

    domains = ("levels",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 2)
        self.unit = domain.levels / 4

    def each(self, *params: Tensor) -> Distribution:
        loc, log_scale = params
        return DiscretizedLogistic(self.unit * loc, bounded_log_scale(log_scale, self.unit), self.domain.levels)

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        seen = moments(x, observed)
        self._set_offset(seen.mean / self.unit, unbounded_log_scale(seen.std, self.unit))

    @property
    def slope(self) -> Tensor:
        return torch.tensor(self.unit)

    def start_noise(self, std: Tensor) -> None:
        self._set_offset_of(1, unbounded_log_scale(std, self.unit))


@register("likelihood", "discretized_logistic_mixture")
class LogisticMixture(Likelihood):
    """P(x_d = i|h) = Σ_m π_dm [σ((i + ½ − μ_dm)/s_dm) − σ((i − ½ − μ_dm)/s_dm)], tails in the end bins; for levels(n).

    The three channels of a colour pixel share π, and are one joint distribution: the mean of green moves with the red
    that was observed, that of blue with red and green. A pixel may be unobserved as a whole, or from one channel on.

    References: Salimans et al., PixelCNN++ (2017), eq. 1-3.

    Arguments:
        num_components: M, the logistics that each dimension (or pixel) is a mixture of.
    """

    domains = ("levels",)

    def __init__(self, domain: Domain, *, num_components: int = 10) -> None:
        self.colour = domain.is_image and domain.image_shape[2] == 3
        super().__init__(domain, (4 if self.colour else 3) * num_components)
        at_least(1, "likelihood.num_components", num_components)
        self.num_components, self.unit, self.factorises = num_components, domain.levels / 4, not self.colour

    def forward(self, h: Tensor, observed: Tensor | None = None) -> EventSum:
        if self.colour and observed is not None:
            _require_channels_in_order(observed)
        return super().forward(h, observed)

    def each(self, *params: Tensor) -> Distribution:
        M, n = self.num_components, self.domain.levels
        groups = [torch.stack(params[i : i + M]) for i in range(0, len(params), M)]  # [M, ..., *shape]
        if self.colour:
            groups = [g.movedim(-1, 0).contiguous() for g in groups]  # [C, M, ..., H, W]
        logits, loc, log_scale = groups[0], self.unit * groups[1], bounded_log_scale(groups[2], self.unit)
        if self.colour:
            return ColourLogisticMixture(logits.sum(0), loc, log_scale, torch.tanh(groups[3]), n)
        return DiscretizedLogisticMixture(logits, loc, log_scale, n)

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        """Components at the quantiles of a normal distribution with the mean and spread of the data."""
        seen, M = moments(x, observed), self.num_components
        place = torch.special.ndtri((torch.arange(M, device=x.device, dtype=x.dtype) + 0.5) / M)
        left = (1 - (place**2).mean()).clamp(min=0.05).sqrt()  # of the spread, within a component
        loc = [(seen.mean + q * seen.std) / self.unit for q in place]
        log_scale = unbounded_log_scale(left * seen.std, self.unit)
        zero = torch.zeros_like(log_scale)
        self._set_offset(*[zero] * M, *loc, *[log_scale] * M, *([zero] * M if self.colour else []))


def bounded_log_scale(raw: Tensor, unit: float) -> Tensor:
    """log s, within e^±5 of n/16 levels."""
    return math.log(unit / 4) + 5 * torch.tanh(raw / 5)


def unbounded_log_scale(std: Tensor, unit: float) -> Tensor:
    """The raw number whose logistic has a standard deviation of `std`, or of half a level."""
    scale = std.clamp(min=0.5) * math.sqrt(3) / math.pi
    return 5 * torch.atanh((scale.log() - math.log(unit / 4)).clamp(-4.5, 4.5) / 5)


def _require_channels_in_order(observed: Tensor) -> None:
    if bool((observed[..., 1:] & ~observed[..., :-1]).any()):
        raise RequestError(
            "A pixel has an unobserved channel before an observed one, whose probability given those before it is all "
            "that discretized_logistic_mixture knows.",
            "Mask pixels as a whole, or use likelihood=discretized_logistic.",
        )
