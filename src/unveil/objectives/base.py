"""What an objective is: a short function of a model's terms, and the pieces that several of them share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, positive
from ..model import Model, Posterior, shapes_of_z
from ..registry import describe
from ..terms import Terms

Warmup = float | Literal["auto"]


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

    @staticmethod
    def of(terms: Terms, surrogate: Tensor, bound: Tensor) -> Loss:
        """The loss of a surrogate, to which the model's own penalties are added, with rate and distortion as logs."""
        return Loss(surrogate + penalty(terms), bound, zero_like(bound), rate_and_distortion(terms))


class Objective(ABC):
    """A function (model, batch, progress) → Loss.

    Attributes:
        needs: what the model must give; checked before the first step.
        num_samples: K, posterior draws per example.
        takes_known_z: whether rows whose z is known are trained on it.
        sums_log_pz: whether p(z) enters as E_q[log p(z)] alone, so that it can be trained on draws of z.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"rsample|straight_through|enumerate"})
    takes_known_z: ClassVar[bool] = False
    sums_log_pz: ClassVar[bool] = False
    num_samples: int = 1
    registered: ClassVar[tuple[str, str]]

    @abstractmethod
    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        """`progress` runs from 0 at the first step to 1 at the last."""

    def check(self, model: Model, example: Batch | None = None) -> None:
        """Refuse, before the first step, a model that does not give what is needed, or known latents it would ignore.

        Arguments: example, any batch of the training data.
        """
        name = describe(self).get("name", "given")
        model.require(f"The objective {name!r}", self.needs)
        if example is not None and example.z is not None and not self.takes_known_z:
            raise RequestError(
                f"The data has known latents z, and the objective {name!r} would not look at them; use 'elbo'."
            )
        if example is not None and example.z is not None:
            require_known_z(model, example.z)

    def prepare(self, num_examples: int) -> None:  # noqa: B027 (most objectives have nothing to prepare)
        """Called once by the loop, with the number of training examples."""

    def terms(self, model: Model, batch: Batch, posterior: Posterior | None = None) -> Terms:
        """K draws from q, or all values of z where the model enumerates them."""
        if "enumerate" in model.gives:
            return model.infer(batch, None)
        return model.infer(batch, self.num_samples, posterior=posterior)


def require_known_z(model: Model, z: tuple[Tensor, ...]) -> None:
    """Refuse known latents [B, D] that are none of this model's, or that it would not learn from."""
    if model.solves == "all":
        raise RequestError(
            f"The data has known latents z, and a {type(model).__name__} that is solved in closed form would not look "
            "at them; use --model vae, or leave z out."
        )
    own = list(shapes_of_z(model))
    if own != [group.shape[1:] for group in z]:
        widths = " and ".join("×".join(map(str, shape)) or "1" for shape in own)
        raise RequestError(
            f"The known latents z have {z[0].shape[1]} columns and the model has {widths} latents; give "
            f"model.latent={z[0].shape[1]}, or leave z out."
        )


def rate_and_distortion(terms: Terms) -> dict[str, Tensor]:
    """The two halves of −ELBO, batch means in nats, and the model's own metrics."""
    return {
        **terms.metrics,
        "rate": terms.mean(terms.rate.sum(-1)).mean().detach(),
        "distortion": terms.mean(terms.distortion).mean().detach(),
    }


def penalty(terms: Terms) -> Tensor:
    """The model's own additions to a loss, [B]; never part of a bound."""
    none = torch.zeros_like(terms.log_px_z[0])
    return sum(terms.penalties.values(), none)


def zero_like(value: Tensor) -> Tensor:
    """A scalar 0 beside `value`."""
    return torch.zeros((), device=value.device)


def held_draws(model: Model, batch: Batch, num_samples: int) -> Terms:
    """The terms of K draws whose z are constants: gradients reach log p(x, z) and log q(z|x), never the draw."""
    posterior = model.posterior(batch)
    with torch.no_grad():
        z, _ = posterior.draw(num_samples)
    return replace(model.joint(batch, z), log_qz_x=posterior.log_prob(z), penalties=model.penalties_at(batch, z))


def log_joint(terms: Terms) -> Tensor:
    """log p(x, z), [K, B]."""
    return terms.log_px_z + terms.log_pz.sum(-1)


def warmed(progress: Tensor | float, warmup: float, cycles: int = 1) -> Tensor | float:
    """min(1, position/warmup), position ∈ [0, 1] in the present cycle: up from 0 over the share `warmup` of each cycle.

    References: one cycle: Sønderby et al., Ladder VAE (2016), §2.3; several: Fu et al., Cyclical Annealing Schedule
    (2019), eq. 6–7.
    """
    if warmup == 0:
        return 1.0
    turns = cycles * torch.as_tensor(progress)
    position = turns - turns.floor().clamp(max=cycles - 1)
    return torch.clamp(position / warmup, max=1.0)


def weight_of_rate(model: Model, progress: Tensor | float, warmup: Warmup, cycles: int) -> Tensor | float:
    """`warmed` by the share of the training that was asked for, or the family's own."""
    return warmed(progress, model.warmup if warmup == "auto" else warmup, cycles)


def check_share(name: str, value: Warmup, of: str = "the training") -> None:
    if value != "auto" and not 0 <= value <= 1:
        raise RequestError(f"objective.{name} is {value}; it takes a share of {of} from 0 to 1.")


def check_from_zero(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise RequestError(f"objective.{name} is {value}; it takes a number from 0 upwards.")


def check_warmup(warmup: Warmup, cycles: int) -> None:
    check_share("warmup", warmup)
    positive(cycles, "objective.cycles")
