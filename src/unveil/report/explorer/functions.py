"""What an explorer asks of a model, as functions of arrays of one example: decode a place in z, judge an x."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...batch import Batch
from ...diagnostics.activity import moments_of
from ...domain import Domain
from ...model import Model, device_of
from ...ops import keyed
from .program import Constants, Program, Untraced
from .replay import replayed
from .space import Space
from .trace import traced

NOISE = ("explorer", "judge")
DRAWS = 16  # of z, for the bound of an x
PROBES, CLOSE = 3, 0.01  # compared arguments, and how far off a program may be, of 1 and the largest value
MOST_LABELS = 24  # of which each has a program of its own, over the same weights
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

    def names(self, name: str) -> dict[str, int | None]:
        """The programs of a function, by name: one for each label, where the model is conditioned on labels."""
        return {f"{name}:{y}": y for y in range(self.num_classes)} if self.takes_label else {name: None}

    def judge(self, x: Tensor, y: Tensor | None = None) -> dict[str, Tensor]:
        """place and stddev of q(z|x), in coordinates; x: E[x|z] there; elbo and its error, rate, distortion: nats."""
        batch = Batch(x, y=y)
        posterior = self.model.posterior(batch)
        with keyed(*NOISE):
            terms = self.model.infer(batch, DRAWS, posterior=posterior)
        moments = moments_of(posterior)
        if moments is None:
            flat = torch.cat([group.flatten(2) for group in terms.z], 2)
            moments = flat.mean(0), flat.std(0)
        place = self.space.of(moments[0])
        rate = terms.rate.sum(-1)  # [K, 1]
        each = terms.log_px_z - rate
        return {
            "place": place.flatten(),
            "stddev": self.space.spread(moments[1]).flatten(),
            "x": self.decode(place, y)["x"],
            "elbo": terms.mean(each),
            "error": each.std(0) / math.sqrt(len(each)),
            "rate": terms.mean(rate),
            "distortion": terms.mean(terms.distortion),
        }

    @property
    def can_judge(self) -> bool:
        """Whether x can come from a person: a small grey picture, of which the model states all terms."""
        if self.domain.parts is not None or not self.domain.is_image:
            return False
        height, width, channels = self.domain.image_shape
        return channels == 1 and max(height, width) <= 40

    def probes(self, name: str) -> list[Tensor]:
        """A few arguments by which a program is compared with the model."""
        with keyed("explorer", "probes", name):
            if name == "decode":
                return [2 * torch.randn(1, self.space.size) for _ in range(PROBES)]
            shape, ends = (1, *self.domain.shape), self.domain.ends
            if ends is None:
                return [torch.poisson(3 * torch.rand(shape)) for _ in range(PROBES)]
            x = [ends[0] + (ends[1] - ends[0]) * torch.rand(shape) for _ in range(PROBES)]
            return [each.round() if self.domain.is_discrete else each for each in x]

    def example(self, name: str) -> tuple[Tensor, ...]:
        """Arguments of `decode` or `judge`, with the shapes that they take."""
        device = device_of(self.model)
        first = torch.zeros(1, *((self.space.size,) if name == "decode" else self.domain.shape), device=device)
        return (first, torch.zeros(1, dtype=torch.int64, device=device)) if self.takes_label else (first,)


@dataclass(frozen=True)
class Programs:
    """What a page can compute by itself.

    Arguments: constants; each, programs by name; missing, why one is not among them, by name.
    """

    constants: Constants
    each: dict[str, Program]
    missing: dict[str, str]


def of_label(function: Function, y: int | None) -> Function:
    """A function of one array, for a model that is given the label y; None where it takes none."""
    if y is None:
        return function
    return lambda given: function(given, torch.tensor([y], device=given.device))


def require_same(wanted: dict[str, Tensor], came: dict[str, Tensor]) -> None:
    """Refuse a program that does not compute what its function does, to what half precision leaves."""
    for name, value in wanted.items():
        known = value.flatten().cpu().float()
        off = (came[name] - known).abs().max()
        if not bool(off <= CLOSE * (1 + known.abs().max())):
            raise Untraced(f"a page would compute {name} otherwise, by {float(off):.2g}")


@torch.no_grad()
def programs_of(functions: Functions, most_bytes: int = MOST_BYTES) -> Programs:
    """The programs of a model: `decode` where it fits into the page, `judge` where both do."""
    constants, each, missing = Constants(), dict[str, Program](), dict[str, str]()
    for name, function in (("decode", functions.decode), ("judge", functions.judge)):
        if name == "judge" and not (functions.can_judge and each):
            continue
        tried, found = constants.copy(), dict[str, Program]()
        try:
            for own, y in functions.names(name).items():
                if len(found) == MOST_LABELS:
                    raise Untraced("it has more labels than a page has room for")
                asked = of_label(function, y)
                found[own] = traced(asked, functions.example(name)[0], constants=tried, noise=NOISE)
                for given in functions.probes(name):
                    given = given.to(device_of(functions.model))
                    require_same(asked(given), replayed(found[own], tried, given.cpu()))
        except Untraced as error:
            missing[name] = str(error)
            continue
        if tried.num_bytes > most_bytes:
            missing[name] = f"its weights take {tried.num_bytes / 1e6:.1f} MB"
            continue
        constants, each = tried, each | found
    return Programs(constants, each, missing)
