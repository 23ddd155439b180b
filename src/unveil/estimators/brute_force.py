"""log p(x) by brute force: p(x|z) averaged over draws of z that know nothing of x."""

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import positive
from ..model import Model
from ..registry import register
from .base import Estimate, Estimator, bound_parts, in_parts
from .weights import Weights


@register("estimator", "prior")
class PriorAverage(Estimator):
    """log 1/K Σ_k p(x|z_k) with z_k ~ p(z): a lower bound in expectation, and a warning.

    It needs no q(z|x), and it fails where z has more than a few dimensions or x says much about z: no draw of p(z)
    then falls where p(z|x) is, and the average is that of the luckiest of K bad draws. What one sees is log p(x) tens
    or hundreds of nats below any other estimate, rising as K grows, with ess near 1, while `stderr_mc` stays at about
    one nat or below: an error computed from the draws knows nothing of what they all missed. It is kept to be compared
    with.

    `stderr_mc` is the delta-method error sd(w)/(√K·mean w) with w = p(x|z_k), which cannot exceed 1. Diagnostics: ess,
    the effective number of samples (Σw)²/Σw².

    References: Burda et al., Importance Weighted Autoencoders (2016), eq. 8 with q(z|x) = p(z); Wu et al., On the
    Quantitative Analysis of Decoder-Based Generative Models (2017), §2.2.

    Arguments:
        num_samples: K, draws of z per example.
    """

    needs = frozenset({"joint", "log_w|rsample|enumerate"})
    direction = "lower"
    plain_draws = True

    def __init__(self, *, num_samples: int = 1000) -> None:
        self.num_samples: int = positive(num_samples)

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        weights = Weights(self.num_samples)
        for count in in_parts(model, self.num_samples, len(batch)):
            weights.add(_chunk(model, batch, count))
        return Estimate(weights.log_mean, weights.stderr, "lower", bound_parts(model, batch) | {"ess": weights.ess})


def prior_draws(model: Model, batch: Batch, num_samples: int) -> tuple[Tensor, ...]:
    """z groups [K, B, …] from p(z), or p(z|y) with y where it is known."""
    size = num_samples * len(batch)
    y = model.draw_labels(size)
    if y is not None and batch.y is not None:
        known = batch.y.repeat(num_samples)
        y = torch.where(known < 0, y, known)
    return tuple(group.unflatten(0, (num_samples, len(batch))) for group in model.draw_prior(size, y))


def _chunk(model: Model, batch: Batch, num_samples: int) -> Tensor:
    """log p(x|z) [K, B]; of no latents, K times the same."""
    return model.joint(batch, prior_draws(model, batch, num_samples)).log_px_z.double().expand(num_samples, -1)
