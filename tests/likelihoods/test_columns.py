"""Mixed tables: probabilities that add up to one, units, and what a column is drawn as."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import mixedtables
from unveil.batch import Batch
from unveil.distributions.stretch import stretch_of
from unveil.domain import ColumnDomain, Domain
from unveil.errors import RequestError
from unveil.likelihoods import Columns
from unveil.models.autoregressive import AnyOrder
from unveil.models.mixture import TableMixture
from unveil.ops import keyed

TINY = Domain(
    "mixed", (3,), None, (ColumnDomain("category", 3), ColumnDomain("ordinal", 4), ColumnDomain("category", 2))
)
LONG = ColumnDomain("category", 300)


def of(*columns: ColumnDomain, num: int = 400) -> tuple[Columns, Tensor]:
    """A likelihood of these columns, started from rows of them, and the rows."""
    domain = Domain("mixed", (len(columns),), None, columns)
    with keyed("rows"):
        x = mixedtables.rows(domain, num)
    found = Columns(domain)
    found.initialise(x)
    return found, x


def features(p: Columns, spread: float = 0.7) -> Tensor:
    with keyed("features"):
        return spread * torch.randn(p.num_outputs)


def log_p(p: Columns, h: Tensor, values: Tensor) -> Tensor:
    """log p of the values [n] of the only column."""
    return p(h.expand(len(values), -1)).log_prob(values.unsqueeze(-1)).double().detach()


@pytest.mark.parametrize("column", [c for c in mixedtables.COLUMNS if c.is_discrete] + [LONG], ids=str)
def test_the_values_of_a_discrete_column_add_up_to_one(column: ColumnDomain) -> None:
    p, _ = of(column)
    values = torch.arange(column.num_levels) if column.has_levels else torch.arange(-3000, 20_001)
    assert float(log_p(p, features(p), values.float()).exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("column", [c for c in mixedtables.COLUMNS if not c.is_discrete], ids=str)
def test_a_measured_column_integrates_to_one_with_its_atoms(column: ColumnDomain) -> None:
    p, _ = of(column)
    h, y = features(p), torch.linspace(-60, 60, 400_001, dtype=torch.float64)
    edges = p.stretch.line().inverse(y.unsqueeze(-1).float()).squeeze(-1).double()
    middle = ((edges[1:] + edges[:-1]) / 2).float()
    area = (log_p(p, h, middle).exp() * edges.diff()).sum()
    atoms = log_p(p, h, torch.tensor(column.atoms)).exp().sum() if column.atoms else 0.0
    assert float(area + atoms) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    "build", [functools.partial(AnyOrder.build, width=8, depth=1), TableMixture.build], ids=["any_order", "mixture"]
)
def test_all_rows_of_a_tiny_table_add_up_to_one(build: Callable[[Domain], AnyOrder | TableMixture]) -> None:
    with keyed("weights"):
        model = build(TINY).eval()
        model.initialise(Batch(mixedtables.rows(TINY, 200)))
        for weight in model.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
    x = torch.tensor(list(itertools.product(range(3), range(4), range(2)))).float()
    p = model.log_prob(Batch(x)).detach().double().exp()
    assert float(p.max()) < 0.5 and float(p.min()) > 1e-6  # else little would be seen
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    seen = torch.tensor([[True, False, True]]).expand(len(x), -1)
    some = x[(x[:, 1] == 0)]
    gaps = model.log_prob(Batch(some, observed=seen[: len(some)]))
    assert float(gaps.detach().double().exp().sum()) == pytest.approx(1, abs=1e-5)


def test_p_of_a_recorded_number_is_the_mass_of_its_cell() -> None:
    p, _ = of(ColumnDomain("cells"))
    h, at = features(p), torch.tensor([3.0])
    of_real = Columns(Domain("mixed", (1,), None, (ColumnDomain("real"),)))
    of_real.load_state_dict(p.state_dict())
    fine = torch.linspace(2.5, 3.5, 20_001)
    density = log_p(of_real, h, fine).exp()
    mass = float(torch.trapezoid(density, fine.double()))
    assert float(log_p(p, h, at).exp()) == pytest.approx(mass, rel=1e-3)


def test_the_units_of_a_measured_column_are_its_jacobian() -> None:
    column = ColumnDomain("real")
    p, x = of(column)
    other = Columns(p.domain)
    other.initialise(100 * x)
    h = features(p)
    same = log_p(other, h, 100 * x[:50, 0]) + math.log(100)
    torch.testing.assert_close(same, log_p(p, h, x[:50, 0]), rtol=0, atol=2e-4)


def test_no_probability_is_above_one_where_a_column_never_changes() -> None:
    p = Columns(Domain("mixed", (1,), None, (ColumnDomain("real", atoms=(2.5,)),)))
    p.initialise(torch.full((50, 1), 2.5))
    found = log_p(p, torch.zeros(p.num_outputs), torch.tensor([2.5]))
    assert -0.1 < float(found) <= 0


def test_draws_come_as_often_as_they_are_likely() -> None:
    domain = mixedtables.mixed(7)
    p, _ = of(*(domain.columns or ()))
    h = features(p, 0.3)
    with keyed("draws"):
        x = p(h.expand(40_000, -1)).sample()
    for d, column in enumerate(domain.columns or ()):
        values = torch.arange(column.num_levels).float() if column.has_levels else torch.tensor([-3.0, 0.0, 2.0, 5.0])
        if column.kind == "real":
            continue
        row = x[:1].expand(len(values), -1).clone()
        row[:, d] = values
        expected = p(h.expand(len(values), -1)).log_prob_each(row)[:, d].exp()
        came = torch.stack([(x[:, d] == v).float().mean() for v in values])
        assert ((came - expected).abs() < 5 * (expected / 40_000).sqrt() + 1e-4).all(), column
    numeric = [d for d, column in enumerate(domain.columns or ()) if not column.has_levels]
    mean, spread = x[:, numeric].mean(0), x[:, numeric].std(0)
    stated = p(h.expand(1, -1)).mean[0, numeric]
    assert ((mean - stated).abs() < 0.05 * spread).all()


def test_a_mean_stays_within_what_came_and_is_that_of_draws() -> None:
    p, x = of(ColumnDomain("cells"), ColumnDomain("real"))
    far = p(features(p, 40.0).expand(5, -1)).mean
    assert bool(((far >= x.amin(0)) & (far <= x.amax(0))).all())
    near = p(features(p, 0.3))
    with keyed("draws"):
        draws = near.sample(torch.Size((20_000,))).clamp(x.amin(0), x.amax(0))
    assert torch.allclose(near.mean, draws.mean(0), atol=float(4 * draws.std(0).max() / 20_000**0.5 + 0.02 * x.std()))


@pytest.mark.parametrize("kinds", [(3, 4, 2), (5, 2)], ids=str)
def test_what_is_trained_on_is_the_mean_over_all_orders(kinds: tuple[int, ...]) -> None:
    domain = Domain("mixed", (len(kinds),), None, tuple(ColumnDomain("category", n) for n in kinds))
    with keyed("weights"):
        model = AnyOrder.build(domain)
        x = mixedtables.rows(domain, 200)
        model.initialise(Batch(x))
        for weight in model.parameters():
            weight.data += 0.1 * torch.randn_like(weight)
    one = Batch(x[:1])
    orders = [torch.tensor(order) for order in itertools.permutations(range(len(kinds)))]
    expected = (
        torch.stack([model._log_p_in_order(one, model._features(one), order) for order in orders]).mean().detach()
    )
    with keyed("sets"):
        found = model._log_p_at_random(Batch(x[:1].expand(20_000, -1))).detach()
    assert float(found.mean() - expected) == pytest.approx(0, abs=4 * float(found.std()) / 20_000**0.5)


def test_one_column_alone_is_as_in_the_whole() -> None:
    domain = mixedtables.mixed(7)
    p, x = of(*(domain.columns or ()), LONG)
    with keyed("features"):
        h = torch.randn(20, p.num_outputs)
    whole = p(h).log_prob_each(x[:20])
    for d in range(8):
        alone = p.of_column(d, h[:, p.outputs_of[d]]).log_prob(x[:20, d : d + 1])
        torch.testing.assert_close(alone[:, 0], whole[:, d], rtol=0, atol=1e-5)


def test_a_count_is_never_below_zero() -> None:
    p, _ = of(ColumnDomain("count"))
    h = features(p)
    assert float(log_p(p, h, torch.tensor([-1.0]))) == -math.inf
    with keyed("draws"):
        assert float(p(h.expand(2000, -1)).sample().min()) >= 0


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_stretch_is_monotone_and_has_an_inverse(factor: float) -> None:
    p, _ = of(ColumnDomain("real"))
    with keyed("long"):
        values = factor * torch.randn(1000).mul(2).exp()
    p.stretch.fit(values.unsqueeze(1), torch.ones(1000, 1, dtype=torch.bool))
    line, x = p.stretch.line(), values.sort().values.unsqueeze(1)
    y = line(x)
    assert (y.diff(dim=0) >= 0).all() and float(y.max()) < 12
    torch.testing.assert_close(line.inverse(y), x, rtol=1e-3, atol=1e-5 * factor)


def test_a_normal_column_is_not_bent() -> None:
    with keyed("normal"):
        centre, spread, tail = stretch_of(3 + 2 * torch.randn(5000).double())
    assert tail > 1e3 and centre == pytest.approx(3, abs=0.1) and spread == pytest.approx(2, rel=0.05)


def test_columns_that_cannot_be_are_refused() -> None:
    for made in (
        lambda: ColumnDomain("category"),
        lambda: ColumnDomain("real", 3),
        lambda: ColumnDomain("cells", atoms=(1.0, 1.0)),
        lambda: Domain("mixed", (2,), None, (ColumnDomain("real"),)),
        lambda: Domain("mixed", (2,)),
        lambda: Domain("real", (1,), None, (ColumnDomain("real"),)),
    ):
        with pytest.raises(RequestError):
            made()
