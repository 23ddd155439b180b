"""The bounds between IWAE and ELBO, and a q that is fitted to each example, against closed forms."""

from __future__ import annotations

import doctest
import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from canned import Canned, random_terms
from exact.toys import linear_gaussian, real_rows, with_gaps
from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators import local as home
from unveil.estimators.base import Estimate, evaluate
from unveil.estimators.bounds import ElboBound, IwaeBound
from unveil.estimators.local import Local, fit_local
from unveil.estimators.local_families import FAMILIES, FamilyName, LocalFamily, family_at
from unveil.estimators.renyi import RenyiBound
from unveil.model import Model, Posterior
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.mixture import Mixture
from unveil.models.vae import VAE
from unveil.ops import keyed
from unveil.registry import lookup
from unveil.terms import Terms

# Rényi's bounds


@pytest.mark.parametrize(("alpha", "other"), [(0.0, IwaeBound), (1.0, ElboBound)])
def test_the_ends_are_the_importance_weighted_bound_and_the_elbo(alpha: float, other: type) -> None:
    terms, batch = random_terms(40, 5), Batch(torch.zeros(5, 1))
    mine = RenyiBound(alpha=alpha, num_samples=40)(Canned(terms), batch)
    its = other(num_samples=40)(Canned(terms), batch)
    torch.testing.assert_close(mine.log_px, its.log_px)
    torch.testing.assert_close(mine.stderr_mc, its.stderr_mc)
    assert mine.direction == "lower"
    for name in its.diagnostics:
        torch.testing.assert_close(mine.diagnostics[name], its.diagnostics[name], equal_nan=True)


def test_the_bound_falls_as_alpha_grows() -> None:
    terms, batch = random_terms(40, 5), Batch(torch.zeros(5, 1))
    found = [RenyiBound(alpha=a, num_samples=40)(Canned(terms), batch).log_px for a in (0, 0.2, 0.5, 0.9, 0.999, 1)]
    assert all((one > other).all() for one, other in itertools.pairwise(found))
    assert (found[-2] - found[-1]).abs().max() < 0.2


def wide_of_the_truth(x: Tensor) -> LinearGaussian:
    """q half a standard deviation off and wider."""
    model = linear_gaussian(x, inference="free")
    with torch.no_grad():
        model.b.add_(0.5 * model._q()[2].sum(-1))
        model.log_L.add_(0.3 * torch.eye(2))
    return model


@pytest.mark.parametrize("alpha", [0.3, 0.7])
def test_renyi_meets_its_closed_form(alpha: float) -> None:
    """L_α = log p(x) − D_α(q‖p(z|x)) for K → ∞."""
    batch = Batch(real_rows(40))
    model = wide_of_the_truth(batch.x)
    with keyed("renyi", 0), torch.no_grad():
        found = RenyiBound(alpha=alpha, num_samples=4000)(model, batch)
    q, p = model.posterior(batch).distribution, model.true_posterior(batch).distribution
    assert isinstance(q, MultivariateNormal) and isinstance(p, MultivariateNormal)
    expected = model.log_prob(batch) - renyi_divergence(alpha, q, p)
    off = (found.log_px - expected) / found.stderr_mc
    assert off.abs().max() < 4.5 and off.abs().mean() < 1.2 and off.mean().abs() < 0.6
    assert (found.log_px - model.log_prob(batch)).max() < 0


def renyi_divergence(alpha: float, q: MultivariateNormal, p: MultivariateNormal) -> Tensor:
    """½ α δᵀS⁻¹δ + ½ [log det S − (1−α) log det Σ_q − α log det Σ_p]/(1−α), S = (1−α) Σ_q + α Σ_p (Gil et al. 2013)."""
    S = (1 - alpha) * q.covariance_matrix + alpha * p.covariance_matrix
    delta = (q.mean - p.mean).unsqueeze(-1)
    distance = (delta.mT @ torch.linalg.solve(S, delta)).squeeze(-1).squeeze(-1)
    volume = (
        torch.logdet(S) - (1 - alpha) * torch.logdet(q.covariance_matrix) - alpha * torch.logdet(p.covariance_matrix)
    )
    return 0.5 * alpha * distance + 0.5 * volume / (1 - alpha)


@pytest.mark.parametrize("alpha", [-0.5, 1.5, float("nan")])
def test_an_alpha_without_a_side_is_refused(alpha: float) -> None:
    with pytest.raises(RequestError, match=r"from 0 \(iwae\) to 1 \(elbo\)"):
        RenyiBound(alpha=alpha)


# Families


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_knows_its_density(name: FamilyName) -> None:
    """log q(u(ε)) forwards, backwards, and from the Jacobian of ε → u."""
    q = moved(name)
    noise = q.noise(5)
    u, log_q = q(noise)
    torch.testing.assert_close(q.log_prob(u), log_q)
    for b in range(2):
        jacobian = torch.autograd.functional.jacobian(
            lambda e, b=b: q(e.expand(1, 3, 4))[0][0, b], noise[:1, b : b + 1]
        )
        base = Normal(0.0, 1.0).log_prob(noise[0, b]).sum()
        torch.testing.assert_close(log_q[0, b], base - torch.linalg.slogdet(jacobian.reshape(4, 4))[1])


def moved(name: FamilyName) -> LocalFamily:
    """Away from where it starts; float64."""
    root = torch.randn(3, 4, 4).double().tril(-1) + torch.diag_embed(torch.rand(3, 4).double() + 0.5)
    q = family_at(name, torch.randn(3, 4).double(), root)
    with torch.no_grad():
        for parameter in q.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        zero = torch.zeros(1, 3, 4).double()
        q.affine.move(torch.randn(3, 4).double(), 0.2 * torch.randn_like(q.affine.slope(zero, zero)).tril())
    return q


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_starts_as_the_gaussian_it_is_given(name: FamilyName) -> None:
    mean, stddev = torch.randn(3, 4).double(), torch.rand(3, 4).double() + 0.5
    q, u = family_at(name, mean, stddev), torch.randn(6, 3, 4).double()
    torch.testing.assert_close(q.log_prob(u), Normal(mean, stddev).log_prob(u).sum(-1))


# A local q of a model with a closed form


def judged(model: Model, batch: Batch, seed: int = 0, **arguments: object) -> Estimate:
    with keyed("local", seed), torch.no_grad():
        return Local(**arguments)(model, batch)  # type: ignore[arg-type]


@pytest.mark.parametrize("start", ["encoder", "scratch"])
@pytest.mark.parametrize("family", ["full", "flow"])
def test_a_family_that_holds_the_posterior_reaches_log_p(family: str, start: str) -> None:
    batch = Batch(real_rows(30, latents=3))
    model = wide(batch.x)
    found = judged(model, batch, family=family, start=start, num_samples=300)
    lacks = model.log_prob(batch) - found.log_px
    assert lacks.abs().max() < 0.01 and lacks.mean().abs() < 0.003
    assert (model.log_prob(batch) - found.diagnostics["elbo"]).min() > 0.1  # and the encoder does not


def wide(x: Tensor) -> LinearGaussian:
    """Three latents whose posterior is correlated, and a q that is off."""
    model = linear_gaussian(x, latent=3, inference="free")
    turn = torch.tensor([[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0], [0.5, -1.0, 1.0]]).double()
    with torch.no_grad():
        model.W.copy_(model.W @ torch.linalg.qr(turn)[0])
        model.e_step()
        model.b.add_(model._q()[2].sum(-1))
        model.log_L.add_(-0.7 * torch.eye(3))
    return model


def mean_field_gap(model: LinearGaussian, batch: Batch) -> Tensor:
    """min_q KL(q‖N(m, Λ⁻¹)) over factorised q = ½ (Σ_d log Λ_dd − log det Λ), [B]."""
    posterior = model.true_posterior(batch).distribution
    assert isinstance(posterior, MultivariateNormal)
    precision = posterior.precision_matrix
    return 0.5 * (precision.diagonal(dim1=-2, dim2=-1).log().sum(-1) - torch.logdet(precision))


@pytest.mark.parametrize("start", ["encoder", "scratch"])
def test_the_mean_field_lacks_what_is_known(start: str) -> None:
    batch = Batch(real_rows(64, latents=3))
    model = wide(batch.x)
    found = judged(model, batch, family="mean_field", start=start, num_samples=3000)
    known, lacks = mean_field_gap(model, batch).detach(), (model.log_prob(batch) - found.log_px).detach()
    assert known.min() > 0.3
    assert (lacks - known).mean().abs() < 0.015 and ((lacks - known) / found.stderr_mc).abs().max() < 4.5


def test_missing_values_are_integrated_out() -> None:
    full = Batch(real_rows(200, latents=3))
    gappy = with_gaps(full)
    model = linear_gaussian(full.x, latent=3)
    some = replace(gappy, x=gappy.x[:30], observed=gappy.observed[:30])  # type: ignore[index]
    found = judged(model, some, family="full", start="scratch", num_samples=500)
    assert (model.log_prob(some) - found.log_px).abs().max() < 0.01


def test_the_posterior_in_z_is_the_true_one() -> None:
    batch = Batch(real_rows(20, latents=3))
    model = wide(batch.x)
    local, truth = fit_local(model, batch, "full", start="scratch"), model.true_posterior(batch)
    assert truth.mean is not None and truth.stddev is not None
    torch.testing.assert_close(local.mean[0], truth.mean[0].detach(), atol=0.01, rtol=0)
    torch.testing.assert_close(
        local.stddev[0] / truth.stddev[0].detach(), torch.ones(20, 3).double(), atol=0.15, rtol=0
    )
    z, log_q = local.draw(7)
    assert z[0].shape == (7, 20, 3) and log_q.shape == (7, 20, 1) and local.family == "full"
    torch.testing.assert_close(local.log_prob(z), log_q)
    torch.testing.assert_close(log_q, truth.log_prob(z).detach(), atol=0.05, rtol=0)


def test_the_example_of_the_docstring_runs() -> None:
    names = {"torch": torch, "Batch": Batch, "Domain": Domain, "LinearGaussian": LinearGaussian, "fit_local": fit_local}
    example = doctest.DocTestFinder().find(fit_local, "fit_local", module=home, globs=names)[0]
    assert doctest.DocTestRunner().run(example).failed == 0 and len(example.examples) == 7


def test_a_weight_of_the_model_is_held_and_its_mode_kept() -> None:
    batch = Batch(real_rows(10))
    model = wide_of_the_truth(batch.x).train()
    before = [p.detach().clone() for p in model.parameters()]
    fit_local(model, batch, steps=3)
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_family_that_there_is_not_and_a_discrete_z_are_refused() -> None:
    batch = Batch(real_rows(10).float())
    with pytest.raises(RequestError, match="takes auto, mean_field, full, flow"):
        home._check_size("gaussian", torch.zeros(1, 1, 1))
    with pytest.raises(RequestError, match="A local posterior does not work with"):
        fit_local(Mixture(Domain("real", (6,)), num_components=3), batch)
    with pytest.raises(RequestError, match="steps is -1"):
        Local(steps=-1)


# Two groups


class TwoGroups(Model):
    """z₂ ∼ N(0, I), z₁ ∼ N(V z₂, I), x ∼ N(W z₁, ½ I): x ∼ N(0, W (I + V Vᵀ) Wᵀ + ½ I)."""

    groups = ("bottom", "top")
    gives = frozenset({"log_w", "joint", "rsample", "pathwise"})

    def __init__(self) -> None:
        super().__init__()
        self.domain = Domain("real", (5,))
        self.W, self.V = nn.Parameter(torch.randn(5, 3).double()), nn.Parameter(torch.randn(3, 2).double())

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        bottom, top = z
        pz = [Normal(top @ self.V.T, 1.0).log_prob(bottom).sum(-1), Normal(0.0, 1.0).log_prob(top).sum(-1)]
        return Terms(Normal(bottom @ self.W.T, 0.5**0.5).log_prob(batch.x).sum(-1), torch.stack(pz, -1), z=z)

    def log_prob(self, batch: Batch) -> Tensor:
        S = self.W @ (torch.eye(3) + self.V @ self.V.T).double() @ self.W.T + 0.5 * torch.eye(5)
        return MultivariateNormal(torch.zeros(5).double(), S).log_prob(batch.x)

    def posterior(self, batch: Batch) -> Posterior:
        return Standard(len(batch))

    def draw_prior(self, num_samples: int, y: Tensor | None = None) -> tuple[Tensor, ...]:
        top = torch.randn(num_samples, 2).double()
        return top @ self.V.T + torch.randn(num_samples, 3).double(), top

    def sample(
        self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        z = self.draw_prior(num_samples)
        return z[0] @ self.W.T + 0.5**0.5 * torch.randn(num_samples, 5).double(), z

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None = None) -> Distribution:
        return Independent(Normal(z[0] @ self.W.T, 0.5**0.5), 1)

    def initialise(self, batch: Batch) -> None: ...

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        return list(self.parameters()) if part == "p" else []


class Standard(Posterior):
    """N(0, I) in both groups."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        z = (torch.randn(num_samples, self.rows, 3).double(), torch.randn(num_samples, self.rows, 2).double())
        return z, self.log_prob(z)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        return torch.stack([Normal(0.0, 1.0).log_prob(group).sum(-1) for group in z], -1)


def test_two_groups_are_fitted_as_one_vector() -> None:
    model = TwoGroups()
    with torch.no_grad():
        batch = Batch(model.sample(20)[0])
    found = judged(model, batch, family="full", num_samples=500)
    assert (model.log_prob(batch) - found.log_px).abs().max() < 0.01
    z, log_q = fit_local(model, batch, "full", steps=1).draw(4)
    assert [group.shape for group in z] == [(4, 20, 3), (4, 20, 2)] and log_q.shape == (4, 20, 2)


# Networks


def small_vae(prior: str = "standard_normal", posterior: str = "diagonal_gaussian") -> VAE:
    """A 2-D VAE whose decoder bends: posteriors are skewed, and some have two modes."""
    model = VAE.build(
        Domain("real", (5,)),
        latent=2,
        width=16,
        depth=1,
        prior=lookup("prior", prior),
        posterior=lookup("posterior", posterior),
    ).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(2.0)
        model.initialise(Batch(model.sample(200)[0]))
        for parameter in model.prior.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def drawn(model: Model, num: int = 40) -> Batch:
    with torch.no_grad():
        return Batch(model.sample(num)[0])


def test_a_richer_family_is_a_better_bound_on_a_bent_posterior() -> None:
    model = small_vae()
    batch = drawn(model)
    found = {name: judged(model, batch, family=name, steps=100, num_samples=1000) for name in FAMILIES}
    with torch.no_grad():
        truth = IwaeBound(num_samples=2000)(model, batch).log_px.mean()
    mean_field, full, flow = (found[name].log_px.mean() for name in FAMILIES)
    assert found["mean_field"].diagnostics["elbo"].mean() + 0.02 < mean_field < full < flow < truth + 0.02


def test_both_starts_end_at_the_same_place() -> None:
    model = small_vae()
    batch = drawn(model)
    one, other = (
        judged(model, batch, start=start, steps=60, num_samples=1000).log_px for start in ("encoder", "scratch")
    )
    assert (one - other).median().abs() < 0.03 and (one - other).mean().abs() < 0.15  # a few find another mode


def test_the_value_is_judged_on_noise_that_the_fit_did_not_see() -> None:
    """Judged with other noise, the fitted q has the same value within the errors; the best of its own would not."""
    model = small_vae()
    batch = drawn(model)
    runs = [judged(model, batch, seed, family="full", steps=60, num_samples=200) for seed in (0, 1)]
    off = (runs[0].log_px - runs[1].log_px) / (runs[0].stderr_mc ** 2 + runs[1].stderr_mc ** 2).sqrt()
    assert off.mean().abs() < 0.6 and off.abs().median() < 1.2


def test_a_flow_prior_is_fitted_in_its_base_space() -> None:
    model = small_vae("realnvp")
    batch = drawn(model, 10)
    with keyed("local"):
        local = fit_local(model, batch, "full", steps=30)
    with torch.no_grad():
        z, log_q = local.draw(500)
        terms = model.joint(batch, z)
        elbo = (terms.log_px_z + (terms.log_pz - log_q).sum(-1)).mean(0)
        truth = IwaeBound(num_samples=1500)(model, batch).log_px
    torch.testing.assert_close(local.log_prob(z), log_q, atol=1e-3, rtol=1e-3)
    assert -0.3 < (elbo - truth).mean() < 0.02


@pytest.mark.parametrize(
    ("posterior", "family"), [("diagonal_gaussian", "mean_field"), ("full_gaussian", "full"), ("flow", "flow")]
)
def test_auto_is_the_family_of_the_encoder(posterior: str, family: str) -> None:
    model = small_vae(posterior=posterior)
    assert fit_local(model, drawn(model, 5), steps=1).family == family


def test_examples_do_not_touch_each_other() -> None:
    """Numbers depend on the seed, not on which rows are judged beside a row."""
    model = small_vae()
    x = drawn(model, 140).x
    split = Split(x, None, Domain("real", (5,)), "none", torch.arange(140))
    other = replace(split, x=torch.cat([x[:1], x[1:].flip(0)]))
    estimator = Local(steps=8, num_samples=8)
    one, two = evaluate(model, split, estimator)[0], evaluate(model, other, estimator)[0]
    few, new = evaluate(model, split, estimator, limit=3)[0], evaluate(model, split, estimator, limit=3, seed=1)[0]
    assert one.log_px[0] == two.log_px[0] and one.log_px[1] != two.log_px[1]
    assert torch.equal(few.log_px, one.log_px[:3]) and not torch.equal(few.log_px, new.log_px)


def test_a_great_covariance_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_vae()
    monkeypatch.setattr(home, "LARGEST", 3)
    with pytest.raises(RequestError, match="use mean_field"):
        fit_local(model, drawn(model, 5), "full", steps=1)
    assert fit_local(model, drawn(model, 5), "mean_field", steps=1).family == "mean_field"
