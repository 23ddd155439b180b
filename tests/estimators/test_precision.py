"""Estimates in blocks of any size, with the decoder in bfloat16, and what each of the two changes."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from exact.toys import linear_gaussian, real_rows
from unveil.batch import Batch
from unveil.data import Split
from unveil.data.rowblocks import ROWS
from unveil.distributions.binary import log_of_products
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.estimators import base
from unveil.estimators.base import Estimator, check_precision, evaluate, rows_at_once
from unveil.estimators.bounds import ElboBound, Exact, IwaeBound
from unveil.estimators.brute_force import PriorAverage
from unveil.estimators.renyi import RenyiBound
from unveil.estimators.widths import widest
from unveil.likelihoods import Bernoulli
from unveil.models.hvae import HVAE
from unveil.models.vae import VAE
from unveil.posteriors import DiagonalGaussian
from unveil.priors import StandardNormal
from unveil.priors.vamp import Vamp
from unveil.registry import load_all

BINARY = Domain("binary", (8, 8))
PLAIN = [ElboBound(num_samples=8), IwaeBound(num_samples=40), RenyiBound(num_samples=40), PriorAverage(num_samples=40)]


def binary_split(count: int = 150, num_classes: int = 0) -> Split:
    x = (torch.rand(count, 8, 8) < 0.3).float()
    y = torch.randint(num_classes, (count,)) if num_classes else None
    return Split(x, y, BINARY, "none", torch.arange(count))


def vae(**parts: Any) -> VAE:
    return VAE.build(BINARY, latent=4, network="mlp", width=32, depth=1, **parts).eval()


# Blocks


@pytest.mark.parametrize("judge", PLAIN, ids=lambda judge: judge.registered[1])
def test_rowblocks_of_any_size_give_the_same_estimate(judge: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    model, split, found = vae(), binary_split(), []
    for rows in (1, 3 * ROWS, 2048, 10**6):
        monkeypatch.setattr(base, "DECODED", rows)
        found.append(evaluate(model, split, judge)[0])
    for other in found[1:]:
        torch.testing.assert_close(other.log_px, found[0].log_px, rtol=0, atol=1e-4)
        torch.testing.assert_close(other.stderr_mc, found[0].stderr_mc, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("slot", ["prior bernoulli", "prior categorical", "prior vamp", "posterior iaf"])
def test_noise_of_any_kind_of_z_does_not_depend_on_the_size_of_a_block(
    slot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, name = slot.split()
    model, split, found = vae(**{kind: load_all(kind)[name]}), binary_split(), []
    for rows in (1, 2048):
        monkeypatch.setattr(base, "DECODED", rows)
        found.append(evaluate(model, split, IwaeBound(num_samples=40))[0].log_px)
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-4)


class Wide(nn.Module):
    """A decoder with 5,000 numbers per row inside."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 5000), nn.ReLU(), nn.Linear(5000, 64))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def wide(prior: Any = None) -> VAE:
    encoder, head = nn.Flatten(), DiagonalGaussian(64, 4)
    return VAE(prior or StandardNormal(4), encoder, head, Wide(), Bernoulli(BINARY)).eval()


def test_the_rows_of_a_pass_are_what_the_widest_layer_of_the_decoder_lets_be_held() -> None:
    assert widest(vae()) == 64 and rows_at_once(vae()) == base.DECODED
    model = wide()
    assert widest(model) == 5000 and rows_at_once(model) == base.HELD // 20_000
    split, held = binary_split(128), list[int]()
    model.decoder.register_forward_hook(lambda module, inputs, output: held.append(output[..., 0].numel()))
    evaluate(model, split, IwaeBound(num_samples=20))
    assert sum(held) == 20 * 128 and max(held) <= base.HELD // 20_000 < base.DECODED


def test_looking_for_the_widest_layer_leaves_noise_mode_and_hooks_as_they_were() -> None:
    model = wide().train()
    before = torch.random.get_rng_state()
    widest(model)
    assert torch.equal(before, torch.random.get_rng_state()) and model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_a_prior_made_of_encodings_does_not_count_as_width() -> None:
    prior = Vamp(4, num_components=100)
    model = wide(prior)
    assert widest(model) == 5000


def test_a_model_without_networks_is_as_wide_as_x() -> None:
    assert widest(linear_gaussian(real_rows(20))) == real_rows(20).shape[1]


class Live(TorchDispatchMode):
    """The most bytes of tensors that were alive at once, of those made inside."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and not tensor._is_view():
                self._made(tensor, tensor.numel() * tensor.element_size())
        return out

    def _made(self, tensor: Tensor, size: int) -> None:
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(tensor, self._freed, size)

    def _freed(self, size: int) -> None:
        self.now -= size


def test_memory_does_not_grow_with_the_number_of_draws() -> None:
    model, split, peaks = vae(), binary_split(128), []
    for num_samples in (32, 64, 640):
        with Live() as live:
            evaluate(model, split, IwaeBound(num_samples=num_samples))
        peaks.append(live.peak)
    assert peaks[0] > 2048 * 64 * 4  # it saw the logits
    assert peaks[2] < 1.2 * peaks[1]


# bf16


@pytest.mark.parametrize("judge", PLAIN, ids=lambda judge: judge.registered[1])
def test_bf16_changes_the_likelihood_a_little_and_the_rate_not_at_all(judge: Estimator) -> None:
    model, split = vae(), binary_split()
    full, reduced = (evaluate(model, split, judge, precision=precision)[0] for precision in ("float32", "bf16"))
    assert torch.equal(full.diagnostics["rate"], reduced.diagnostics["rate"])
    assert 0 < (full.log_px - reduced.log_px).abs().max() < 0.5
    assert full.log_px.dtype == reduced.log_px.dtype == torch.float64
    assert model.decoder_dtype == torch.float32


@pytest.mark.parametrize("inference", ["top_down", "bottom_up"])
def test_bf16_of_a_ladder_leaves_z_and_q_as_they_are(inference: Any) -> None:
    """What p and q share stays in float32: only what leads from h, below z1, to the likelihood is reduced."""
    model = HVAE.build(BINARY, latent=3, num_groups=3, width=12, network="mlp", inference=inference).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    judge, split = IwaeBound(num_samples=8), binary_split()
    full, reduced = (evaluate(model, split, judge, precision=each)[0] for each in ("float32", "bf16"))
    assert torch.equal(full.diagnostics["kl"], reduced.diagnostics["kl"])
    assert 0 < (full.log_px - reduced.log_px).abs().max() < 0.5


def test_the_dtype_inside_is_that_of_the_decoder_alone() -> None:
    model, split, seen = vae(), binary_split(10), dict[str, torch.dtype]()
    for name in ("encoder", "posterior_head.linear", "decoder.out"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda module, inputs, output, name=name: seen.update({name: output.dtype}))
    evaluate(model, split, IwaeBound(num_samples=2), precision="bf16")
    assert seen == {
        "encoder": torch.float32, "posterior_head.linear": torch.float32, "decoder.out": torch.bfloat16
    }  # fmt: skip


def test_labels_that_are_missing_are_inferred_in_float32() -> None:
    """q(z|x) = Σ_y q(y|x) q(z|x, y) reads the decoder: the same q in both, or the two would not be paired."""
    domain_split = binary_split(130, num_classes=3)
    model = VAE.build(BINARY, 3, latent=4, network="mlp", width=32, depth=1, condition="label").eval()
    hidden = replace(domain_split, y=torch.full((130,), -1))
    full, reduced = (
        evaluate(model, hidden, IwaeBound(num_samples=10), precision=precision)[0] for precision in ("float32", "bf16")
    )
    assert torch.equal(full.diagnostics["rate"], reduced.diagnostics["rate"])
    assert not torch.equal(full.log_px, reduced.log_px)


# Refusals


def test_a_precision_that_there_is_not_is_refused() -> None:
    with pytest.raises(RequestError, match=r"'float16'; it takes float32 or bf16\."):
        evaluate(vae(), binary_split(4), IwaeBound(num_samples=2), precision="float16")


@pytest.mark.parametrize("name", sorted(load_all("estimator")))
def test_only_estimators_of_plain_draws_take_bf16(name: str) -> None:
    judge: Any = load_all("estimator")[name]()
    if judge.plain_draws:
        assert name in ("elbo", "iwae", "prior", "renyi")
        return
    model = VAE.build(BINARY, latent=2, network="mlp", width=32, depth=1).eval() if name != "exact" else summed()
    with pytest.raises(RequestError, match=f"{name!r}; it goes with .* elbo, iwae, prior and renyi"):
        check_precision(model, judge, "bf16")


def summed() -> VAE:
    """A VAE whose z takes eight values."""
    return VAE.build(BINARY, latent=3, network="mlp", width=32, prior=load_all("prior")["bernoulli"]).eval()


def test_a_model_without_a_decoder_network_refuses_bf16() -> None:
    split = Split(real_rows(20), None, Domain("real", (real_rows(20).shape[1],)), "none", torch.arange(20))
    with pytest.raises(RequestError, match=r"LinearGaussian, which has no decoder network"):
        evaluate(linear_gaussian(real_rows(20)), split, IwaeBound(num_samples=2), precision="bf16")
    assert evaluate(linear_gaussian(real_rows(20)), split, Exact())[0].log_px.isfinite().all()


# The density of many draws


@pytest.mark.parametrize("scale", [0.1, 3.0, 8.0])
@pytest.mark.parametrize("shape", [(), (5,)])
def test_the_logarithm_of_products_is_the_sum_of_logarithms(scale: float, shape: tuple[int, ...]) -> None:
    centre, offset = scale * torch.randn(7, 784), torch.randn(784)
    h, x = centre + torch.randn(*shape, 7, 784), torch.bernoulli((centre + offset).sigmoid())
    logits = (h + offset).double()
    each = x * logits - torch.nn.functional.softplus(logits)
    for observed in (None, torch.rand(7, 784) < 0.5):
        found = log_of_products(h.float(), offset, x, observed)
        expected = each.sum(-1) if observed is None else torch.where(observed, each, 0.0).sum(-1)
        assert found is not None and found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=2e-7, atol=1e-4)


def test_products_are_left_out_where_they_cannot_be_told() -> None:
    h, offset, x = torch.randn(3, 2, 64), torch.zeros(64), torch.ones(2, 64)
    assert log_of_products(h, offset, x) is not None
    assert log_of_products(h, offset, 0.5 * x) is None  # not binary
    assert log_of_products(h - 15, offset, x) is None  # below what float32 holds
    assert log_of_products(h[..., :63], offset[:63], x[:, :63]) is None


@pytest.mark.parametrize("low", [0.0, -40.0])
def test_the_density_is_the_same_with_and_without_a_gradient(low: float) -> None:
    likelihood, x = Bernoulli(BINARY), (torch.rand(6, 8, 8) < 0.5).float()
    p = likelihood(low + torch.randn(4, 6, 64), torch.rand(6, 8, 8) < 0.8)
    with torch.no_grad():
        judged = p.log_prob(x)
    torch.testing.assert_close(judged, p.log_prob(x).detach(), rtol=1e-6, atol=1e-5)


def test_a_pixel_of_bf16_logits_is_judged_in_float32() -> None:
    h, x = torch.randn(3, 2, 64).bfloat16(), torch.ones(2, 64)
    found = log_of_products(h, torch.zeros(64), x)
    assert found is not None
    torch.testing.assert_close(found, torch.nn.functional.logsigmoid(h.float()).sum(-1), rtol=1e-6, atol=1e-5)


def test_one_batch_is_judged_alike_by_both_forms_of_the_model() -> None:
    model, batch = vae(), Batch(binary_split(5).x)
    z = model.posterior(batch).draw(3)[0]
    with torch.no_grad():
        fast = model.joint(batch, z).log_px_z
    torch.testing.assert_close(fast, model.joint(batch, z).log_px_z.detach(), rtol=1e-6, atol=1e-5)
