"""Eager and compiled gradients of a tiny VAE under an objective that holds weights; called by `forked`.

The code generator is left out: what is held is decided where the gradient is traced.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unveil.domain import Domain
from unveil.models.vae import VAE
from unveil.objectives import Iwae, Objective
from unveil.ops import keyed
from unveil.registry import lookup
from unveil.train.loop import Problem
from unveil.train.stage import Stage


def compared(objective: Objective) -> dict[str, float]:
    """Largest differences of the gradient: compiled against eager, and eager against one that holds nothing."""
    with keyed("toy"):
        model = VAE.build(
            Domain("real", (4,)), latent=2, width=8, depth=1, network="plain", prior=lookup("prior", "standard_normal")
        )
        x = torch.randn(6, 4) * torch.linspace(1, 3, 4)
    problem = Problem(model, Stage(objective, steps=1))
    plain = Problem(model, Stage(Iwae(num_samples=objective.num_samples), steps=1))
    eager, compiled, free = (
        _gradient(model, run, x) for run in (problem, torch.compile(problem, dynamic=False, backend="aot_eager"), plain)
    )
    return {
        "largest": float(eager.abs().max()),
        "compiled": float((eager - compiled).abs().max()),
        "free": float((eager - free).abs().max()),
        "still_free": all(p.requires_grad for p in model.parameters()),
    }


def _gradient(model: VAE, run: torch.nn.Module, x: Tensor) -> Tensor:
    model.zero_grad(set_to_none=False)
    with keyed("noise"):
        loss, _ = run(x, None, None, None, torch.tensor(1.0))
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
