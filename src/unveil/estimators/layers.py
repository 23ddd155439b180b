"""The bound of a model that is cut into T steps: a hierarchical VAE of T + 1 groups."""

from typing import Literal

import torch

from ..batch import Batch
from ..errors import positive
from ..model import Model
from ..registry import register
from .base import Estimate, Estimator, averaged, in_parts
from .weights import RunningMean, Weights


@register("estimator", "layers")
class LayersBound(Estimator):
    """The bound on log p(x) of the model with T steps, whose p(z_s|z_t) is one Gaussian each; from below.

    elbo: E_q[log p(x|z₀)] − Σ_s KL(q(z_s|z_t, x)‖p(z_s|z_t)), each KL in closed form at the z above it; it rises with T
    towards the bound in continuous time. iwae: log 1/K Σ_k p(x, z_k)/q(z_k|x) of whole chains, in expectation never
    below it at the same T. The model with T steps is p(x) in its own right, the one that `sample` with so many steps
    draws from.

    The rate is given for the top and for all groups below it together.

    References: Kingma et al., Variational Diffusion Models (2021), eq. 13–14; Burda et al. (2016), eq. 8.

    Arguments:
        num_steps: T.
        num_samples: K chains.
        bound: "elbo" or "iwae".
    """

    needs = frozenset({"layers"})
    direction = "lower"

    def __init__(self, *, num_steps: int = 50, num_samples: int = 4, bound: Literal["elbo", "iwae"] = "elbo") -> None:
        self.num_steps, self.bound = positive(num_steps), bound
        self.num_samples: int = positive(num_samples)

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        chain, K = model.layers(self.num_steps), self.num_samples
        each, weights = RunningMean(), Weights(K)
        counts = in_parts(model, K, len(batch) * (self.num_steps + 1))
        takers = (lambda terms: each.add(terms.log_px_z - terms.rate.sum(-1)), lambda terms: weights.add(terms.log_w))
        found = averaged((chain.infer(batch, count) for count in counts), K, *takers)
        found["kl"] = torch.stack([found["kl"][:, :-1].sum(-1), found["kl"][:, -1]], -1)
        if self.bound == "elbo":
            return Estimate(found["elbo"], each.stderr, "lower", found)
        return Estimate(weights.log_mean, weights.stderr, "lower", found | weights.health)
