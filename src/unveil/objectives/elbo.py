"""The evidence lower bound, with a weight on its rate."""

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import positive
from ..model import Model, Posterior
from ..registry import register
from ..terms import Terms
from .base import Loss, Objective, Warmup, check_from_zero, check_warmup, weight_of_rate


def weighted(terms: Terms, beta: Tensor | float) -> Loss:
    """distortion + β·rate; the bound has β = 1."""
    rate, distortion = terms.mean(terms.rate.sum(-1)), terms.mean(terms.distortion)  # [B]
    return Loss.of(terms, distortion + beta * rate, -(distortion + rate))


@register("objective", "elbo")
class Elbo(Objective):
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)); on examples whose z is known, log p(x, z) + log q(z|x).

    References: Kingma & Welling (2014), eq. 3; warm-up: Sønderby et al., Ladder VAE (2016), §2.3; cycles: Fu et al.,
    Cyclical Annealing Schedule (2019), eq. 6.

    Arguments:
        num_samples: K, draws per example.
        warmup: share of the training (of each cycle) over which the weight of the rate grows from 0 to 1; the reported
            bound always has weight 1. auto is 0.1, and 0 where q is fixed (vdm).
        cycles: how many times the weight starts again from 0, at equal distances.
    """

    takes_known_z = True
    sums_log_pz = True

    def __init__(self, *, num_samples: int = 1, warmup: Warmup = "auto", cycles: int = 1) -> None:
        check_warmup(warmup, cycles)
        self.num_samples, self.warmup, self.cycles = positive(num_samples), warmup, cycles

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        posterior = None if batch.z is None else model.posterior(batch)
        beta = weight_of_rate(model, progress, self.warmup, self.cycles)
        loss = weighted(self.terms(model, batch, posterior), beta)
        return loss if posterior is None else with_known_z(loss, model, batch, posterior)


def with_known_z(loss: Loss, model: Model, batch: Batch, posterior: Posterior) -> Loss:
    """The loss with −log p(x, z) − log q(z|x) on the examples of which every latent is known; its bound as it was.

    References: Kingma et al., Semi-supervised Learning with Deep Generative Models (2014), eq. 6 and 9.
    """
    assert batch.z is not None
    known = torch.stack([~z.flatten(1).isnan().any(-1) for z in batch.z]).all(0)  # [B]
    z = tuple(z.nan_to_num(nan=0.0).unsqueeze(0) for z in batch.z)  # [1, B, …]; 0 where it is not looked at
    terms = model.joint(batch, z)
    log_p, log_q = terms.log_px_z + terms.log_pz.sum(-1), posterior.log_prob(z).sum(-1)  # [1, B]
    surrogate = torch.where(known, -(log_p + log_q).squeeze(0).to(loss.surrogate.dtype), loss.surrogate)
    return Loss(surrogate, loss.bound, loss.shared, {**loss.logs, "known_z": known.float().mean()})


@register("objective", "beta_elbo")
class BetaElbo(Objective):
    """E_q[log p(x|z)] − β·KL(q(z|x)‖p(z)); a bound on log p(x) only at β ≥ 1, so the reported one has β = 1.

    References: Higgins et al., β-VAE (2017), eq. 4; cycles: Fu et al., Cyclical Annealing Schedule (2019), eq. 6.

    Arguments:
        beta: β ≥ 0, the weight of the rate.
        num_samples: K, draws per example.
        warmup: share of the training (of each cycle) over which the weight grows from 0 to β; auto as for elbo.
        cycles: how many times the weight starts again from 0, at equal distances.
    """

    sums_log_pz = True

    def __init__(self, *, beta: float = 4.0, num_samples: int = 1, warmup: Warmup = "auto", cycles: int = 1) -> None:
        check_from_zero("beta", beta)
        check_warmup(warmup, cycles)
        self.beta, self.num_samples, self.warmup, self.cycles = beta, positive(num_samples), warmup, cycles

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        beta = self.beta * weight_of_rate(model, progress, self.warmup, self.cycles)
        return weighted(self.terms(model, batch), beta)
