"""What a model without latents gives where others give a posterior and p(x|z)."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ...batch import Batch
from ...distributions.event import Shape, Unchecked
from ...domain import Domain
from ...errors import RequestError
from ...model import Posterior

REMEDIES = {  # of facts that a model without latents does not give
    fact: "it has no latents; use the estimator or objective 'elbo', which is exact here"
    for fact in ("pathwise", "rsample", "split_q", "marginals", "kl", "straight_through")
}


def require_one(temperature: float) -> None:
    """Refuse a temperature other than 1: there is no z whose spread it would scale."""
    if temperature != 1:
        raise RequestError(
            f"The temperature came as {temperature}, and this model has no z whose spread it would scale.",
            "Use a temperature of 1.",
        )


@runtime_checkable
class Chain(Protocol):
    """A model that knows log p(x) and draws x."""

    domain: Domain

    def log_prob(self, batch: Batch) -> Tensor: ...

    def draw(self, num_samples: int, y: Tensor | None = None) -> Tensor: ...


class NoLatents(Posterior):
    """The posterior of a model without latent groups: its draws are empty.

    Arguments: batch, for its size.
    """

    def __init__(self, batch: Batch) -> None:
        self._none = batch.x.new_zeros(1, len(batch), 0)

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        return (), self._none.expand(num_samples, -1, -1)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        return self._none


class ChainRule(Unchecked):
    """p(x) or p(x|y) of an autoregressive model. Its mean has no closed form.

    Arguments: model; y [B], or None.
    """

    def __init__(self, model: Chain, y: Tensor | None = None) -> None:
        self._model, self._y = model, y
        batch_shape = torch.Size() if y is None else y.shape
        super().__init__(batch_shape, torch.Size(model.domain.shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        lead = value.shape[: value.ndim - len(self.event_shape)]
        y = None if self._y is None else self._y.expand(lead).flatten()
        return self._model.log_prob(Batch(value.reshape(-1, *self.event_shape), y=y)).reshape(lead)

    @torch.no_grad()
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        lead = torch.Size(sample_shape) + self.batch_shape
        y = None if self._y is None else self._y.expand(lead).flatten()
        return self._model.draw(math.prod(lead), y).reshape(*lead, *self.event_shape)
