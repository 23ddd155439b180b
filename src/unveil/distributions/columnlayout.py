"""Where the columns of a mixed table stand among the numbers that a network gives and takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..domain import ColumnDomain
from ..domain.columns import OWN


class Ladder(nn.Module):
    """Columns with about as many levels, or atoms, each; their logits are one tensor [..., C, W].

    Arguments: places of these columns in x [C]; values, of each column the levels 0 … W − 1 or the atoms; of_levels,
    whether they are levels.
    """

    places: Tensor
    values: Tensor
    there: Tensor

    def __init__(self, places: list[int], values: list[tuple[float, ...]], of_levels: bool) -> None:
        super().__init__()
        self.width, self.of_levels = max(map(len, values)), of_levels
        filled = torch.full((len(values), self.width), torch.nan)  # NaN where a column has fewer than W
        for row, own in zip(filled, values, strict=True):
            row[: len(own)] = torch.tensor(own)
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.register_buffer("values", filled, persistent=False)
        self.register_buffer("there", ~filled.isnan(), persistent=False)

    @property
    def num_outputs(self) -> int:
        """C·W."""
        return self.values.numel()

    def index(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers [..., C] of the levels or atoms that x [..., D] holds, and whether it holds one."""
        own = x[..., self.places]
        if self.of_levels:
            number = torch.minimum(own.long(), self.there.sum(-1) - 1).clamp(min=0)
            return number, torch.ones_like(own, dtype=torch.bool)
        hit = own.unsqueeze(-1) == self.values
        return hit.long().argmax(-1), hit.any(-1)

    def value(self, number: Tensor) -> Tensor:
        """The level or atom of each number [..., C]."""
        return picked(self.values, number)

    def log_p(self, logits: Tensor) -> Tensor:
        """log p [..., C, W] of logits [..., C, W]."""
        return torch.where(self.there, logits, -torch.inf).log_softmax(-1)

    @property
    def place_in_order(self) -> Tensor:
        """From −1 at the first level to 1 at the last, [C, W]."""
        last = (self.there.sum(-1, keepdim=True) - 1).clamp(min=1)
        return 2 * self.values.nan_to_num() / last - 1


class ColumnLayout(nn.Module):
    """The columns in groups that are computed together: ladders of levels, ladders of atoms, and numbers.

    Arguments: columns, of the domain.

    Attributes: numeric, the places of the columns of numbers [D₁], of which `is_cells`,
    `is_count` (cells from 0 up) and `has_atoms` [D₁] say more; rows_in_order, the ordinals of each ladder of levels.
    """

    numeric: Tensor
    is_cells: Tensor
    is_count: Tensor
    has_atoms: Tensor
    in_order: Tensor
    atoms_in_order: Tensor

    def __init__(self, columns: Sequence[ColumnDomain]) -> None:
        super().__init__()
        self.num_columns = len(columns)
        numeric = [d for d, column in enumerate(columns) if not column.has_levels]
        own = {d: tuple(map(float, range(min(c.num_levels, OWN)))) for d, c in enumerate(columns) if c.has_levels}
        atoms = {d: columns[d].atoms for d in numeric if columns[d].atoms}
        self._levels, self._atoms = _ladders(own, True), _ladders(atoms, False)
        without = [d for d in numeric if d not in atoms]
        row = {d: i for i, d in enumerate(numeric)}
        held = [d for ladder in self.atoms for d in ladder.places.tolist()] + without
        for name, values, kind in (
            ("numeric", numeric, torch.int64),
            ("is_cells", [columns[d].is_discrete for d in numeric], torch.bool),
            ("is_count", [columns[d].kind == "count" for d in numeric], torch.bool),
            ("has_atoms", [d in atoms for d in numeric], torch.bool),
            (
                "in_order",
                _inverse([d for ladder in self.levels for d in ladder.places.tolist()] + numeric),
                torch.int64,
            ),
            ("atoms_in_order", _inverse([row[d] for d in held]), torch.int64),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=kind), persistent=False)
        self.some_cells, self.some_counts = bool(self.is_cells.any()), bool(self.is_count.any())
        self.all_cells = bool(self.is_cells.all())
        ordinal = {d for d, column in enumerate(columns) if column.kind == "ordinal"}
        self.rows_in_order = [[i for i, d in enumerate(own.places.tolist()) if d in ordinal] for own in self.levels]

    @property
    def levels(self) -> list[Ladder]:
        """The ladders of levels."""
        return list(cast(Iterable[Ladder], self._levels))

    @property
    def atoms(self) -> list[Ladder]:
        """The ladders of atoms."""
        return list(cast(Iterable[Ladder], self._atoms))

    @property
    def ladders(self) -> list[Ladder]:
        """All of them, as their logits stand in an output: those of levels first."""
        return [*self.levels, *self.atoms]

    @property
    def num_logits_of_levels(self) -> int:
        return sum(ladder.num_outputs for ladder in self.levels)

    @property
    def num_logits(self) -> int:
        return sum(ladder.num_outputs for ladder in self.ladders)

    @property
    def num_ordinals(self) -> int:
        return sum(map(len, self.rows_in_order))

    def outputs_of(self, per_number: int) -> list[Tensor]:
        """The places [n] of the numbers of each column in an output: of its ladder, of its density, of its order."""
        found: list[list[Tensor]] = [[] for _ in range(self.num_columns)]
        for d, span in spans(self.ladders).items():
            found[d].append(torch.arange(span.start, span.stop))
        first = self.num_logits
        for row, d in enumerate(self.numeric.tolist()):
            found[d].append(first + row + len(self.numeric) * torch.arange(per_number))
        first += per_number * len(self.numeric)
        for ladder, rows in zip(self.levels, self.rows_in_order, strict=True):
            for row in rows:
                found[int(ladder.places[row])].append(torch.arange(first, first + 2))
                first += 2
        return [torch.cat(parts) for parts in found]

    def joined(self, levels: Sequence[Tensor], numbers: Tensor) -> Tensor:
        """What there is of each column [..., D], from the ladders of levels [..., C] and from numbers [..., D₁]."""
        parts = torch.broadcast_tensors(*(t[..., :1] for t in (*levels, numbers)))
        shape = parts[0].shape[:-1]
        return torch.cat([t.expand(*shape, t.shape[-1]) for t in (*levels, numbers)], -1)[..., self.in_order]

    def of_numbers(self, atoms: Sequence[Tensor], other: float) -> Tensor:
        """What there is of the columns of numbers [..., D₁], from that of the ladders of atoms; `other` without any."""
        rest = atoms[0].new_full((*atoms[0].shape[:-1], len(self.numeric) - sum(t.shape[-1] for t in atoms)), other)
        return torch.cat([*atoms, rest], -1)[..., self.atoms_in_order]


def spans(ladders: Sequence[Ladder]) -> dict[int, range]:
    """Where the levels or atoms of each column stand among the logits of ladders, one ladder after the other."""
    found: dict[int, range] = {}
    first = 0
    for ladder in ladders:
        for d, own in zip(ladder.places.tolist(), ladder.there.sum(-1).tolist(), strict=True):
            found[d] = range(first, first + own)
            first += ladder.width
    return found


def picked(table: Tensor, number: Tensor) -> Tensor:
    """What stands in a table [..., C, W] at number [..., C]."""
    shape = torch.broadcast_shapes(table.shape[:-1], number.shape)
    return table.expand(*shape, table.shape[-1]).gather(-1, number.expand(shape).unsqueeze(-1)).squeeze(-1)


def _ladders(values: dict[int, tuple[float, ...]], of_levels: bool) -> nn.ModuleList:
    """Columns in groups of widths between two powers of 2, so that little of [C, W] is empty."""
    groups: dict[int, list[int]] = {}
    for d, own in values.items():
        groups.setdefault((len(own) - 1).bit_length(), []).append(d)
    return nn.ModuleList(Ladder(places, [values[d] for d in places], of_levels) for _, places in sorted(groups.items()))


def _inverse(order: list[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)
