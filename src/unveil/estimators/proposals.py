"""Weighted draws of p(z|x) that do not trust q(z|x) alone."""

import math

import torch
from torch import Tensor

from ..batch import Batch
from ..model import Model
from .adapted import Kernels, adapt, wide
from .annealing import FEW, SCALE_DRAWS, Path
from .base import draws

PRIOR = 0.2  # share of the draws that come from p(z)
SIZES = 2048, 1024, 1024  # draws of the rounds that lay kernels, where z has few dimensions


class Proposal:
    """r(z) for p(z|x) of B examples: z_k ∼ r with w_k = p(x, z_k)/r(z_k).

    r is 4/5 q(z|x) + 1/5 p(z), so that w is at most 5 p(x|z) and no mode hides behind weights that look even. Where z
    has at most three dimensions, kernels that are laid over p(z|x) are the third part, the shares being fitted
    (`adapt`). It is q(z|x) alone where z is not real, and where p(z|x) has a closed form.

    References: Hesterberg, Weighted Average Importance Sampling and Defensive Mixture Distributions (1995).

    Arguments: model; batch. The kernels are laid with the caller's noise.
    """

    @torch.no_grad()
    def __init__(self, model: Model, batch: Batch) -> None:
        self.model, self.batch = model, batch
        is_open = "pathwise" in model.gives and model.true_posterior(batch) is None
        self.path = Path(model, batch, "auto") if is_open else None
        self.kernels = self._laid(self.path) if self.path is not None and self.path.size <= FEW else None

    @torch.no_grad()
    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """z groups [K, B, …] and log w [K, B]."""
        if self.path is None:
            parts = list(draws(self.model, self.batch, num_samples))
            z = tuple(torch.cat(groups) for groups in zip(*(terms.z for terms in parts), strict=True))
            return z, torch.cat([terms.log_w for terms in parts])
        u, log_w = self._mixed(self.path, num_samples)
        return self.path.flat.to_z(u)[0], log_w

    def _laid(self, path: Path) -> Kernels:
        return adapt(wide(path.draw_prior(SCALE_DRAWS)), path.draw_adapted, path.densities, SIZES)

    def _mixed(self, path: Path, num_samples: int) -> tuple[Tensor, Tensor]:
        if self.kernels is not None:
            u = path.draw_adapted(self.kernels, num_samples)
            log_f1, log_q, log_p = path.densities(u)
            return u, log_f1 - self.kernels.log_prob(u, log_q, log_p)
        own = num_samples - int(PRIOR * num_samples)
        u = torch.cat([path.draw_posterior(own), path.draw_prior(num_samples - own)])
        log_f1, log_q, log_p = path.densities(u)
        if own == num_samples:
            return u, log_f1 - log_q
        share = own / num_samples
        return u, log_f1 - torch.logaddexp(math.log(share) + log_q, math.log1p(-share) + log_p)
