"""The rate is not pushed below a floor: against latents that carry nothing."""

from dataclasses import replace

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import positive
from ..model import Model
from ..registry import register
from .base import Loss, Objective, Warmup, check_from_zero, check_share, check_warmup, warmed, weight_of_rate
from .elbo import weighted


@register("objective", "free_bits")
class FreeBits(Objective):
    """E_q[log p(x|z)] − β·Σ_l max(λ, KL_l): below λ nats a latent group costs nothing more, and gains nothing by less.

    KL_l is the mean over the batch (then the sum is not per example), or that of each example. The reported bound is
    the ELBO, without λ and β. With `floor_end` the floor moves evenly from λ to there over the share `floor_until` of
    the training, and then stays: falling to 0, it keeps the groups of a ladder alive while they are learning what to
    carry, and leaves the ELBO for the rest; rising, it makes them carry more and more.

    References: Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016), eq. 15; a floor
    that changes as training goes on: Chen et al., Variational Lossy Autoencoder (2017), appendix C.

    Arguments:
        floor: λ ≥ 0, nats per latent group; with floor_end, at the start.
        floor_end: λ at the end of its way; none: it stays as it is.
        floor_until: share of the training after which λ has reached floor_end.
        batch_mean: whether KL_l is the mean over the batch (true, as in the paper) or of each example.
        num_samples: K, draws per example.
        warmup: share of the training (of each cycle) over which β grows from 0 to 1; auto as for elbo.
        cycles: how many times β starts again from 0, at equal distances.
    """

    def __init__(
        self,
        *,
        floor: float = 2.0,
        floor_end: float | None = None,
        floor_until: float = 0.5,
        batch_mean: bool = True,
        num_samples: int = 1,
        warmup: Warmup = "auto",
        cycles: int = 1,
    ) -> None:
        check_warmup(warmup, cycles)
        check_share("floor_until", floor_until)
        check_from_zero("floor", floor)
        check_from_zero("floor_end", 0.0 if floor_end is None else floor_end)
        self.floor, self.floor_end, self.floor_until = floor, floor_end, floor_until
        self.batch_mean, self.warmup, self.cycles = batch_mean, warmup, cycles
        self.num_samples = positive(num_samples)

    def floor_at(self, progress: Tensor | float) -> Tensor | float:
        """λ, a scalar."""
        if self.floor_end is None:
            return self.floor
        return self.floor + warmed(progress, self.floor_until) * (self.floor_end - self.floor)

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = self.terms(model, batch)
        kl, distortion = terms.mean(terms.rate), terms.mean(terms.distortion)  # [B, L], [B]
        beta, floor = weight_of_rate(model, progress, self.warmup, self.cycles), self.floor_at(progress)
        loss = Loss.of(terms, distortion, -(distortion + kl.sum(-1)))
        if self.batch_mean:
            return replace(loss, shared=beta * kl.mean(0).clamp(min=floor).sum())
        return replace(loss, surrogate=loss.surrogate + beta * kl.clamp(min=floor).sum(-1))


@register("objective", "min_rate")
class MinRate(Objective):
    """E_q[log p(x|z)] − max(δ, R), R the batch mean of the *total* rate Σ_l KL_l.

    What it is: free bits for all groups together, on the batch mean; with one group the two agree. Where R < δ only the
    distortion is minimised, so the rate rises until it is worth δ nats. It is not the δ-VAE of Razavi et al. (2019),
    which holds R ≥ δ by its choice of distributions, nor the penalty γ·|R − C| of Burgess et al. (2018), which also
    pulls a rate above C down. The reported bound is the ELBO.

    References: Alemi et al., Fixing a Broken ELBO (2018), §2.3, on rates as targets.

    Arguments:
        rate: δ ≥ 0, nats per example.
        num_samples: K, draws per example.
    """

    def __init__(self, *, rate: float = 5.0, num_samples: int = 1) -> None:
        check_from_zero("rate", rate)
        self.rate, self.num_samples = rate, positive(num_samples)

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = self.terms(model, batch)
        loss = weighted(terms, 0.0)
        total = terms.mean(terms.rate.sum(-1)).mean()
        return replace(loss, shared=torch.clamp(total, min=self.rate))
