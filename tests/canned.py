"""A model that states the terms it is given: what an objective or estimator makes of them can be worked out by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.model import Model, Posterior
from unveil.terms import Terms


class CannedPosterior(Posterior):
    """Nothing to draw."""

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        raise NotImplementedError

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        raise NotImplementedError


class Canned(Model):
    """States terms of K samples; asked for K', it hands out the next K' of them."""

    registered = ("model", "canned")

    def __init__(self, terms: Terms, gives: frozenset[str] = frozenset({"log_w", "rsample"})) -> None:
        super().__init__()
        self.stated, self.facts, self.asked = terms, gives, list[int | None]()
        self.domain = Domain("real", (1,))

    @property
    def gives(self) -> frozenset[str]:
        return self.facts

    def draw_terms(self, batch: Batch, num_samples: int, *rest: Any, **options: Any) -> Terms:
        first = sum(k for k in self.asked if k is not None)
        self.asked.append(num_samples)
        return rows(self.stated, slice(first, first + num_samples))

    def posterior(self, batch: Batch) -> Posterior:
        return CannedPosterior()

    def enumerate(self, batch: Batch) -> Terms:
        self.asked.append(None)
        return self.stated

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        raise NotImplementedError

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None = None) -> Distribution:
        raise NotImplementedError

    def sample(
        self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        raise NotImplementedError

    def initialise(self, batch: Batch) -> None:
        raise NotImplementedError

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        return []


def rows(terms: Terms, which: Any) -> Terms:
    """Some of the samples."""
    fields = ("log_px_z", "log_pz", "log_qz_x", "kl", "log_m")
    kept = {name: None if getattr(terms, name) is None else getattr(terms, name)[which] for name in fields}
    return Terms(**kept, penalties=terms.penalties)


def random_terms(K: int, B: int, L: int = 2, **more: Any) -> Terms:
    """Terms of no model in particular, float64."""
    noise = [torch.randn(K, B, *event).double() for event in ((), (L,), (L,))]
    return Terms(log_px_z=10 * noise[0] - 50, log_pz=noise[1] - 3, log_qz_x=noise[2] - 1, **more)
