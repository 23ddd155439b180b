"""The model: a picture of which part turns what into what, and how many weights each has."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...model import shapes_of_z
from ...ops import keyed
from ..exhibits import Group, Html
from ..subject import Subject
from . import section

LONGEST = 24  # characters of a name that fit into a box
LINES = 3  # that fit into the box of z


@dataclass(frozen=True)
class Anatomy:
    """Lines of text for each part of the picture.

    Arguments: x, z, encoder, prior and decoder, lines each; exact, whether q(z|x) is p(z|x), computed from p.
    """

    x: list[str]
    z: list[str]
    encoder: list[str]
    prior: list[str]
    decoder: list[str]
    exact: bool


@section("picture", order=120)
def picture(subject: Subject) -> Group | None:
    """The drawing, of a model with latents."""
    if not subject.model.groups:
        return None
    found = anatomy(subject)
    guess = "the exact posterior p(z|x)" if found.exact else "q(z|x), in place of the posterior p(z|x) = p(x, z) / p(x)"
    words = (
        "The picture tells two stories. From p(z) to the right, the model makes an x: p(x, z) = p(z) p(x|z). From the "
        f"left to z, it infers which z is behind an x: it uses {guess}."
    )
    return Group("The model", words, [Html("", "", "anatomy.html", {"anatomy": found})])


def anatomy(subject: Subject) -> Anatomy:
    """The parts of a model, from its description and from p, q and prior as every model states them."""
    model, spec = subject.model, subject.run.config.model
    count = {part: sum(p.numel() for p in model.parameters_of(part)) for part in ("p", "q", "prior")}
    exact = not count["q"] and "exact" in model.gives
    encoder = [*(_names(spec, ("encoder", "posterior")) or [_name(spec)]), _weights(count["q"])]
    return Anatomy(
        x=[_shape(subject.domain.shape) + ("" if subject.domain.is_image else " columns"), str(subject.domain)],
        z=_latent(subject),
        encoder=["computed from p(x, z)", "no weights of its own"] if exact else encoder,
        prior=[*_names(spec, ("prior",)), _weights(count["prior"])],
        decoder=[*(_names(spec, ("decoder", "likelihood")) or [_name(spec)]), _weights(count["p"] - count["prior"])],
        exact=exact,
    )


@torch.no_grad()
def _latent(subject: Subject) -> list[str]:
    """The shape of z per group, or what many come to; for a z that is one of a few values, their number."""
    batch = subject.test.batch(torch.zeros(1, dtype=torch.int64, device=subject.test.x.device))
    if "enumerate" in subject.model.gives and shapes_of_z(subject.model) == ((),):
        return [f"one of {len(subject.model.enumerate(batch).log_px_z)}"]
    with keyed("report", "anatomy"):
        z, _ = subject.model.posterior(batch).draw(1)
    if len(z) <= LINES:
        return [_group(group) for group in z]
    kind = "real numbers" if all(group.is_floating_point() for group in z) else "numbers"
    return [f"{len(z)} groups", f"{sum(group[0, 0].numel() for group in z):,} {kind}"]


def _group(z: Tensor) -> str:
    return f"{_shape(tuple(z.shape[2:]))} {'real numbers' if z.is_floating_point() else 'codes'}"


def _names(spec: dict[str, Any], slots: tuple[str, ...]) -> list[str]:
    return [_name(spec[slot]) for slot in slots if isinstance(spec.get(slot), dict)]


def _name(spec: dict[str, Any]) -> str:
    name = str(spec.get("name") or spec["class"].rsplit(".", 1)[-1]).replace("_", " ")
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _weights(count: int) -> str:
    return f"{count:,} weights" if count else "no weights of its own"
