"""log p(x) − ELBO in two parts, against models in which both have a closed form."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from exact.toys import linear_gaussian, real_rows
from unveil.batch import Batch
from unveil.data import Split, rowblocks
from unveil.diagnostics import gap as gaps
from unveil.diagnostics.gap import Gap, gap
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators.bounds import IwaeBound
from unveil.model import OneGroup
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.mixture import Mixture
from unveil.models.vae import VAE
from unveil.registry import load_all, lookup


def split_of(x: Tensor) -> Split:
    return Split(x, None, Domain("real", tuple(x.shape[1:])), "none", torch.arange(len(x)))


def fitted() -> tuple[LinearGaussian, Split]:
    x = real_rows(60, latents=3).float()
    return linear_gaussian(x, latent=3, inference="free"), split_of(x)


def of(model: LinearGaussian | VAE, split: Split, **arguments: object) -> Gap:
    return gap(model, split, **{"limit": 20, "num_samples": 400, "steps": 60} | arguments)  # type: ignore[arg-type]


def test_a_model_whose_encoder_is_exact_has_neither_part() -> None:
    found = of(*fitted())
    assert found.side == "exact" and found.log_px_estimator == "exact" and found.family == found.encoder == "full"
    assert list(found.local) == ["full", "flow"]
    assert found.amortisation.abs().max() < 0.01 and found.approximation.abs().max() < 0.01
    assert found.findings() == [] and found.advice.startswith("Both gaps are small")


def test_a_worse_encoder_has_an_amortisation_gap_of_its_divergence() -> None:
    model, split = fitted()
    with torch.no_grad():
        model.b.add_(2.5 * model._q()[2].sum(-1))
        model.log_L.add_(0.5 * torch.eye(3))
    found = of(model, split, num_samples=2000)
    batch = split.batch(torch.arange(20))
    q, p = model.posterior(batch).distribution, model.true_posterior(batch).distribution
    assert isinstance(q, MultivariateNormal) and isinstance(p, MultivariateNormal)
    known = kl_divergence(q, p).detach()
    assert known.mean() > 5
    assert ((found.amortisation - known) / known).abs().max() < 0.1 and (found.amortisation / known).mean() - 1 < 0.02
    assert found.approximation.abs().max() < 0.01
    assert [finding.code for finding in found.findings()] == ["amortisation_gap"]
    assert "amortisation" in found.advice and "train.encoder_steps" in found.advice


def test_the_parts_add_up_to_the_whole() -> None:
    model, split = fitted()
    found = of(model, split, steps=2, num_samples=3)
    torch.testing.assert_close(found.amortisation + found.approximation, found.log_px - found.elbo, rtol=0, atol=1e-12)
    assert len(found.elbo) == 20 and len(of(model, split, steps=2, num_samples=3, limit=None).elbo) == 60


def test_a_factorised_encoder_at_its_best_has_the_known_approximation_gap() -> None:
    """½ (Σ_d log Λ_dd − log det Λ), and nothing is lost to amortisation."""
    model, split = fitted()
    turn = torch.tensor([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0], [0.5, -1.0, 1.0]]).double()
    with torch.no_grad():
        model.W.copy_(model.W @ torch.linalg.qr(turn)[0])

    def factorised(batch: object) -> OneGroup:
        p = model._exact(batch)  # type: ignore[arg-type]
        stddev = p.precision_matrix.diagonal(dim1=-2, dim2=-1).rsqrt()
        return OneGroup(lambda hold: Independent(Normal(p.mean, stddev, validate_args=False), 1, validate_args=False))

    model.posterior = factorised  # type: ignore[method-assign,assignment]
    model.expected_kl = lambda posterior: None  # type: ignore[method-assign,assignment,return-value]
    found = of(model, split, num_samples=1500)
    precision = model.true_posterior(split.batch(torch.arange(20))).distribution.precision_matrix.detach()  # type: ignore[attr-defined]
    known = 0.5 * (precision.diagonal(dim1=-2, dim2=-1).log().sum(-1) - torch.logdet(precision))
    assert found.family == "mean_field" and list(found.local) == ["mean_field", "full", "flow"]
    assert known.min() > 0.3 and (found.approximation - known).mean().abs() < 0.02
    assert found.amortisation.mean().abs() < 0.02
    assert (found.log_px - found.local["full"]).abs().max() < 0.01


# Where log p(x) comes from


def test_a_bound_from_below_makes_the_approximation_gap_one() -> None:
    model, split = fitted()
    found = of(model, split, steps=2, estimator=IwaeBound(num_samples=50))
    assert found.side == "lower" and found.log_px_estimator == "iwae"
    assert found.to_json()["approximation"]["side"] == "lower"
    assert any(line.startswith("approximation gap, at least") for line in found.lines())
    assert any("(from below)" in line for line in found.lines())


def bent(prior: str = "standard_normal") -> tuple[VAE, Split]:
    model = VAE.build(
        Domain("real", (5,)), latent=2, width=16, depth=1, network="plain", prior=lookup("prior", prior)
    ).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(2.0)
        model.initialise(Batch(model.sample(200)[0]))
        for parameter in model.prior.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        return model, split_of(model.sample(30)[0])


def test_an_unfinished_fit_gives_the_approximation_gap_no_side() -> None:
    model, split = bent()
    found = of(model, split, steps=1, num_samples=2000, estimator=IwaeBound(num_samples=50))
    assert found.rise > 0.005 and found.to_json()["approximation"]["side"] == "none"
    assert not any("at least" in line for line in found.lines())
    assert any("not finished" in line for line in found.lines())


@pytest.fixture(autouse=True)
def _blocks_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of few examples is not filled up to 128."""
    monkeypatch.setattr(rowblocks, "ROWS", 20)


def test_each_family_holds_the_one_before_it_under_a_flow_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one space, richer families are better, or as good within the noise of their fits."""
    monkeypatch.setattr(rowblocks, "ROWS", 6)
    monkeypatch.setattr(gaps, "LONGER", 1)
    model, split = bent("realnvp")
    found = of(model, split, steps=50, num_samples=500, limit=6, estimator=IwaeBound(num_samples=500))
    means = [float(elbo.mean()) for elbo in found.local.values()]
    assert list(found.local) == ["mean_field", "full", "flow"]
    assert means[0] < means[1] + 0.02 and means[1] < means[2] + 0.03, means


def test_small_gaps_are_said_with_what_is_left() -> None:
    assert "would gain 0.40 ± 0.00 nats" in stated(0.2, 0.2).advice
    assert "though" not in stated(0.0, 0.0).advice


@pytest.mark.parametrize(("latents", "name"), [(2, "quadrature"), (5, "ais")])
def test_the_source_of_log_p_is_picked_by_the_latents(latents: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = VAE.build(Domain("real", (4,)), latent=latents, width=8, depth=1).eval()
    split = split_of(model.sample(30)[0])
    cls = load_all("estimator")[name]
    monkeypatch.setattr(cls, "__call__", IwaeBound(num_samples=20).__call__)  # its own tests are elsewhere
    assert of(model, split, steps=1, num_samples=2).log_px_estimator == name


def test_an_estimate_from_above_and_a_discrete_z_are_refused() -> None:
    model, split = fitted()
    above = IwaeBound()
    above.direction = "upper"  # type: ignore[misc]
    with pytest.raises(RequestError, match="does not bound log p\\(x\\) from below"):
        of(model, split, estimator=above)
    with pytest.raises(RequestError, match="The gap does not work with"):
        gap(Mixture(Domain("real", (6,)), num_components=3), split)


# What it says


def stated(
    amortisation: float, approximation: float, encoder: str = "mean_field", full: float = 0.9, **more: object
) -> Gap:
    """A gap of these parts, of which `full` is the share of the approximation gap that a full covariance closes."""
    elbo = torch.tensor([-20.0, -22.0, -21.0]).double()
    best = elbo + amortisation
    local = {"mean_field": best, "full": best + full * approximation, "flow": best + 0.95 * approximation}
    kept = {
        name: local[name] for name in ["mean_field", "full", "flow"][["mean_field", "full", "flow"].index(encoder) :]
    }
    kept[encoder] = best
    values = {"log_px": best + approximation, "log_px_estimator": "quadrature", "side": "exact", "elbo": elbo}
    return Gap(**values | {"local": kept, "encoder": encoder} | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(stated(0.45, 0.45), "Both gaps are small", id="small"),
        pytest.param(stated(0.9, 0.1), "Most of the gap is amortisation", id="no finding yet"),
        pytest.param(stated(3, 2), "model.width", id="amortisation"),
        pytest.param(stated(2, 3), "posterior=full_gaussian", id="correlated"),
        pytest.param(stated(2, 3, full=0.1), "take posterior=flow or posterior=iaf", id="bent"),
        pytest.param(stated(2, 3, encoder="full"), "take posterior=flow or posterior=iaf", id="full"),
        pytest.param(stated(2, 3, encoder="flow"), "posterior.num_transforms", id="flow"),
    ],
)
def test_the_advice_is_about_the_larger_part(found: Gap, words: str) -> None:
    assert words in found.advice and found.advice.endswith(".")


def test_what_is_named_exists() -> None:
    posteriors = load_all("posterior")
    assert {"full_gaussian", "flow", "iaf"} <= posteriors.keys()


def test_findings_have_their_number_and_a_remedy() -> None:
    codes = {finding.code: finding for finding in stated(3, 2).findings()}
    assert codes.keys() == {"amortisation_gap", "approximation_gap"}
    assert codes["amortisation_gap"].number == pytest.approx(3) and "3.00 nats" in codes["amortisation_gap"].sentence
    assert "posterior=full_gaussian" in codes["approximation_gap"].remedy
    assert "at least 2.00" in stated(3, 2, side="lower").findings()[1].sentence
    assert stated(0.5, 0.5).findings() == []


def test_a_part_within_its_error_is_no_finding() -> None:
    noisy = stated(0, 0, elbo=torch.tensor([-30.0, -10.0, -29.0]).double())
    assert noisy.amortisation.mean() > 1 and noisy.findings() == []


def test_the_json_and_the_table_hold_the_numbers() -> None:
    found = stated(3, 2).to_json()
    json.dumps(found, allow_nan=False)
    assert list(found) == [
        *("num_examples", "log_px", "log_px_estimator", "side", "elbo", "local_elbo", "family", "amortisation"),
        *("approximation", "by_family", "per_example", "advice"),
    ]
    assert found["amortisation"] == {"mean": 3, "stderr": 0} and found["by_family"]["mean_field"] == found["local_elbo"]
    assert found["per_example"] == {"amortisation": [3, 3, 3], "approximation": [2, 2, 2]}
    assert stated(3, 2).lines()[-2].split() == ["amortisation", "gap", "3.000", "±", "0.000"]
    one = Gap(torch.ones(1), "exact", "exact", torch.zeros(1), {"flow": torch.ones(1)}, "flow")
    assert one.to_json()["amortisation"]["stderr"] is None
    assert any("not of the same family" in line for line in one.lines())


def test_progress_is_told_by_part() -> None:
    told: list[tuple[str, int, int]] = []
    of(*fitted(), steps=1, num_samples=2, progress=lambda *each: told.append(each))
    assert told == [(part, 20, 20) for part in ("log p(x)", "encoder", "full", "flow")]
