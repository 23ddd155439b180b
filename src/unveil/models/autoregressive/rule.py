"""What a model without latents gives where others give a posterior and p(x|z)."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...distributions.event import Shape, Unchecked
from ...domain import Domain
from ...errors import RequestError
from ...model import Drawn, Posterior, held, parameters_in
from ...model.shared.scaled import Scaled
from ...terms import Terms

REMEDIES = {  # of facts that a model without latents does not give
    fact: "it has no latents; use the estimator or objective 'elbo', which is exact here"
    for fact in ("pathwise", "rsample", "split_q", "marginals", "kl", "straight_through")
}


def _require_one(temperature: float) -> None:
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


class WithoutLatents(Scaled):
    """A model of x alone, with log p(x) exact: its draws of z are empty, and a draw of x has no z behind it."""

    groups = ()
    remedies = REMEDIES

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"log_w", "joint", "enumerate", "exact"})

    @abstractmethod
    def log_prob(self, batch: Batch) -> Tensor: ...

    @abstractmethod
    def draw(self, num_samples: int, y: Tensor | None = None) -> Tensor: ...

    def judged(self, batch: Batch) -> Tensor:
        """What an objective climbs, [B]: log p(x)."""
        return self.log_prob(batch)

    def posterior(self, batch: Batch) -> Posterior:
        return NoLatents(batch)

    def joint(self, batch: Batch, z: tuple[Tensor, ...] = ()) -> Terms:
        log_px = self.judged(batch).unsqueeze(0)  # [1, B]
        return Terms(log_px_z=log_px, log_pz=log_px.new_zeros(*log_px.shape, 0))

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        """What is judged, repeated K times."""
        with held(self.parameters() if "p" in hold else ()):
            log_px = self.judged(batch).expand(num_samples, -1)
        nothing = log_px.new_zeros(*log_px.shape, 0)
        return Terms(log_px_z=log_px, log_pz=nothing, log_qz_x=nothing)

    def enumerate(self, batch: Batch) -> Terms:
        """A single sample of weight 1, since there is nothing to enumerate."""
        return replace(self.infer(batch), log_m=batch.x.new_zeros(1, len(batch)))

    def decode(self, z: tuple[Tensor, ...] | Tensor = (), y: Tensor | None = None) -> Distribution:
        return ChainRule(self, y)

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        _require_one(temperature)
        return self.draw(num_samples, y), ()

    def draw_prior(self, num_samples: int, y: Tensor | None = None) -> tuple[Tensor, ...]:
        """An empty tuple, since there are no groups."""
        return ()

    def shown(self, x: Tensor, z: tuple[Tensor, ...], y: Tensor | None = None) -> Tensor:
        return x

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """All parameters belong to p."""
        return parameters_in(part, p=[self], q=[], prior=[])


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
