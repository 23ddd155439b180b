"""p(x, mask): all outcomes of a column add up to one, and what is missing is drawn from what is missing."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import mixedtables
from unveil.batch import Batch
from unveil.domain import ColumnDomain, Domain
from unveil.likelihoods import Columns, draw_observed
from unveil.model import Model
from unveil.models.autoregressive import AnyOrder
from unveil.models.mixture import TableMixture
from unveil.ops import keyed
from unveil.registry import lookup
from unveil.settings.keys import constructor

LONG = ColumnDomain("category", 300)
SLOPES = (0.0, 0.7, -3.0, 12.0)
TINY = (ColumnDomain("category", 3), ColumnDomain("ordinal", 4), ColumnDomain("category", 2))


def with_gaps(*columns: ColumnDomain) -> Domain:
    """The domain of these columns, all of which may be missing."""
    return Domain("mixed", (len(columns),), None, tuple(replace(column, may_be_missing=True) for column in columns))


def of(domain: Domain, slope: float = 0.7) -> Columns:
    """A likelihood started from rows with gaps, whose missingness hangs on the values."""
    with keyed("rows"):
        x = mixedtables.rows(domain, 400)
        seen = torch.rand_like(x) < 0.7
    found = Columns(domain)
    found.initialise(torch.where(seen, x, 0.0), seen)
    assert found.masking is not None
    with keyed("masking"), torch.no_grad():
        found.masking.logits += 0.2 * torch.randn_like(found.masking.logits)
        found.masking.b.fill_(slope / 10)
    return found


def features(p: Columns, *lead: int) -> Tensor:
    with keyed("features"):
        return 0.7 * torch.randn(*lead, p.num_outputs)


def p_of(p: Columns, h: Tensor, values: Tensor) -> Tensor:
    """p of the values [n] of the only column and of their being observed."""
    return p(h.expand(len(values), -1)).log_prob(values.unsqueeze(-1)).double().detach().exp()


def p_missing(p: Columns, h: Tensor) -> float:
    found = p(h.unsqueeze(0), torch.zeros(1, 1, dtype=torch.bool)).log_prob(torch.zeros(1, 1))
    return float(found.detach().exp())


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("column", [c for c in mixedtables.COLUMNS if c.is_discrete] + [LONG], ids=str)
def test_the_values_of_a_discrete_column_and_none_add_up_to_one(column: ColumnDomain, slope: float) -> None:
    p = of(with_gaps(column), slope)
    values = torch.arange(column.num_levels) if column.has_levels else torch.arange(-3000, 20_001)
    h = features(p)
    assert float(p_of(p, h, values.float()).sum()) + p_missing(p, h) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("column", [c for c in mixedtables.COLUMNS if not c.is_discrete], ids=str)
def test_a_measured_column_integrates_to_one_with_its_gap(column: ColumnDomain, slope: float) -> None:
    p = of(with_gaps(column), slope)
    h, y = features(p), torch.linspace(-60, 60, 400_001, dtype=torch.float64)
    edges = p.stretch.line().inverse(y.unsqueeze(-1).float()).squeeze(-1).double()
    middle = ((edges[1:] + edges[:-1]) / 2).float()
    area = float((p_of(p, h, middle) * edges.diff()).sum())
    atoms = float(p_of(p, h, torch.tensor(column.atoms)).sum()) if column.atoms else 0.0
    assert area + atoms + p_missing(p, h) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("scale", [1e-3, 0.3, 3.0])
def test_the_expectation_is_that_of_draws_however_sharp_the_selection(scale: float) -> None:
    p = of(with_gaps(ColumnDomain("real")), 12.0)
    assert p.masking is not None
    s = p.masking(p.layout, p.stretch.line()).logistic
    loc = torch.linspace(-1, 1, 9).unsqueeze(-1)
    noise = torch.logit((torch.arange(2_000_000) + 0.5) / 2_000_000).clamp(-16, 16)
    expected = s.log_odds(loc + scale * noise).sigmoid().mean(-1)
    found = s.log_missing(loc, torch.full_like(loc, scale)).exp().squeeze(-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("build", [AnyOrder.build, TableMixture.build], ids=["any_order", "table_mixture"])
def test_all_rows_of_a_tiny_table_with_gaps_add_up_to_one(build: object) -> None:
    domain = with_gaps(*TINY)
    with keyed("weights"):
        model = build(domain).eval()  # type: ignore[operator]
        x = mixedtables.rows(domain, 200)
        model.initialise(Batch(x, observed=torch.rand_like(x) < 0.7))
        for weight in model.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
    x = torch.tensor(list(itertools.product(range(-1, 3), range(-1, 4), range(-1, 2)))).float()
    found = model.log_prob(Batch(x.clamp(min=0), observed=x >= 0)).detach().double()
    assert float(found.exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["any_order", "hvae", "table_mixture", "vae", "vqvae"])
def test_every_parameter_of_the_selection_has_a_gradient(name: str) -> None:
    domain = with_gaps(*mixedtables.COLUMNS)
    with keyed("weights"):
        model: Model = constructor(lookup("model", name))(domain, **({"has_missing": True} if "vae" in name else {}))
        x = mixedtables.rows(domain, 60)
        seen = torch.rand_like(x) < 0.7
        model.initialise(Batch(torch.where(seen, x, 0.0), observed=seen))
        (-model.train().infer(Batch(torch.where(seen, x, torch.nan), observed=seen)).elbo.mean()).backward()
    masking = model.likelihood.masking  # type: ignore[union-attr]
    for parameter in masking.parameters():  # type: ignore[operator,union-attr]
        assert parameter.grad is not None and (parameter.grad != 0).all()
    bad = [n for n, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    assert not bad, f"NaN in a gap reached the gradient of {bad}"


def test_whole_rows_need_no_mask() -> None:
    domain = with_gaps(*mixedtables.COLUMNS)
    p = of(domain)
    with keyed("rows"):
        x = mixedtables.rows(domain, 20)
    h = features(p, 20)
    torch.testing.assert_close(p(h).log_prob(x), p(h, torch.ones_like(x, dtype=torch.bool)).log_prob(x))


def test_one_column_alone_is_as_in_the_whole() -> None:
    gappy = with_gaps(*mixedtables.COLUMNS, LONG).columns or ()
    domain = Domain("mixed", (10,), None, (*gappy, ColumnDomain("real"), ColumnDomain("category", 3)))
    p = of(domain)
    with keyed("rows"):
        x = mixedtables.rows(domain, 20)
    h = features(p, 20)
    whole, parts = p.columns(h), [p.of_column(d, h[:, p.outputs_of[d]]) for d in range(10)]
    for d, alone in enumerate(parts):
        torch.testing.assert_close(alone.log_prob(x[:, d : d + 1])[:, 0], whole.log_prob(x)[:, d], rtol=0, atol=1e-5)
        torch.testing.assert_close(alone.log_missing[:, 0], whole.log_missing[:, d], rtol=0, atol=1e-5)
    assert (whole.log_missing[:, :8] < 0).all() and (whole.log_missing[:, 8:] == 0).all()


def test_what_is_missing_is_drawn_as_what_would_be_missing() -> None:
    """Draws of x that its own selection hides, against draws of x given that it is missing."""
    domain = with_gaps(*mixedtables.COLUMNS)
    p = of(domain, 6.0)
    whole = p.columns(features(p, 1))
    with keyed("draws"):
        x = whole.sample(torch.Size((60_000,)))[:, 0]
        seen = draw_observed(p, x, None)
        drawn = whole.when_missing().sample(torch.Size((20_000,)))[:, 0]
    assert seen is not None
    p_gap = whole.log_missing[0].detach().exp()
    hidden, mean = ~seen, whole.when_missing().mean[0].detach()
    low, high = (torch.full((7,), end) for end in (-torch.inf, torch.inf))
    line = p.stretch.line()
    low[p.layout.numeric], high[p.layout.numeric] = line.low, line.high  # means are taken within what came
    for d, column in enumerate(domain.columns or ()):
        ends = float(low[d]), float(high[d])
        came, found = x[hidden[:, d], d].clamp(*ends), drawn[:, d].clamp(*ends)
        error = 5 * float((came.var() / len(came) + found.var() / len(found)).sqrt())
        assert float(came.mean() - found.mean()) == pytest.approx(0, abs=error + 0.02 * float(came.std())), column
        if not column.has_levels:
            assert float(mean[d] - found.mean()) == pytest.approx(0, abs=0.1 * float(found.std())), column
        assert float(hidden[:, d].float().mean()) == pytest.approx(float(p_gap[d]), abs=0.02)


def test_a_column_without_a_selection_is_left_out_as_before() -> None:
    columns = (replace(mixedtables.COLUMNS[0], may_be_missing=True), *mixedtables.COLUMNS[1:])
    p = of(Domain("mixed", (7,), None, columns))
    before = Columns(mixedtables.mixed(7))
    before.load_state_dict({name: value for name, value in p.state_dict().items() if "masking" not in name})
    with keyed("rows"):
        x = mixedtables.rows(p.domain, 20)
        seen = torch.rand_like(x) < 0.5
    h = features(p, 20)
    found, expected = p(h, seen).log_prob_each(x), before(h, seen).log_prob_each(x)
    torch.testing.assert_close(found[:, 1:], expected[:, 1:])
    assert (found[:, 0] < expected[:, 0]).all()
    gap, same = p.columns(h).when_missing(), before.columns(h)
    torch.testing.assert_close(gap.mean[:, 1:], same.mean[:, 1:], rtol=1e-4, atol=1e-4)
    with pytest.raises(NotImplementedError):
        gap.log_prob(x)
