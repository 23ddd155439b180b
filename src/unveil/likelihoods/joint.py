"""The likelihood of several modalities, independent of each other given h."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..distributions import EventSum
from ..distributions.parts import Parts
from ..domain import Domain
from ..registry import lookup, register
from .base import Likelihood, default_likelihood
from .characters import TOLD, Characters, as_a_whole


@register("likelihood", "joint")
class Joint(Likelihood):
    """p(x|h) = Π_m p(x_m|h_m) over modalities m, each with the likelihood of its own domain.

    h is the features of the first modality, then those of the second, and so on.

    Arguments:
        likelihoods: of modalities, by name, where they are not the usual ones: "image=bernoulli,text=characters".
        width: units of the network that writes texts; 0 picks by the size of the alphabet.
        dropout: share of the characters before that are hidden from it while training.
    """

    domains = ("joint",)

    def __init__(self, domain: Domain, *, likelihoods: str = "", width: int = 0, dropout: float = 0.0) -> None:
        asked = named_parts(likelihoods, domain)
        made = {}
        for name, part in domain.parts or ():
            own = (
                {} if part.alphabet is None else {"width": width, "told": min(TOLD, width or TOLD), "dropout": dropout}
            )
            made[name] = lookup("likelihood", asked.get(name, default_likelihood(part)))(part, **own)
        self._outputs = [p.num_outputs for p in made.values()]
        super().__init__(domain, 1)
        self.likelihoods, self.width, self.dropout = likelihoods, width, dropout
        self.of = nn.ModuleDict(made)
        del self.offset  # each has its own

    @property
    def num_outputs(self) -> int:
        return sum(self._outputs)

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return (self.num_outputs,)

    def forward(self, h: Tensor, observed: Tensor | None = None) -> EventSum:
        if observed is not None:
            known = self.domain.split(observed)
            pairs = zip(self._each(), known.values(), strict=True)
            whole = [as_a_whole(own) if isinstance(p, Characters) else own for p, own in pairs]
            observed = torch.cat([own.flatten(observed.ndim - 1) for own in whole], -1)
        return EventSum(self.parts(h), 1, observed)

    def parts(self, h: Tensor) -> Parts:
        """p(x_m|h_m) of each modality, elementwise."""
        pieces = zip(self._each(), h.split(self._outputs, -1), strict=True)
        made = [p(own).base for p, own in pieces]
        return Parts(made, [part.shape for _, part in self.domain.parts or ()])

    def _each(self) -> Iterator[Likelihood]:
        return (cast(Likelihood, p) for p in self.of.values())

    def each(self, *params: Tensor) -> Distribution:
        return self.parts(torch.stack(params, -1).flatten(-2))

    @torch.no_grad()
    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        """Each modality from the examples in which it is observed."""
        seen = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        known, split = self.domain.split(seen), self.domain.split(x)
        for name, p in zip(known, self._each(), strict=True):
            rows = known[name].flatten(1).any(-1)
            p.initialise(split[name][rows], None if bool(known[name][rows].all()) else known[name][rows])


def named_parts(told: str, domain: Domain) -> dict[str, str]:
    """What is told of modalities by name, "image=a,text=b"; a name that there is not is refused."""
    pairs = [pair.partition("=") for pair in told.split(",") if pair.strip()]
    found = {name.strip(): value.strip() for name, _, value in pairs}
    for name in found:
        domain.part(name)
    return found
