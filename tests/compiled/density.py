"""The density of binary x and its gradients, traced as for compiling and eager: the largest differences.

It is called by `forked`. The code generator is left out, so that no C++ compiler is needed; what could go wrong is in
tracing a hand-written gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unveil.distributions import BinarySum
from unveil.ops import keyed


def compared(dtype: torch.dtype) -> dict[str, float]:
    with keyed("density"):
        h = (4 * torch.randn(3, 5, 12)).to(dtype).requires_grad_()
        offset, slopes = torch.randn(12).requires_grad_(), torch.randn(3, 5)
        x, observed = (torch.rand(5, 3, 4) < 0.4).float(), torch.rand(5, 3, 4) < 0.7

    def density(h: Tensor, offset: Tensor) -> Tensor:
        return BinarySum(h, offset, (3, 4), observed).log_prob(x)

    traced = torch.compile(density, dynamic=False, fullgraph=True, backend="aot_eager")(h, offset)
    eager = density(h, offset)
    ours, theirs = (torch.autograd.grad((v * slopes).sum(), (h, offset)) for v in (traced, eager))
    return {
        "size": float(eager.detach().abs().max()),
        "value": float((traced - eager).detach().abs().max()),
        "gradient": max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)),
    }
