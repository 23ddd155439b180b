"""The library: the plan that it makes by itself for a long run, carried out by its own training loop.

The average of weights, shuffling, dynamic binarization, clipping and the check for finite values are all on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from unveil import VAE, Domain
from unveil.data import Split
from unveil.fitting.prepare import Fitting, prepare
from unveil.likelihoods import Bernoulli
from unveil.nn.rectifier import ReLU
from unveil.posteriors import DiagonalGaussian
from unveil.priors import StandardNormal
from unveil.registry import rebuild
from unveil.train.loop import Step, fit
from unveil.train.stage import Stage

from .nets import LATENT, Networks, fresh, held_out
from .serve import serve, wait_for_device

LONG = 10.0  # minutes of the run that is planned for


def vae(networks: Networks, latent: int = LATENT) -> VAE:
    """The library's model of these networks, sharing their weights, with its own rectifier for theirs."""
    for layers in (m for m in networks.modules() if isinstance(m, nn.Sequential)):
        for name, layer in layers.named_children():
            if isinstance(layer, nn.ReLU):
                layers.register_module(name, ReLU())
    head = DiagonalGaussian(networks.features.num_features, latent)
    head.linear = networks.head
    likelihood = Bernoulli(Domain("binary", (28, 28)))
    likelihood.offset = networks.offset
    return VAE(StandardNormal(latent), networks.features, head, networks.decoder, likelihood)


def settings(job: dict[str, Any]) -> dict[str, Any]:
    """Equal for all contenders: batch, learning rate, no decay, no warm-up. The rest is the library's choice."""
    equal = {
        "train.batch_size": job["batch"],
        "train.lr": job["lr"],
        "train.schedule": "constant",
        "train.warmup": 0.0,
        "train.weight_decay": 0.0,
        "objective.warmup": 0.0,
        "train.device": job["device"],
    }
    if job["best"]:
        return equal | {"train.minutes": LONG}
    return equal | {"train.precision": "float32", "train.compile": False, "train.steps": 1_000_000}


def planned(job: dict[str, Any], networks: Networks) -> Fitting:
    """What `unveil fit mnist --minutes 10` would carry out, with these networks."""
    return prepare("mnist", out=f"{job['folder']}/unused", model=vae(networks, job["latent"]), options=settings(job))


class Ours:
    """Arguments: job, with `best` (the library's own choices) or not (float32, eager)."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        with np.load(job["images"]) as found:
            self.held = torch.from_numpy(found["valid"])
            self.networks = fresh(job["network"], torch.from_numpy(found["mean"]), job["latent"])
        self.fitting = planned(job, self.networks)
        self.phase = self.fitting.plan.phase
        self.count = min(job["count"], len(self.fitting.data.train))
        self.steps = self.training(self.fitting.data.train.head(self.count))

    def training(self, split: Split) -> Iterator[Step]:
        """The library's loop over a split, from a new state of optimiser and average; what was compiled is kept."""
        objective = rebuild(self.fitting.config.objective)
        return fit(
            self.fitting.model,
            split,
            Stage.of(objective, self.phase.stage_options({"steps": 10_000_000})),
            seed=0,
            bf16=self.phase.in_bf16,
            problem=self.fitting.plan.problem,
        )

    def facts(self) -> dict[str, Any]:
        kept = ("precision", "compile", "optimizer", "batch_size", "threads", "ema_half_life", "clip")
        facts = {name: value for name, value in self.phase.to_json().items() if name in kept}
        return facts | {"notes": list(self.fitting.plan.notes)}

    def round(self) -> dict[str, Any]:
        """One epoch; batches run on across its end."""
        return self.epoch(self.steps, self.count)

    def epoch(self, steps: Iterator[Step], count: int) -> dict[str, Any]:
        """So many examples, in whole batches."""
        updates = -(-count // self.job["batch"])
        start = time.perf_counter()
        for _ in range(updates):
            next(steps)
        wait_for_device(self.job["device"])
        return {"seconds": time.perf_counter() - start, "images": updates * self.job["batch"]}

    def finish(self) -> dict[str, Any]:
        return {"loss": held_out(self.trained(), self.held)}

    def trained(self) -> Networks:
        """The networks with the weights as they are after the last update, not averaged."""
        model: Any = self.fitting.model
        with torch.no_grad():
            self.networks.centre.copy_(model.centre.flatten())
            self.networks.spread.copy_(model.spread)
        return self.networks.to(self.job["device"])


if __name__ == "__main__":
    serve(Ours)
