"""Figures of a VQ-VAE: the use of its codes, the cost of their prior, and what codes decode to."""

from __future__ import annotations

import torch
from torch import Tensor

from ...batch import Batch
from ...model import Model
from ...model.shared.panels import Bars, Lines, Strip
from ...nn.quantize import perplexity

SHOWN = 8  # examples in a row of the report


def usage(counts: Tensor) -> Lines:
    shares = (counts / counts.sum().clamp(min=1)).tolist()
    ranks = [float(rank) for rank in range(1, len(shares) + 1)]
    used, worth = int((counts > 0).sum()), float(perplexity(counts))
    return Lines(
        "Use of the codes",
        f"{used} of {len(shares)} codes occur; their perplexity is {worth:.0f}, as if so many were used alike.",
        {"share": (ranks, shares), "all alike": (ranks, [1 / len(shares)] * len(shares))},
        x_label="code, the most used first",
        y_label="share",
    )


def codes_seen(model: Model, batch: Batch) -> Strip:
    few = batch.map(lambda t: t[:SHOWN])
    own = model.decode(model.posterior(few).draw(1)[0]).mean[0]
    prior = model.draw_prior(len(few))
    codes = torch.randint(model.codebook_size, prior[0].shape, device=few.x.device)
    drawn = [model.decode(z).mean for z in (prior, (codes,))]
    return Strip(
        "What codes look like",
        "Each x, and what its own codes decode to; below, codes drawn from the learned prior and at random.",
        torch.stack([few.x, own, *drawn]),
        ("x", "its codes", "learned prior", "uniform prior"),
    )


def gain(uniform: float, learned: float) -> Bars:
    return Bars(
        "What the prior over codes costs",
        f"−log p(codes): a uniform prior pays {uniform:.1f} nats for the codes of an example, the learned one "
        f"{learned:.1f}, which is {uniform - learned:.1f} nats gained.",
        ("uniform", "learned"),
        (uniform, learned),
        "nats",
    )
