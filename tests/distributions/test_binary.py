"""The density of binary x that training differentiates, against torch's own written plainly."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from compiled.density import compared
from forked import forked
from unveil.distributions import BinarySum
from unveil.domain import Domain
from unveil.likelihoods import Bernoulli
from unveil.ops import keyed

SHAPE, DIMS = (3, 4), 12
LEADS = [(5,), (1, 5), (3, 5)]


def pieces(lead: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """h, offset, x, observed and slopes of the density."""
    with keyed("binary", *lead):
        h = (4 * torch.randn(*lead, DIMS)).to(dtype).requires_grad_()
        offset = torch.randn(DIMS).requires_grad_()
        x = (torch.rand(5, *SHAPE) < 0.4).float()
        return h, offset, x, torch.rand(5, *SHAPE) < 0.7, torch.randn(lead)


def plain(h: Tensor, offset: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
    """Σ_d x_d log σ(l_d) + (1 − x_d) log σ(−l_d), in float64."""
    logits = (h.double() + offset.double()).reshape(*h.shape[:-1], *SHAPE)
    known = x if observed is None else torch.where(observed, x, 0.0)
    log_p = -F.binary_cross_entropy_with_logits(logits, known.double().expand_as(logits), reduction="none")
    return (log_p if observed is None else log_p * observed).sum((-2, -1))


def gradients(value: Tensor, slopes: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((value * slopes).sum(), inputs)


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("lead", LEADS, ids=str)
def test_value_and_gradient_are_those_of_the_plain_form(lead: tuple[int, ...], masked: bool) -> None:
    h, offset, x, observed, slopes = pieces(lead, torch.float32)
    mask = observed if masked else None
    if masked:  # whatever stands there
        x = torch.where(observed, x, torch.nan)
    found, expected = BinarySum(h, offset, SHAPE, mask).log_prob(x), plain(h, offset, x, mask)
    assert found.shape == lead and found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-5)
    for ours, theirs in zip(gradients(found, slopes, h, offset), gradients(expected, slopes, h, offset), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lead", LEADS, ids=str)
def test_features_in_bf16_lose_nothing_in_the_density(lead: tuple[int, ...]) -> None:
    """The sum and the offset stay in float32; only the gradient that goes back to the network is bf16."""
    h, offset, x, _, slopes = pieces(lead, torch.bfloat16)
    found, expected = BinarySum(h, offset, SHAPE).log_prob(x), plain(h, offset, x, None)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-5)
    (of_h, of_offset), (h_too, offset_too) = (gradients(v, slopes, h, offset) for v in (found, expected))
    assert of_h.dtype == torch.bfloat16 and of_offset.dtype == torch.float32
    torch.testing.assert_close(of_h, h_too, rtol=2**-8, atol=1e-6)
    torch.testing.assert_close(of_offset, offset_too, rtol=1e-5, atol=1e-5)


def test_logits_far_from_zero_are_exact() -> None:
    logits = torch.tensor([[-3e4, -90.0, -30.0, 30.0, 90.0, 3e4]])
    for x in (0.0, 1.0):
        each = [
            float(BinarySum(logits[:, i : i + 1], torch.zeros(1), (1,)).log_prob(torch.full((1, 1), x)))
            for i in range(6)
        ]
        signed = (2 * x - 1) * logits[0].double()
        torch.testing.assert_close(each, F.logsigmoid(signed).tolist(), rtol=1e-6, atol=1e-12)


def test_a_held_part_gets_no_gradient_and_the_other_the_same() -> None:
    h, offset, x, _, slopes = pieces((3, 5), torch.float32)
    both = gradients(BinarySum(h, offset, SHAPE).log_prob(x), slopes, h, offset)
    for i, held in itertools.product((0, 1), ([h.detach(), offset], [h, offset.detach()])):
        if held[i].requires_grad:
            (alone,) = gradients(BinarySum(held[0], held[1], SHAPE).log_prob(x), slopes, held[i])
            assert torch.equal(alone, both[i])


def test_its_second_derivative_is_that_of_the_formula() -> None:
    """Nothing in the library asks for it; who does gets −σ(1 − σ), not silence."""
    h, offset, x, _, _ = pieces((5,), torch.float32)
    value = BinarySum(h, offset, SHAPE).log_prob(x).sum()
    (first,) = torch.autograd.grad(value, h, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), h)
    p = torch.sigmoid(h + offset)
    torch.testing.assert_close(second, -p * (1 - p))


def test_what_is_not_the_density_is_torchs() -> None:
    h, offset, x, observed, _ = pieces((3, 5), torch.float32)
    p = BinarySum(h, offset, SHAPE, observed)
    logits = (h + offset).reshape(3, 5, *SHAPE)
    assert torch.equal(p.mean, torch.sigmoid(logits)) and p.batch_shape == (3, 5) and p.event_shape == SHAPE
    torch.testing.assert_close(p.log_prob_each(x).sum((-2, -1)), p.log_prob(x))
    assert set(p.sample().unique().tolist()) == {0.0, 1.0}
    with torch.no_grad():
        q = BinarySum(h, offset, SHAPE)
    assert not q.mean.requires_grad and p.mean.requires_grad


def test_the_likelihood_is_this_one() -> None:
    likelihood = Bernoulli(Domain("binary", SHAPE))
    h, _, x, observed, _ = pieces((3, 5), torch.float32)
    with torch.no_grad():
        likelihood.offset.normal_()
    found = likelihood(h, observed)
    assert isinstance(found, BinarySum)
    torch.testing.assert_close(found.log_prob(x).double(), plain(h, likelihood.offset, x, observed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
def test_traced_for_compiling_it_is_the_same(dtype: torch.dtype) -> None:
    found = forked(compared, dtype)
    assert found["size"] > 5 and found["value"] < 1e-5 and found["gradient"] < 1e-5
