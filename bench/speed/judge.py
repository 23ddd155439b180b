"""The library's estimates of log p(x): on weights that the peer is given, too, and for K draws of few images."""

from __future__ import annotations

import inspect
import time
from typing import Any

import numpy as np
import torch

from unveil import Domain
from unveil.data import Split
from unveil.estimators.base import evaluate
from unveil.settings.judging import make_estimator

from .nets import Networks, fresh
from .ours import Ours, vae
from .serve import serve


class Trained:
    """Trains the MLP for so many seconds, in rounds of one epoch, and writes its weights at the end."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.ours = job, Ours(job)

    def facts(self) -> dict[str, Any]:
        return self.ours.facts()

    def round(self) -> dict[str, Any]:
        until, found = time.perf_counter() + self.job["seconds"], {"seconds": 0.0, "images": 0}
        while time.perf_counter() < until:
            found = {name: found[name] + value for name, value in self.ours.round().items()}
        return found

    def finish(self) -> dict[str, Any]:
        networks = self.ours.trained().cpu()
        np.savez(self.job["weights"], **{name: t.detach().numpy() for name, t in networks.state_dict().items()})
        return self.ours.finish()


class Judge:
    """IWAE-K of `count` test images.

    Arguments: job, with weights (None: as they begin), samples K, precision of the networks.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.seed = job, 0
        with np.load(job["images"]) as found:
            x = torch.from_numpy(found["test"][: job["count"]]).reshape(-1, 28, 28)
            networks = fresh("mlp", torch.from_numpy(found["mean"]))
        if job["weights"] is not None:
            networks = loaded(job["weights"])
        self.model = vae(networks)
        with torch.no_grad():
            self.model.centre.copy_(networks.centre.reshape(28, 28))
            self.model.spread.copy_(networks.spread)
        self.split = Split(x, None, Domain("binary", (28, 28)), "none", torch.arange(len(x)))
        self._evaluate(self.split.head(2), 2)

    def facts(self) -> dict[str, Any]:
        return {"precision": self.job["precision"]}

    def round(self) -> dict[str, Any]:
        self.seed += 1
        estimate, seconds = self._evaluate(self.split, self.job["samples"])
        error = float((estimate.stderr_mc**2).sum().sqrt()) / len(self.split)
        decodes = len(self.split) * self.job["samples"]
        log_px = float(estimate.log_px.mean())
        return {"seconds": seconds, "decodes": decodes, "log_px": log_px, "stderr_mc": error}

    def finish(self) -> dict[str, Any]:
        return {}

    def _evaluate(self, split: Split, samples: int) -> Any:
        more = {} if self.job["precision"] == "float32" else {"precision": self.job["precision"]}
        return evaluate(self.model, split, make_estimator("iwae", samples), seed=self.seed, **more)


def loaded(path: str) -> Networks:
    """The MLP with weights from a file of arrays."""
    networks = Networks("mlp")
    with np.load(path) as found:
        networks.load_state_dict({name: torch.from_numpy(found[name]) for name in found.files})
    return networks


def has_precision() -> bool:
    """Whether the estimators can run networks in bf16."""
    return "precision" in inspect.signature(evaluate).parameters


def start(job: dict[str, Any]) -> Trained | Judge:
    return Trained(job) if job["task"] == "train" else Judge(job)


if __name__ == "__main__":
    serve(start)
