"""Figures of what each group of a ladder holds: its rate, and images with the groups switched on in turn."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...batch import Batch
from ...domain import Domain
from ...model import Posterior
from ...nn.hierarchy import Pass
from ...ops import keyed
from ...panels import Bars, Panel, Strip
from ...terms import Terms

COLUMNS = 8
TEMPERATURES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
RATES = 500  # examples that rates are averaged over


@runtime_checkable
class Switchable(Protocol):
    """A model whose groups can be drawn at temperatures of their own, or left at the mean of p."""

    domain: Domain
    groups: tuple[str, ...]

    def infer(self, batch: Batch, num_samples: int) -> Terms: ...

    def posterior(self, batch: Batch) -> Posterior: ...

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Distribution: ...

    def draw_labels(self, num_samples: int) -> Tensor | None: ...

    def draw_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor | None: ...

    def draw(self, num_samples: int, y: Tensor | None, temperatures: Sequence[float]) -> Pass: ...

    def completed(self, z: tuple[Tensor, ...], first: int, y: Tensor | None) -> Tensor: ...


def groups_switched_on(model: Switchable, batch: Batch) -> tuple[Panel, ...]:
    """The rate of each group; and of images, what groups add to samples and reconstructions, and temperatures."""
    if not model.domain.is_image:
        return (rates(model, batch),)
    return rates(model, batch), samples(model), reconstructions(model, batch), temperatures(model)


def rates(model: Switchable, batch: Batch) -> Bars:
    """KL(q(z_l|z_>l, x)‖p(z_l|z_>l)) of each group, top first."""
    with keyed("rates"):
        terms = model.infer(batch, 4)
    rate = terms.mean(terms.rate).mean(0)  # [L]
    return Bars(
        "Rate of each latent group",
        "Each bar is the information about x, in nats, that a group adds to the groups above it. The top group is on "
        "the left. A group near 0 is not used.",
        tuple(reversed(model.groups)),
        tuple(rate.flip(0).tolist()),
        "nats",
    )


def samples(model: Switchable) -> Strip:
    """Samples with the top group drawn, then the next …; those below stay at the mean of p."""
    L = len(model.groups)
    rows = [_sampled(model, COLUMNS, [0.0] * (L - on) + [1.0] * on) for on in range(1, L + 1)]
    return Strip(
        "Samples with more and more groups drawn",
        "Each row draws one group more from its prior than the row above it, from the top group down. The groups below "
        "stay at their mean under p. The noise is the same in all rows, so a change from one row to the next shows "
        "what the new group decides.",
        torch.stack(rows),
        _switched(model),
    )


def reconstructions(model: Switchable, batch: Batch) -> Strip:
    """x, and its reconstructions from the groups above a cut; the groups below are at the mean of p."""
    few = batch.map(lambda t: t[:COLUMNS])
    with keyed("reconstructions"):
        z, _ = model.posterior(few).draw(1)
        y = model.draw_label(few, z)
    y = y[0] if y is not None and y.ndim == 2 else y
    L, given = len(model.groups), tuple(group[0] for group in z)
    rows = [few.x if few.observed is None else torch.where(few.observed, few.x, torch.zeros_like(few.x))]
    rows += [model.completed(given, L - on, y) for on in range(1, L + 1)]
    return Strip(
        "Reconstructions from more and more groups",
        "The first row shows test examples x. The second reconstructs them from the top group alone, the next from the "
        "two top groups, and so on. The groups below stay at their mean under p.",
        torch.stack(rows),
        ("x", *_switched(model)),
    )


def temperatures(model: Switchable) -> Strip:
    """One sample with the temperature of one group changed, row by row."""
    L = len(model.groups)
    rows = []
    for group in reversed(range(L)):
        each = [[1.0] * group + [t] + [1.0] * (L - 1 - group) for t in TEMPERATURES]
        rows.append(torch.cat([_sampled(model, 1, chosen) for chosen in each]))
    told = ", ".join(f"{t:g}" for t in TEMPERATURES)
    return Strip(
        "Temperature of each group",
        f"All images are one sample, made from the same noise. Each row scales the spread of one group by {told}, and "
        "leaves the other groups as they are.",
        torch.stack(rows),
        tuple(reversed(model.groups)),
    )


def _sampled(model: Switchable, count: int, each: list[float]) -> Tensor:
    with keyed("switching"):
        y = model.draw_labels(count)
        return model.decode(model.draw(count, y, each).z, y).mean


def _switched(model: Switchable) -> tuple[str, ...]:
    top = model.groups[-1]
    return (top, *(f"{top} … {name}" for name in reversed(model.groups[:-1])))
