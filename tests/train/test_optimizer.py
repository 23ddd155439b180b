"""The optimiser makes the updates of torch.optim, bit by bit, without what its classes import."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from unveil.train.optimizer import Group, Optimizer

CLASSES = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=1.0, fused=True),
    "adam": lambda groups: torch.optim.Adam(groups, lr=1.0, fused=True),
    "adamax": lambda groups: torch.optim.Adamax(groups, lr=1.0),
}


def parameters() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (3,), (2, 2, 2), ())]


def gradients(parameters: list[nn.Parameter], step: int) -> None:
    """New gradients; the third parameter has none in every other step."""
    torch.manual_seed(step)
    for i, p in enumerate(parameters):
        p.grad = None if i == 2 and step % 2 else torch.randn_like(p) * 10 ** (step - 3)


def held(optimizer: Optimizer) -> list[Tensor]:
    """Parameters and state."""
    return [v for p, slots in optimizer.state.items() for v in (p, *slots.values())]


@pytest.mark.parametrize("rule", CLASSES)
def test_the_updates_are_those_of_torch_optim(rule: str) -> None:
    decay = 0.1 if rule == "adamw" else 0.0
    ours, theirs = parameters(), parameters()
    optimizer = Optimizer(rule, [Group(ours[::2], decay), Group(ours[1::2])], 1.0)  # type: ignore[arg-type]
    twin = CLASSES[rule]([{"params": theirs[::2], "weight_decay": decay}, {"params": theirs[1::2], "weight_decay": 0}])
    for step in range(8):
        gradients(ours, step), gradients(theirs, step)
        optimizer.lr = 0.1 / (1 + step)
        for group in twin.param_groups:
            group["lr"] = 0.1 / (1 + step)
        optimizer.step(), twin.step()
        for p, q in zip(ours, theirs, strict=True):
            assert torch.equal(p, q)
            assert optimizer.state.get(p, {}).keys() == twin.state[q].keys()
            assert all(torch.equal(value, twin.state[q][slot]) for slot, value in optimizer.state.get(p, {}).items())


@pytest.mark.parametrize("rule", ["adamw", "adam"])
def test_a_skipped_update_leaves_everything_as_it_is(rule: str) -> None:
    moved = parameters()
    optimizer = Optimizer(rule, [Group(moved, 0.1)], 0.1)  # type: ignore[arg-type]
    gradients(moved, 0), optimizer.step()
    before = [v.detach().clone() for v in held(optimizer)]
    for p in moved:
        p.grad = torch.full_like(p, torch.nan)
    optimizer.skip = torch.ones(())
    optimizer.step()
    assert all(torch.equal(old, new) for old, new in zip(before, held(optimizer), strict=True))


def test_gradients_are_forgotten() -> None:
    moved = parameters()
    gradients(moved, 0)
    Optimizer("adam", [Group(moved)], 0.1).zero_grad()
    assert all(p.grad is None for p in moved)


def test_an_update_imports_no_compiler() -> None:
    """It takes longer than a short fit."""
    code = (
        "import sys, torch; from unveil.train.optimizer import Group, Optimizer\n"
        "p = torch.nn.Parameter(torch.ones(2)); p.grad = torch.ones(2)\n"
        "for rule in ('adamw', 'adam', 'adamax'): Optimizer(rule, [Group([p])], 0.1).step()\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
