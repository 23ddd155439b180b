"""The likelihood of mixed tables: each column by its kind, and log p of a row of recorded values a probability."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional as F

from ..distributions import EventSum
from ..distributions.columnlayout import ColumnLayout, Ladder
from ..distributions.columns import TableColumns
from ..distributions.numbers import Numbers
from ..distributions.selection import Selection
from ..distributions.stretch import Line, Stretch
from ..domain import Domain
from ..domain.columns import OWN
from ..errors import at_least
from ..registry import register
from .base import Likelihood
from .selfmasking import SelfMasking

CENTRE, REACH = -1.0, 6.0  # of log s, in units of T
KEPT = 1e-4  # of each number, that is spread over the whole column: no value is a surprise without an end
GATE = 12.0  # |log a/(1 − a)| stays below
SEEN_BEFORE = 0.5  # counts of each level before any came
WIDE = 64  # columns from which on fewer components do


@register("likelihood", "columns")
class Columns(Likelihood):
    """p(x|h) = Π_d p(x_d|h) over the columns of a mixed table; a recorded number is the mass of its cell.

    A category of n levels is softmax(h_d), of the 255 most frequent of more, the rest sharing one number by their
    frequency. A number 7.25 with two decimals is the cell from 7.245 to 7.255: its probability is the mass there of
    Σ_m π_m Logistic(T(x); μ_m, s_m), whose tails are free, and of atoms, values that come often. One logistic of weight
    10⁻⁴ spans the whole column, so that a value that is far from all others costs some tens of nats and not thousands.
    So log p of a row of such columns is a probability, which no constant, repeated or rounded column makes grow. A
    measured number has the density of the same mixture, in its own units. T (`Stretch`) draws long tails in.

    Where to be missing is an outcome of columns, p is of what is observed and of what is missing: Π_{d seen} p(x_d|h)
    (1 − s_d(x_d)) · Π_{d missing} E[s_d(x_d)|h], with s_d(x_d) = p(x_d is missing|x_d) by `SelfMasking`.

    References: Salimans et al., PixelCNN++ (2017), eq. 1–2, for the mixture of discretised logistics.

    Arguments:
        num_components: M, the logistics of each number; 0 takes 5, and 3 in a table of more than 64 columns.
    """

    domains = ("mixed",)

    def __init__(self, domain: Domain, *, num_components: int = 0) -> None:
        at_least(0, "likelihood.num_components", num_components)
        columns = domain.columns or ()
        layout = ColumnLayout(columns)
        self._M = num_components or (5 if domain.num_dims <= WIDE else 3)
        self._outputs = layout.num_logits + (3 * self._M + 1) * len(layout.numeric) + 2 * layout.num_ordinals
        super().__init__(domain, 1)
        self.num_components = num_components
        self.layout, self.stretch = layout, Stretch(len(layout.numeric))
        self.tails = {d: c.num_levels - (OWN - 1) for d, c in enumerate(columns) if c.num_levels > OWN}
        for place, size in self.tails.items():
            self.register_buffer(f"tail_{place}", torch.full((size,), -math.log(size)))
        self.masking = SelfMasking(columns, layout) if domain.models_gaps else None
        self._rows = {d: row for row, d in enumerate(layout.numeric.tolist())}  # of columns among the numbers
        self._layouts: dict[tuple[int, torch.device], tuple[ColumnLayout, list[int]]] = {}

    @property
    def num_outputs(self) -> int:
        return self._outputs

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return (self._outputs,)

    def forward(self, h: Tensor, observed: Tensor | None = None) -> EventSum:
        return EventSum(self.columns(h), 1, observed)

    def each(self, *params: Tensor) -> Distribution:
        return self.columns(torch.stack(params, -1).flatten(-2))

    def columns(self, h: Tensor) -> TableColumns:
        """p(x_d|h) of each column, from h [..., num_outputs]."""
        tails = {place: getattr(self, f"tail_{place}") for place in self.tails}
        line = self.stretch.line()
        selection = None if self.masking is None else self.masking(self.layout, line)
        return self._distribution(self.layout, h + self.offset, line, tails, selection)

    def of_column(self, d: int, h: Tensor) -> TableColumns:
        """p(x_d|h) of one column, from its own outputs h [..., n] without their offset; batch shape [..., 1]."""
        layout, rows = self._alone(d, h.device)
        tails = {0: getattr(self, f"tail_{d}")} if d in self.tails else {}
        line = self.stretch.line(rows)
        selection = None if self.masking is None else self.masking.of_column(d, layout, line)
        return self._distribution(layout, h + self.offset[self.outputs_of[d]], line, tails, selection)

    def _distribution(
        self, layout: ColumnLayout, h: Tensor, line: Line, tails: dict[int, Tensor], selection: Selection | None
    ) -> TableColumns:
        M, each = self._M, len(layout.numeric)
        sizes = [ladder.num_outputs for ladder in layout.ladders]
        *flat, numbers, ordered = h.split([*sizes, (3 * M + 1) * each, 2 * layout.num_ordinals], -1)
        logits = [own.unflatten(-1, (-1, ladder.width)) for own, ladder in zip(flat, layout.ladders, strict=True)]
        logits = _in_order(layout, logits, ordered)
        log_p = [ladder.log_p(own) for ladder, own in zip(layout.ladders, logits, strict=True)]
        pi, loc, scale, gate = numbers.unflatten(-1, (3 * M + 1, each)).split([M, M, M, 1], -2)
        gate = GATE * torch.tanh(gate.squeeze(-2) / GATE)
        log_scale = CENTRE + REACH * torch.tanh(scale / REACH)
        found = Numbers(
            _with_last(pi.log_softmax(-2) + math.log(1 - KEPT), math.log(KEPT)),
            _with_last(loc, 0.0),
            _with_last(log_scale, 0.0),
            F.logsigmoid(gate),
            F.logsigmoid(-gate),
        )
        return TableColumns(layout, log_p, found, line, tails, selection)

    def _alone(self, d: int, device: torch.device) -> tuple[ColumnLayout, list[int]]:
        """The layout of one column, and its row among the numbers."""
        if (d, device) not in self._layouts:
            column = (self.domain.columns or ())[d]
            rows = [] if column.has_levels else [self._rows[d]]
            self._layouts[d, device] = ColumnLayout([column]).to(device), rows
        return self._layouts[d, device]

    @functools.cached_property
    def outputs_of(self) -> list[Tensor]:
        """The places [n] of the numbers of each column among the outputs."""
        return self.layout.outputs_of(3 * self._M + 1)

    @torch.no_grad()
    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        """Each column by itself: its frequencies, its atoms, logistics between its quantiles, and what is missing."""
        seen = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        if self.masking is not None:
            self.masking.initialise(seen)
        own = seen[:, self.layout.numeric]
        away = own & ~self._at_atoms(x)
        self.stretch.fit(x[:, self.layout.numeric], torch.where(away.any(0), away, own))
        self.offset.copy_(self.offsets(x, seen))
        for place, size in self.tails.items():
            rare = (x[seen[:, place], place] - (OWN - 1)).long()
            counts = torch.bincount(rare[rare >= 0], minlength=size).to(x.dtype) + SEEN_BEFORE
            getattr(self, f"tail_{place}").copy_((counts / counts.sum()).log())

    @torch.no_grad()
    def offsets(self, x: Tensor, seen: Tensor) -> Tensor:
        """The outputs [num_outputs] that fit the columns of x [N, D], each by itself, where `seen` [N, D]."""
        layout, M = self.layout, self._M
        parts = [_log_frequencies(ladder, x, seen).flatten() for ladder in layout.ladders]
        numbers, own = x[:, layout.numeric], seen[:, layout.numeric]
        atoms = self._at_atoms(x) & own
        away = own & ~atoms
        gate = _log_odds(atoms.sum(0), away.sum(0)).clamp(-GATE + 1, GATE - 1)
        y = self.stretch.line()(numbers.double()).to(x.dtype)
        loc, log_scale = _spread_out(y, away, M)
        raw = REACH * torch.atanh(((log_scale - CENTRE) / REACH).clamp(-0.95, 0.95))
        block = torch.cat([torch.zeros_like(loc), loc, raw, (GATE * torch.atanh(gate / GATE)).unsqueeze(0)])
        found = torch.zeros_like(self.offset)
        found[: layout.num_logits + block.numel()] = torch.cat([*parts, block.flatten()])
        return found

    def _at_atoms(self, x: Tensor) -> Tensor:
        """Whether the columns of numbers hold one of their atoms, [N, D₁]."""
        if not self.layout.atoms:
            return torch.zeros(len(x), len(self.layout.numeric), dtype=torch.bool, device=x.device)
        return self.layout.of_numbers([ladder.index(x)[1].float() for ladder in self.layout.atoms], 0.0) > 0


def _with_last(parameter: Tensor, value: float) -> Tensor:
    """A parameter [..., M, D] of the components with that of one more, which is fixed."""
    return F.pad(parameter, (0, 0, 0, 1), value=value)


@torch.no_grad()
def draw_observed(model: nn.Module, x: Tensor, observed: Tensor | None) -> Tensor | None:
    """What is observed of x that a model drew: as much as of other rows, or drawn from 1 − s_d(x_d) where it says so.

    Arguments: observed [N, *shape], of the other rows; None for all.
    """
    p = next((part for part in model.modules() if isinstance(part, Columns)), None)
    if p is None or p.masking is None:
        return observed
    line, given = p.stretch.line(), x.to(p.offset.device)
    log_odds = p.masking(p.layout, line).log_odds(given, p.layout, line)
    drawn = (torch.rand_like(log_odds) >= log_odds.sigmoid()).to(x.device)
    others = torch.ones_like(drawn) if observed is None else observed
    return torch.where(p.masking.selects.to(x.device), drawn, others)


def _in_order(layout: ColumnLayout, logits: list[Tensor], ordered: Tensor) -> list[Tensor]:
    """The logits [..., C, W] of ordinals with a·t + b·t² added, t from −1 to 1 along the levels: neighbours share it.

    Arguments: ordered, a and b of each ordinal, [..., 2·C].
    """
    first, found = 0, list(logits)
    for i, (ladder, rows) in enumerate(zip(layout.levels, layout.rows_in_order, strict=True)):
        if rows:
            own = ordered[..., first : first + 2 * len(rows)].unflatten(-1, (-1, 2))  # [..., C, 2]
            first, t = first + 2 * len(rows), ladder.place_in_order[rows]
            more = own[..., :1] * t + own[..., 1:] * t**2  # [..., C, W]
            places = torch.tensor(rows, device=more.device)
            found[i] = found[i] + torch.zeros_like(found[i]).index_copy(-2, places, more)
    return found


def _log_frequencies(ladder: Ladder, x: Tensor, seen: Tensor) -> Tensor:
    """log of the share of each level or atom, [C, W]."""
    number, hit = ladder.index(x)
    counts = torch.zeros_like(ladder.values)
    counts.scatter_add_(1, number.T, (hit & seen[:, ladder.places]).T.to(counts.dtype))
    counts = torch.where(ladder.there, counts + SEEN_BEFORE, 0.0)
    return (counts / counts.sum(-1, keepdim=True)).clamp(min=1e-30).log()


def _log_odds(many: Tensor, others: Tensor) -> Tensor:
    return ((many + SEEN_BEFORE) / (others + SEEN_BEFORE)).log()


def _spread_out(y: Tensor, seen: Tensor, M: int) -> tuple[Tensor, Tensor]:
    """M places [M, D] at even quantiles of the columns of y [N, D], and log of the scales that join them."""
    if not y.shape[1]:  # all columns have levels
        return y.new_zeros(M, 0), y.new_zeros(M, 0)
    held = torch.where(seen, y, torch.nan)
    at = (torch.arange(M, dtype=y.dtype, device=y.device) + 0.5) / M
    loc = torch.nanquantile(held[: 2**14].double(), at.double(), dim=0).to(y.dtype)  # [M, D]
    loc = torch.where(loc.isnan(), torch.linspace(-1, 1, M, device=y.device).unsqueeze(-1) if M > 1 else 0.0, loc)
    apart = loc.diff(dim=0).abs() if M > 1 else torch.ones_like(loc)
    near = torch.cat([apart[:1], apart]) if M > 1 else apart
    return loc, (0.5 * near).clamp(min=0.02).log()
