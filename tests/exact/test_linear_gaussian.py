"""p(x), p(z|x) and the optimum of a linear-Gaussian model against other algebra, torch and scikit-learn."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.decomposition import PCA, FactorAnalysis
from torch import Tensor
from torch.distributions import MultivariateNormal

from exact.toys import exact_terms, linear_gaussian, magnitude, marginal, once, real_rows, with_gaps
from unveil.batch import Batch
from unveil.divergence import kl
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators.base import Estimator
from unveil.models.linear_gaussian import LinearGaussian
from unveil.registry import describe, lookup, rebuild

BOTH = pytest.mark.parametrize("noise", ["isotropic", "diagonal"])


def close(a: Tensor, b: Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


# The identity p(x) = p(x, z) / p(z|x)


@BOTH
def test_under_the_exact_posterior_every_z_gives_log_p_of_x(noise: str) -> None:
    x = real_rows(9)
    model = linear_gaussian(x, noise=noise)
    terms = model.infer(Batch(x), 5)
    assert terms.log_w.shape == (5, 9)
    close(terms.log_w, marginal(model).log_prob(x).expand(5, 9))
    anywhere = (2 * torch.randn(5, 9, 2).double(),)  # not only where q would draw
    log_w = model.joint(Batch(x), anywhere).log_px_z + (
        model.joint(Batch(x), anywhere).log_pz - model.posterior(Batch(x)).log_prob(anywhere)
    ).sum(-1)
    close(log_w, marginal(model).log_prob(x).expand(5, 9))


@BOTH
def test_in_float32_the_identity_holds_to_a_millionth_of_the_terms(noise: str) -> None:
    x = real_rows(50, dims=20, latents=5)
    model = linear_gaussian(x, latent=5, noise=noise).float()
    batch = Batch(x.float())
    terms = model.infer(batch, 4)
    error = (terms.log_w - model.log_prob(batch)).abs()
    assert (error <= 1e-6 * magnitude(terms)).all()


@BOTH
def test_the_gradient_of_log_w_is_that_of_log_p_whatever_z_was_drawn(noise: str) -> None:
    x = real_rows(9)
    model = linear_gaussian(x, fitted=False, noise=noise)
    weights = model.parameters_of("p")
    found = torch.autograd.grad(model.infer(Batch(x), 1).log_w.sum(), weights)
    truth = torch.autograd.grad(model.log_prob(Batch(x)).sum(), weights)
    for a, b in zip(found, truth, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@BOTH
@pytest.mark.parametrize("gaps", [False, True])
def test_elbo_plus_kl_to_the_posterior_is_log_p(noise: str, gaps: bool) -> None:
    x = real_rows(9)
    model = linear_gaussian(x, fitted=False, noise=noise, inference="free")
    batch = with_gaps(Batch(x)) if gaps else Batch(x)
    gap = kl(model.posterior(batch).distribution, model._exact(batch), method="closed").value
    assert gap.mean() > 0.5
    close(exact_terms(model, batch).elbo + gap, model.log_prob(batch))


def test_the_expected_kl_is_the_mean_of_log_q_minus_log_p() -> None:
    x = real_rows(9)
    model = linear_gaussian(x, fitted=False, inference="free")
    sampled = exact_terms(model, Batch(x)).rate.mean(0)  # [B, 1]
    posterior = model.posterior(Batch(x))
    close(model.expected_kl(posterior), sampled)
    terms = model.infer(Batch(x), 3)
    assert terms.kl is not None
    close(terms.kl, sampled.expand(3, 9, 1))


# p(x) and p(z|x) against the joint Gaussian of x and z


@BOTH
def test_log_p_of_the_observed_part_is_the_marginal_of_the_joint_gaussian(noise: str) -> None:
    x = real_rows(30).reshape(30, 2, 3)
    model = linear_gaussian(x, fitted=False, noise=noise)
    batch, p = with_gaps(Batch(x)), marginal(model)
    assert batch.observed is not None
    found = model.log_prob(batch)
    for row, known, value in zip(batch.x.flatten(1), batch.observed.flatten(1), found, strict=True):
        part = MultivariateNormal(p.mean[known], p.covariance_matrix[known][:, known])
        close(part.log_prob(row[known]), value)
    terms = model.infer(batch, 3)
    close(terms.log_w, found.expand(3, 30))


@BOTH
def test_the_posterior_of_the_observed_part_is_the_conditional_of_the_joint_gaussian(noise: str) -> None:
    x = real_rows(8)
    model = linear_gaussian(x, fitted=False, noise=noise)
    batch, p = with_gaps(Batch(x)), marginal(model)
    assert batch.observed is not None
    q = model.posterior(batch).distribution
    assert isinstance(q, MultivariateNormal)
    for b, known in enumerate(batch.observed):
        gain = torch.linalg.solve(p.covariance_matrix[known][:, known], model.W[known]).T  # Cov(z, x) Cov(x)⁻¹
        close(q.mean[b], gain @ (x[b, known] - p.mean[known]))
        close(q.covariance_matrix[b], torch.eye(2).double() - gain @ model.W[known])


def test_an_example_of_which_nothing_is_observed_says_nothing() -> None:
    x = real_rows(9)
    model = linear_gaussian(x)
    batch = Batch(torch.full_like(x, torch.nan), observed=torch.zeros_like(x, dtype=torch.bool))
    close(model.log_prob(batch), torch.zeros(9).double())
    close(model.expected_kl(model.posterior(batch)), torch.zeros(9, 1).double())


def test_a_small_noise_costs_no_digits() -> None:
    x = real_rows(200, dims=6, latents=5, spread=1e3)
    model = linear_gaussian(x, latent=5)
    assert (model.W**2).sum() > 1e5 * model.log_psi.exp().sum()
    close(model.infer(Batch(x), 4).log_w, model.log_prob(Batch(x)).expand(4, -1), 1e-8)


def test_samples_have_the_moments_of_p() -> None:
    x = real_rows(100)
    model = linear_gaussian(x)
    drawn, (z,) = model.sample(200_000)
    p = marginal(model)
    error = (drawn.mean(0) - p.mean) / (p.covariance_matrix.diagonal() / len(drawn)).sqrt()
    assert error.abs().max() < 4.5
    scale = p.covariance_matrix.diagonal().sqrt()
    correlation_error = (torch.cov(drawn.T) - p.covariance_matrix) / torch.outer(scale, scale)
    assert correlation_error.abs().max() < 4.5 * math.sqrt(2 / len(drawn)) and z.std() == pytest.approx(1, abs=0.01)
    close(model.sample(5, temperature=0.0)[1][0], torch.zeros(5, 2).double())


# The optimum


@pytest.mark.parametrize("latent", [1, 3, 5])
def test_the_isotropic_optimum_is_scikit_learns(latent: int) -> None:
    x, n = real_rows(300), 300
    pca = PCA(latent).fit(x.numpy())
    unbiased = math.sqrt((n - 1) / n)  # scikit-learn divides the covariance by n − 1, the likelihood by n
    shrunk = x.mean(0) + (x - x.mean(0)) * unbiased
    log_p = linear_gaussian(x, latent=latent).log_prob(Batch(shrunk)) + x.shape[1] * math.log(unbiased)
    close(log_p.detach(), torch.as_tensor(pca.score_samples(x.numpy())), 1e-9)


def test_the_diagonal_optimum_is_scikit_learns() -> None:
    x = real_rows(300)
    oracle = FactorAnalysis(2, tol=1e-9, max_iter=20_000, svd_method="lapack").fit(x.numpy())
    model = linear_gaussian(x, noise="diagonal")
    for _ in range(100):
        model.solve(once(Batch(x)))
    assert model.log_prob(Batch(x)).mean().item() == pytest.approx(oracle.score(x.numpy()), abs=1e-5)


def test_more_latents_than_dimensions_fit_the_covariance_itself() -> None:
    x = real_rows(300, dims=4)
    model = linear_gaussian(x, latent=9)
    close(marginal(model).covariance_matrix, torch.cov(x.T, correction=0), 1e-9)
    assert linear_gaussian(x[:, :1], latent=2).log_prob(Batch(x[:, :1])).isfinite().all()


@BOTH
def test_a_pass_over_batches_is_a_pass_over_their_union(noise: str) -> None:
    x = real_rows(101) + 1e4  # far from zero: sums of squares alone would lose eight digits
    whole, parts = linear_gaussian(x, fitted=False, noise=noise), linear_gaussian(x, fitted=False, noise=noise)
    parts.load_state_dict(whole.state_dict())
    whole.solve(once(Batch(x)))
    parts.solve(once(*map(Batch, x.split(17))))
    close(whole.log_prob(Batch(x)), parts.log_prob(Batch(x)), 1e-7)


@BOTH
def test_ten_times_x_costs_d_log_10(noise: str) -> None:
    x = real_rows(60)
    small = linear_gaussian(x, noise=noise, fitted=False)
    large = linear_gaussian(10 * x, noise=noise, fitted=False)
    large.W.data = 10 * small.W.data  # the same start, in the other unit
    large.log_psi.data = small.log_psi.data + 2 * math.log(10)
    for model, rows in ((small, x), (large, 10 * x)):
        model.solve(once(Batch(rows)))
    close(large.log_prob(Batch(10 * x)), small.log_prob(Batch(x)) - 6 * math.log(10), 1e-9)


def test_the_noise_keeps_its_floor() -> None:
    x = real_rows(50, latents=1)
    x = torch.cat([x, x[:, :1]], 1)  # a repeated column has no noise of its own
    for noise in ("isotropic", "diagonal"):
        model = linear_gaussian(x, latent=7, noise=noise)
        for _ in range(20):
            model.solve(once(Batch(x)))
        variance = x.var(0, correction=0)
        least = 1e-6 * (variance if noise == "diagonal" else variance.mean())
        psi = marginal(model).covariance_matrix - model.W @ model.W.T
        assert (psi.diagonal() >= least * (1 - 1e-6)).all() and model.log_prob(Batch(x)).isfinite().all()


# The contract of a model


def test_the_held_parts_get_no_gradient() -> None:
    x = real_rows(9)
    model = linear_gaussian(x, fitted=False, inference="free")
    model.infer(Batch(x), 2, hold=frozenset({"p"})).log_w.sum().backward()
    assert all(w.grad is None for w in model.parameters_of("p"))
    assert all(w.grad is not None for w in model.parameters_of("q"))


@pytest.mark.parametrize("posterior", ["exact", "free"])
def test_holding_q_holds_its_weights_and_not_z(posterior: str) -> None:
    x = real_rows(9)
    q = linear_gaussian(x, fitted=False, inference=posterior).posterior(Batch(x))
    (z,), log_q = q.draw(2)
    close(q.log_prob((z,), hold=True), log_q)
    assert not q.log_prob((z.detach(),), hold=True).requires_grad
    assert q.log_prob((z.detach(),)).requires_grad
    assert torch.autograd.grad(q.log_prob((z,), hold=True).sum(), z)[0].abs().max() > 0


def test_stl_on_the_exact_posterior_has_no_path_gradient() -> None:
    """log p(x, z) − log q(z|x), q held, is constant in z: Roeder et al. (2017), zero variance at the optimum."""
    x = real_rows(9)
    model = linear_gaussian(x, fitted=False)
    z = model.posterior(Batch(x)).draw(3)[0][0].detach().requires_grad_()
    joint, log_q = model.joint(Batch(x), (z,)), model.posterior(Batch(x)).log_prob((z,), hold=True)
    log_w = joint.log_px_z + (joint.log_pz - log_q).sum(-1)
    close(torch.autograd.grad(log_w.sum(), z)[0], torch.zeros_like(z))


def test_with_the_exact_q_held_the_gradient_is_that_of_log_p_of_x_and_z() -> None:
    """∇ log p(x, z) at a fixed z: what Fisher's identity averages to ∇ log p(x)."""
    x = real_rows(9)
    model = linear_gaussian(x, fitted=False)
    terms = model.infer(Batch(x), 2, hold=frozenset({"q"}))
    fixed = model.joint(Batch(x), (terms.z[0].detach(),))
    found = torch.autograd.grad(terms.log_w.sum(), model.parameters_of("p"))
    truth = torch.autograd.grad((fixed.log_px_z + fixed.log_pz.sum(-1)).sum(), model.parameters_of("p"))
    for a, b in zip(found, truth, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_a_model_is_rebuilt_from_its_description_and_weights() -> None:
    x = real_rows(40).reshape(40, 2, 3)
    model = linear_gaussian(x, noise="diagonal", inference="free")
    again = rebuild(describe(model)).double()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.log_prob(Batch(x)), model.log_prob(Batch(x)))
    assert torch.equal(again.posterior(Batch(x)).mean[0], model.posterior(Batch(x)).mean[0])


def test_gives_says_what_the_built_model_can_do() -> None:
    x = real_rows(9)
    assert linear_gaussian(x).gives == {"log_w", "joint", "rsample", "pathwise", "kl", "marginals", "exact"}
    assert linear_gaussian(x, inference="free").gives == {
        "log_w", "joint", "rsample", "pathwise", "kl", "marginals", "exact", "split_q",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["exact", "iwae"])
def test_the_estimators_find_log_p_without_error(name: str) -> None:
    x = real_rows(9)
    model = linear_gaussian(x)
    estimator: Estimator = lookup("estimator", name)(**({} if name == "exact" else {"num_samples": 7}))
    estimate = estimator(model, Batch(x))
    close(estimate.log_px.detach(), marginal(model).log_prob(x))
    assert estimate.stderr_mc.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"latent": 0}, "latent is 0"),
        ({"floor": 0.0}, "floor is 0.0"),
    ],
)
def test_sizes_that_make_no_model_are_refused(arguments: dict[str, float], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        LinearGaussian(Domain("real", (3,)), **arguments)  # type: ignore[arg-type]


def test_a_density_on_integers_is_refused() -> None:
    for domain in (Domain("binary", (3,)), Domain("levels", (3,), 17)):
        with pytest.raises(RequestError, match="density on integers"):
            LinearGaussian(domain)


def test_what_would_drive_the_noise_to_its_floor_is_named() -> None:
    x = real_rows(20)
    x[:, 4] = 2.5
    with pytest.raises(RequestError, match=r"Column\(s\) 4 of x are constant"):
        linear_gaussian(x, noise="diagonal")
    assert linear_gaussian(x).log_prob(Batch(x)).isfinite().all()  # a shared noise has a floor above zero
    with pytest.raises(RequestError, match="constant"):
        linear_gaussian(torch.ones_like(x))
    with pytest.raises(RequestError, match="at least 2 examples"):
        linear_gaussian(x[:1])
    with pytest.raises(RequestError, match="not observed"):
        linear_gaussian(real_rows(20)).m_step(once(with_gaps(Batch(x))))
    with pytest.raises(RequestError, match="inference=free needs every value"):
        linear_gaussian(real_rows(20), inference="free").solve(once(with_gaps(Batch(x))))
    with pytest.raises(RequestError, match="Column 1 of x has no value"):
        linear_gaussian(x).solve(once(Batch(x, observed=torch.arange(6).expand(20, 6) != 1)))


@BOTH
def test_with_gaps_em_climbs_to_the_maximum(noise: str) -> None:
    x = real_rows(300)
    batch, model = with_gaps(Batch(x)), linear_gaussian(x, fitted=False, noise=noise)
    last = first = model.log_prob(batch).mean().item()
    for _ in range(40):
        model.solve(once(batch))
        found = model.log_prob(batch).mean().item()
        assert found > last - 1e-9
        last = found
    assert last > first + 0.1
    (-model.log_prob(batch).mean()).backward()
    assert model.mu.grad is not None and float(model.mu.grad.abs().max()) < 1e-3  # nowhere to climb


@BOTH
def test_em_with_no_gaps_comes_to_the_closed_form(noise: str) -> None:
    x = real_rows(300)
    found, expected = linear_gaussian(x, fitted=False, noise=noise), linear_gaussian(x, noise=noise)
    for _ in range(60):
        found.solve(once(Batch(x, observed=torch.ones_like(x, dtype=torch.bool))))
        expected.solve(once(Batch(x)))
    close(found.log_prob(Batch(x)).mean(), expected.log_prob(Batch(x)).mean(), atol=1e-3)
