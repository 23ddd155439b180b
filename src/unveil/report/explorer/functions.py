"""What an explorer asks of a model, as functions of arrays of one example: decode a place in z, judge an x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...batch import Batch
from ...diagnostics.activity import moments_of
from ...domain import Domain
from ...model import Model
from ...ops import keyed
from .program import Constants, Program, Untraced
from .space import Space
from .trace import traced

NOISE = ("explorer", "judge")
DRAWS = 16  # of z, for the bound of an x
MOST_BYTES = 3_000_000  # of weights, which a page holds as 4 MB of text

Function = Callable[..., dict[str, Tensor]]


def shown_mean(p: Distribution, domain: Domain) -> Tensor:
    """E[x|z] of what a page shows: the picture of joint x, x itself of all other."""
    if domain.parts is None or not domain.picture.is_image:
        return p.mean
    place = next(i for i, (_, part) in enumerate(domain.parts) if part.is_image)
    found: Tensor = p.base.parts[place].mean  # type: ignore[attr-defined]
    return found


@dataclass(frozen=True)
class Functions:
    """The functions of one model.

    Arguments: model, in evaluation mode; domain; space; num_classes, of labels that the model is conditioned on.
    """

    model: Model
    domain: Domain
    space: Space
    num_classes: int

    @property
    def takes_label(self) -> bool:
        return self.num_classes > 0

    def decode(self, c: Tensor, y: Tensor | None = None) -> dict[str, Tensor]:
        """x: E[x|z] at coordinates c [1, k], of label y [1]."""
        p = self.model.decode(self.space.groups(c), y)
        return {"x": shown_mean(p, self.domain).flatten()}

    def judge(self, x: Tensor, y: Tensor | None = None) -> dict[str, Tensor]:
        """place and stddev of q(z|x), in coordinates; x: E[x|z] there; elbo, rate, distortion of x, in nats."""
        batch = Batch(x, y=y)
        posterior = self.model.posterior(batch)
        with keyed(*NOISE):
            terms = self.model.infer(batch, DRAWS, posterior=posterior)
        moments = moments_of(posterior)
        if moments is None:
            flat = torch.cat([group.flatten(2) for group in terms.z], 2)
            moments = flat.mean(0), flat.std(0)
        place = self.space.of(moments[0])
        rate = terms.mean(terms.rate).sum(-1)
        return {
            "place": place.flatten(),
            "stddev": self.space.spread(moments[1]).flatten(),
            "x": self.decode(place, y)["x"],
            "elbo": terms.elbo,
            "rate": rate,
            "distortion": terms.mean(terms.distortion),
        }

    @property
    def can_judge(self) -> bool:
        """Whether x can come from a person: a small grey picture, of which the model states all terms."""
        if self.domain.parts is not None or not self.domain.is_image:
            return False
        height, width, channels = self.domain.image_shape
        return channels == 1 and max(height, width) <= 40

    def example(self, name: str) -> tuple[Tensor, ...]:
        """Arguments of `decode` or `judge`, with the shapes that they take."""
        first = torch.zeros(1, self.space.size) if name == "decode" else torch.zeros(1, *self.domain.shape)
        return (first, torch.zeros(1, dtype=torch.int64)) if self.takes_label else (first,)


@dataclass(frozen=True)
class Programs:
    """What a page can compute by itself.

    Arguments: constants; each, programs by name; missing, why one is not among them, by name.
    """

    constants: Constants
    each: dict[str, Program]
    missing: dict[str, str]


@torch.no_grad()
def programs_of(functions: Functions, most_bytes: int = MOST_BYTES) -> Programs:
    """The programs of a model: `decode` where it fits into the page, `judge` where both do."""
    constants, each, missing = Constants(), dict[str, Program](), dict[str, str]()
    for name, function in (("decode", functions.decode), ("judge", functions.judge)):
        if name == "judge" and not (functions.can_judge and each):
            continue
        tried = constants.copy()
        try:
            found = traced(function, *functions.example(name), constants=tried, noise=NOISE)
        except Untraced as error:
            missing[name] = str(error)
            continue
        if tried.num_bytes > most_bytes:
            missing[name] = f"its weights take {tried.num_bytes / 1e6:.1f} MB"
            continue
        constants, each[name] = tried, found
    return Programs(constants, each, missing)
