"""The bare PyTorch loop: what a careful user would write for this one model, and nothing around it.

At its best it has bf16 networks, one compiled loss and the fused AdamW; plain, it is float32 and eager. Both shuffle
and binarize afresh by comparing bytes. No average of weights, no check for finite values, no clipping.
"""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .nets import flops_per_image, fresh, held_out
from .serve import serve, wait_for_device


def binarized(v: Tensor) -> Tensor:
    """x = [r < v], r uniform on the bytes and 255 taken for 254: a pixel of 255 is always on, of 0 never."""
    words = torch.empty((v.numel() + 7) // 8, dtype=torch.int64, device=v.device).random_(-(2**63), None)
    noise = words.view(torch.uint8)[: v.numel()].view_as(v)
    return torch.gt(v, noise.clamp_(max=254), out=torch.empty_like(v, dtype=torch.float32))


class Bare:
    """Arguments: job, with `best` (bf16, compiled) or not."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.device = job, job["device"]
        with np.load(job["images"]) as found:
            self.images = torch.from_numpy(found["train"][: job["count"]]).to(self.device)
            self.held = torch.from_numpy(found["valid"])
            mean = torch.from_numpy(found["mean"])
        self.networks = fresh(job["network"], mean).to(self.device)
        self.best, self.batch, self.done = job["best"], job["batch"], 0
        self.loss: Any = torch.compile(self._loss, dynamic=False) if self.best else self._loss
        self.optimizer = self._optimizer()
        self._warm_up()
        self.order = iter(())

    def facts(self) -> dict[str, Any]:
        return {"precision": "bf16" if self.best else "float32", "compile": self.best, "optimizer": "fused AdamW"}

    def round(self) -> dict[str, Any]:
        """One epoch of whole batches; the last goes on into the next permutation."""
        start, images = time.perf_counter(), 0
        while images < len(self.images):
            self._step(next(self.order, None))
            images += self.batch
        wait_for_device(self.device)
        return {"seconds": time.perf_counter() - start, "images": images}

    def finish(self) -> dict[str, Any]:
        return {"loss": held_out(self.networks, self.held), "flops_per_image": flops_per_image(self.job["network"])}

    def _loss(self, x: Tensor, noise: Tensor) -> Tensor:
        return self.networks.negative_elbo(x, noise, self.best).mean()

    def _optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.networks.parameters(), lr=self.job["lr"], weight_decay=0.0, fused=True)

    def _step(self, rows: Tensor | None) -> None:
        if rows is None:
            self.order = iter(torch.randperm(len(self.images)).split(self.batch)[: len(self.images) // self.batch])
            rows = next(self.order)
        x = binarized(self.images.index_select(0, rows.to(self.device)))
        noise = torch.randn(len(x), self.networks.head.out_features // 2, device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(x, noise).backward()
        self.optimizer.step()

    def _warm_up(self) -> None:
        """Compile, and touch all memory; the weights are put back."""
        kept = copy.deepcopy(self.networks.state_dict())
        self.order = iter(torch.arange(len(self.images)).split(self.batch)[:3])
        for _ in range(min(3, len(self.images) // self.batch)):
            self._step(next(self.order))
        self.networks.load_state_dict(kept)
        self.optimizer = self._optimizer()


if __name__ == "__main__":
    serve(Bare)
