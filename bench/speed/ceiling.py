"""What the machine can do: the matrix products of one training step and nothing else, in float32 and in bf16.

Forward, gradient of the weights and (but for the first layer) of the input, in the layouts that `nn.Linear` uses; of a
convolution, the product that it amounts to.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .nets import PRODUCTS, flops_per_image
from .serve import serve, wait_for_device

SECONDS = 0.8  # of each precision in a round
SQUARE = 2048
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


class Ceiling:
    """Arguments: job, with network, batch and device."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.products = {name: self._step(dtype) for name, dtype in DTYPES.items()}

    def facts(self) -> dict[str, Any]:
        for step in self.products.values():
            step()
        return {}

    def round(self) -> dict[str, Any]:
        """GFLOP/s of each precision at the layers' shapes and of one large square product."""
        flops = flops_per_image(self.job["network"]) * self.job["batch"]
        found = {name: flops / self._best(step) / 1e9 for name, step in self.products.items()}
        if found["bf16"] < found["float32"]:  # emulated: a large product would take minutes
            return found | {"square_float32": self._square(torch.float32)}
        return found | {f"square_{name}": self._square(dtype) for name, dtype in DTYPES.items()}

    def finish(self) -> dict[str, Any]:
        return {}

    def _step(self, dtype: torch.dtype) -> Callable[[], None]:
        layers = []
        for rows, inner, outputs in PRODUCTS[self.job["network"]]:
            sizes = ((rows * self.job["batch"], inner), (outputs, inner), (rows * self.job["batch"], outputs))
            layers.append(tuple(torch.randn(size, device=self.job["device"]).to(dtype) for size in sizes))

        def step() -> None:
            for i, (x, w, dy) in enumerate(layers):
                F.linear(x, w)
                dy.t() @ x
                if i:
                    dy @ w

        return step

    def _best(self, work: Callable[[], Any]) -> float:
        """The quickest of as many repetitions as the time holds: a ceiling is not an average."""
        until, best = time.perf_counter() + SECONDS, float("inf")
        while time.perf_counter() < until or best == float("inf"):
            wait_for_device(self.job["device"])
            start = time.perf_counter()
            work()
            wait_for_device(self.job["device"])
            best = min(best, time.perf_counter() - start)
        return best

    def _square(self, dtype: torch.dtype) -> float:
        a = torch.randn(SQUARE, SQUARE, device=self.job["device"]).to(dtype)
        out: Tensor = torch.empty_like(a)
        return 2 * SQUARE**3 / self._best(lambda: torch.mm(a, a, out=out)) / 1e9


if __name__ == "__main__":
    serve(Ceiling)
