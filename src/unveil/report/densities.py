"""Densities on grids: the aggregate of q(z|x) over p(z), and for two latents p(z|x) beside q(z|x)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..batch import Batch
from ..data.split import spread_rows
from ..evaluation.splits import is_conditioned
from ..model import Model
from ..ops import keyed
from .subject import Subject

DRAWS = 1000  # of q and of p in a cloud
CHOSEN = 6  # x with a true posterior
LABELS = 8  # examples whose labels p(z|y) is averaged over
SIDE = 51  # points per axis, where at most so many values of x are then decoded:
PRIOR_VALUES, POSTERIOR_VALUES = 5_000_000, 40_000_000
PASS = 4_000_000  # decoded values held at once
FAR = 9.0  # nats below the peak: e⁻⁹ of it
SAME = 1e-3  # nats
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class DensityGrid:
    """A density on a grid.

    Arguments: x [X] and y [Y], the axes; log_mass [Y, X] of the cells, whose masses sum to 1.
    """

    x: Tensor
    y: Tensor
    log_mass: Tensor

    @property
    def inside(self) -> Tensor:
        """The mass of all cells that are as dense or denser, [Y, X]: 0.9 on the border of the densest 90 %."""
        mass, order = self.log_mass.flatten().exp().sort(descending=True, stable=True)
        return torch.empty_like(mass).scatter_(0, order, mass.cumsum(0)).view_as(self.log_mass)


@dataclass(frozen=True)
class AggregateDraws:
    """q(z) = E_x q(z|x) over held-out x, and p(z), in one or two dimensions of z.

    Arguments:
        q: a draw of q(z|x) of each of N examples, [N, 1 or 2].
        p: draws of p(z), [M, 1 or 2].
        density: p(z) itself in these dimensions ([1, X] for one), or None where it is not the product of its parts.
        titles: of the axes.
        num_dims: of the whole z.
    """

    q: Tensor
    p: Tensor
    density: DensityGrid | None
    titles: tuple[str, ...]
    num_dims: int


@dataclass(frozen=True)
class Beside:
    """p(z|x) ∝ p(x, z) and q(z|x) of one test example over the same grid of two latents.

    Arguments: place in the test set; true; q; kl, KL(q(z|x) ‖ p(z|x)) in nats, or None where the grid is too coarse
    for a q that is narrow beside p(z|x).
    """

    place: int
    true: DensityGrid
    q: DensityGrid
    kl: float | None


@torch.no_grad()
def aggregate(subject: Subject) -> AggregateDraws | None:
    """Draws of q(z|x) of spread test examples over p(z); None where z is not real."""
    if "pathwise" not in subject.model.gives:
        return None
    q, p, _ = _clouds(subject)
    num_dims = q.shape[1]
    which = _loudest(subject, q)[: min(2, num_dims)]
    density = _prior_density(subject, which, torch.cat([q, p]))
    titles = tuple("z" + str(d + 1).translate(SUBSCRIPTS) if num_dims > 1 else "z" for d in which)
    return AggregateDraws(q[:, which], p[:, which], density, titles, num_dims)


@torch.no_grad()
def beside_the_truth(subject: Subject) -> list[Beside]:
    """A few test examples with both posteriors; none unless z is two real numbers."""
    if "pathwise" not in subject.model.gives or not {"joint", "log_w"} <= subject.model.gives:
        return []
    q, p, groups = _clouds(subject)
    if q.shape[1] != 2:
        return []
    places = chosen(subject)
    batch, everywhere = _batch(subject, places), _box(torch.cat([q, p]))
    with keyed("report", "posterior"):
        posterior = subject.model.posterior(batch)
        own = _joined(posterior.draw(256)[0])  # [K, B, 2]
    side = _side(POSTERIOR_VALUES / (2 * len(places)), subject)

    def log_true(z: Tensor) -> Tensor:
        return _log_joint(subject.model, batch, z, groups)

    low, high = _windows(log_true, own, everywhere, 3 * side // 5)
    axes = _axes(low, high, side)  # [S, B, 2]
    z = _mesh(axes)  # [S·S, B, 2]
    log_p, log_r = log_true(z), posterior.log_prob(_split(z, groups)).double().sum(-1)
    cell = ((high - low) / (side - 1)).prod(-1).double().log()  # [B]
    return [
        _beside(place, axes[:, b], log_p[:, b], log_r[:, b] + cell[b].to(log_r.device))
        for b, place in enumerate(places)
    ]


def chosen(subject: Subject) -> list[int]:
    """A test example of each class, then others: places in the test set, drawn from all over it, six at most."""
    with keyed("report", "chosen"):
        order = torch.randperm(len(subject.test))
    y = [] if subject.test.y is None else subject.test.y.cpu()[order].tolist()
    one_each = sorted({code: place for place, code in zip(order.tolist(), y, strict=False) if code >= 0}.values())
    others = [place for place in spread_rows(len(subject.test), 2 * CHOSEN).tolist() if place not in one_each]
    return (one_each + others)[:CHOSEN]


def _beside(place: int, axes: Tensor, log_p: Tensor, log_q: Tensor) -> Beside:
    """Both normalised over the grid [S·S], on which x runs fastest."""
    side = len(axes)
    held = float(log_q.exp().sum())
    true, q = log_p.log_softmax(0), log_q.log_softmax(0)
    kl = float((q.exp() * (q - true)).sum()) if abs(held - 1) < 0.05 else None
    x, y = axes[:, 0].cpu(), axes[:, 1].cpu()
    true_grid, q_grid = (DensityGrid(x, y, log.view(side, side).cpu()) for log in (true, q))
    return Beside(place, true_grid, q_grid, kl)


def _windows(log_true: Callable[[Tensor], Tensor], own: Tensor, everywhere: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Lower and upper corners [B, 2] of squares that hold both posteriors: a search around q, and everywhere else."""
    mean, stddev = own.mean(0), own.std(0)
    low, high = everywhere.unsqueeze(1).expand(-1, len(mean), -1)
    around = _mesh(_axes(mean - 6 * stddev, mean + 6 * stddev, side))
    z = torch.cat([around, _mesh(_axes(low, high, side))])  # [P, B, 2]
    log_p = log_true(z)
    kept = (log_p > log_p.max(0).values - FAR).unsqueeze(-1)
    z = torch.cat([torch.where(kept, z, mean), (mean - 3.3 * stddev)[None], (mean + 3.3 * stddev)[None]])
    low, high = z.min(0).values, z.max(0).values
    half = 0.53 * (high - low).max(-1, keepdim=True).values
    return (low + high) / 2 - half, (low + high) / 2 + half


def _prior_density(subject: Subject, which: list[int], both: Tensor) -> DensityGrid | None:
    """p(z) over one or two of its dimensions, where no other has a say in them."""
    model = subject.model
    batch = _batch(subject, spread_rows(len(subject.test), LABELS if is_conditioned(model) else 1).tolist())
    with keyed("report", "prior", 0):
        groups = model.draw_prior(3, model.draw_labels(3))
    rest = _joined(tuple(g.unsqueeze(1) for g in groups))[:, 0]  # [3, D]

    def log_p(axes: Tensor, filling: Tensor, batch: Batch) -> Tensor:
        """[P, B], of which only a condition y can make the columns differ."""
        z = filling.repeat(len(axes) ** len(which), 1)
        z[:, which] = _mesh(axes.unsqueeze(1))[:, 0].to(z)
        z = z.unsqueeze(1).expand(-1, len(batch), -1)  # [P, B, D]
        return _in_passes(model, z, lambda z: model.log_pz(batch, _split(z, groups)).double().sum(-1))

    low, high = _box(both[:, which])
    probes = torch.stack([log_p(_axes(low, high, 5), filling, batch) for filling in rest])  # [3, P, B]
    moved = probes - probes[:1]  # by the other dimensions; a constant where they have no say
    if float((moved.amax(1) - moved.amin(1)).max()) > SAME:
        return None
    if float((probes - probes[..., :1]).abs().max()) <= SAME:
        batch = _batch(subject, [0])
    side = _side(PRIOR_VALUES / len(batch), subject) if len(which) == 2 else 201
    axes = _axes(low, high, side)
    log_mass = log_p(axes, rest[0], batch).logsumexp(1).log_softmax(0).view(-1, side).cpu()
    return DensityGrid(axes[:, 0].cpu(), axes[:, -1].cpu(), log_mass)


def _clouds(subject: Subject) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Draws [N, D] of q(z|x) at spread test examples and [M, D] of p(z), and the groups [M, …] of the latter."""
    split = subject.test.spread(DRAWS)
    with keyed("report", "aggregate", 0):
        batch = split.batch(torch.arange(len(split), device=split.x.device))
        z, _ = subject.model.posterior(batch).draw(1)
    with keyed("report", "prior", 1):
        groups = subject.model.draw_prior(DRAWS, subject.model.draw_labels(DRAWS))
    return _joined(z)[0], _joined(tuple(g.unsqueeze(0) for g in groups))[0], groups


def _loudest(subject: Subject, q: Tensor) -> list[int]:
    """The dimensions with the largest rate, in their own order; by the spread of q's draws where it is not known."""
    known = subject.dimensions
    order = q.var(0, correction=0).argsort(descending=True, stable=True) if known is None else known.order
    return sorted(order[:2].tolist())


def _log_joint(model: Model, batch: Batch, z: Tensor, groups: tuple[Tensor, ...]) -> Tensor:
    """log p(x, z) [P, B] at z [P, B, D]."""

    def log_p(z: Tensor) -> Tensor:
        terms = model.joint(batch, _split(z, groups))
        return terms.log_px_z.double() + terms.log_pz.double().sum(-1)

    return _in_passes(model, z, log_p)


def _in_passes(model: Model, z: Tensor, log_p: Callable[[Tensor], Tensor]) -> Tensor:
    """log_p [P, B] of z [P, B, D], a few points at a time."""
    points = max(1, PASS // (z.shape[1] * model.domain.num_dims))
    return torch.cat([log_p(part) for part in z.split(points)])


def _batch(subject: Subject, places: list[int]) -> Batch:
    with keyed("report", "posterior", 0):
        return subject.test.batch(torch.tensor(places, dtype=torch.int64, device=subject.test.x.device))


def _side(values: float, subject: Subject) -> int:
    """Points per axis so that at most so many values of x are decoded."""
    return min(SIDE, max(21, int((values / subject.domain.num_dims) ** 0.5)))


def _box(z: Tensor) -> Tensor:
    """Corners [2, D] that hold all but the outermost draws, with some room."""
    low, high = z.double().quantile(torch.tensor([0.002, 0.998], dtype=torch.float64, device=z.device), 0)
    room = 0.12 * (high - low)
    return torch.stack([low - room, high + room]).to(z)


def _axes(low: Tensor, high: Tensor, side: int) -> Tensor:
    """[S, …]: from low to high in equal steps."""
    steps = torch.linspace(0, 1, side, dtype=low.dtype, device=low.device)
    return low + steps.view(-1, *[1] * low.ndim) * (high - low)


def _mesh(axes: Tensor) -> Tensor:
    """Every pair of the axes [S, B, 2] → [S·S, B, 2], the first of them fastest; one axis stays as it is."""
    if axes.shape[-1] == 1:
        return axes
    side = len(axes)
    x, y = axes[..., 0].repeat(side, 1), axes[..., 1].repeat_interleave(side, 0)
    return torch.stack([x, y], -1)


def _joined(groups: tuple[Tensor, ...]) -> Tensor:
    """Groups [K, B, …] as one z [K, B, D]."""
    return torch.cat([g.flatten(2) for g in groups], -1)


def _split(z: Tensor, groups: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """z [K, B, D] as groups [K, B, …] of the shapes of groups [N, …]."""
    parts = z.split([g[0].numel() for g in groups], -1)
    return tuple(part.reshape(*z.shape[:2], *g.shape[1:]).to(g) for part, g in zip(parts, groups, strict=True))
