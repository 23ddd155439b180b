"""Models whose networks see x in units of the training data: the code that their families share."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TypeGuard

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...batch import Batch
from ...errors import RequestError
from ...likelihoods import Columns, Likelihood, moments
from ...nn.columnview import ColumnView
from ...nn.masking import join_mask, shape_with_mask
from .. import Model

FAR = 100.0  # spreads


def centre_and_spread(x: Tensor, observed: Tensor | None, is_image: bool) -> tuple[Tensor, Tensor]:
    """The mean [*shape] of x [N, *shape] and its standard deviation, of images one for all; 1 of what is constant."""
    found = moments(x, observed)
    spread = found.std
    if is_image:
        spread = (x if observed is None else x[observed]).double().std().to(x.dtype)
    return found.mean, torch.where(spread > 0, spread, torch.ones_like(spread))


def _is_table(likelihood: Likelihood) -> TypeGuard[Columns]:
    return isinstance(likelihood, Columns)


def view_size(likelihood: Likelihood) -> int | None:
    """The number of features that a network is shown of a mixed table; None of other x."""
    return ColumnView(likelihood.layout, likelihood.stretch).num_features if _is_table(likelihood) else None


class Scaled(Model):
    """A family whose networks see (x − centre)/spread, with 0 where x is not observed.

    Attributes:
        likelihood: the last part of p; it knows the domain.
        sees_missing: whether q is given the mask of what is observed; without it, what is missing enters as the mean.
        view: of a mixed table, how networks see it, mask and all; None of other x.
        centre: the mean of training examples, [*shape].
        spread: their standard deviation, [*shape], or one number for all values of images.
    """

    likelihood: Likelihood
    sees_missing: bool
    centre: Tensor
    spread: Tensor

    def expect_x(self, sees_missing: bool) -> None:
        """Called by the constructor, once the likelihood is there."""
        if self.likelihood.domain.parts is not None and "joint" not in self.domains:
            raise RequestError(
                f"{self.registered[1]} is a model of one modality and x is {self.likelihood.domain}.",
                "Give --model joint, or leave the texts out.",
            )
        self.domain, self.sees_missing = self.likelihood.domain, sees_missing
        self.view = ColumnView(self.likelihood.layout, self.likelihood.stretch) if _is_table(self.likelihood) else None
        self.register_buffer("centre", torch.zeros(self.domain.shape))
        self.register_buffer("spread", torch.ones(()) if self.domain.is_image else torch.ones(self.domain.shape))
        self.solves = "some" if self.likelihood.solves else "nothing"

    @property
    def seen_shape(self) -> tuple[int, ...]:
        """The shape of what `seen` gives for each example."""
        if self.view is not None:
            return (self.view.num_features,)
        return shape_with_mask(self.domain.shape) if self.sees_missing else self.domain.shape

    @torch.no_grad()
    def start_x(self, batch: Batch) -> None:
        """Set centre, spread and the likelihood's offset from training examples; constant values get a spread of 1."""
        centre, spread = centre_and_spread(batch.x, batch.observed, self.domain.is_image)
        self.centre.copy_(centre)
        self.spread.copy_(spread)
        self.likelihood.initialise(batch.x, batch.observed)

    def scaled(self, batch: Batch) -> Tensor:
        """(x − centre)/spread [B, *shape], kept within ±100, with 0 where x is not observed.

        So what q and its networks say of a value that lies far outside stays a number that float32 can carry.
        """
        x = ((batch.x - self.centre) / self.spread).clamp(-FAR, FAR)
        return x if batch.observed is None else torch.where(batch.observed, x, torch.zeros_like(x))

    def mask(self, batch: Batch) -> Tensor:
        """1 where x is observed, as numbers [B, *shape]."""
        return torch.ones_like(batch.x) if batch.observed is None else batch.observed.to(batch.x.dtype)

    def seen(self, batch: Batch) -> Tensor:
        """What an encoder gets, [B, *seen_shape]: scaled x and, if the model sees it, the mask; of a table its view."""
        if self.view is not None:
            found: Tensor = self.view(batch.x, self.mask(batch) > 0)
            return found
        x = self.scaled(batch)
        return join_mask(x, self.mask(batch)) if self.sees_missing else x

    def network_precision(self, *dtypes: torch.dtype | None) -> torch.autocast:
        """bf16 inside networks where one of the dtypes is."""
        return torch.autocast(self.centre.device.type, torch.bfloat16, enabled=torch.bfloat16 in dtypes)

    @abstractmethod
    def explained(self, batch: Batch) -> Distribution:
        """p(x|z) at one draw of z for each example; a model without latents gives p(x_d|x_<d)."""

    @torch.no_grad()
    def solve(self, batches: Callable[[], Iterable[Batch]]) -> None:
        total = torch.zeros(self.domain.num_dims, device=self.centre.device)
        count = torch.zeros_like(total)
        for batch in batches():
            more, seen = self.likelihood.statistic(batch.x, self.explained(batch), batch.observed)
            total, count = total + more, count + seen
        self.likelihood.finish_solving(total / count.clamp(min=1))
