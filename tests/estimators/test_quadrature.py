"""log p(x) on adaptive grids and by brute force, against closed forms and against other estimators."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from exact.toys import clustered, linear_gaussian, mixture, real_rows, with_gaps
from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators.bounds import IwaeBound
from unveil.estimators.brute_force import PriorAverage
from unveil.estimators.cells import DRAWS, box_of, first_cells
from unveil.estimators.grid import integrate, posterior_grid
from unveil.estimators.quadrature import Quadrature
from unveil.model import Model, OneGroup
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.vae import VAE
from unveil.ops import keyed
from unveil.priors.discrete import BernoulliPrior
from unveil.priors.flow import RealNVP
from unveil.priors.student import StudentPrior
from unveil.registry import load_all

BINARY = Domain("binary", (12,))
STARTS = ("adapted", "posterior")


def vae(latent: int, domain: Domain = BINARY, **parts: Any) -> VAE:
    """A small VAE whose decoder is curved and whose q is not p(z|x)."""
    with keyed("small vae", latent):
        model = VAE.build(domain, latent=latent, network="mlp", width=16, depth=1, **parts)
        model.initialise(Batch(rows_of(domain, 50)))
        with torch.no_grad():
            for p in model.decoder.parameters():
                p.add_(0.4 * torch.randn_like(p))
            if model.prior.support == "real":  # a q as wide as p(z): importance sampling is then a fair judge
                model.posterior_head.linear.bias[latent:] = 0.5
    return model.eval()


def rows_of(domain: Domain, num: int) -> Tensor:
    if domain.kind == "real":
        return torch.randn(num, *domain.shape)
    return torch.randint(2, (num, *domain.shape)).float()


def judged(model: Model, batch: Batch, **arguments: Any) -> Any:
    with torch.no_grad(), keyed("judged"):
        return Quadrature(**arguments)(model, batch)


class Tilted(LinearGaussian):
    """A linear-Gaussian model whose q(z|x) is `shift` standard deviations off and `scale` times as wide."""

    shift, scale = 0.0, 1.0

    def posterior(self, batch: Batch) -> OneGroup:
        p = self._exact(batch)
        loc = p.mean + self.shift * p.stddev
        return OneGroup(lambda hold: MultivariateNormal(loc, scale_tril=self.scale * p.scale_tril, validate_args=False))


class Folded(LinearGaussian):
    """p(x|z) = N(x; W|z| + μ, ψ): every posterior has 2^Z modes, and q knows one of them."""

    def _likelihood(self, z: Tensor, observed: Tensor | None = None) -> Any:
        return super()._likelihood(z.abs(), observed)


def made(cls: type[LinearGaussian], x: Tensor, latent: int, **values: float) -> Any:
    """A model of this class with the weights of the optimum."""
    best = linear_gaussian(x, latent)
    model = cls(best.domain, latent=latent).double()
    model.load_state_dict(best.state_dict())
    for name, value in values.items():
        setattr(model, name, value)
    return model


# Against closed forms


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_the_grid_finds_the_closed_form(latent: int) -> None:
    x = real_rows(10, latents=latent)
    model, batch = linear_gaussian(x, latent), Batch(x[:4])
    found = judged(model, batch)
    off = (found.log_px - model.log_prob(batch)).abs()
    assert off.max() < 1e-4 and (off <= found.stderr_mc).all() and found.stderr_mc.max() < 1e-3
    assert found.direction == "exact" and (found.diagnostics["evaluations"] < 40_000).all()


@pytest.mark.parametrize(("shift", "scale"), [(3.0, 1.0), (0.0, 0.1), (0.0, 20.0), (-8.0, 0.2), (50.0, 1.0)])
@pytest.mark.parametrize("latent", [1, 2])
def test_a_q_that_is_off_or_of_the_wrong_width_costs_time_and_not_truth(
    latent: int, shift: float, scale: float
) -> None:
    batch = Batch(real_rows(8, latents=latent))
    model = made(Tilted, batch.x, latent, shift=shift, scale=scale)
    off = (judged(model, batch).log_px - model.log_prob(batch)).abs()
    assert off.max() < 1e-3


def test_an_island_of_q_far_outside_the_prior_is_covered() -> None:
    """x so far out that p(z|x) sits 50 units from 0, with a hundredth of the width of the prior."""
    batch = Batch(real_rows(6))
    model = linear_gaussian(batch.x)
    with torch.no_grad():
        model.log_psi.fill_(math.log(1e-3))
        batch = Batch(model.mu + torch.tensor([[50.0, -50.0], [0.0, 60.0], [55.0, 1.0]]).double() @ model.W.T)
    assert (model.posterior(batch).distribution.mean.abs().amax(-1) > 45).all()
    off = (judged(model, batch).log_px - model.log_prob(batch)).abs()
    assert off.max() < 1e-4


@pytest.mark.parametrize("latent", [1, 2])
def test_modes_that_q_does_not_know_are_counted(latent: int) -> None:
    model, batch, truth = folded(latent)
    assert (judged(model, batch).log_px - truth).abs().max() < 1e-4


def folded(latent: int) -> tuple[Any, Batch, Tensor]:
    """With W|z| the same in z and −z, p(x) = Σ_signs ∫_{z>0} is 2^Z times what q sees: a model, x, and log p(x)."""
    x = real_rows(8, latents=latent)
    model = made(Folded, x, latent)
    with torch.no_grad():
        model.log_psi.fill_(math.log(0.05))
        z = 1 + torch.rand(8, latent).double()
        batch = Batch(z @ model.W.T + model.mu)
    plain = linear_gaussian(x, latent)
    plain.load_state_dict(model.state_dict())
    p = plain.posterior(batch).distribution
    assert (p.mean - 6 * p.stddev > 0).all()  # so that each mode is a whole Gaussian
    return model, batch, (plain.log_prob(batch) + latent * math.log(2)).detach()


@pytest.mark.parametrize("latent", [1, 2])
def test_annealing_from_an_adapted_start_counts_them_too(latent: int) -> None:
    model, batch, truth = folded(latent)
    cls = load_all("estimator")["ais"]
    with torch.no_grad(), keyed("annealed"):
        off = {start: cls(num_distributions=40, start=start)(model, batch).log_px - truth for start in STARTS}
    assert off["adapted"].mean().abs() < {1: 0.05, 2: 0.6}[latent]  # of four narrow modes one may be missed
    assert off["posterior"].mean() < -0.9 * latent * math.log(2)  # q knows one mode, and no chain leaves it


def test_missing_values_are_left_out() -> None:
    whole = Batch(real_rows(10))
    model = linear_gaussian(whole.x)
    batch = with_gaps(whole)
    torch.testing.assert_close(judged(model, batch).log_px, model.log_prob(batch), rtol=0, atol=1e-4)


def test_float32_and_float64_weights_agree() -> None:
    batch = Batch(rows_of(BINARY, 10))
    single, double = vae(2), vae(2).double()
    a, b = judged(single, batch), judged(double, Batch(batch.x.double()))
    assert (
        a.log_px.dtype == torch.float64 and double.posterior(Batch(batch.x.double())).draw(1)[0][0].dtype.itemsize == 8
    )
    torch.testing.assert_close(a.log_px, b.log_px, rtol=0, atol=1e-3)


# Sums


@pytest.mark.parametrize("kind", ["real", "binary", "levels"])
def test_a_mixture_is_summed(kind: str) -> None:
    batch = with_gaps(clustered(kind, 20))
    batch = replace(batch, x=torch.where(batch.observed, batch.x, 0.0))  # type: ignore[arg-type]
    model = mixture(batch, kind)
    found = judged(model, batch)
    torch.testing.assert_close(found.log_px, model.log_prob(batch), rtol=0, atol=1e-9)
    assert found.direction == "exact" and (found.stderr_mc == 0).all()


@pytest.mark.parametrize("latent", [4, 8])  # 16 values, summed in training, too; 256, only here
def test_a_vae_with_few_values_of_z_is_summed(latent: int) -> None:
    model, batch = vae(latent, prior=BernoulliPrior), Batch(rows_of(BINARY, 9))
    assert ("enumerate" in model.gives) == (latent == 4)
    found = judged(model, batch)
    torch.testing.assert_close(found.log_px, model.log_prob(batch).double(), rtol=0, atol=1e-5)
    assert (found.stderr_mc == 0).all()


# Against another estimator


PARTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "realnvp": {"prior": lambda latent: RealNVP(latent, num_transforms=4, width=8)},
    "student": {"prior": lambda latent: StudentPrior(latent, df=2.5)},
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("latent", [1, 2])
def test_the_grid_agrees_with_importance_sampling(latent: int, name: str) -> None:
    model = vae(latent, **PARTS[name])
    agree(moved_flow(model) if name == "realnvp" else model, Batch(rows_of(BINARY, 12)))


@pytest.mark.parametrize("latent", [1, 2])
def test_narrow_posteriors_of_real_x_agree_with_importance_sampling(latent: int) -> None:
    domain = Domain("real", (6,))
    model = vae(latent, domain)
    agree(model, Batch(model.sample(12)[0]))


@pytest.mark.parametrize("latent", [1, 2])
def test_annealing_agrees_with_the_grid(latent: int) -> None:
    cls = load_all("estimator")["ais"]
    model, batch = vae(latent), Batch(rows_of(BINARY, 12))
    with torch.no_grad(), keyed("annealed"):
        annealed = cls(num_distributions=40)(model, batch)
    gap = annealed.log_px - judged(model, batch).log_px
    off = gap / annealed.stderr_mc.clamp(min=1e-3)
    assert gap.abs().max() < 0.2 and off.abs().median() < 2 and off.mean().abs() < 1.2


def agree(model: Model, batch: Batch) -> None:
    """IWAE-5000 within its own error of the grid."""
    with torch.no_grad(), keyed("importance"):
        sampled = IwaeBound(num_samples=5000)(model, batch)
    off = (sampled.log_px - judged(model, batch).log_px) / (sampled.stderr_mc + 1e-4)
    assert sampled.diagnostics["ess"].min() > 80
    assert off.abs().max() < 4 and off.mean().abs() < 1.2


def moved_flow(model: VAE) -> VAE:
    """A flow that bends z: at its start it is the identity."""
    with torch.no_grad(), keyed("flow"):
        for p in model.prior.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model


# What it costs and when it ends


def test_the_cap_is_kept_and_the_error_says_so() -> None:
    batch = Batch(rows_of(BINARY, 10))
    model = vae(2)
    short, full = judged(model, batch, max_evaluations=1200, tolerance=1e-6), judged(model, batch, tolerance=1e-6)
    assert short.diagnostics["evaluations"].max() <= 1200 < full.diagnostics["evaluations"].min()
    assert (short.stderr_mc > full.stderr_mc).all() and full.stderr_mc.max() < 1e-5
    assert ((short.log_px - full.log_px).abs() <= short.stderr_mc).all()


def test_the_stated_error_covers_the_real_one_at_every_tolerance() -> None:
    x = real_rows(30)
    model, batch = made(Tilted, x, 2, shift=1.0, scale=0.5), Batch(x[:10])
    truth = model.log_prob(batch)
    for tolerance in (1.0, 0.1, 1e-2, 1e-3, 1e-5):
        found = judged(model, batch, tolerance=tolerance)
        assert (found.stderr_mc <= math.log1p(tolerance) + 1e-12).all()
        assert ((found.log_px - truth).abs() <= found.stderr_mc + 1e-9).all()


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("domain", [BINARY, Domain("real", (10,))], ids=["binary", "real"])
def test_the_stated_error_is_one_that_can_be_used(latent: int, domain: Domain) -> None:
    """Neither short of the real one nor hundreds of times as large, on decoders with kinks."""
    model, batch = vae(latent, domain), Batch(rows_of(domain, 12))
    truth = judged(model, batch, tolerance=1e-6, max_evaluations=200_000).log_px
    found = judged(model, batch, tolerance=1e-2)
    ratio = found.stderr_mc / (found.log_px - truth).abs().clamp(min=3e-6)
    assert ratio.min() > 0.5 and (ratio > 1).double().mean() > 0.9, ratio
    assert ratio.median() < 150 and ratio.max() < 1000, ratio


def test_more_than_three_dimensions_are_refused_with_what_to_use() -> None:
    with pytest.raises(RequestError, match=r"up to 3 dimensions, and this model's z has 4.*ais or sandwich"):
        judged(vae(4), Batch(rows_of(BINARY, 2)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"tolerance": 0.0}, "tolerance is 0.0"), ({"max_evaluations": 0}, "max_evaluations is 0")],
)
def test_senseless_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Quadrature(**arguments)


def test_the_first_cells_tile_the_box_and_are_as_fine_as_q_where_q_is() -> None:
    batch = Batch(real_rows(5))
    box = box_of(made(Tilted, batch.x, 2, scale=0.05), batch)
    cells = first_cells(box)
    for b in range(5):
        mine = cells.at((cells.row == b).nonzero().squeeze(-1))
        side = (mine.centre.abs() + mine.half).amax(0)
        torch.testing.assert_close((2 * mine.half).prod(-1).sum(), (2 * side).prod())
        inside = ((box.q[:, b].unsqueeze(1) - mine.centre).abs() <= mine.half).all(-1)  # [M, C]
        assert inside.any(-1).all() and len(inside) == DRAWS
        assert (mine.half[inside.any(0)] <= 1.6).all()
        assert (side >= 4 * box.hull[b] - 1e-9).all()


def test_a_number_that_is_none_where_z_can_be_is_not_passed_over() -> None:
    class Broken(LinearGaussian):
        def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Any:
            terms = super().joint(batch, z)
            return replace(terms, log_px_z=torch.where(z[0][..., 0] > 0, torch.nan, terms.log_px_z))

    batch = Batch(real_rows(5))
    assert judged(made(Broken, batch.x, 2), batch).log_px.isnan().any()


# The grid itself


def test_the_points_give_the_moments_of_the_posterior() -> None:
    batch = Batch(real_rows(10))
    model = made(Tilted, batch.x, 2, shift=1.0, scale=0.7)
    p = model._exact(batch)
    grid = posterior_grid(model, batch)
    torch.testing.assert_close(grid.sum(grid.mass), torch.ones(10).double())
    torch.testing.assert_close(grid.log_px, model.log_prob(batch), rtol=0, atol=1e-4)
    mean = torch.stack([grid.sum(grid.mass * grid.z[0][:, d]) for d in range(2)], -1)
    square = torch.stack([grid.sum(grid.mass * grid.z[0][:, d] ** 2) for d in range(2)], -1)
    torch.testing.assert_close(mean, p.mean, rtol=0, atol=1e-4)
    torch.testing.assert_close(square - mean**2, p.variance, rtol=1e-3, atol=0)
    each = MultivariateNormal(p.mean[grid.row], scale_tril=p.scale_tril[grid.row], validate_args=False)
    log_p = each.log_prob(grid.z[0])
    torch.testing.assert_close(grid.log_posterior, log_p, rtol=1e-6, atol=1e-4)


def test_a_flow_prior_is_normalised_in_z() -> None:
    """∫ p(x, z) dz over z and ∫ p(x, u) du over u are the same number, and the points carry the volume of z."""
    model, batch = moved_flow(vae(2, **PARTS["realnvp"])), Batch(rows_of(BINARY, 2))
    with torch.no_grad():
        grid = posterior_grid(model, batch)
        each = [model.joint(Batch(batch.x[b : b + 1]), (grid.z[0][grid.row == b].unsqueeze(1),)) for b in range(2)]
        side = torch.linspace(-9, 9, 301)
        z = torch.cartesian_prod(side, side).unsqueeze(1)
        plain = torch.cat(
            [model.joint(Batch(batch.x[b : b + 1]), (z,)).log_px_z.double() + p_z(model, z) for b in range(2)], 1
        )
    for b in range(2):
        log_joint = (each[b].log_px_z.double() + each[b].log_pz.double().sum(-1)).squeeze(-1)
        torch.testing.assert_close(grid.log_joint[grid.row == b], log_joint, rtol=1e-5, atol=1e-2)
    log_px = plain.logsumexp(0) + 2 * math.log(18 / 300)
    torch.testing.assert_close(grid.log_px, log_px, rtol=0, atol=2e-3)


def p_z(model: VAE, z: Tensor) -> Tensor:
    return model.prior().log_prob(z).double()


# Brute force


def test_the_prior_average_is_right_where_z_is_small() -> None:
    batch = Batch(rows_of(BINARY, 12))
    model = vae(1)
    with torch.no_grad():
        found = PriorAverage(num_samples=4000)(model, batch)
    off = (found.log_px - judged(model, batch).log_px) / found.stderr_mc
    assert off.abs().max() < 4.5 and found.direction == "lower" and found.diagnostics["ess"].min() > 30


def test_the_prior_average_works_for_z_that_is_a_number() -> None:
    batch = clustered("binary", 20)
    model = mixture(batch, "binary")
    with torch.no_grad():
        found = PriorAverage(num_samples=4000)(model, batch)
    off = (found.log_px - model.log_prob(batch)) / found.stderr_mc
    assert off.abs().max() < 4.5 and off.mean().abs() < 1


def test_the_prior_average_fails_quietly_where_z_is_large() -> None:
    """As its docstring warns: far too low, with an error of at most a nat, and one draw that counts."""
    x = real_rows(20, dims=30, latents=15)
    model, batch = linear_gaussian(x, 15), Batch(x)
    with torch.no_grad():
        found = PriorAverage(num_samples=300)(model, batch)
    short = model.log_prob(batch) - found.log_px
    assert short.min() > 30 and found.stderr_mc.max() <= 1.01 and found.diagnostics["ess"].median() < 2


def test_both_estimates_by_hand() -> None:
    batch = Batch(real_rows(5))
    model = linear_gaussian(batch.x)
    with keyed("by hand"), torch.no_grad():
        found = PriorAverage(num_samples=50)(model, batch)
    with keyed("by hand"), torch.no_grad():
        z = model.draw_prior(50 * 5)[0].unflatten(0, (50, 5))
        log_p = model.joint(batch, (z,)).log_px_z
    w = (log_p - log_p.amax(0)).exp()
    torch.testing.assert_close(found.log_px, w.mean(0).log() + log_p.amax(0))
    torch.testing.assert_close(found.stderr_mc, w.std(0) / w.mean(0) / 50**0.5)
    torch.testing.assert_close(found.diagnostics["ess"], w.sum(0) ** 2 / (w**2).sum(0))
    assert {"elbo", "rate", "distortion", "kl"} <= found.diagnostics.keys()


class Bent(nn.Module):
    """Two modes in q as well: features for a mixture are not needed, so the decoder only sees |z|."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(z.abs())


def test_a_decoder_that_cannot_tell_signs_has_a_posterior_of_equal_modes() -> None:
    model, batch = vae(2), Batch(rows_of(BINARY, 6))
    model.decoder = Bent(model.decoder)
    with torch.no_grad(), keyed("modes"):
        grid = posterior_grid(model, batch)
    sign = (grid.z[0] > 0).double()
    share = grid.sum(grid.mass * sign[:, 0] * sign[:, 1])
    torch.testing.assert_close(share, torch.full_like(share, 0.25), rtol=0, atol=0.02)  # points, not edges


def test_labels_that_are_missing_are_summed_over() -> None:
    with keyed("labels"):
        model = VAE.build(BINARY, num_classes=3, latent=1, network="mlp", width=8, depth=1, condition="label")
        y = torch.randint(3, (40,))
        model.initialise(Batch(rows_of(BINARY, 40), y=y))
        x = rows_of(BINARY, 4)
    model.eval()
    every = [judged(model, Batch(x, y=torch.full((4,), c))).log_px for c in range(3)]
    log_px = torch.logsumexp(torch.stack(every) + model.log_frequency.double().unsqueeze(-1), 0)
    torch.testing.assert_close(judged(model, Batch(x)).log_px, log_px, rtol=0, atol=1e-3)


def test_the_same_examples_in_another_block_give_the_same_number() -> None:
    model, x = vae(2), rows_of(BINARY, 30)
    with torch.no_grad(), keyed("block"):
        whole = integrate(model, Batch(x), tolerance=1e-3, max_evaluations=20_000)
    with torch.no_grad(), keyed("block"):
        part = integrate(model, Batch(x[:4]), tolerance=1e-3, max_evaluations=20_000)
    torch.testing.assert_close(whole.log_px[:4], part.log_px, rtol=0, atol=1e-4)


def test_rounding_is_not_chased() -> None:
    """In float32, log p(x) of thousands of nats is only known to 10⁻³: halving ends there and says what is left."""
    domain = Domain("real", (500,))
    model = vae(1, domain)
    with torch.no_grad():
        for p in model.likelihood.parameters():
            p.fill_(-4.0)
        x = model.sample(4)[0]
    single = judged(model, Batch(x), tolerance=1e-6, max_evaluations=20_000)
    double = judged(model.double(), Batch(x.double()), tolerance=1e-6)
    assert single.diagnostics["evaluations"].max() < 2000 and (single.stderr_mc > double.stderr_mc).all()
    torch.testing.assert_close(single.log_px, double.log_px, rtol=0, atol=0.05)
