"""What is maximised: short functions of a model's terms. No objective knows which model it has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from .batch import Batch
from .errors import RequestError, positive
from .models.base import Model
from .registry import register
from .terms import Terms


@dataclass(frozen=True)
class Loss:
    """One evaluation of an objective.

    Arguments:
        surrogate: [B], what is differentiated: the loop minimises mean(surrogate) + shared.
        bound: [B] nats, a lower bound on log p(x); curves and the best weights use it alone.
        shared: a scalar that is not per example.
        logs: scalars for the curves.
    """

    surrogate: Tensor
    bound: Tensor
    shared: Tensor
    logs: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(ABC):
    """A function (model, batch, progress) → Loss.

    Attributes:
        needs: what the model must give; checked before the first step.
        num_samples: K, posterior draws per example.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"rsample|enumerate"})
    num_samples: int = 1
    registered: ClassVar[tuple[str, str]]

    @abstractmethod
    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        """`progress` runs from 0 at the first step to 1 at the last."""

    def terms(self, model: Model, batch: Batch) -> Terms:
        """K draws from q, or all values of z where the model enumerates them."""
        return model.infer(batch, None if "enumerate" in model.gives else self.num_samples)


def rate_and_distortion(terms: Terms) -> dict[str, Tensor]:
    """The two halves of −ELBO, batch means in nats."""
    return {
        "rate": terms.mean(terms.rate.sum(-1)).mean().detach(),
        "distortion": terms.mean(terms.distortion).mean().detach(),
    }


def _weighted(terms: Terms, beta: Tensor | float) -> Loss:
    rate, distortion = terms.mean(terms.rate.sum(-1)), terms.mean(terms.distortion)  # [B]
    penalty = sum(terms.penalties.values(), torch.zeros_like(rate))
    return Loss(
        surrogate=distortion + beta * rate + penalty,
        bound=-(distortion + rate),
        shared=torch.zeros((), device=rate.device),
        logs={"rate": rate.mean().detach(), "distortion": distortion.mean().detach()},
    )


def warmed(progress: Tensor | float, warmup: float) -> Tensor | float:
    """min(1, progress/warmup): linear from 0 over the first share `warmup` of the stage."""
    if warmup == 0:
        return 1.0
    return torch.clamp(torch.as_tensor(progress) / warmup, max=1.0)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise RequestError(f"objective.{name} is {value}; it takes a share of the training from 0 to 1.")


@register("objective", "elbo")
class Elbo(Objective):
    """E_q[log p(x|z)] − KL(q(z|x)‖p(z)).

    References: Kingma & Welling (2014), eq. 3; warm-up: Sønderby et al., Ladder VAE (2016), §2.3.

    Arguments:
        num_samples: K, draws per example.
        warmup: share of the training over which the weight of the rate grows from 0 to 1; the reported bound always
            has weight 1.
    """

    def __init__(self, *, num_samples: int = 1, warmup: float = 0.1) -> None:
        _check_share("warmup", warmup)
        self.num_samples, self.warmup = positive(num_samples), warmup

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        return _weighted(self.terms(model, batch), warmed(progress, self.warmup))


@register("objective", "beta_elbo")
class BetaElbo(Objective):
    """E_q[log p(x|z)] − β·KL(q(z|x)‖p(z)); a bound on log p(x) only at β ≥ 1, so the reported one has β = 1.

    References: Higgins et al., β-VAE (2017), eq. 4.

    Arguments:
        beta: β ≥ 0, the weight of the rate.
        num_samples: K, draws per example.
        warmup: share of the training over which the weight grows from 0 to β.
    """

    def __init__(self, *, beta: float = 4.0, num_samples: int = 1, warmup: float = 0.1) -> None:
        _check_share("warmup", warmup)
        if beta < 0:
            raise RequestError(f"objective.beta is {beta}; it takes a number from 0 upwards.")
        self.beta, self.num_samples, self.warmup = beta, positive(num_samples), warmup

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        return _weighted(self.terms(model, batch), self.beta * warmed(progress, self.warmup))


@register("objective", "iwae")
class Iwae(Objective):
    """log 1/K Σ_k p(x, z_k)/q(z_k|x), the importance-weighted bound; always from sampled log-densities.

    References: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), eq. 8.

    Arguments:
        num_samples: K ≥ 1, draws per example.
    """

    needs = frozenset({"log_w", "rsample|enumerate"})

    def __init__(self, *, num_samples: int = 8) -> None:
        self.num_samples = positive(num_samples)

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = self.terms(model, batch)
        bound = terms.bound
        penalty = sum(terms.penalties.values(), torch.zeros_like(bound))
        return Loss(-bound + penalty, bound, torch.zeros((), device=bound.device), rate_and_distortion(terms))
