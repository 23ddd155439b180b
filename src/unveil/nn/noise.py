"""γ(t), the logarithm of noise over signal as a function of time: its ends, and the way between them."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Path = Literal["monotone", "linear"]
Spacing = Literal["angle", "time"]


@dataclass(frozen=True)
class Place:
    """The place of a time between the ends of γ: w from 0 to 1, and its first and second derivative by t."""

    w: Tensor
    dw: Tensor
    ddw: Tensor


class Way(nn.Module, ABC):
    """A rising function w(t) with w(0) = 0 and w(1) = 1."""

    @abstractmethod
    def forward(self, t: Tensor) -> Place: ...


class Linear(Way):
    """w(t) = t."""

    def forward(self, t: Tensor) -> Place:
        return Place(t, torch.ones_like(t), torch.zeros_like(t))


class Monotone(Way):
    """w(t) ∝ t + Σ_h a_h σ(b_h (t − c_h)) with a, b > 0, starting close to w(t) = t.

    References: Kingma et al., Variational Diffusion Models (2021), appendix H.

    Arguments: num_units, of the sum.
    """

    def __init__(self, num_units: int = 24) -> None:
        super().__init__()
        self.log_height = nn.Parameter(torch.full((num_units,), math.log(0.5 / num_units)))
        self.log_slope = nn.Parameter(torch.full((num_units,), math.log(8.0)))
        self.middle = nn.Parameter(torch.linspace(0, 1, num_units))

    def forward(self, t: Tensor) -> Place:
        ends = self._raw(torch.stack([torch.zeros_like(t[..., 0]), torch.ones_like(t[..., 0])], -1))[0]
        low, span = ends[..., :1], ends[..., 1:] - ends[..., :1]
        w, dw, ddw = self._raw(t)
        return Place((w - low) / span, dw / span, ddw / span)

    def _raw(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, b = self.log_height.exp(), self.log_slope.exp()
        s = torch.sigmoid(b * (t.unsqueeze(-1) - self.middle))  # [..., H]
        slope = b * s * (1 - s)
        bend = b * slope * (1 - 2 * s)
        return t + (a * s).sum(-1), 1 + (a * slope).sum(-1), (a * bend).sum(-1)


class Noise(nn.Module):
    """γ(t) = γ₀ + (γ₁ − γ₀) w(t), t ∈ [0, 1]: noise of variance σ² = σ(γ) on a signal scaled by α, α² = σ(−γ).

    The ends are learned, each within a range of its own. In expectation a bound knows nothing of w, so w is trained
    to lower the variance of its estimate (`spread`).

    References: Kingma et al., Variational Diffusion Models (2021), §3.2, §5.1, appendix H and I.2.

    Arguments: path, "monotone" (learned) or "linear".
    """

    ranges: Tensor

    def __init__(self, path: Path = "monotone") -> None:
        super().__init__()
        self.way: Way = Monotone() if path == "monotone" else Linear()
        self.is_learned = path == "monotone"
        self.register_buffer("ranges", torch.tensor([[-14.0, -6.0], [3.0, 12.0]]))  # of γ₀ and of γ₁
        self.ends = nn.Parameter(torch.zeros(2))
        self.start(-14.0, -9.0, -6.0)

    @torch.no_grad()
    def start(self, low: float, first: float, high: float, last: float = 6.0) -> None:
        """Begin with γ₀ = first, in the range from low to high, and with γ₁ = last."""
        self.ranges[0] = torch.tensor([low, high])
        start = torch.tensor([first, last], device=self.ranges.device)
        self.ends.copy_(torch.logit((start - self.ranges[:, 0]) / (self.ranges[:, 1] - self.ranges[:, 0])))

    @property
    def limits(self) -> tuple[Tensor, Tensor]:
        """(γ₀, γ₁)."""
        low, high = self.ranges.unbind(-1)
        first, last = (low + (high - low) * self.ends.sigmoid()).unbind()
        return first, last

    def at(self, t: Tensor) -> tuple[Tensor, Tensor, Place]:
        """γ(t), γ'(t) and the place of t; gradients reach the ends alone."""
        first, last = self.limits
        place = self.way(t)
        return first + (last - first) * place.w.detach(), (last - first) * place.dw.detach(), place

    def steps(self, num_steps: int, spacing: Spacing = "time") -> Tensor:
        """γ at T + 1 places, rising: at equal steps of t or, for draws, of the angle φ with tan φ = σ/α = e^{γ/2}.

        What is decided on the way to x is decided where signal and noise are of one size, and there the angle has most
        steps, whatever w is.

        References: Nichol & Dhariwal, Improved Denoising Diffusion Probabilistic Models (2021), §3.2, whose cosine
        schedule it is between other ends.
        """
        first, last = self.limits
        if spacing == "time":
            return self.at(torch.linspace(0, 1, num_steps + 1, device=first.device, dtype=first.dtype))[0]
        low, high = (torch.atan(torch.exp(gamma.double() / 2)) for gamma in (first, last))
        angle = low + (high - low) * torch.linspace(0, 1, num_steps + 1, device=low.device, dtype=low.dtype)
        return (2 * torch.log(torch.tan(angle))).to(first.dtype)

    def spread(self, place: Place, value: Tensor) -> Tensor:
        """What falls when w is moved so that the variance of γ'(t)·value(γ(t)), t uniform, falls; per draw.

        J = ∫ γ'² h(γ) dt with h = E[value²] = ∫ h(γ) / t'(γ) dγ, whose derivative is E_t[h (γ' dγ' − γ'' dγ)]: no
        gradient through the network is asked for. Its value means nothing; its gradient is that of log J.
        """
        h = value.detach().square()
        share = h / (h * place.dw.detach().square()).mean()
        return share * (0.5 * place.dw.square() - place.ddw.detach() * place.w)


def signal_and_noise(gamma: Tensor) -> tuple[Tensor, Tensor]:
    """α = √σ(−γ) and σ = √σ(γ)."""
    return torch.exp(0.5 * F.logsigmoid(-gamma)), torch.exp(0.5 * F.logsigmoid(gamma))
