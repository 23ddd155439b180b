"""What an estimate may hang on: the row, the seed and the settings, and on no other row."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from exact.toys import linear_gaussian, real_rows
from quick import fitted
from unveil.api import Run
from unveil.data import Split, rowblocks
from unveil.domain import Domain
from unveil.estimators import base
from unveil.estimators.ais import Ais, Sandwich
from unveil.estimators.base import Estimator, evaluate
from unveil.estimators.bounds import ElboBound, IwaeBound
from unveil.estimators.layers import LayersBound
from unveil.likelihoods import Bernoulli
from unveil.model import Model
from unveil.models.hvae import HVAE
from unveil.models.vae import VAE
from unveil.models.vdm import VDM
from unveil.registry import load_all

BINARY = Domain("binary", (8, 8))
SHORT: dict[str, Any] = {"num_samples": 4, "num_distributions": 8, "leapfrog": 2}


def split(count: int, y: Tensor | None = None, observed: Tensor | None = None) -> Split:
    return Split((torch.rand(count, 8, 8) < 0.4).float(), y, BINARY, "none", torch.arange(count), observed=observed)


def improbable(data: Split, row: int) -> Split:
    """With a row so improbable that the product of eight of its probabilities is less than float32 holds."""
    data.x[row] = 0.0
    return data


def vae(latent: int = 2, **parts: Any) -> VAE:
    model = VAE.build(BINARY, latent=latent, network="mlp", width=16, depth=1, **parts)
    with torch.no_grad():
        model.decoder.out.weight.mul_(6)
    return model.eval()


def hvae(inference: str = "top_down") -> HVAE:
    model = HVAE.build(BINARY, latent=3, num_groups=3, width=12, network="mlp", inference=inference)  # type: ignore[arg-type]
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model.eval()


def test_a_row_that_float32_cannot_multiply_changes_no_other() -> None:
    likelihood, x = Bernoulli(BINARY), (torch.rand(6, 8, 8) < 0.4).float()
    h = torch.randn(5, 6, 64)
    with torch.no_grad():
        alone = likelihood(h).log_prob(x)
        h[:, 4], x[4] = 30.0, 0.0
        beside = likelihood(h).log_prob(x)
    others = [0, 1, 2, 3, 5]
    assert torch.equal(alone[:, others], beside[:, others])
    torch.testing.assert_close(beside[:, 4], torch.full((5,), -64 * 30.0))


@pytest.mark.parametrize(
    "judge",
    [IwaeBound(num_samples=20), Ais(**SHORT), Ais(**SHORT, start="posterior"), Sandwich(**SHORT, start="adapted")],
    ids=["iwae", "adapted", "posterior", "sandwich"],
)
def test_what_is_judged_beside_a_row_does_not_change_it(judge: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also through a resampling, in which a rounding picks another draw."""
    monkeypatch.setattr(rowblocks, "ROWS", 16)
    model, data = vae(), split(14)
    with torch.no_grad():
        model.likelihood.offset[:] = 25.0 * (torch.arange(64) < 8) - 1
    data.x[:, 0] = 1.0
    part, _ = evaluate(model, data, judge, limit=10)
    whole, _ = evaluate(model, improbable(data, 12), judge)
    torch.testing.assert_close(whole.log_px[:10], part.log_px, rtol=0, atol=1e-4)


def diffusion() -> Model:
    model = VDM.build(Domain("real", (6,)), width=8, depth=1)
    return model.eval()


def test_blocks_of_a_wide_decoder_are_small_and_judge_a_row_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that holds 8 rows at once is given blocks of 8: 9 rows cost 16, not 128."""
    monkeypatch.setattr(base, "HELD", 4 * base.widest(vae()) * 11)
    model, data, seen = vae(), split(24), []
    decode = model._features
    assert base.rows_of_block(model) == 8
    monkeypatch.setattr(model, "_features", lambda z, y: (seen.append(z.shape[:2].numel()), decode(z, y))[1])
    part, _ = evaluate(model, data, IwaeBound(num_samples=3), limit=9)
    assert sum(seen) == 3 * 16 and max(seen) <= 11
    whole, _ = evaluate(model, improbable(data, 20), IwaeBound(num_samples=3))
    torch.testing.assert_close(whole.log_px[:9], part.log_px, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "judge"),
    [
        (hvae, IwaeBound(num_samples=40)),
        (functools.partial(hvae, "bottom_up"), IwaeBound(num_samples=40)),
        (diffusion, LayersBound(num_steps=4, num_samples=8, bound="iwae")),
    ],
    ids=["top_down", "bottom_up", "layers"],
)
def test_many_groups_are_drawn_alike_in_passes_of_any_size(
    make: Callable[[], Model], judge: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, found = make(), []
    data = (
        split(130)
        if model.domain.kind == "binary"
        else Split(torch.randn(130, 6), None, model.domain, "none", torch.arange(130))
    )
    for rows in (1, 3 * 128, 2048, 10**6):
        monkeypatch.setattr(base, "DECODED", rows)
        found.append(evaluate(model, data, judge)[0].log_px)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("judge", [ElboBound(num_samples=8), IwaeBound(num_samples=8), Ais(**SHORT)])
def test_a_hidden_label_changes_no_row_but_its_own(judge: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowblocks, "ROWS", 12)
    model = vae(4, num_classes=3, condition="label")
    data = split(12, torch.arange(12) % 3)
    data.y[4:] = -1  # type: ignore[index]
    mixed, _ = evaluate(model, data, judge)
    seen, _ = evaluate(model, split_like(data, torch.arange(12) % 3), judge)
    hidden, _ = evaluate(model, split_like(data, torch.full((12,), -1)), judge)
    torch.testing.assert_close(mixed.log_px[:4], seen.log_px[:4], rtol=0, atol=1e-4)
    torch.testing.assert_close(mixed.log_px[4:], hidden.log_px[4:], rtol=0, atol=1e-4)
    torch.testing.assert_close(mixed.diagnostics["kl"][4:], hidden.diagnostics["kl"][4:], rtol=0, atol=1e-4)


def split_like(data: Split, y: Tensor) -> Split:
    return Split(data.x, y, data.domain, "none", data.rows)


def test_on_common_draws_a_row_is_judged_alike_wherever_it_stands() -> None:
    for model in (vae(4), hvae()):
        data, judge = split(10), IwaeBound(num_samples=6)
        turned = data._map(lambda held: held.flip(0))
        one, _ = evaluate(model, data, judge, common=True)
        other, _ = evaluate(model, turned, judge, common=True)
        torch.testing.assert_close(one.log_px, other.log_px.flip(0), rtol=0, atol=1e-5)
        torch.testing.assert_close(one.stderr_mc, other.stderr_mc.flip(0), rtol=1e-4, atol=1e-5)
    same = split_like(split(1), None)._map(lambda held: held.expand(3, *held.shape[1:]))  # type: ignore[arg-type]
    independent, _ = evaluate(model, same, judge)
    assert float(independent.log_px.std()) > 1e-3  # draws of their own, whose errors a mean averages away


def test_the_error_on_common_draws_is_the_spread_over_seeds() -> None:
    x = real_rows(40)
    model = linear_gaussian(x, inference="free").float()
    data = Split(x[:6].float(), None, Domain("real", (6,)), "none", torch.arange(6))
    found = [evaluate(model, data, IwaeBound(num_samples=50), seed=seed, common=True)[0] for seed in range(60)]
    spread = torch.stack([each.log_px for each in found]).std(0)
    stated = torch.stack([each.stderr_mc for each in found]).mean(0)
    assert ((spread / stated - 1).abs() < 0.5).all(), (spread, stated)


def test_score_is_a_function_of_the_row(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    run: Run = fitted(x, tmp_path / "run", steps=30)
    whole = np.asarray(run.score(x[:140]))
    np.testing.assert_allclose(np.asarray(run.score(x[130:140])), whole[130:], atol=1e-4)
    np.testing.assert_allclose(np.asarray(run.score(x[[5, 5, 139]])), whole[[5, 5, 139]], atol=1e-4)
    assert np.abs(np.asarray(run.score(x[:5], seed=1)) - whole[:5]).max() > 1e-4


REAL = Domain("real", (4,))


@pytest.mark.parametrize("name", sorted(load_all("estimator")))
def test_log_p_of_nothing_is_0(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first row is not observed at all: whatever is drawn, its probability is 1."""
    monkeypatch.setattr(rowblocks, "ROWS", 4)
    cls = load_all("estimator")[name]
    few = {"ais": SHORT, "sandwich": SHORT, "local": {"steps": 20}, "layers": {"num_steps": 3}}.get(name, {})
    judge: Any = cls(**few)
    if name in ("layers", "flow"):
        model: Model = VDM.build(REAL, width=8, depth=1).eval()
    elif name == "exact":
        model = linear_gaussian(real_rows(30, dims=4)).float()
    else:
        model = VAE.build(REAL, has_missing=True, latent=2, width=8, depth=1).eval()
    x, observed = torch.randn(3, 4), torch.ones(3, 4, dtype=torch.bool)
    observed[0], observed[1, :2] = False, False
    data = Split(torch.where(observed, x, 0.0), None, REAL, "none", torch.arange(3), observed=observed)
    for common in (False, True):
        found, _ = evaluate(model, data, judge, common=common)
        assert found.log_px[0] == 0 and found.stderr_mc[0] == 0
        assert (found.log_px[1:] != 0).all()
        if name == "sandwich":
            assert found.diagnostics["upper"][0] == 0 and found.diagnostics["upper_stderr_mc"][0] == 0
