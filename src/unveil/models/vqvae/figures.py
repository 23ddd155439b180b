"""Figures of a VQ-VAE: the use of its codes, the cost of their prior, and what codes decode to."""

import torch
from torch import Tensor

from ...batch import Batch
from ...model import Model
from ...nn.quantize import perplexity
from ...panels import Bars, Lines, Strip

SHOWN = 8  # examples in a row of the report


def usage(counts: Tensor) -> Lines:
    shares = (counts / counts.sum().clamp(min=1)).tolist()
    ranks = [float(rank) for rank in range(1, len(shares) + 1)]
    used, worth = int((counts > 0).sum()), float(perplexity(counts))
    return Lines(
        "Use of the codes",
        f"The test examples use {used} of the {len(shares)} codes. Their perplexity is {worth:.0f}: {worth:.0f} codes "
        "that are all used equally often would carry as much.",
        {"share": (ranks, shares), "all equally often": (ranks, [1 / len(shares)] * len(shares))},
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
        "The first row shows test examples x, the second their own codes decoded. Below are decoded codes that were "
        "drawn from the learned prior, and codes that were drawn at random.",
        torch.stack([few.x, own, *drawn]),
        ("x", "its codes", "learned prior", "uniform prior"),
    )


def gain(uniform: float, learned: float) -> Bars:
    return Bars(
        "What the prior over codes costs",
        f"Each bar is −log p(codes) per example. A uniform prior needs {uniform:.1f} nats, the learned prior "
        f"{learned:.1f}: learning it gains {uniform - learned:.1f} nats.",
        ("uniform", "learned"),
        (uniform, learned),
        "nats",
    )
