"""Sample quality: the numbers on sets where they are known, copies found, and what stays silent."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from exact.toys import linear_gaussian, real_rows
from unveil.batch import Batch
from unveil.data import load
from unveil.diagnostics import quality as module
from unveil.diagnostics.codes import filled, flat_x, posterior_draws, posterior_means, ppca_codes
from unveil.diagnostics.quality import draw_samples, fidelity, quality
from unveil.errors import RequestError
from unveil.models.mixture import Mixture
from unveil.models.vae import VAE

RNG = np.random.default_rng(0)


def by_hand(examples, real, k):
    """The four definitions, in loops."""

    def inside(point, centre, others):
        radius = sorted(np.linalg.norm(other - centre) for other in others)[k]  # itself first
        return np.linalg.norm(point - centre) <= radius

    held = np.array([[inside(e, r, real) for r in real] for e in examples])
    recalled = np.mean([any(inside(r, e, examples) for e in examples) for r in real])
    return held.any(1).mean(), recalled, held.sum() / (k * len(examples)), held.any(0).mean()


def test_fidelity_is_what_its_definition_says():
    examples, real = RNG.normal(size=(30, 3)), RNG.normal(1.5, 1.3, size=(25, 3))
    found = fidelity(examples, real)
    wanted = by_hand(examples, real, 5)
    assert np.allclose((found.precision, found.recall, found.density, found.coverage), wanted)
    assert 0 < found.coverage < 1 and found.precision != found.recall


def test_fidelity_of_the_same_of_half_and_of_nothing():
    real = RNG.normal(size=(400, 2))
    same, half = RNG.normal(size=(400, 2)), np.abs(RNG.normal(size=(400, 2)))
    alike, lacking, elsewhere = (fidelity(examples, real) for examples in (same, half, same + 50))
    assert min(alike.precision, alike.recall, alike.coverage) > 0.9 and abs(alike.density - 1) < 0.1
    assert lacking.precision > 0.9 and lacking.coverage < 0.5 and lacking.recall < 0.5
    assert (elsewhere.precision, elsewhere.recall, elsewhere.density, elsewhere.coverage) == (0, 0, 0, 0)


@pytest.fixture(scope="module")
def gaussian():
    """A linear-Gaussian model at its optimum, on data that is one: as good a model as there is."""
    torch.manual_seed(0)
    data = load(real_rows(3000).numpy())
    model = linear_gaussian(data.train.x.double(), noise="diagonal")
    for _ in range(10):
        model.solve(lambda: (Batch(data.train.x.double()),))
    return model, data


def test_a_model_that_is_right_reaches_its_reference_and_has_no_finding(gaussian):
    model, data = gaussian
    found = quality(model, data.train, data.test, num_samples=300)
    for name in ("precision", "recall", "density", "coverage"):
        assert abs(getattr(found.samples, name) - getattr(found.reference, name)) < 0.12
    assert found.copied < 0.05 and abs(found.closer - 0.5) < 0.08 and found.findings() == []
    assert found.features == "the 6 leading principal components of training x, its columns standardised"
    assert found.variance == pytest.approx(1) and (found.num_samples, found.num_heldout) == (300, 300)
    assert json.loads(json.dumps(found.to_json()))["samples"]["coverage"] == found.samples.coverage


def with_samples(monkeypatch, draw):
    """Samples from `draw(number)` in place of the model's."""
    monkeypatch.setattr(module, "draw_samples", lambda model, num_samples, seed=0: draw(num_samples))


def test_copies_are_found_and_named(gaussian, monkeypatch):
    model, data = gaussian
    rows = torch.arange(0, len(data.train), 8)[:300]
    honest = draw_samples(model, 300)
    copies = data.train.x[rows].float()
    mixed = torch.where(torch.arange(300).unsqueeze(-1) % 4 == 0, copies, honest.reshape(300, -1))
    for draw, share in ((copies, 1.0), (mixed, 0.25)):
        with_samples(monkeypatch, lambda num, draw=draw: draw[:num])
        found = quality(model, data.train, data.test, num_samples=300)
        assert [f.code for f in found.findings()] == ["memorised"]
        assert abs(found.copied - share) < 0.08 and found.nearest_is_train > 0.9
        assert all(data.train.x[row].equal(copies[i]) and d < 1e-4 for i, row, d in found.pairs)
        said = found.findings()[0]
        assert f"{found.copied:.0%}" in said.sentence and said.number == found.copied


def test_blurred_samples_are_no_copies(gaussian, monkeypatch):
    """Near the middle everything is close, to training and to held-out x alike."""
    model, data = gaussian
    middle = data.train.x.mean(0) + 0.3 * (draw_samples(model, 300).reshape(300, -1) - data.train.x.mean(0))
    with_samples(monkeypatch, lambda num: middle[:num])
    found = quality(model, data.train, data.test, num_samples=300)
    assert found.closer > 0.6 and "memorised" not in [f.code for f in found.findings()]


def test_one_sample_over_and_over_has_low_coverage_and_nonsense_low_precision(gaussian, monkeypatch):
    model, data = gaussian
    with_samples(monkeypatch, lambda num: data.test.x[:1].expand(num, -1))
    assert [f.code for f in quality(model, data.train, data.test, num_samples=300).findings()] == ["low_coverage"]
    with_samples(monkeypatch, lambda num: 100 * torch.ones(num, data.domain.num_dims))
    codes = [f.code for f in quality(model, data.train, data.test, num_samples=300).findings()]
    assert codes == ["low_precision", "low_coverage"]


def test_few_examples_are_no_ground_for_a_finding(gaussian, monkeypatch):
    model, data = gaussian
    with_samples(monkeypatch, lambda num: 100 * torch.ones(num, data.domain.num_dims))
    found = quality(model, data.train, data.test.head(20), num_samples=50)
    assert found.samples.precision == 0 and found.findings() == []
    with pytest.raises(RequestError, match="at least two of each"):
        quality(model, data.train, data.test.head(1))


def test_samples_are_the_same_whatever_their_number_and_what_ran_before(gaussian):
    model, _ = gaussian
    long = draw_samples(model, 300, seed=1)
    torch.randn(7)
    assert torch.equal(draw_samples(model, 40, seed=1), long[:40]) and long.dtype == torch.float32
    assert not torch.equal(draw_samples(model, 40, seed=2), long[:40])


def test_gaps_are_given_to_samples_too(gaussian):
    """Where held-out x is mostly gaps, filled with the mean, samples without gaps would lie elsewhere."""
    model, data = gaussian
    torch.manual_seed(0)
    splits = []
    for split in (data.train, data.test):
        observed = torch.rand(split.x.shape) > 0.6
        splits.append(dataclasses.replace(split, x=torch.where(observed, split.x, 0.0), observed=observed))
    found = quality(model, *splits, num_samples=300)
    assert found.samples.precision > found.reference.precision - 0.12 and found.findings() == []


# -- codes ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    data = load("digits")
    torch.manual_seed(0)
    model = VAE.build(data.domain, latent=3, width=16, depth=1)
    model.initialise(data.train.batch(torch.arange(100)))
    return model, data


def test_codes_are_means_and_keyed_draws(digits):
    model, data = digits
    with torch.no_grad():
        posterior = model.eval().posterior(data.test.batch(torch.arange(len(data.test))))
    means, draws = posterior_means(model, data.test), posterior_draws(model, data.test)
    assert torch.allclose(means, posterior.mean[0], atol=1e-5) and means.shape == draws.shape == (179, 3)
    assert torch.equal(posterior_draws(model, data.test, limit=130), draws[:130])
    assert torch.equal(posterior_means(model, data.test, limit=130), means[:130])
    assert not torch.equal(posterior_draws(model, data.test, seed=1), draws)
    z = (draws - posterior.mean[0]) / posterior.stddev[0]
    assert abs(float(z.mean())) < 0.15 and abs(float(z.std()) - 1) < 0.1


def test_the_component_of_a_mixture_is_its_responsibilities_and_one_hot(digits):
    _, data = digits
    torch.manual_seed(0)
    mixture = Mixture(data.domain, num_components=5)
    mixture.initialise(data.train.batch(torch.arange(100)))
    means, draws = posterior_means(mixture, data.test), posterior_draws(mixture, data.test)
    r = mixture.posterior(data.test.batch(torch.arange(len(data.test)))).log_r.exp()
    assert torch.allclose(means, r.float(), atol=1e-5) and means.shape == draws.shape == (179, 5)
    assert torch.equal(draws.sum(1), torch.ones(179)) and set(draws.unique().tolist()) == {0.0, 1.0}


def test_ppca_codes_are_the_posterior_means_of_the_optimal_linear_model():
    torch.manual_seed(0)
    x = real_rows(500)
    model = linear_gaussian(x[:400])
    wanted = model.true_posterior(Batch(x[400:])).mean[0]
    found = ppca_codes(x[:400], x[400:], 2).double()
    turn = torch.linalg.lstsq(found, wanted).solution  # z is known up to a rotation
    assert torch.allclose(found @ turn, wanted, atol=0.02)
    assert torch.allclose(turn @ turn.T, torch.eye(2).double(), atol=0.02)


def test_gaps_are_filled_with_the_column_mean():
    x = torch.tensor([[1.0, torch.nan], [3.0, 5.0], [torch.nan, torch.nan]])
    assert filled(x, x).tolist() == [[1, 5], [3, 5], [2, 5]]
    assert ppca_codes(x, x, 4).shape == (3, 2) and bool(ppca_codes(x, x, 4).isfinite().all())
    split = load(np.where(RNG.random((50, 3)) < 0.2, np.nan, RNG.normal(size=(50, 3)))).train
    assert torch.equal(flat_x(split).isnan(), ~split.observed) and flat_x(split, 7).shape == (7, 3)
