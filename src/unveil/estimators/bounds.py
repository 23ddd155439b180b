"""Lower bounds on log p(x) from posterior draws, and the exact value where it has a closed form."""

import torch

from ..batch import Batch
from ..errors import positive
from ..model import Model
from ..registry import register
from .base import Estimate, Estimator, averaged, draws, summary_of
from .weights import RunningMean, Weights


@register("estimator", "elbo")
class ElboBound(Estimator):
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)), averaged over K draws; from below, by KL(q(z|x)‖p(z|x)).

    Arguments: num_samples K.
    """

    needs = frozenset({"log_w|rsample|straight_through|enumerate"})
    direction = "lower"
    plain_draws = True

    def __init__(self, *, num_samples: int = 16) -> None:
        self.num_samples: int = positive(num_samples)

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        if "enumerate" in model.gives:
            found = summary_of(model.enumerate(batch))
            return Estimate(found["elbo"], torch.zeros_like(found["elbo"]), "lower", found)
        each, K = RunningMean(), self.num_samples
        found = averaged(draws(model, batch, K), K, lambda terms: each.add(terms.log_px_z - terms.rate.sum(-1)))
        return Estimate(found["elbo"], each.stderr, "lower", found)


@register("estimator", "iwae")
class IwaeBound(Estimator):
    """log 1/K Σ_k p(x, z_k)/q(z_k|x): a lower bound in expectation that tightens with K.

    `stderr_mc` is the delta-method error sd(w)/(√K·mean w). Diagnostics: ess, the effective number of samples
    (Σw)²/Σw²; khat, the Pareto shape of the largest weights (above 0.7, the estimate is not to be trusted and the
    error is understated).

    References: Burda et al. (2016), eq. 8; Vehtari et al., Pareto Smoothed Importance Sampling (2024).

    Arguments: num_samples K.
    """

    needs = frozenset({"log_w"})
    direction = "lower"
    plain_draws = True

    def __init__(self, *, num_samples: int = 100) -> None:
        self.num_samples: int = positive(num_samples)

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        weights, K = Weights(self.num_samples), self.num_samples
        found = averaged(draws(model, batch, K), K, lambda terms: weights.add(terms.log_w))
        return Estimate(weights.log_mean, weights.stderr, "lower", found | weights.health)


@register("estimator", "exact")
class Exact(Estimator):
    """The closed-form log p(x), for models that have one."""

    needs = frozenset({"exact"})
    direction = "exact"
    noiseless = True

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        terms = model.infer(batch, None if "enumerate" in model.gives else 1)
        is_bound = not model.groups and not model.training  # nothing is summed over: asked once
        log_px = terms.bound if is_bound else model.log_prob(batch).double()
        return Estimate(log_px, torch.zeros_like(log_px), "exact", summary_of(terms))
