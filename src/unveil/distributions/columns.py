"""The columns of a mixed table, each by its own kind of distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.nn import functional as F

from ..domain.columns import OWN
from .columnlayout import ColumnLayout, picked
from .event import Selecting, Shape
from .numbers import Numbers
from .selection import Selection
from .stretch import Line


class TableColumns(Selecting):
    """p(x_d) of each column d of a mixed table, batch shape [..., D].

    A category or ordinal is categorical; numbers are as in `Numbers`. The measure of a real column with atoms is
    Lebesgue's beside them, and counts at them.

    Arguments: layout; log_p, of each of its ladders [..., C, W]; numbers; stretch T; tails: of a category of more
    levels than have a number of their own, by its place, log p(level|one of the rarest) [n]; selection s, where to be
    missing is an outcome: `log_prob` is then that of x_d and of its being observed, log p(x_d) + log(1 − s_d(x_d)).
    """

    def __init__(
        self,
        layout: ColumnLayout,
        log_p: Sequence[Tensor],
        numbers: Numbers,
        stretch: Line,
        tails: dict[int, Tensor],
        selection: Selection | None = None,
    ) -> None:
        self.layout, self.numbers, self.stretch, self.tails = layout, numbers, stretch, tails
        self.log_p_levels, self.log_p_atoms = log_p[: len(layout.levels)], log_p[len(layout.levels) :]
        self.selection = s = selection
        self._log_seen_levels = self.log_p_levels if s is None else _times(self.log_p_levels, s.levels, -1)
        self._log_seen_atoms = self.log_p_atoms if s is None else _times(self.log_p_atoms, s.atoms, -1)
        shape = numbers.log_rest.shape[:-1]
        super().__init__(torch.Size([*shape, layout.num_columns]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x_d) [..., D] of x [..., D]."""
        levels = [
            picked(log_p, ladder.index(value)[0])
            for ladder, log_p in zip(self.layout.levels, self._log_seen_levels, strict=True)
        ]
        found = self.layout.joined(levels, self._log_numbers(value[..., self.layout.numeric], value))
        for place, tail in self.tails.items():
            rare = (value[..., place] - (OWN - 1)).clamp(0, len(tail) - 1).long()
            more = torch.where(value[..., place] >= OWN - 1, tail[rare], 0.0)
            found = found + F.one_hot(torch.tensor(place, device=found.device), found.shape[-1]) * more.unsqueeze(-1)
        return found

    def _log_numbers(self, x: Tensor, value: Tensor) -> Tensor:
        """log p of the columns of numbers [..., D₁]."""
        layout, numbers = self.layout, self.numbers
        rest = numbers.log_f(x, self.stretch, layout, None if self.selection is None else self.selection.logistic)
        if not layout.atoms:
            return rest
        pairs = zip(layout.atoms, self._log_seen_atoms, strict=True)
        found = [(*ladder.index(value), log_p) for ladder, log_p in pairs]
        log_atom = layout.of_numbers([picked(log_p, number) for number, _, log_p in found], 0.0) + numbers.log_atoms
        at_atom = layout.of_numbers([hit.float() for _, hit, _ in found], 0.0) > 0
        beside = numbers.log_rest + rest
        both = torch.where(layout.is_cells, torch.logaddexp(log_atom, beside), log_atom)
        return torch.where(layout.has_atoms, torch.where(at_atom, both, beside), rest)

    @property
    def log_missing(self) -> Tensor:
        """log E[s_d(x_d)] [..., D], 0 of columns without a selection."""
        if self.selection is None:
            return self.numbers.log_rest.new_zeros(self.batch_shape)
        levels, atoms, rest = self._log_missing_each(self.selection)
        numbers = rest.logsumexp(-2)
        if atoms:
            log_atom = self.layout.of_numbers([own.logsumexp(-1) for own in atoms], 0.0)
            both = torch.logaddexp(self.numbers.log_atoms + log_atom, self.numbers.log_rest + numbers)
            numbers = torch.where(self.layout.has_atoms, both, numbers)
        found = self.layout.joined([own.logsumexp(-1) for own in levels], numbers)
        return torch.where(self.selection.selects, found, 0.0)

    def _log_missing_each(self, s: Selection) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """log p + log s of levels and atoms [..., C, W], and log π_m + log E[s] of the logistics [..., M, D₁]."""
        levels, atoms = _times(self.log_p_levels, s.levels), _times(self.log_p_atoms, s.atoms)
        return levels, atoms, self.numbers.log_pi + self.numbers.log_missing(s.logistic)

    def when_missing(self) -> TableColumns:
        """p(x_d|x_d is missing) ∝ p(x_d) s_d(x_d); p(x_d) of columns without a selection."""
        if self.selection is None:
            return self
        levels, atoms, rest = self._log_missing_each(self.selection)
        log_atoms, log_rest = self.numbers.log_atoms, self.numbers.log_rest
        if atoms:
            log_atoms = log_atoms + self.layout.of_numbers([own.logsumexp(-1) for own in atoms], 0.0)
            log_rest = log_rest + rest.logsumexp(-2)
            log_atoms, log_rest = torch.stack([log_atoms, log_rest]).log_softmax(0).unbind()
        tilted = replace(
            self.numbers,
            log_pi=rest.log_softmax(-2),
            log_atoms=log_atoms,
            log_rest=log_rest,
            tilt=self.selection.logistic,
        )
        log_p = [own.log_softmax(-1) for own in (*levels, *atoms)]
        return TableColumns(self.layout, log_p, tilted, self.stretch, self.tails)

    @torch.no_grad()
    def sample(self, sample_shape: Shape = torch.Size()) -> Tensor:
        layout, numbers = self.layout, self.numbers
        levels, atoms = (
            [
                ladder.value(Categorical(logits=log_p, validate_args=False).sample(sample_shape))
                for ladder, log_p in zip(ladders, log_ps, strict=True)
            ]
            for ladders, log_ps in ((layout.levels, self.log_p_levels), (layout.atoms, self.log_p_atoms))
        )
        x = numbers.sample(sample_shape, self.stretch, layout)
        if atoms:
            is_atom = (torch.rand_like(x) < numbers.log_atoms.exp()) & layout.has_atoms
            x = torch.where(is_atom, layout.of_numbers(atoms, 0.0), x)
        found = layout.joined(levels, x)
        for place, tail in self.tails.items():
            rare = Categorical(logits=tail, validate_args=False).sample(found.shape[:-1]).to(found.dtype)
            found[..., place] += torch.where(found[..., place] == OWN - 1, rare, 0.0)
        return found

    @property
    def mean(self) -> Tensor:
        """E[x_d] of numbers, of cells before they are rounded; of levels the likeliest. [..., D]"""
        return self.centre_of(self.statistics())

    def statistics(self) -> tuple[Tensor, ...]:
        """What is averaged over draws of z before `centre_of`: p of the levels of each ladder, and E of numbers."""
        return (*(log_p.exp() for log_p in self._levels_alone()), self._mean_of_numbers())

    def _levels_alone(self) -> list[Tensor]:
        """log p of the levels of each ladder, of those that share a number the likeliest."""
        found = list(self.log_p_levels)
        for i, ladder in enumerate(self.layout.levels):
            for row, place in enumerate(ladder.places.tolist()):
                if place in self.tails:
                    share = torch.zeros_like(ladder.values)
                    share[row, OWN - 1] = self.tails[place].max()
                    found[i] = found[i] + share
        return found

    def centre_of(self, statistics: tuple[Tensor, ...]) -> Tensor:
        """The likeliest level and the mean of numbers, [..., D]."""
        *levels, numbers = statistics
        likeliest = [ladder.value(p.argmax(-1)) for ladder, p in zip(self.layout.levels, levels, strict=True)]
        return self.layout.joined(likeliest, numbers)

    def _mean_of_numbers(self) -> Tensor:
        layout, numbers = self.layout, self.numbers
        rest = numbers.mean(self.stretch, layout)
        if not layout.atoms:
            return rest
        atoms = [
            (log_p.exp() * ladder.values.nan_to_num()).sum(-1)
            for ladder, log_p in zip(layout.atoms, self.log_p_atoms, strict=True)
        ]
        both = numbers.log_atoms.exp() * layout.of_numbers(atoms, 0.0) + numbers.log_rest.exp() * rest
        return torch.where(layout.has_atoms, both, rest)


def _times(log_p: Sequence[Tensor], log_odds: Sequence[Tensor], sign: int = 1) -> list[Tensor]:
    """log p + log σ(±log-odds) of each ladder, [..., C, W]."""
    return [own + F.logsigmoid(sign * odds) for own, odds in zip(log_p, log_odds, strict=True)]
