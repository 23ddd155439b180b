"""Columns of numbers, recorded or measured: mixtures of logistics of stretched values, beside atoms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.nn import functional as F

from .columnlayout import ColumnLayout
from .event import Shape
from .levels import logistic_noise
from .selection import LogisticSelection, quantiles
from .stretch import Line

LEAST_GAP = 1e-30
CANDIDATES = 64  # draws of a number, of which one is taken by the odds of its being missing


@dataclass(frozen=True)
class Numbers:
    """Columns of numbers: p(x) = a p(x|atoms) + (1 − a) Σ_m π_m f_m(x).

    Of cells f_m(x) = σ((T(x + ½) − μ_m)/s_m) − σ((T(x − ½) − μ_m)/s_m), without ends: these add up to 1 over all
    integers. Of measured numbers f_m is the density of T⁻¹(μ_m + s_m·logistic noise), and of an atom p is a p(x|atoms).

    Arguments: log_pi, loc and log_scale [..., M, D]; log_atoms and log_rest, log a and log(1 − a) [..., D]; tilt s: for
    draws and means of what is missing f_m is f_m·s/E[s].
    """

    log_pi: Tensor
    loc: Tensor
    log_scale: Tensor
    log_atoms: Tensor
    log_rest: Tensor
    tilt: LogisticSelection | None = None

    def log_f(self, x: Tensor, stretch: Line, layout: ColumnLayout, s: LogisticSelection | None = None) -> Tensor:
        """log Σ_m π_m f_m(x), [..., D]; with a selection the mass or density of x and of its being observed.

        The number before it was recorded is what s hangs on: in a cell 1 − s is its mean there.
        """
        if self.tilt is not None:
            raise NotImplementedError("of what is missing there are draws and means, and no log p")
        is_cells, dtype = layout.is_cells, x.dtype
        wide, scale = x.double(), self.log_scale.exp()
        cells = density = torch.zeros(())
        if layout.some_cells:
            low, high = stretch(torch.stack([wide - 0.5, wide + 0.5])).unbind()
            gap = (high - low).to(dtype).unsqueeze(-2).clamp(min=LEAST_GAP) / scale  # [..., M, D]
            upper = (high.to(dtype).unsqueeze(-2) - self.loc) / scale
            # σ(u) − σ(l) = σ(u) σ(−l) (1 − e^{l−u}): exact far into both tails
            cells = F.logsigmoid(upper) + F.logsigmoid(gap - upper) + torch.log(-torch.expm1(-gap))
            if layout.some_counts:  # the cell of 0 has all of the mass below it
                at_0, below = layout.is_count & (x == 0), layout.is_count & (x < 0)
                ends = torch.where(at_0.unsqueeze(-2), F.logsigmoid(upper), cells)
                cells = torch.where(below.unsqueeze(-2), -torch.inf, ends)
            if s is not None:
                lower = upper - gap
                if layout.some_counts:
                    lower = torch.where(at_0.unsqueeze(-2), -torch.inf, lower)
                cells = cells + s.log_seen_in_cells(lower, upper, self.loc, scale)
        if not layout.all_cells:
            t = stretch(wide).to(dtype).unsqueeze(-2)
            at = (t - self.loc) / scale
            slope = stretch.log_slope(wide).to(dtype).unsqueeze(-2)
            density = -at - 2 * F.softplus(-at) - self.log_scale + slope
            if s is not None:
                density = density + F.logsigmoid(-s.log_odds(t))
        both = cells if layout.all_cells else torch.where(is_cells, cells, density) if layout.some_cells else density
        return (self.log_pi + both).logsumexp(-2)

    def sample(self, sample_shape: Shape, stretch: Line, layout: ColumnLayout) -> Tensor:
        """Draws from Σ_m π_m f_m."""
        m = Categorical(logits=self.log_pi.movedim(-2, -1), validate_args=False).sample(sample_shape)  # [..., D]
        loc, log_scale = (_of_component(t, m) for t in (self.loc, self.log_scale))
        x = stretch.inverse(self._noisy(loc, log_scale.exp()))
        x = torch.where(layout.is_cells, x.round(), x)
        return torch.where(layout.is_count, x.clamp(min=0), x)

    def _noisy(self, loc: Tensor, scale: Tensor) -> Tensor:
        """Draws of T(x): of Logistic(loc, scale), or of 64 that lie evenly the one that is picked ∝ s."""
        if self.tilt is None:
            return loc + scale * logistic_noise(loc.shape, loc)
        place = torch.arange(CANDIDATES, device=loc.device).reshape(-1, *(1,) * loc.ndim)
        share = (place + torch.rand(CANDIDATES, *loc.shape, device=loc.device)) / CANDIDATES
        t = loc + scale * share.clamp(1e-6, 1 - 1e-6).logit().to(loc.dtype)  # [64, ..., D]
        log_s = F.logsigmoid(self.tilt.log_odds(t)).movedim(0, -1)
        picked = Categorical(logits=log_s, validate_args=False).sample()
        return t.gather(0, picked.unsqueeze(0)).squeeze(0)

    def mean(self, stretch: Line, layout: ColumnLayout) -> Tensor:
        """E of Σ_m π_m f_m, cells before they are rounded, by 31 quantiles of each component.

        Each is kept within the range that came in training: T draws so long tails in that E may not exist without.
        """
        t = self.loc + self.log_scale.exp() * quantiles(self.loc)  # [31, ..., M, D]
        each = torch.minimum(torch.maximum(stretch.inverse(t), stretch.low), stretch.high)
        each = torch.where(layout.is_count, each.clamp(min=0), each)
        if self.tilt is None:
            return (self.log_pi.exp() * each.mean(0)).sum(-2)
        share = F.logsigmoid(self.tilt.log_odds(t)).softmax(0)
        return (self.log_pi.exp() * (share * each).sum(0)).sum(-2)

    def log_missing(self, s: LogisticSelection) -> Tensor:
        """log E of s under each of the M logistics, [..., M, D]."""
        return s.log_missing(self.loc, self.log_scale.exp())


def _of_component(parameter: Tensor, m: Tensor) -> Tensor:
    """A parameter [..., M, D] at the components m [..., D]."""
    wide = parameter.expand(*m.shape[:-1], *parameter.shape[-2:])
    return wide.gather(-2, m.unsqueeze(-2)).squeeze(-2)
