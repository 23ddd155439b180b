"""How much the library costs beside a bare loop of the same networks: the joint model of pictures and texts.

    python bench/joint_throughput.py scenes --rounds 3

The bare loop is what a careful user would write for this one model: the same networks in bf16, the same loss (the
bound, half of the examples without their text, and −log q(z|t)), Adam, nothing around it: no average of weights, no
check of the numbers, no clipping, no validation. Ours is `unveil fit` on as many steps. Both run in turn, and the ratio
is that of the medians of their seconds per step.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import unveil
from unveil.fitting.prepare import Fitting, prepare

FEW, MANY = 30, 130  # steps, so that what a fit takes besides its steps is left out


def fitting(source: str, steps: int, folder: Path) -> Fitting:
    keys = {"train.steps": steps, "train.valid_every": 10_000, "train.precision": "bf16", "train.compile": "false"}
    return prepare(source, model="joint", out=folder / f"run-{steps}-{time.time_ns()}", options=keys)


def ours(source: str, folder: Path) -> float:
    """Seconds per step."""
    spent = []
    for steps in (FEW, MANY):
        begun = fitting(source, steps, folder)
        started = time.perf_counter()
        begun.trained()
        spent.append(time.perf_counter() - started)
    return (spent[1] - spent[0]) / (MANY - FEW)


class Bare:
    """The same model, its step written by hand."""

    def __init__(self, source: str, folder: Path) -> None:
        made: Any = fitting(source, FEW, folder)
        self.model: Any = made.model
        self.model.train()
        data, self.batch = made.data, made.plan.phase.batch_size
        place = data.domain.places
        self.image, self.text = data.train.x[:, place["image"]], data.train.x[:, place["text"]]
        self.texts = data.train.texts
        self.shape = data.domain.part("image").shape
        self.centre, self.spread = self.model.centre[place["image"]], self.model.spread[place["image"]]
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3, fused=True)
        self.is_binary = data.domain.part("image").kind == "binary"

    def step(self) -> None:
        m = self.model
        rows = torch.randint(len(self.image), (self.batch,))
        x = self.image[rows].float()
        t = self.text[rows].long()
        if self.texts is not None:
            every, counts = self.texts[0][rows], self.texts[1][rows]
            t = every[torch.arange(len(rows)), (torch.rand(len(rows)) * counts).long()].long()
        half = torch.rand(len(rows)) < 0.5
        with torch.autocast("cpu", torch.bfloat16):
            seen = ((x - self.centre) / self.spread).view(-1, *self.shape)
            of_image, read = m.encoder.of[0](seen), m.encoder.of[1](t)
            experts = [m.encoder.heads[0](of_image).float(), m.encoder.heads[1](read).float()]
            told = m.encoder.told(read).float()
        head = m.posterior_head
        (mean_i, log_i), (mean_t, log_t) = (e.chunk(2, -1) for e in experts)
        p_0 = torch.exp(-2 * head.log_spread)
        p_i, p_t = torch.exp(-2 * log_i), torch.exp(-2 * log_t) * ~half.unsqueeze(-1)
        total = p_0 + p_i + p_t
        q = torch.distributions.Normal((p_0 * head.centre + p_i * mean_i + p_t * mean_t) / total, total.rsqrt())
        z = q.rsample()
        rate = q.log_prob(z).sum(-1) - m.prior().log_prob(z)
        with torch.autocast("cpu", torch.bfloat16):
            h, g = m.decoder.of[0](z).float(), m.decoder.of[1](z[~half]).float()
        p = m.likelihood.of
        if self.is_binary:
            log_x = -F.binary_cross_entropy_with_logits(h + p["image"].offset, x, reduction="none").sum(-1)
        else:
            log_x = p["image"](h).log_prob(x.view(-1, *self.shape))
        log_t = p["text"].writer(t[~half], g + p["text"].offset).sum(-1)
        covering = -head.of_text(torch.cat([z.new_zeros(len(z), 1), told], -1)).log_prob(z.detach())
        nothing = torch.distributions.Normal(head.centre, head.log_spread.exp()).log_prob(z.detach()).sum(-1)
        loss: Tensor = (rate - log_x + covering - nothing).mean() - log_t.sum() / len(z)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def seconds(self) -> float:
        """Per step."""
        for _ in range(5):
            self.step()
        started = time.perf_counter()
        for _ in range(MANY - FEW):
            self.step()
        return (time.perf_counter() - started) / (MANY - FEW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default="scenes")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    with tempfile.TemporaryDirectory() as kept:
        bare, found = Bare(args.source, Path(kept)), []
        for _ in range(args.rounds):
            found.append((bare.seconds(), ours(args.source, Path(kept))))
            print(f"bare {1000 * found[-1][0]:.1f} ms, ours {1000 * found[-1][1]:.1f} ms a step", flush=True)
    a, b = (statistics.median(each) for each in zip(*found, strict=True))
    print(f"unveil {unveil.__version__}, {args.source}, batches of {bare.batch}: {b / a:.2f} times the bare loop")


if __name__ == "__main__":
    main()
