"""The likelihood of texts: one character after the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn import functional as F

from ..distributions import EventSum
from ..distributions.characters import Characters as CharactersDistribution
from ..domain import Domain
from ..errors import RequestError, at_least
from ..nn.texts import TextWriter, reading_width
from ..registry import register
from .base import Likelihood

TOLD = 128  # features that the network is told
SEEN_BEFORE = 0.5  # counts of each character before any came


def as_a_whole(observed: Tensor) -> Tensor:
    """A text is observed where all of its places are, [..., T]."""
    return observed.all(-1, keepdim=True).expand_as(observed)


@register("likelihood", "characters")
class Characters(Likelihood):
    """p(t|h) = Π_i p(t_i|t_<i, h) over the characters of a text and its end, by a recurrent network told h throughout.

    Σ_t p(t|h) = 1 over all texts of at most T characters. A text is observed as a whole, or not at all: what is hidden
    within one would have to be summed over.

    References: Bowman et al., Generating Sentences from a Continuous Space (2016).

    Arguments:
        width: units of the network; 0 picks by the size of the alphabet.
        told: features that it is told.
        dropout: share of the characters before that are hidden from it while training.
    """

    domains = ("text",)
    factorises = False

    def __init__(self, domain: Domain, *, width: int = 0, told: int = TOLD, dropout: float = 0.0) -> None:
        at_least(0, "likelihood.width", width)
        at_least(1, "likelihood.told", told)
        if not 0 <= dropout < 1:
            raise RequestError(f"likelihood.dropout is {dropout}; it takes a number from 0 up to 1, without it.")
        self._told = told
        super().__init__(domain, 1)
        num_characters = len(domain.alphabet or "")
        units = width or min(192, 2 * reading_width(num_characters))
        self.writer = TextWriter(num_characters, told, width=units, dropout=dropout)

    @property
    def num_outputs(self) -> int:
        return self._told

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return (self._told,)

    def forward(self, h: Tensor, observed: Tensor | None = None) -> EventSum:
        return EventSum(self.characters(h + self.offset), 1, None if observed is None else as_a_whole(observed))

    def characters(self, h: Tensor) -> CharactersDistribution:
        """p(t_i|t_<i, h), elementwise."""
        return CharactersDistribution(h, self.domain.num_dims, self.writer, self.writer.begin, self.writer.step)

    def each(self, *params: Tensor) -> Distribution:
        return self.characters(torch.stack(params, -1).flatten(-2))

    @torch.no_grad()
    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        """Characters as often as they come."""
        seen = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        reached = F.pad(x[:, :-1] != 0, (1, 0), value=True) & seen
        counts = torch.bincount(x[reached].long(), minlength=len(self.writer.bias)).to(x.dtype) + SEEN_BEFORE
        self.writer.bias.copy_((counts / counts.sum()).log())
