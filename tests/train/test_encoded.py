"""The prior alone: it learns of what examples were encoded to, as it would of the examples."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from unveil.batch import Batch
from unveil.data import Split
from unveil.domain import Domain
from unveil.models.vae import VAE
from unveil.models.vae.joint import Joint
from unveil.objectives import Elbo, Iwae, Objective
from unveil.ops import keyed
from unveil.priors import LearnedGaussian
from unveil.train import encoded as module
from unveil.train.encoded import encoded, encodes
from unveil.train.loop import TrainState, fit
from unveil.train.stage import Stage

REAL = Domain("real", (6,))


def split(num: int = 300) -> Split:
    with keyed("rows"):
        x = 1.0 + torch.randn(num, 2) @ torch.randn(2, 6) + 0.3 * torch.randn(num, 6)
    return Split(x, None, REAL, "none", torch.arange(num))


def vae(**arguments: object) -> VAE:
    with keyed("weights"):
        return VAE.build(REAL, latent=2, width=16, depth=1, prior=LearnedGaussian, **arguments)  # type: ignore[arg-type]


def alone(steps: int, objective: Objective | None = None, **arguments: object) -> Stage:
    return Stage(objective or Elbo(), steps=steps, parts=("prior",), **arguments)  # type: ignore[arg-type]


@torch.no_grad()
def test_the_bound_of_what_is_encoded_is_that_of_the_example() -> None:
    model, data = vae(), split(40)
    whole = data.batch(torch.arange(40))
    with keyed("draws"):
        straight = model.infer(whole, 4_000)
        bounds = []
        for _ in range(300):
            code = model.encode(whole)
            assert code is not None
            terms = model.encoded_terms(code)
            bounds.append((terms.log_px_z + terms.log_pz.sum(-1) - terms.log_qz_x.sum(-1)).squeeze(0))
    found, error = torch.stack(bounds).mean(0), torch.stack(bounds).std(0) / 300**0.5
    wanted = straight.log_px_z + straight.log_pz.sum(-1) - straight.log_qz_x.sum(-1)
    assert bool(((found - wanted.mean(0)).abs() < 5 * error).all())


def test_the_prior_alone_comes_to_the_moments_of_all_draws_of_z() -> None:
    """A normal prior that maximises E log p(z) has the mean and the variance of z."""
    model, data = vae(), split()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = TrainState(model, alone(600, batch_size=128, lr=0.03))
    for _ in fit(model, data, state.stage, state):
        pass
    with torch.no_grad():
        q, p = model.q(data.x), model.prior()
        mean, variance = q.mean.mean(0), q.mean.var(0) + q.variance.mean(0)
    torch.testing.assert_close(p.mean.squeeze(0), mean, atol=0.05, rtol=0.05)
    torch.testing.assert_close(p.variance.squeeze(0), variance, atol=0.05, rtol=0.1)
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed and all(name.startswith("prior.") for name in changed)


def test_examples_are_encoded_once_and_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data, seen = vae(), split(), [0, 0]

    def counted(i: int, own: torch.nn.Module) -> None:
        own.register_forward_hook(lambda *_: seen.__setitem__(i, seen[i] + 1))

    counted(0, model.encoder)
    counted(1, model.decoder)
    monkeypatch.setattr(module, "BLOCK", 100)
    for step in fit(model, data, alone(20), TrainState(model, alone(20))):
        assert step["bound"] == pytest.approx(-step["rate"] - step["distortion"], abs=1e-3)
    assert seen == [1 + 3, 1 + 3]  # one row that asks whether it can be, and three blocks


def test_a_stage_that_is_taken_up_goes_on_to_the_last_bit() -> None:
    def weights(model: VAE) -> dict[str, Tensor]:
        return {k: v.clone() for k, v in model.state_dict().items()}

    model, data, stage = vae(), split(), alone(8)
    state = TrainState(model, stage)
    for step in fit(model, data, stage, state):
        if step.number == 3:
            kept = {k: v.clone() for k, v in state.tensors().items()}
    again = vae()
    resumed = TrainState(again, stage)
    resumed.load(kept, 3)
    for _ in fit(again, data, stage, resumed):
        pass
    assert all(torch.equal(v, weights(again)[k]) for k, v in weights(model).items())


def test_what_cannot_be_encoded_learns_of_the_examples() -> None:
    model, data = vae(), split()
    assert encodes(model, alone(1), data)
    assert not encodes(model, alone(1, Iwae(num_samples=3)), data)  # its weights depend on p(x|z)
    assert not encodes(model, Stage(Elbo(), steps=1), data)
    assert not encodes(model, alone(1), replace(data, z=(torch.zeros(300, 2),)))
    with keyed("labelled"):
        labelled = VAE.build(REAL, 2, latent=2, width=16, prior=LearnedGaussian, condition="label")
    assert labelled.encode(Batch(data.x[:4], y=torch.tensor([0, 1, 1, 0]))) is None


def test_texts_that_are_drawn_at_each_visit_are_encoded_more_than_once() -> None:
    domain = Domain.joined(image=Domain("binary", (2, 2)), text=Domain("text", (3,), alphabet="ab"))
    with keyed("pairs"):
        model = Joint.build(domain, latent=2, width=16)
    x = torch.tensor([[1.0, 0, 0, 1, 1, 2, 0], [0.0, 1, 1, 0, 2, 0, 0]])
    texts = torch.tensor([[[1, 2, 0], [2, 2, 1]], [[2, 0, 0], [0, 0, 0]]], dtype=torch.uint8)
    data = Split(x, None, domain, "none", torch.arange(2), texts=(texts, torch.tensor([2, 1])))
    assert encodes(model, alone(1), data) and len(encoded(model, data, 0)) == 2 * module.ROUNDS
    assert len(encoded(model, replace(data, texts=None), 0)) == 2
    code = model.encode(data.batch(torch.arange(2)))
    assert code is not None and model.encoded_terms(code).penalties["covering"].shape == (2,)
    hidden = torch.ones_like(x, dtype=torch.bool)
    hidden[0, :4] = False  # q(z|t) of a text alone is trained beside the prior
    assert not encodes(model, alone(1), replace(data, observed=hidden))
