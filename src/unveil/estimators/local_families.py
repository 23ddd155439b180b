"""Families of q(u|λ_b) whose parameters λ_b belong to one example: Gaussians, and a flow that starts as one.

u = m + L w, w = T(ε), ε ∼ N(0, I): T is the identity (Gaussians) or a chain of curves, and L is diagonal or lower
triangular. Steps of m and L are taken in units of L itself, m ← m + L δ and L ← L e^Δ, so that a fit does not notice
how narrow or how wide it began.

References: Cardoso & Laheld, Equivariant Adaptive Source Separation (1996), §III, the relative gradient.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

FamilyName = Literal["mean_field", "full", "flow"]
FAMILIES: tuple[FamilyName, ...] = ("mean_field", "full", "flow")  # each holds those before it


class Affine(nn.Module, ABC):
    """u = m + L w per example, w and u being [K, B, D].

    Arguments: mean, m [B, D]; scale, L.
    """

    mean: Tensor
    scale: Tensor
    log_det: Tensor  # log|det L|, [B]

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("scale", scale.clone())

    @abstractmethod
    def forward(self, w: Tensor) -> Tensor: ...

    @abstractmethod
    def inverse(self, u: Tensor) -> Tensor: ...

    @abstractmethod
    def slope(self, h: Tensor, w: Tensor) -> Tensor:
        """Σ_k h_k w_kᵀ, the gradient with respect to Δ at 0 where h [K, B, D] is that with respect to w."""

    @abstractmethod
    def move(self, shift: Tensor, stretch: Tensor) -> None:
        """m ← m + L δ and L ← L e^Δ (to first order below the diagonal)."""


class Diagonal(Affine):
    """L = diag σ, of which σ [B, D] is held."""

    @property
    def log_det(self) -> Tensor:  # type: ignore[override]
        return self.scale.log().sum(-1)

    def forward(self, w: Tensor) -> Tensor:
        return self.mean + self.scale * w

    def inverse(self, u: Tensor) -> Tensor:
        return (u - self.mean) / self.scale

    def slope(self, h: Tensor, w: Tensor) -> Tensor:
        return (h * w).sum(0)

    def move(self, shift: Tensor, stretch: Tensor) -> None:
        self.mean.add_(self.scale * shift)
        self.scale.mul_(stretch.exp())


class Lower(Affine):
    """L [B, D, D] lower triangular with a positive diagonal."""

    @property
    def log_det(self) -> Tensor:  # type: ignore[override]
        return self.scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def forward(self, w: Tensor) -> Tensor:
        return self.mean + _times(self.scale, w)

    def inverse(self, u: Tensor) -> Tensor:
        return _solved(self.scale, u - self.mean, upper=False)

    def slope(self, h: Tensor, w: Tensor) -> Tensor:
        return torch.einsum("kbi,kbj->bij", h, w).tril()

    def move(self, shift: Tensor, stretch: Tensor) -> None:
        self.mean.add_(torch.einsum("bij,bj->bi", self.scale, shift))
        diagonal = stretch.diagonal(dim1=-2, dim2=-1).exp()
        self.scale.copy_(self.scale @ (stretch.tril(-1) + torch.diag_embed(diagonal)))


class Curve(nn.Module, ABC):
    """An invertible map of each example's own that starts as the identity: x ↔ y [K, B, D], log|det ∂y/∂x| [K, B]."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]: ...

    @abstractmethod
    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]: ...


class Upper(Curve):
    """y = (I + N) x with N strictly upper triangular: it mixes what L mixes, in the other order.

    Arguments: like, any tensor [B, D].
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.above = nn.Parameter(like.new_zeros(*like.shape, like.shape[-1]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + _times(self.above.triu(1), x), x.new_zeros(())

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        eye = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
        return _solved(eye + self.above.triu(1), y, upper=True), y.new_zeros(())


class SinhArcsinh(Curve):
    """y_d = sinh(e^{t_d} asinh x_d + a_d): a skews, t makes tails heavier (t > 0) or lighter (t < 0).

    References: Jones & Pewsey, Sinh-arcsinh Distributions (2009), eq. 1, of which it is the inverse.

    Arguments: like, any tensor [B, D].
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.skew, self.tail = nn.Parameter(torch.zeros_like(like)), nn.Parameter(torch.zeros_like(like))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        v = self.tail.exp() * torch.asinh(x) + self.skew
        return torch.sinh(v), self._log_slope(x, v)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        v = torch.asinh(y)
        x = torch.sinh((v - self.skew) * (-self.tail).exp())
        return x, self._log_slope(x, v)

    def _log_slope(self, x: Tensor, v: Tensor) -> Tensor:
        """Σ_d log dy_d/dx_d = Σ_d [t + log cosh v − ½ log(1 + x²)]."""
        return (self.tail + _log_cosh(v) - 0.5 * torch.log1p(x**2)).sum(-1)


class LocalFamily(nn.Module):
    """q(u|λ_b) of B examples: log q(u) = log N(ε; 0, I) − log|det ∂w/∂ε| − log|det L|.

    Arguments: name; affine, m and L; curves, T in the order in which noise passes them.
    """

    def __init__(self, name: FamilyName, affine: Affine, curves: list[Curve]) -> None:
        super().__init__()
        self.name, self.affine, self.curves = name, affine, nn.ModuleList(curves)

    def noise(self, num_samples: int) -> Tensor:
        """ε [K, B, D]."""
        like = self.affine.mean
        return torch.randn(num_samples, *like.shape, dtype=like.dtype, device=like.device)

    def forward(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """u and log q(u) [K, B]."""
        w, log_q = self.curved(noise)
        return self.affine(w), log_q - self.affine.log_det

    def log_prob(self, u: Tensor) -> Tensor:
        """log q(u) [K, B]."""
        return self.log_prob_curved(self.affine.inverse(u)) - self.affine.log_det

    def curved(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """w and its log density [K, B]."""
        w, log_q = noise, _log_normal(noise)
        for curve in self.curves:
            w, log_det = curve(w)
            log_q = log_q - log_det
        return w, log_q

    def log_prob_curved(self, w: Tensor) -> Tensor:
        """The log density of w [K, B]."""
        total = w.new_zeros(())
        for curve in reversed(self.curves):
            assert isinstance(curve, Curve)
            w, log_det = curve.inverse(w)
            total = total + log_det
        return _log_normal(w) - total


def family_at(name: FamilyName, mean: Tensor, scale: Tensor) -> LocalFamily:
    """The family where it is N(mean, scale scaleᵀ).

    Arguments: mean [B, D]; scale, the standard deviations [B, D] or lower triangular [B, D, D], of which the mean field
        takes the standard deviations.
    """
    if name == "mean_field":
        stddev = scale.square().sum(-1).sqrt() if scale.ndim == 3 else scale
        return LocalFamily(name, Diagonal(mean, stddev), [])
    affine = Lower(mean, scale if scale.ndim == 3 else torch.diag_embed(scale))
    curves: list[Curve] = [SinhArcsinh(mean), Upper(mean), SinhArcsinh(mean)] if name == "flow" else []
    return LocalFamily(name, affine, curves)


def _times(A: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("bij,kbj->kbi", A, x)


def _solved(A: Tensor, y: Tensor, upper: bool) -> Tensor:
    """A⁻¹ y of triangular A [B, D, D] and y [K, B, D]."""
    return torch.linalg.solve_triangular(A, y.permute(1, 2, 0), upper=upper).permute(2, 0, 1)


def _log_normal(noise: Tensor) -> Tensor:
    return -0.5 * (noise.square() + math.log(2 * math.pi)).sum(-1)


def _log_cosh(v: Tensor) -> Tensor:
    return v.abs() + torch.log1p((-2 * v.abs()).exp()) - math.log(2)
