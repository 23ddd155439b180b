"""The terms of the identity log p(x) = ELBO + KL(q(z|x)‖p(z|x)), per sample, example and latent group."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .ops import log_mean_exp


@dataclass(frozen=True)
class Terms:
    """What a model states about K samples of B examples with L latent groups, in nats, summed over events.

    Arguments:
        log_px_z: [K, B], log p(x|z) over the observed part of x.
        log_pz: [K, B, L], log p(z_l|z_>l) at the drawn z.
        log_qz_x: [K, B, L], log q(z_l|z_>l, x) at the drawn z; None from `joint`.
        kl: [K, B, L], the *expected* KL of a group in closed form (or an unbiased estimate); None where unknown.
        log_m: [K, B], log weight of each sample; None means 1/K each.
        z: the draws, a tuple of L tensors [K, B, …].
        parts: log p(x|z) by modality or column, for reporting.
        penalties: [B] additions to a loss, never to a bound.
        metrics: scalars of the batch for the curves.
    """

    log_px_z: Tensor
    log_pz: Tensor
    log_qz_x: Tensor | None = None
    kl: Tensor | None = None
    log_m: Tensor | None = None
    z: tuple[Tensor, ...] = ()
    parts: dict[str, Tensor] = field(default_factory=dict)
    penalties: dict[str, Tensor] = field(default_factory=dict)
    metrics: dict[str, Tensor] = field(default_factory=dict)

    @property
    def distortion(self) -> Tensor:
        """−log p(x|z), [K, B]."""
        return -self.log_px_z

    @property
    def rate(self) -> Tensor:
        """The KL per group, [K, B, L]: `kl` where the model has it, else log q(z|x) − log p(z) at the draw."""
        return self.kl if self.kl is not None else self._sampled_q() - self.log_pz

    @property
    def log_w(self) -> Tensor:
        """log p(x, z) − log q(z|x), [K, B]: sampled only. `kl` inside a log-mean-exp is not a bound (3–6 nats off)."""
        return self.log_px_z + (self.log_pz - self._sampled_q()).sum(-1)

    @property
    def elbo(self) -> Tensor:
        """Σ_k m_k (log p(x|z_k) − Σ_l rate_l), [B]."""
        return self.mean(self.log_px_z - self.rate.sum(-1))

    @property
    def bound(self) -> Tensor:
        """log Σ_k m_k w_k, [B], float64: the K-sample bound of Burda et al. (2016, eq. 8)."""
        return log_mean_exp(self.log_w, 0, self.log_m)

    def mean(self, value: Tensor) -> Tensor:
        """Σ_k m_k value_k for value [K, B] or [K, B, L]."""
        if self.log_m is None:
            return value.mean(0)
        m = self.log_m.exp()
        return (value * m.reshape(m.shape + (1,) * (value.ndim - 2))).sum(0)

    def _sampled_q(self) -> Tensor:
        if self.log_qz_x is None:
            raise ValueError("these terms come from joint(batch, z), which states p alone; use infer(batch)")
        return self.log_qz_x


def expand_samples(value: Tensor, num_samples: int) -> Tensor:
    """[B, …] → [K, B, …] without a copy."""
    return value.unsqueeze(0).expand(num_samples, *value.shape)


def stack_groups(*values: Tensor) -> Tensor:
    """L tensors [K, B] → [K, B, L]."""
    return torch.stack(values, -1)
