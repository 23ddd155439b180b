"""Bounds from K weighted samples: importance-weighted, in combination with the ELBO, and Rényi's between the two."""

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import positive
from ..model import Model
from ..registry import register
from ..terms import Terms
from .base import Loss, Objective, check_share, log_joint


def maximised(bound: Tensor, terms: Terms, enumerated: bool = False) -> Loss:
    """The loss that is a bound's negative.

    Arguments: enumerated, whether the bound is log p(x) itself, whatever q is: then q climbs the ELBO beside it.
    """
    for_q = _elbo_of_q(terms) if enumerated else torch.zeros_like(bound)
    return Loss.of(terms, -bound + (for_q.detach() - for_q), bound)


def _elbo_of_q(terms: Terms) -> Tensor:
    """Σ_k m_k log w_k with p held, over enumerated z."""
    assert terms.log_qz_x is not None
    return terms.mean(log_joint(terms).detach() - terms.log_qz_x.sum(-1))


@register("objective", "iwae")
class Iwae(Objective):
    """log 1/K Σ_k p(x, z_k)/q(z_k|x), the importance-weighted bound; always from sampled log-densities.

    Where z is enumerated this is log p(x), which holds nothing of q; q then climbs the ELBO.

    References: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), eq. 8.

    Arguments:
        num_samples: K ≥ 1, draws per example.
    """

    needs = frozenset({"log_w", "rsample|enumerate"})

    def __init__(self, *, num_samples: int = 8) -> None:
        self.num_samples = positive(num_samples)

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = self.terms(model, batch)
        return maximised(terms.bound, terms, "enumerate" in model.gives)


@register("objective", "ciwae")
class Ciwae(Objective):
    """β·ELBO + (1 − β)·IWAE_K from the same K draws: the ELBO's part keeps the signal of q's gradient as K grows.

    The reported bound is the combination, which lies between its two ends.

    References: Rainforth et al., Tighter Variational Bounds are Not Necessarily Better (2018), §5, CIWAE.

    Arguments:
        beta: β, the share of the ELBO, from 0 (IWAE) to 1 (ELBO).
        num_samples: K ≥ 1, draws per example.
    """

    needs = frozenset({"log_w", "rsample|enumerate"})

    def __init__(self, *, beta: float = 0.5, num_samples: int = 8) -> None:
        check_share("beta", beta, of="the ELBO")
        self.beta, self.num_samples = beta, positive(num_samples)

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = self.terms(model, batch)
        bound = self.beta * terms.elbo.double() + (1 - self.beta) * terms.bound
        return maximised(bound, terms, self.beta == 0 and "enumerate" in model.gives)


@register("objective", "renyi")
class Renyi(Objective):
    """1/(1 − α) · log 1/K Σ_k w_k^(1−α), w = p(x, z)/q(z|x): IWAE at α = 0, the sampled ELBO at its limit α = 1.

    A lower bound in expectation for 0 ≤ α ≤ 1 and every K. Below 0 the bound itself lies above log p(x) and its
    K-sample estimate has no side, so α < 0 is refused.

    References: Li & Turner, Rényi Divergence Variational Inference (2016), eq. 6 and 9, theorem 1.

    Arguments:
        alpha: α, from 0 to 1.
        num_samples: K ≥ 1, draws per example.
    """

    needs = frozenset({"log_w", "rsample|enumerate"})

    def __init__(self, *, alpha: float = 0.5, num_samples: int = 8) -> None:
        check_share("alpha", alpha, of="the way from IWAE to the ELBO")
        self.alpha, self.num_samples = alpha, positive(num_samples)

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = self.terms(model, batch)
        return maximised(renyi_bound(terms, self.alpha), terms, self.alpha == 0 and "enumerate" in model.gives)


def renyi_bound(terms: Terms, alpha: float) -> Tensor:
    """top + log1p(Σ_k m_k expm1(s·(log w_k − top)))/s with s = 1 − α, [B] float64; at s = 0 a mean."""
    log_w, s = terms.log_w.double(), 1 - alpha
    top = log_w.detach().amax(0)
    below = log_w - top  # ≤ 0
    if s == 0:
        return top + terms.mean(below)
    return top + torch.log1p(terms.mean(torch.expm1(s * below))) / s
