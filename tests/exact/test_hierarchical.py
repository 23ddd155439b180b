"""Linear-Gaussian chains, whose posterior a ladder can hold exactly: then log w is log p(x), whatever is drawn.

z_L ~ N(0, I),   z_l = a_l z_{l+1} + σ_l ε,   x = W z_1 + σ ε,   with the columns of W orthogonal: so that every
posterior factorises, and each latent sees x through s = Wᵀx/‖W‖² alone, s = m_l z_l + N(0, v_l).
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.estimators.ais import Ais
from unveil.likelihoods import Gaussian
from unveil.models.hvae import HVAE
from unveil.models.hvae.gaussians import kl_normal, log_normal
from unveil.nn.blocks import Level, VectorHead, VectorStem
from unveil.nn.hierarchy import MOST, BottomUp, TopDown
from unveil.objectives import Elbo, Iwae, Stl
from unveil.ops import keyed
from unveil.priors import StandardNormal
from unveil.terms import Terms

Z, D, SIGMA = 3, 7, 0.5
KINDS = ("top_down", "bottom_up")


class Story:
    """The numbers of a chain of L groups, all by latent [Z].

    Arguments: a and sigma of the L − 1 steps, from below.
    """

    def __init__(self, a: list[Tensor], sigma: list[Tensor]) -> None:
        with keyed("story"):
            self.W = torch.linalg.qr(torch.randn(D, Z).double())[0] * torch.tensor([2.0, 1.0, 0.6]).double()
        self.a, self.sigma, self.L = a, sigma, len(a) + 1
        d = (self.W**2).sum(0)
        self.sufficient = self.W / d  # s = x · this
        self.m, self.v = [torch.ones(Z).double()], [SIGMA**2 / d]  # s = m_l z_l + N(0, v_l)
        for a_l, sigma_l in zip(a, sigma, strict=True):
            self.v.append(self.v[-1] + self.m[-1] ** 2 * sigma_l**2)
            self.m.append(self.m[-1] * a_l)
        self.c = [torch.ones(Z).double()]  # the variance of each group, by itself
        for a_l, sigma_l in zip(reversed(a), reversed(sigma), strict=True):
            self.c.insert(0, a_l**2 * self.c[0] + sigma_l**2)

    def log_px(self, x: Tensor) -> Tensor:
        cov = SIGMA**2 * torch.eye(D).double() + self.W * self.c[0] @ self.W.T
        return MultivariateNormal(torch.zeros(D).double(), cov).log_prob(x)

    def draw(self, num: int) -> Tensor:
        z = torch.randn(num, Z).double()
        for a, sigma in zip(reversed(self.a), reversed(self.sigma), strict=True):
            z = a * z + sigma * torch.randn_like(z)
        return z @ self.W.T + SIGMA * torch.randn(num, D).double()


def story(L: int) -> Story:
    with keyed("steps", L):
        a = [0.5 + torch.rand(Z).double() for _ in range(L - 1)]
        return Story(a, [0.3 + torch.rand(Z).double() for _ in range(L - 1)])


def model_of(told: Story, kind: str) -> HVAE:
    """A float64 HVAE whose ladder holds the story and its exact posterior."""
    prior, likelihood = StandardNormal(Z), Gaussian(Domain("real", (D,)), sigma=SIGMA)
    model = HVAE(prior, likelihood, num_groups=told.L, cell=1, network="mlp", inference=kind, width=told.L * Z, depth=1)  # type: ignore[arg-type]
    model.ladder = top_down(told) if kind == "top_down" else chain(told)
    return model.double().eval()


@torch.no_grad()
def top_down(told: Story) -> TopDown:
    """Of h, slot l holds z_l and slot 0 of what q sees s; no residual block comes between."""
    width, eye = told.L * Z, torch.eye(Z).double()
    levels = [Level((1, 1), width, Z)] * told.L
    found = TopDown(levels, VectorStem((D,), width), VectorHead((D,), width, 1), depth=0).double()
    for p in found.parameters():
        p.zero_()

    def slot(i: int) -> slice:
        return slice(i * Z, (i + 1) * Z)

    def gaussian(head: nn.Module, from_slots: dict[int, Tensor], stddev: Tensor) -> None:
        """mean = Σ coefficient · slot; the linear half of the head comes second."""
        for i, coefficient in from_slots.items():
            head[1].weight[:Z, width + i * Z : width + (i + 1) * Z] = torch.diag(coefficient)  # type: ignore[index]
        head[1].bias[Z:] = unbounded(stddev.log())  # type: ignore[index]

    found.stem.first.weight[slot(0)] = told.sufficient.T  # type: ignore[union-attr,operator]
    found.head.out[1].weight[:, width : width + Z] = told.W  # type: ignore[union-attr,index]
    for i in range(told.L):
        found.seen[i].weight.copy_(torch.eye(width))  # type: ignore[operator]
        found.enter[i].weight[slot(i)] = eye  # type: ignore[operator]
    precision = 1 + told.m[-1] ** 2 / told.v[-1]
    gaussian(found.q_head[-1], {0: told.m[-1] / told.v[-1] / precision}, precision.rsqrt())
    for i, (a, sigma) in enumerate(zip(told.a, told.sigma, strict=True)):
        gaussian(found.p_head[i], {i + 1: a}, sigma)
        found.q_state[i].weight.copy_(torch.eye(width))  # type: ignore[operator]
        precision = 1 / sigma**2 + told.m[i] ** 2 / told.v[i]
        shift = {i + 1: (a / sigma**2 / precision - a) / sigma, 0: told.m[i] / told.v[i] / precision / sigma}
        gaussian(found.q_head[i], shift, precision.rsqrt() / sigma)
    return found


class Sufficient(nn.Module):
    """x → s."""

    num_features = Z

    def __init__(self, told: Story) -> None:
        super().__init__()
        self.matrix = nn.Parameter(told.sufficient)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix


@torch.no_grad()
def chain(told: Story) -> BottomUp:
    """q(z1|x) and q(z_{l+1}|z_l), the posteriors of the chain read upwards."""
    decoder = nn.Linear(Z, D, bias=False).double()
    decoder.weight.copy_(told.W)
    found = BottomUp([Z] * told.L, Sufficient(told), decoder, width=0, depth=1).double()

    def gaussian(step: nn.Module, coefficient: Tensor, stddev: Tensor) -> None:
        step.weight.copy_(torch.cat([torch.diag(coefficient), torch.zeros(Z, Z)]))  # type: ignore[operator]
        step.bias.copy_(torch.cat([torch.zeros(Z), unbounded(stddev.log())]))  # type: ignore[operator]

    precision = 1 / told.c[0] + 1 / told.v[0]
    gaussian(found.up[0], 1 / told.v[0] / precision, precision.rsqrt())
    for i, (a, sigma) in enumerate(zip(told.a, told.sigma, strict=True)):
        precision = 1 / told.c[i + 1] + a**2 / sigma**2
        gaussian(found.up[i + 1], a / sigma**2 / precision, precision.rsqrt())
        gaussian(found.down[i], a, sigma)
    return found


def unbounded(log_scale: Tensor) -> Tensor:
    return MOST * torch.atanh(log_scale / MOST)


def close(found: Tensor, wanted: Tensor, atol: float = 1e-9) -> None:
    torch.testing.assert_close(found, wanted.expand_as(found), rtol=0, atol=atol)


@pytest.mark.parametrize(("kind", "L"), list(itertools.product(KINDS, (2, 3))))
def test_with_the_exact_posterior_log_w_is_log_px(kind: str, L: int) -> None:
    told = story(L)
    model, x = model_of(told, kind), told.draw(20)
    terms = model.infer(Batch(x), 5)
    close(terms.log_w, told.log_px(x))
    assert terms.log_pz.shape == (5, 20, L)
    assert terms.rate.sum(-1).mean() > 1  # each group carries something
    z, log_q = model.posterior(Batch(x)).draw(3)
    joint = model.joint(Batch(x), z)
    close(joint.log_px_z + (joint.log_pz - log_q).sum(-1), told.log_px(x))


@pytest.mark.parametrize("kind", KINDS)
def test_objectives_and_annealing_find_log_px_without_noise(kind: str) -> None:
    told = story(3)
    model, x = model_of(told, kind), told.draw(6)
    for goal in (Iwae(num_samples=3), Stl(num_samples=2)):
        loss = goal(model, Batch(x))
        close(loss.bound, told.log_px(x))
        loss.surrogate.sum().backward()
    alone = [p.grad for p in model.parameters_of("q") if p.grad is not None]
    assert alone
    found = Ais(num_samples=4, num_distributions=3, start="posterior")(model, Batch(x))
    close(found.log_px, told.log_px(x), atol=1e-8)


def test_the_path_gradient_of_q_vanishes_at_the_exact_posterior() -> None:
    """What sticking the landing is for: every single draw says that q is right."""
    told = story(3)
    model, x = model_of(told, "bottom_up"), told.draw(6)
    Stl(num_samples=2)(model, Batch(x)).surrogate.sum().backward()
    assert max(float(p.grad.abs().max()) for p in model.parameters_of("q") if p.grad is not None) < 1e-9
    model.zero_grad()
    Elbo(num_samples=2)(model, Batch(x)).surrogate.sum().backward()
    assert max(float(p.grad.abs().max()) for p in model.parameters_of("q") if p.grad is not None) > 1e-3


@pytest.mark.parametrize(("kind", "T"), list(itertools.product(KINDS, (2, 3, 8))))
def test_many_linear_steps_are_one(kind: str, T: int) -> None:
    """Steps that keep the variance at 1, of equal signal or not, fold into one: ᾱ = Π α."""
    with keyed("fold", T):
        alpha = 0.5 + 0.5 * torch.rand(T, Z).double()
    many = Story(list(alpha.sqrt()), list((1 - alpha).sqrt()))
    one = Story([alpha.prod(0).sqrt()], [(1 - alpha.prod(0)).sqrt()])
    x = many.draw(10)
    close(many.m[-1], one.m[-1])
    close(many.v[-1], one.v[-1])
    close(model_of(many, kind).infer(Batch(x), 2).log_w, one.log_px(x))
    close(model_of(one, kind).infer(Batch(x), 2).log_w, many.log_px(x))


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_moments_of_the_story(kind: str) -> None:
    told = story(3)
    model = model_of(told, kind)
    x, z = model.sample(40_000)
    for group, c in zip(z, told.c, strict=True):
        torch.testing.assert_close(group.var(0), c, rtol=0.05, atol=0)
    cov = SIGMA**2 * torch.eye(D).double() + told.W * told.c[0] @ told.W.T
    torch.testing.assert_close(x.T.cov(), cov, rtol=0.05, atol=0.05)


def off(told: Story, kind: str) -> HVAE:
    """The story with a posterior that is not quite right; p is as it was."""
    model = model_of(told, kind)
    of_p = {id(p) for p in model.parameters_of("p")}
    with keyed("off"), torch.no_grad():
        for p in model.parameters_of("q"):
            p.add_(0.03 * torch.randn_like(p) * (id(p) not in of_p))
    return model


def group_means(terms: Terms) -> tuple[Tensor, Tensor, Tensor]:
    """Of each group [B, L]: the mean of its kl and of its samples, and the standard error of their difference."""
    assert terms.kl is not None and terms.log_qz_x is not None
    sampled = terms.log_qz_x - terms.log_pz
    error = (sampled - terms.kl).std(0) / math.sqrt(len(sampled))
    return terms.kl.mean(0), sampled.mean(0), error


@pytest.mark.parametrize(("kind", "L"), list(itertools.product(KINDS, (2, 3))))
def test_the_kl_of_each_group_is_the_mean_of_its_samples(kind: str, L: int) -> None:
    told = story(L)
    model, x = off(told, kind), told.draw(4)
    with torch.no_grad(), keyed("many draws"):
        terms = model.infer(Batch(x), 20_000)
    kl, sampled, error = group_means(terms)
    assert ((kl - sampled).abs() <= 5 * error + 1e-9).all()
    assert (error[:, -1] > 0).all()  # closed on top, in either
    assert (error[:, :-1] > 0).all() == (kind == "top_down")  # upwards, z_{l+1} was drawn from z_l: only sampled
    assert (terms.bound > terms.elbo).all() and (terms.bound <= told.log_px(x) + 0.2).all()


def test_the_closed_forms_of_two_gaussians() -> None:
    q, p = ((torch.randn(5, 3).double(), torch.randn(5, 3).double() / 2) for _ in range(2))
    normal_q, normal_p = (torch.distributions.Normal(mean, log.exp()) for mean, log in (q, p))
    z = normal_q.sample()
    close(log_normal(z, q), normal_q.log_prob(z).sum(-1))
    close(kl_normal(q, p), torch.distributions.kl_divergence(normal_q, normal_p).sum(-1))
