"""Structure of z: every score where its value is known, and what is called wrong."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from exact.toys import linear_gaussian, real_rows
from unveil.data import load
from unveil.diagnostics import structure as module
from unveil.diagnostics.factors import alignment, factors, mig, sap
from unveil.diagnostics.paths import decoded_paths, evenness, line, sphere
from unveil.diagnostics.probes import clearly_below, probe, standardised
from unveil.diagnostics.relations import pair_order, tree_agreement
from unveil.diagnostics.structure import near, structure
from unveil.models.mixture import Mixture
from unveil.models.vae import VAE

RNG = np.random.default_rng(0)

# -- factors ----------------------------------------------------------------------------------------------------------

GRID = {name: RNG.integers(0, size, 2400) for name, size in (("a", 3), ("b", 6), ("c", 10))}
KNOWN = {name: v[:1600] for name, v in GRID.items()}, {name: v[1600:] for name, v in GRID.items()}
COORDINATES = np.stack([(v - v.mean()) / v.std() for v in GRID.values()], 1)
ROTATION = np.eye(3) - 2 / 3  # each factor is told by two latents alike


def scores(codes, categorical=frozenset()):
    """Factors of codes [2400, D]: the first 1,600 rows train."""
    return factors(codes[:1600], KNOWN[0], codes[1600:], KNOWN[1], categorical=categorical)


@pytest.mark.parametrize("categorical", [frozenset(), frozenset("a")], ids=["ordered", "one categorical"])
def test_aligned_codes_score_one(categorical):
    dead = 1e-3 * RNG.normal(size=(2400, 1))
    found = scores(np.concatenate([COORDINATES + 0.01 * RNG.normal(size=COORDINATES.shape), dead], 1), categorical)
    assert found.mig > 0.9 and found.disentanglement > 0.97 and found.completeness > 0.97
    assert found.informativeness > 0.97 and set(found.informed) == {"a", "b", "c"}
    assert found.sap > (0.9 if not categorical else 0.8)  # a categorical factor is guessed right a third of the time


def test_rotated_codes_know_as_much_and_score_low():
    found = scores(COORDINATES @ ROTATION)
    assert found.informativeness > 0.8 and max(found.mig, found.sap) < 0.1
    assert max(found.disentanglement, found.completeness) < 0.6


def test_random_codes_score_nothing():
    found = scores(RNG.normal(size=(2400, 4)), frozenset("a"))
    assert max(found.mig, found.sap, found.disentanglement, found.completeness, found.informativeness) < 0.06


def test_a_code_of_two_copies_has_no_gap():
    twice = np.concatenate([COORDINATES, COORDINATES], 1)
    assert mig(twice, GRID) == pytest.approx(0) and sap(twice, GRID, twice, GRID) == pytest.approx(0)


def test_mig_of_a_half_known_factor():
    """A fair bit read through a channel that flips a quarter: I/H = 1 − H₂(¼)."""
    v = RNG.integers(0, 2, 100_000)
    z = np.where(RNG.random(len(v)) < 0.25, 1 - v, v).astype(float)
    wanted = 1 + 0.25 * math.log2(0.25) + 0.75 * math.log2(0.75)
    assert mig(z[:, None], {"v": v}) == pytest.approx(wanted, abs=0.01)


def test_alignment_of_known_importances():
    assert alignment(np.eye(3)) == (1.0, 1.0)
    assert alignment(np.ones((4, 3))) == pytest.approx((0.0, 0.0))
    both = np.array([[1.0, 1.0], [0.0, 0.0]])  # one latent speaks of both factors; each factor through it alone
    assert alignment(both) == pytest.approx((0.0, 1.0))
    assert alignment(both.T) == pytest.approx((1.0, 0.0))  # two latents speak of one factor, none of the other
    assert alignment(np.zeros((2, 2))) == (0.0, 0.0)


# -- probes -----------------------------------------------------------------------------------------------------------


def blobs(num, spread):
    """Three clusters in the plane."""
    y = RNG.integers(0, 3, num)
    return np.array([[0, 0], [4, 0], [0, 4]])[y] + spread * RNG.normal(size=(num, 2)), y


def test_probes_read_clusters_and_no_noise():
    (train, y), (test, y_test) = blobs(300, 0.3), blobs(200, 0.3)
    clear = probe(train, y, test, y_test)
    noise = probe(RNG.normal(size=(300, 2)), y, RNG.normal(size=(200, 2)), y_test)
    assert clear.linear > 0.98 and clear.knn > 0.98 and max(noise.linear, noise.knn) < 0.5
    assert noise.knn_stderr == pytest.approx(math.sqrt(noise.knn * (1 - noise.knn) / 199)) and set(noise.hits)
    assert clearly_below(noise, clear, 0.05) and not clearly_below(clear, noise, 0.05)
    assert not clearly_below(clear, clear, 0.0)
    assert set(clear.to_json()) == {"linear", "linear_stderr", "knn", "knn_stderr"}


def test_a_dimension_that_z_hardly_uses_stays_small():
    codes = np.stack([RNG.normal(size=100), 1e-3 * RNG.normal(size=100)], 1)
    by_one, by_column = standardised(codes, codes)[0], standardised(codes, codes, columns=True)[0]
    assert by_one[:, 1].std() < 0.01 and by_column.std(0) == pytest.approx([1, 1])
    assert np.isfinite(standardised(np.ones((5, 2)), np.ones((5, 2)))[0]).all()


def test_neighbours_that_stay_and_neighbours_that_are_torn_or_mixed():
    t = np.sort(RNG.random(200))
    circle = np.stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)], 1)
    same, cut, mixed = near(circle, circle), near(t[:, None], circle), near(RNG.normal(size=(200, 2)), circle)
    assert same.trustworthiness == same.continuity == 1
    assert cut.trustworthiness > 0.99 and cut.continuity < cut.trustworthiness  # the ends of the line met on the circle
    assert abs(mixed.trustworthiness - 0.5) < 0.1 and abs(mixed.continuity - 0.5) < 0.1


# -- relations --------------------------------------------------------------------------------------------------------


def pairs(num):
    upper = RNG.integers(0, 4, num)
    lower = (upper + RNG.integers(1, 4, num)) % 4
    return upper, lower


def test_a_code_that_knows_the_order_and_one_that_knows_the_digits_only():
    parts, parts_test = pairs(600), pairs(300)
    eye = np.eye(4)
    ordered = [np.concatenate([eye[u], eye[v]], 1) + 0.1 * RNG.normal(size=(len(u), 8)) for u, v in (parts, parts_test)]
    bag = [eye[u] + eye[v] + 0.1 * RNG.normal(size=(len(u), 4)) for u, v in (parts, parts_test)]
    knows = pair_order(ordered[0], parts, ordered[1], parts_test)
    blind = pair_order(bag[0], parts, bag[1], parts_test)
    assert knows.linear > 0.98 and knows.knn > 0.98
    for value, stderr in ((blind.linear, blind.linear_stderr), (blind.knn, blind.knn_stderr)):
        assert abs(value - 0.5) < 4 * stderr and 0.02 < stderr < 0.04
    few = tuple(part[:3] for part in parts)
    assert pair_order(ordered[0][:3], few, ordered[1], parts_test) is None


def test_the_tree_is_found_in_codes_that_follow_it_and_not_in_noise():
    group = np.repeat([0, 1, 2], 40)
    subgroup = np.repeat(np.arange(6), 20)
    base = np.repeat(np.arange(60), 2)
    codes = 5.0 * np.eye(3)[group] @ RNG.normal(size=(3, 4)) + RNG.normal(size=(6, 4))[subgroup]
    found = tree_agreement(codes + 0.1 * RNG.normal(size=codes.shape), group, subgroup, base)
    noise = tree_agreement(RNG.normal(size=codes.shape), group, subgroup, base)
    assert found.auc > 0.99 and found.spearman > 0.6 and found.num_pairs == 120 * 119 // 2 - 60
    assert abs(noise.auc - 0.5) < 4 * noise.auc_stderr < 0.2 and abs(noise.spearman) < 4 * noise.spearman_stderr
    assert tree_agreement(codes, 0 * group, 0 * group, base) is None
    same = tree_agreement(np.zeros((120, 2)), group, subgroup, base)
    assert same.auc == 0.5 and same.spearman == 0


def test_skin_tones_of_one_base_are_no_pair():
    """Pictures of one base are equal; were they pairs, the subgroup would look near."""
    base = np.repeat(np.arange(30), 4)
    codes = np.random.default_rng(0).normal(size=(30, 3))[base]
    group, subgroup = base % 3, base % 15
    assert abs(tree_agreement(codes, group, subgroup, base).auc - 0.5) < 0.15
    assert tree_agreement(codes, group, subgroup, np.arange(120)).auc > 0.65


# -- paths ------------------------------------------------------------------------------------------------------------


def test_a_linear_decoder_has_even_straight_paths():
    torch.manual_seed(0)
    x = real_rows(400)
    data = load(x.numpy())
    found = decoded_paths(linear_gaussian(data.train.x.double()), data.test, torch.ones(()))
    assert found.straight_jump == pytest.approx(1, abs=1e-3) and found.straight_length == pytest.approx(1, abs=1e-3)
    assert found.spherical_length > 1 and found.spherical_jump > 1


def test_evenness_of_a_jump_a_detour_and_a_standstill():
    t = torch.linspace(0, 1, 17)
    jump = (t > 0.5).float().reshape(17, 1, 1) * torch.ones(1, 3, 2)
    assert evenness(jump, torch.ones(())) == pytest.approx((16, 1))
    arc = torch.stack([torch.cos(torch.pi * t), torch.sin(torch.pi * t)], -1).unsqueeze(1)
    assert evenness(arc, torch.ones(())) == pytest.approx((1, torch.pi / 2), rel=0.01)
    assert evenness(torch.ones(17, 3, 2), torch.ones(())) is None


def test_the_spherical_path_keeps_the_norm_and_meets_its_ends():
    torch.manual_seed(0)
    z0, z1 = (torch.nn.functional.normalize(torch.randn(5, 7), dim=-1) for _ in range(2))
    t = torch.linspace(0, 1, 9).reshape(-1, 1, 1)
    on = sphere(z0, z1, t)
    assert torch.allclose(on[0], z0, atol=1e-5) and torch.allclose(on[-1], z1, atol=1e-5)
    assert torch.allclose(on.norm(dim=-1), torch.ones(9, 5), atol=1e-5)
    assert torch.allclose(sphere(z0, 2 * z0, t), line(z0, 2 * z0, t)) and bool(sphere(z0, -z0, t).isfinite().all())


# -- together ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def vae(digits):
    """A VAE that has learned for a few seconds."""
    torch.manual_seed(0)
    model = VAE.build(digits.domain, latent=6, width=32, depth=1)
    model.initialise(digits.train.batch(torch.arange(500)))
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(200):
        terms = model.infer(digits.train.batch(torch.randint(len(digits.train), (64,))))
        optimiser.zero_grad()
        (terms.distortion + terms.rate.sum(-1)).mean().backward()
        optimiser.step()
    return model.eval()


def test_a_vae_that_learns_has_structure_and_no_finding(vae, digits):
    found = structure(vae, digits, limit=800)
    z, ppca = found.labels["z"], found.labels["ppca"]
    assert found.findings() == [] and found.majority < 0.2 and min(z.linear, z.knn) > 0.6 and ppca.knn > 0.6
    assert (found.dims, found.num_train, found.num_test) == (6, 800, 179) and set(found.labels) == {"z", "ppca", "x"}
    assert found.near["z"].trustworthiness > 0.8 and 1 < found.paths.straight_jump < 16
    assert found.order is found.tree is found.factors is None
    assert json.loads(json.dumps(found.to_json()))["labels"]["z"]["knn"] == z.knn
    assert structure(vae, digits, limit=800) == found


def test_a_z_without_labels_in_it_is_found(vae, digits, monkeypatch):
    honest = module.posterior_means

    def deaf(model, split, limit=None):
        return torch.randn(honest(model, split, limit).shape, generator=torch.Generator().manual_seed(0))

    monkeypatch.setattr(module, "posterior_means", deaf)
    (found,) = structure(vae, digits, limit=800).findings()
    assert found.code == "no_structure" and found.number < 0.3 and f"{found.number:.0%}" in found.sentence


def test_a_mixture_has_labels_and_no_paths(digits):
    torch.manual_seed(0)
    mixture = Mixture(digits.domain, num_components=12)
    mixture.initialise(digits.train.batch(torch.arange(500)))
    found = structure(mixture, digits, limit=300)
    assert found.paths is None and found.dims == 12 and found.labels is not None


def test_labels_that_are_not_known_or_that_the_model_is_told_are_not_probed(vae, digits):
    train, test = (dataclasses.replace(split, y=None) for split in (digits.train, digits.test))
    assert structure(vae, dataclasses.replace(digits, train=train, test=test), limit=100).labels is None
    told = VAE.build(digits.domain, 10, latent=2, width=16, depth=1, condition="label")
    told.initialise(digits.train.batch(torch.arange(500)))
    found = structure(told, digits, limit=100)
    assert found.labels is None and found.findings() == [] and found.paths is not None


def test_pairs_factors_and_a_table(vae):
    data = load("digit_pairs")
    torch.manual_seed(0)
    model = VAE.build(data.domain, latent=2, width=16, depth=1)
    model.initialise(data.train.batch(torch.arange(500)))
    found = structure(model, dataclasses.replace(data, train=data.train.head(1500)), limit=300)
    assert found.order["x"].knn > 0.9 and found.order["z"].knn_stderr > 0 and set(found.factors) == {"z", "ppca"}
    assert set(found.factors["z"].informed) == {"upper", "lower"} and found.num_train == 300
    torch.manual_seed(0)
    x = real_rows(300)
    table = load(x.numpy(), y=(x[:, 0] > x[:, 0].mean()).long().numpy())
    assert structure(linear_gaussian(table.train.x.double()), table).labels["x"].linear > 0.9
