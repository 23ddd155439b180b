"""The numbers of the chapters against closed forms and against other ways to the same number."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy.stats import chi, multivariate_normal, norm
from torch.distributions import Normal

from unveil.batch import Batch
from unveil.tour.chapters import encdec, gradient, identity, integral, kl, mean, mle, sigma, slips, steps
from unveil.tour.figures import Axis, Bars, Dots, Figure, Line, Note, Tiles
from unveil.tour.svg import drawn, legend, spelled, ticks
from unveil.tour.words import Chapter, Text
from unveil.tour.world import P_X_GIVEN_Z, P_Z, log_normal, weather


def test_the_weather_of_the_library_is_that_of_the_tables() -> None:
    model, batch = weather(), Batch(torch.arange(4.0).reshape(4, 1))
    joint = P_Z[:, None] * P_X_GIVEN_Z
    np.testing.assert_allclose(model.log_prob(batch).exp().detach(), joint.sum(0), atol=1e-6)
    np.testing.assert_allclose(model.posterior(batch).log_r.exp().detach().T, joint / joint.sum(0), atol=1e-6)


def test_a_fine_grid_and_draws_from_near_the_posterior_are_right_in_one_dimension() -> None:
    on_grid, by_prior, by_q = integral._errors(np.random.default_rng(1), 1, 4096)
    assert abs(on_grid) < 1e-9 and abs(by_prior) < 0.1 and abs(by_q) < 0.02


def test_the_density_of_the_integral_chapter() -> None:
    np.testing.assert_allclose(log_normal(np.array(0.7), 0.2, 0.4), norm.logpdf(0.7, 0.2, 0.4))


def test_the_identity_holds_at_each_step(chapters: list[Chapter]) -> None:
    values = next(c for c in chapters if c.anchor == "identity").values
    assert float(values["worst"]) < 1e-6
    assert float(values["elbo1"]) + float(values["gap1"]) == pytest.approx(float(values["log_px"]), abs=1e-6)
    assert identity.STEPS % identity.EVERY == 0


def test_q_climbs_at_every_place_of_the_slider_to_the_best_gaussian() -> None:
    z = torch.linspace(-7, 7, 4001, dtype=torch.float64)
    width = float(z[1] - z[0])
    log_lik = Normal(torch.exp(0.7 * z), identity.SIGMA).log_prob(torch.tensor(identity.X, dtype=torch.float64))
    states = identity.fitted(z, width, log_lik)
    log_post = log_lik + Normal(0.0, 1.0).log_prob(z)
    log_post -= torch.logsumexp(log_post, 0) + np.log(width)
    gaps = [identity._terms(z, width, log_lik, log_post, *state)["gap"] for state in states]
    assert np.diff(gaps).max() <= 1e-9
    assert gaps[-1] - 1e-3 < identity._least(z, width, log_lik, log_post) <= gaps[-1] + 1e-9


def test_the_best_of_each_kl_is_better_than_its_neighbours(chapters: list[Chapter]) -> None:
    values = next(c for c in chapters if c.anchor == "kl").values
    p = kl._mixture()
    m, s = float(values["m1"]), float(values["s1"])
    for dm, ds in ((0.001, 0), (-0.001, 0), (0, 0.001), (0, -0.001)):
        assert kl._kl(kl._normal(m + dm, s + ds), np.log(p)) > float(values["least1"])
    mean = (p * kl.Z).sum() * kl.WIDTH
    assert float(values["m2"]) == pytest.approx(mean, abs=1e-9)
    assert float(values["s2"]) == pytest.approx(np.sqrt((p * (kl.Z - mean) ** 2).sum() * kl.WIDTH), abs=1e-9)


def test_the_kl_on_the_grid_is_the_closed_form() -> None:
    found = kl._kl(kl._normal(1.0, 0.5), kl._normal(0.0, 1.0))
    assert found == pytest.approx(np.log(2) - 0.5 + (0.25 + 1) / 2, abs=1e-9)


def test_the_gradients_have_the_variances_of_theory() -> None:
    pathwise, score = gradient._both(np.random.default_rng(0), 1, 200_000)
    exact = (gradient.X - gradient.M) / gradient.SIGMA**2
    assert pathwise.mean() == pytest.approx(exact, abs=0.03) and score.mean() == pytest.approx(exact, abs=0.1)
    assert pathwise.var() == pytest.approx(gradient.S**2 / gradient.SIGMA**4, rel=0.03)


def test_no_turn_of_enc_or_dec_can_be_bettered() -> None:
    v = 5.2
    path = encdec._path(v)
    a, s2, w = path[1]
    assert encdec._elbo(path[1], v) == pytest.approx(encdec._log_px(w, v))
    for da, ds in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert encdec._elbo((a + da, s2 + ds, w), v) < encdec._elbo(path[1], v)
    a, s2, w = path[2]
    assert max(encdec._elbo((a, s2, w + d), v) for d in (-0.01, 0.01)) < encdec._elbo(path[2], v)


def test_the_linear_model_of_the_sigma_chapter_is_probabilistic_pca() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 16)) @ rng.normal(size=(16, 16)) / 4
    x -= x.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    eigen, noise = values[::-1], 0.3
    rate, used, log_px = sigma._linear(eigen, noise)
    kept = [i for i in range(sigma.LATENT) if eigen[i] > noise**2]
    W = vectors[:, ::-1][:, kept] * np.sqrt(eigen[kept] - noise**2)
    covariance = W @ W.T + noise**2 * np.eye(16)
    assert used == len(kept)
    assert log_px == pytest.approx(multivariate_normal.logpdf(x, np.zeros(16), covariance).mean())
    M = W.T @ W + noise**2 * np.eye(len(kept))
    means, scale = x @ W @ np.linalg.inv(M), noise**2 * np.linalg.inv(M)
    logdet = np.linalg.slogdet(scale)[1]
    assert rate == pytest.approx(0.5 * (np.trace(scale) + (means**2).sum(1) - len(kept) - logdet).mean())


def test_the_gap_of_a_factorised_q_is_the_least_that_any_has() -> None:
    """KL(N(0, diag 1/d) ‖ N(0, Λ⁻¹)) over diagonals d, with Λ = I + a 11ᵀ."""
    theta = 0.9
    a = theta**2 / mle.S2
    precision = np.eye(2) + a
    d = np.linspace(1, 4, 3001)
    kls = 0.5 * ((1 + a) * 2 / d - 2 - np.linalg.slogdet(precision)[1] + 2 * np.log(d))
    assert float(mle._gap(np.array([theta]))[0]) == pytest.approx(kls.min(), abs=1e-6)
    assert float(mle._log_px(np.array([theta]))[0]) == pytest.approx(
        -0.5 * np.log(2 * np.pi * (2 * theta**2 + 1)) - mle.V / (2 * (2 * theta**2 + 1))
    )


def test_the_highest_likelihood_and_the_highest_bound_are_exact(chapters: list[Chapter]) -> None:
    values = next(c for c in chapters if c.anchor == "mle").values
    assert float(values["mle"]) == pytest.approx(np.sqrt(1.5), abs=1e-6)
    low = float(values["low"])
    assert all(mle._bound(np.array(low + d)) < mle._bound(np.array(low)) for d in (-1e-3, 1e-3))
    assert float(values["lost"]) == pytest.approx(float(mle._log_px(np.array(1.5**0.5)) - mle._log_px(np.array(low))))


def test_the_steps_back_have_the_moments_of_the_true_ones() -> None:
    """Against sums over a fine grid of z_{t−1}."""
    before, after = 0.8, 0.5
    alpha = after / before
    joint = np.exp(steps._log_hills(steps.Z, before)).sum(-1) * norm.pdf(
        steps.Z[:, None], alpha * steps.Z, np.sqrt(1 - alpha**2)
    )  # [z_t, z_{t−1}]
    joint /= joint.sum(1, keepdims=True)
    mean, scale = steps._true_step(before, after)
    expected = joint @ steps.Z
    near = np.abs(steps.Z) < 4
    np.testing.assert_allclose(mean[near], expected[near], atol=1e-8)
    np.testing.assert_allclose(scale[near], np.sqrt(joint @ steps.Z**2 - expected**2)[near], atol=1e-7)


def test_the_steps_have_the_kls_that_are_printed(chapters: list[Chapter], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a grid that is wider and finer; one step is nearly the normal with the moments of the data."""
    values = next(c for c in chapters if c.anchor == "steps").values
    monkeypatch.setattr(steps, "Z", np.linspace(-10, 10, 1601))
    monkeypatch.setattr(steps, "WIDTH", steps.Z[1] - steps.Z[0])
    p0 = steps._data()
    for name, T in (("one", 1), ("four", 4)):
        kl_of = float((p0 * np.log(p0 / steps._walk_back(T))).sum() * steps.WIDTH)
        assert float(values[name]) == pytest.approx(kl_of, abs=1e-6)
    mean = (p0 * steps.Z).sum() * steps.WIDTH
    scale = np.sqrt((p0 * (steps.Z - mean) ** 2).sum() * steps.WIDTH)
    best = float((p0 * (np.log(p0) - norm.logpdf(steps.Z, mean, scale))).sum() * steps.WIDTH)
    assert float(values["one"]) == pytest.approx(best, abs=1e-3)
    assert p0.sum() * steps.WIDTH == pytest.approx(1)


def test_how_far_the_true_steps_are_from_normal() -> None:
    """KL(path‖path of the model) = KL(p(z_T)‖N(0, 1)) + Σ of the steps, at least the KL of where the path ends."""
    p0 = steps._data()
    z_T = np.exp(steps._log_hills(steps.Z, steps.LAST)).sum(-1)
    start = float((z_T * (np.log(z_T) - norm.logpdf(steps.Z))).sum() * steps.WIDTH)
    for T in (1, 8):
        kl_of = float((p0 * np.log(p0 / steps._walk_back(T))).sum() * steps.WIDTH)
        assert start + steps._not_normal(T).sum() >= kl_of - 1e-6
    assert float(steps._not_normal(1)[0]) == pytest.approx(0.6282, abs=1e-3)  # z_T says next to nothing of z_0
    before, after, at = steps.LAST ** (2 / 8), steps.LAST ** (3 / 8), 380
    share, means, variances = (np.asarray(part) for part in steps._parts(before, after))
    p = (share[at] * norm.pdf(steps.Z[:, None], means[at], np.sqrt(variances))).sum(-1)
    mean, scale = (float(m[at]) for m in steps._true_step(before, after))
    by_kl = float((p * (np.log(p) - norm.logpdf(steps.Z, mean, scale))).sum() * steps.WIDTH)
    by_entropy = np.log(scale * np.sqrt(2 * np.pi * np.e)) + (p * np.log(p)).sum() * steps.WIDTH
    assert by_kl == pytest.approx(by_entropy, abs=1e-9)


def test_no_decoder_beats_the_entropy() -> None:
    strong, weak, rates = slips._decoders()
    p = np.array([slips.TIED, 1 - slips.TIED]) / 2
    best = 2 * (p * np.log(p)).sum()
    assert strong.max() == pytest.approx(best) and weak.max() <= best + 1e-9
    assert rates[0] == pytest.approx(0) and rates[-1] == pytest.approx(np.log(2), abs=1e-6)
    assert weak[0] == pytest.approx(-2 * np.log(2))


@pytest.mark.parametrize(
    ("value", "told"), [(0.0, "0"), (-2.5, "−2.5"), (1e-4, "10⁻⁴"), (2e6, "2·10⁶"), (0.25, "0.25"), (10_000.0, "10000")]
)
def test_ticks_are_spelled(value: float, told: str) -> None:
    assert spelled(value) == told


def test_ticks_lie_within_the_axis() -> None:
    name = Text("x", "x")
    for axis in (Axis(name, -3.1, 7.7), Axis(name, 1e-4, 300, log=True), Axis(name, 0, 0.02)):
        places = [place for place, _ in ticks(axis)]
        assert 2 <= len(places) <= 8 and min(places) >= axis.low - 1e-9 and max(places) <= axis.high + 1e-9


def test_a_figure_is_drawn_where_its_axes_say() -> None:
    name = Text("<x>", "横")
    marks = [
        Line([0, 1, np.nan, 2], [0, 1, 1, 1], 1, name), Dots([1], [1], [2], told=["a & b"]), Bars([1], [0.5]),
        Tiles([0, 1], [0, 1], [[0, 1], [1, 1]]), Note(name, 1, 1),
    ]  # fmt: skip
    figure = Figure(Axis(name, 0, 2), Axis(name, 0, 1), marks, 200)
    svg = drawn(figure, "f", "caption")
    assert 'cx="233.0" cy="10.0"' in svg  # the middle of 56 … 410, the top
    assert "&lt;x&gt;" in svg and "<x>" not in svg and "a &amp; b" in svg and svg.count("M") >= 3
    assert [(colour, text.zh, dashed) for colour, text, dashed in legend(figure)] == [(1, "横", False)]


def test_no_draw_is_near_the_mean_that_the_mean_chapter_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Of 64 pixels with σ = 0.1: the average distance is that of a chi distribution, log p lower by d/2."""
    mean.centre()
    to_average, apart, nearest, at_mean, of_draw, most = map(float, re.findall(r"-?\d+\.\d+", capsys.readouterr().out))
    assert apart == pytest.approx(0.1 * chi.mean(64), abs=1e-3) and to_average < 0.01 < 0.4 < nearest
    assert at_mean == pytest.approx(-64 * np.log(0.1 * np.sqrt(2 * np.pi)), abs=0.01)
    assert at_mean - of_draw == pytest.approx(32, abs=0.1) and most < at_mean - 5
