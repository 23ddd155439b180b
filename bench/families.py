"""Many layers and codes beside bare loops: training throughput of each family, and the time of 64 samples.

    python bench/families.py               hvae, vdm and vqvae on MNIST, eager float32 and bf16, and the samplers
    python bench/families.py vdm --rounds 5

A bare loop is the same network in a dozen lines of PyTorch: draws, binarization, the loss as papers write it, AdamW.
It has no average of weights, no check for finite values, no limit on the gradient, no curves and no repeatable noise;
the library has all of these. Rounds of a fixed number of updates alternate between the two (A B A B), each a second
or more; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import unveil
from unveil.data import Data
from unveil.model import Model
from unveil.ops import threads
from unveil.registry import describe, seeded
from unveil.settings.choices import choose
from unveil.train.loop import fit, initialise
from unveil.train.stage import Stage

BATCH, LR, DECAY = 256, 2e-3, 0.02
UPDATES = {"hvae": 12, "vdm": 8, "vqvae": 12}
GREY = {"vdm"}  # families that are measured on 256 levels


def bare_hvae(model: Any, x: Tensor) -> Tensor:
    """−ELBO of a top-down ladder: a draw of each group from q, and the KL to p, in one pass."""
    kl: list[Tensor] = []

    def choose(i: int, p: Any, q: Any) -> Tensor:
        z = q[0] + q[1].exp() * torch.randn_like(q[0])
        if p is None:
            log_q = -0.5 * ((z - q[0]) / q[1].exp()).square() - q[1]
            kl.append(log_q.sum(-1) - model.prior().log_prob(z) - 0.9189385 * z.shape[-1])
        else:
            ratio, shift = q[1] - p[1], (q[0] - p[0]) / p[1].exp()
            kl.append((0.5 * ((2 * ratio).exp() + shift.square() - 1) - ratio).sum(-1))
        return z

    found = model.ladder(choose, model.ladder.features((x - model.centre) / model.spread, None), None)
    logits = model.ladder.decode(found.h).float().reshape(len(x), -1) + model.likelihood.offset.flatten()
    distortion = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").sum(-1)
    return (distortion + sum(kl)).mean()


def bare_vdm(model: Any, x: Tensor) -> Tensor:
    """The continuous-time bound: prior, reconstruction and diffusion terms."""
    noising = model.noising
    x = (levels := x) - noising.centre
    x = x / noising.spread
    first, last = noising.noise.limits
    t = (torch.arange(len(x)) / len(x) + torch.rand(())) % 1
    gamma, slope, _ = noising.noise.at(t)
    eps = torch.randn_like(x)
    alpha, sigma = torch.sigmoid(-gamma).sqrt().view(-1, 1, 1), torch.sigmoid(gamma).sqrt().view(-1, 1, 1)
    found = noising.find_noise(alpha * x + sigma * eps, gamma, None, model.network_dtype)
    diffusion = 0.5 * slope * (eps - found).square().flatten(1).sum(1)
    variance = torch.sigmoid(last)
    prior = 0.5 * (variance + (1 - variance) * x.square() - 1 - variance.log()).flatten(1).sum(1)
    z = torch.sigmoid(-first).sqrt() * x + torch.sigmoid(first).sqrt() * torch.randn_like(x)
    return (diffusion + prior - noising.px(z).log_prob(levels)).mean()


def bare_vqvae(model: Any, x: Tensor) -> Tensor:
    """Distortion and commitment; the book follows averages."""
    h = model.encoder((x - model.centre) / model.spread).float()
    found = model.quantizer(h)
    model.quantizer.learn(found)
    logits = model.decoder(found.values).float().reshape(len(x), -1) + model.likelihood.offset.flatten()
    distortion = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").sum(-1)
    return (distortion + model.commitment * found.commitment.sum(-1)).mean()


BARE: dict[str, Callable[[Any, Tensor], Tensor]] = {"hvae": bare_hvae, "vdm": bare_vdm, "vqvae": bare_vqvae}


def built(name: str, data: Data) -> Model:
    """The model that `fit --model NAME` picks, with what the two loops share."""
    choices = choose({"model": name})
    model: Model = seeded(describe(choices.model(data.domain, num_examples=len(data.train))), 0)
    initialise(model, data.train, 0)
    model.begin(("p", "q"))
    return model.train()


def bare_loop(name: str, data: Data, bf16: bool) -> Iterator[None]:
    """An update at each step of the iterator."""
    model, loss_of, stored = built(name, data), BARE[name], data.train.x
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY, fused=True)
    model.network_dtype = torch.bfloat16 if bf16 else torch.float32
    while True:
        x = stored[torch.randint(len(stored), (BATCH,))]
        noise = torch.randint(0, 255, x.shape, dtype=torch.uint8)
        x = x.float() if name in GREY else (x > noise).float()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16 and name not in GREY):
            loss = loss_of(model, x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        yield


def own_loop(name: str, data: Data, bf16: bool) -> Iterator[Any]:
    """The library's loop, with all that it keeps beside the update."""
    model, objective = built(name, data), choose({"model": name}).objective()
    stage = Stage(objective, steps=10**9, batch_size=BATCH, lr=LR, weight_decay=DECAY, ema_half_life=1e5)
    return fit(model, data.train, stage, seed=0, bf16=bf16)


def throughput(name: str, rounds: int) -> None:
    """Images per second of both loops, in either precision."""
    data = unveil.load_data("mnist", binarization="none" if name in GREY else "dynamic")
    for bf16 in (False, True):
        loops = {"bare": bare_loop(name, data, bf16), "unveil": own_loop(name, data, bf16)}
        times: dict[str, list[float]] = {who: [] for who in loops}
        for _ in range(rounds + 1):
            for who, loop in loops.items():
                times[who].append(seconds(loop, UPDATES[name]))
        rate = {who: BATCH * UPDATES[name] / statistics.median(taken[1:]) for who, taken in times.items()}
        print(
            f"{name}, {'bf16' if bf16 else 'float32'}: unveil {rate['unveil']:,.0f} images/s, bare loop "
            f"{rate['bare']:,.0f}, a step takes {rate['bare'] / rate['unveil']:.2f} of the bare one's time",
            flush=True,
        )


def seconds(loop: Iterator[Any], updates: int) -> float:
    start = time.perf_counter()
    for _ in range(updates):
        next(loop)
    return time.perf_counter() - start


def samplers() -> None:
    """64 images from models as they are built; what a network costs does not depend on its weights."""
    for name, options in (("hvae", {}), ("vqvae", {}), ("vdm", {"steps": 50})):
        data = unveil.load_data("mnist", binarization="none" if name in GREY else "dynamic")
        model = built(name, data).eval()
        model.sample(64, **options)  # the first is slow
        start = time.perf_counter()
        model.sample(64, **options)
        print(f"64 samples of {name} {options or ''}: {time.perf_counter() - start:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=[*BARE])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    with threads(asked.threads):
        for name in asked.families:
            throughput(name, asked.rounds)
        samplers()


if __name__ == "__main__":
    main()
