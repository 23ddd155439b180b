"""Gradients against closed forms: equal in the mean where they should be, without noise where they can be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Normal

from compiled.gradients import compared
from exact.toys import linear_gaussian, real_rows
from forked import forked
from unveil.batch import Batch
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.model import Model, OneGroup
from unveil.models.linear_gaussian import LinearGaussian
from unveil.models.vae import VAE
from unveil.objectives import Dreg, Elbo, Iwae, Loss, Objective, Rloo, Stl, WakeSleep
from unveil.ops import keyed
from unveil.terms import Terms

CHUNKS = 40


class Discrete(Model):
    """z one of three values: p(z) = softmax(a), p(x|z) = N(m_z, 1), q(z|x_b) = softmax(row b of a table)."""

    registered = ("model", "discrete")

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.domain, self.prior_logits = Domain("real", (1,)), nn.Parameter(torch.tensor([0.3, -0.2, 0.1]).double())
        self.means = nn.Parameter(torch.tensor([-1.0, 0.5, 2.0]).double())
        self.table = nn.Parameter(torch.linspace(-1, 1, 3 * rows).double().reshape(rows, 3).sin())

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"log_w", "joint", "split_q"})

    def q(self, batch: Batch) -> Categorical:
        assert batch.index is not None
        return Categorical(logits=self.table[batch.index])

    def posterior(self, batch: Batch) -> OneGroup:
        return OneGroup(lambda hold: self.q(batch))

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        log_px_z = Normal(self.means[z[0]], 1.0).log_prob(batch.x.squeeze(-1))
        return Terms(log_px_z=log_px_z, log_pz=self.prior_logits.log_softmax(-1)[z[0]].unsqueeze(-1), z=z)

    def log_joint(self, batch: Batch) -> Tensor:
        """log p(x, z) of every z, [3, B]."""
        terms = self.joint(batch, (torch.arange(3).unsqueeze(-1).expand(3, len(batch)),))
        return terms.log_px_z + terms.log_pz.sum(-1)

    def elbo(self, batch: Batch) -> Tensor:
        """Σ_z q(z|x) log p(x, z)/q(z|x), [B]."""
        log_q = self.q(batch).logits.T
        return (log_q.exp() * (self.log_joint(batch) - log_q)).sum(0)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None = None) -> Distribution:
        raise NotImplementedError

    def sample(
        self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        raise NotImplementedError

    def initialise(self, batch: Batch) -> None:
        raise NotImplementedError

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        return {"p": [self.prior_logits, self.means], "q": [self.table], "prior": [self.prior_logits]}[part]


def gradient(model: Model, loss: Tensor) -> Tensor:
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    pairs = zip(found, model.parameters(), strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def mean_gradient(model: Model, objective: Objective, batch: Batch, chunks: int = CHUNKS) -> tuple[Tensor, Tensor]:
    """The mean of many gradients and its standard error, element by element."""
    losses = (objective(model, batch) for _ in range(chunks))
    found = torch.stack([gradient(model, loss.surrogate.mean() + loss.shared) for loss in losses])
    return found.mean(0), found.std(0) / chunks**0.5


def agree(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], errors: float = 4.5) -> bool:
    within = (a[0] - b[0]).abs() <= errors * (a[1] ** 2 + b[1] ** 2).sqrt() + 1e-9
    return bool(within.all())


def half_trained(inference: str, copies: int = 200) -> tuple[LinearGaussian, Batch]:
    """A linear-Gaussian model off its optimum, and 3 rows, each as often as that, so that a batch holds many draws."""
    x = real_rows(3, dims=3)
    model = linear_gaussian(real_rows(60, dims=3), latent=2, inference=inference)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model, Batch(x.repeat(copies, 1))


def of_q(model: LinearGaussian) -> slice:
    """Where the weights of q are in a gradient: p has W, μ and log ψ first."""
    return slice(sum(p.numel() for p in model.parameters_of("p")), None)


# Sticking the landing


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("name", ["stl", "stl of the iwae bound", "dreg"])
def test_at_the_exact_posterior_the_gradient_of_q_has_no_variance(name: str, num_samples: int) -> None:
    x = real_rows(50)
    model = linear_gaussian(x, inference="free")
    quiet: dict[str, Objective] = {
        "stl": Stl(num_samples=num_samples),
        "stl of the iwae bound": Stl(num_samples=num_samples, bound="iwae"),
        "dreg": Dreg(num_samples=num_samples),
    }
    held, free = (
        gradient(model, o(model, Batch(x)).surrogate.mean())[of_q(model)]
        for o in (quiet[name], Iwae(num_samples=num_samples))
    )
    assert held.abs().max() < 1e-9 < 1e-3 < free.abs().max()


@pytest.mark.parametrize("num_samples", [1, 4])
def test_sticking_the_landing_has_the_elbos_gradient_in_the_mean(num_samples: int) -> None:
    model, batch = half_trained("free")
    stl, elbo = (mean_gradient(model, o, batch) for o in (Stl(num_samples=num_samples), Elbo(num_samples=24)))
    assert agree(stl, elbo) and stl[0].abs().max() > 100 * stl[1].max()


def test_the_bounds_of_stl_are_the_mean_and_the_importance_weighted_one() -> None:
    model, batch = half_trained("free")
    with keyed("same"):
        log_w = model.infer(batch, 5).log_w
    for bound, expected in (("elbo", log_w.mean(0)), ("iwae", log_w.logsumexp(0) - torch.tensor(5.0).log())):
        with keyed("same"):
            loss = Stl(num_samples=5, bound=bound)(model, batch)  # type: ignore[arg-type]
        torch.testing.assert_close(loss.bound, expected.double())


# Doubly reparametrised


@pytest.mark.parametrize("inference", ["free", "exact"])
def test_dreg_has_iwaes_gradient_in_the_mean(inference: str) -> None:
    """Also where q shares all its weights with p, as there is one latent group."""
    model, batch = half_trained(inference, 600)
    dreg, iwae = (mean_gradient(model, o(num_samples=4), batch) for o in (Dreg, Iwae))
    assert agree(dreg, iwae)
    assert dreg[0].abs().max() > 20 * dreg[1].max(), "the means are lost in the noise"


def test_the_shortcut_through_the_importance_weighted_bound_is_biased() -> None:
    model, batch = half_trained("free", 600)
    q, shortcut = of_q(model), Stl(num_samples=4, bound="iwae")
    stl, dreg = (mean_gradient(model, o, batch) for o in (shortcut, Dreg(num_samples=4)))
    assert not agree((stl[0][q], stl[1][q]), (dreg[0][q], dreg[1][q]), errors=8)


def test_dreg_reports_iwaes_bound() -> None:
    model, batch = half_trained("free")
    bounds = []
    for objective in (Dreg(num_samples=4), Iwae(num_samples=4)):
        with keyed("same"):
            bounds.append(objective(model, batch).bound)
    torch.testing.assert_close(*bounds)


def test_dreg_needs_p_and_q_apart_where_there_are_two_groups() -> None:
    model = linear_gaussian(real_rows(20))
    Dreg().check(model)
    model.groups = ("z1", "z2")
    with pytest.raises(RequestError, match=r"'dreg' does not work with this .*share weights; use the objective 'iwae'"):
        Dreg().check(model)


def test_dreg_refuses_examples_whose_label_is_missing() -> None:
    batch = Batch(torch.randn(6, 4), y=torch.tensor([0, 1, 2, 0, 1, -1]))
    model = VAE.build(Domain("real", (4,)), 3, latent=2, width=8, depth=1, condition="label")
    with pytest.raises(RequestError, match=r"label is missing.*use 'iwae'"):
        Dreg()(model, batch)
    assert torch.isfinite(Dreg()(model, replace(batch, y=batch.y.abs())).surrogate).all()  # type: ignore[union-attr]


# Compiled


@pytest.mark.parametrize("objective", [Stl(), Dreg(num_samples=3)], ids=["stl", "dreg"])
def test_compiled_gradients_are_the_eager_ones(objective: Objective) -> None:
    """What is held is held in a compiled graph too, and matters: with nothing held the gradient is another."""
    said = forked(compared, objective)
    assert said["compiled"] < 1e-6 * said["largest"] and said["free"] > 0.1
    assert said["free"] > 1e4 * said["compiled"] and said["still_free"]


# Without a path


def discrete(rows: int = 2, copies: int = 200) -> tuple[Discrete, Batch]:
    x = torch.tensor([[0.4], [1.7]]).double()[:rows]
    return Discrete(rows), Batch(x.repeat(copies, 1), index=torch.arange(rows).repeat(copies))


@pytest.mark.parametrize("num_samples", [2, 5])
def test_the_score_gradient_is_the_enumerated_one_in_the_mean(num_samples: int) -> None:
    model, batch = discrete()
    exact = gradient(model, -model.elbo(batch).mean())
    found = mean_gradient(model, Rloo(num_samples=num_samples), batch, 4 * CHUNKS)
    assert agree(found, (exact, torch.zeros_like(exact)))
    assert exact.abs().max() > 20 * found[1].max()


def test_the_baseline_takes_noise_away_and_leaves_no_bias() -> None:
    model, batch = discrete()

    class Plain(Rloo):
        """The score function without a baseline."""

        def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
            with torch.no_grad():
                z, _ = model.posterior(batch).draw(self.num_samples)
            log_q = model.posterior(batch).log_prob(z).sum(-1)
            terms = model.joint(batch, z)
            log_p = terms.log_px_z + terms.log_pz.sum(-1)
            surrogate = ((log_p - log_q).detach() * log_q + log_p).mean(0)
            return Loss(-surrogate, surrogate, torch.zeros(()))

    quiet, noisy = (mean_gradient(model, o(num_samples=4), batch, 2 * CHUNKS) for o in (Rloo, Plain))
    assert agree(quiet, noisy) and quiet[1][6:].norm() < 0.7 * noisy[1][6:].norm()  # the table's


def test_rloo_leaves_one_draw_out_so_it_takes_two() -> None:
    with pytest.raises(RequestError, match="num_samples is 1; rloo leaves one draw out"):
        Rloo(num_samples=1)


def test_the_wake_phase_follows_log_p_where_q_is_exact() -> None:
    """There all weights are equal, and the gradient of p is that of log p(x) in the mean."""
    model, batch = discrete()
    with torch.no_grad():
        model.table.copy_(model.log_joint(Batch(batch.x[:2])).T)
    found = mean_gradient(model, WakeSleep(num_samples=4, learn_q="wake"), batch, 4 * CHUNKS)
    exact = gradient(model, -model.log_joint(batch).logsumexp(0).mean())
    p = slice(0, 6)
    assert agree((found[0][p], found[1][p]), (exact[p], torch.zeros(6).double()))


def test_the_wake_phase_pulls_a_discrete_q_towards_the_posterior() -> None:
    model, batch = discrete()
    optimizer = torch.optim.Adam([model.table], lr=0.1)
    posterior = model.log_joint(Batch(batch.x[:2])).log_softmax(0).T.detach()

    def apart() -> float:
        log_q = model.table.detach().log_softmax(-1)
        return float((posterior.exp() * (posterior - log_q)).sum(-1).mean())

    before = apart()
    for _ in range(60):
        optimizer.zero_grad()
        WakeSleep(num_samples=10, learn_q="wake")(model, batch).surrogate.mean().backward()
        optimizer.step()
    assert apart() < 0.05 < 0.15 < before


@pytest.mark.parametrize("learn_q", ["wake", "sleep", "both"])
def test_wake_sleep_raises_log_p_and_keeps_q_near_the_posterior(learn_q: str) -> None:
    x = real_rows(100, dims=3, latents=1)
    model = linear_gaussian(x, latent=1, fitted=False, inference="free")
    goal = WakeSleep(num_samples=1 if learn_q == "sleep" else 6, learn_q=learn_q)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    before, best = model.log_prob(Batch(x)).mean(), linear_gaussian(x, latent=1).log_prob(Batch(x)).mean()
    for _ in range(250):
        optimizer.zero_grad()
        loss = goal(model, Batch(x))
        (loss.surrogate.mean() + loss.shared).backward()
        optimizer.step()
    after = model.log_prob(Batch(x)).mean()
    gap = after - Elbo(num_samples=50)(model, Batch(x)).bound.mean()
    assert best - after < 0.2 < 0.5 < best - before and gap < 0.2


def test_dreams_wear_the_masks_of_the_batch() -> None:
    model, seen = linear_gaussian(real_rows(30), inference="free"), torch.rand(30, 6) > 0.5
    posterior, given = model.posterior, list[Batch]()
    model.posterior = lambda batch: (given.append(batch), posterior(batch))[1]  # type: ignore[method-assign]
    WakeSleep(learn_q="sleep")(model, Batch(torch.zeros(30, 6).double(), observed=seen))
    assert given[-1].observed is seen and (given[-1].x[~seen] == 0).all() and (given[-1].x[seen] != 0).all()


def test_one_weighted_draw_teaches_q_nothing() -> None:
    for learn_q in ("wake", "both"):
        with pytest.raises(RequestError, match=r"num_samples=1.*objective.learn_q=sleep"):
            WakeSleep(num_samples=1, learn_q=learn_q)  # type: ignore[arg-type]


def test_wake_sleep_needs_weights_of_q() -> None:
    with pytest.raises(RequestError, match=r"share weights; use the objective 'iwae'"):
        WakeSleep().check(linear_gaussian(real_rows(20)))
