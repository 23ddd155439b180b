"""The rectifier without a mask against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unveil.nn.plain import PlainEncoder
from unveil.nn.rectifier import Rectified, ReLU


def gradient(y: Tensor, x: Tensor) -> Tensor:
    (found,) = torch.autograd.grad((y * torch.linspace(0.5, 2, len(x)).to(y.dtype)).sum(), x)
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
def test_value_and_gradient_are_those_of_torch(dtype: torch.dtype) -> None:
    x = torch.cat([torch.linspace(-3, 3, 13), torch.tensor([torch.inf, -torch.inf])]).to(dtype).requires_grad_()
    for y in (Rectified.apply(x), ReLU()(x)):
        assert torch.equal(y, F.relu(x)) and y.dtype == dtype
        assert torch.equal(gradient(y, x), gradient(F.relu(x), x))
    assert gradient(Rectified.apply(x), x)[6] == 0  # at 0 itself


def test_what_is_not_a_number_stays_so() -> None:
    """The check of the loss before every update has to see it."""
    assert torch.equal(Rectified.apply(torch.tensor([1.0, torch.nan])).isnan(), torch.tensor([False, True]))


def test_plain_networks_have_it() -> None:
    kinds = {type(layer) for layer in PlainEncoder((5,), width=4, activation="relu").layers}
    assert ReLU in kinds
