"""What baselines see of the data, and how they judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data import Data, Split
from ...domain import Domain
from ...ops import keyed, log_mean_exp

KEPT = 2**26  # values of training data that are looked at, at most
VALID = 1000  # validation examples that a choice is made on, at most
BLOCK, TABLE = 1024, 2**22  # rows of a block; values of one that is only looked up
Density = Callable[[Tensor], Tensor]  # x [B, *shape] → log p(x) [B]


@dataclass(frozen=True)
class Examples:
    """What the baselines see: training and validation rows in a random order, test rows in their own.

    Arguments: train [N, *shape], valid [V, *shape] and test float32 on the CPU; domain; num_train, before any were
    left out.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    domain: Domain
    num_train: int

    @staticmethod
    def of(data: Data, seed: int) -> Examples:
        D, count = data.domain.num_dims, len(data.train)
        with keyed("baselines", "examples", seed):
            train = _rows(data.train, torch.randperm(count)[: max(2, KEPT // D)])
            valid = _rows(data.valid, torch.randperm(len(data.valid))[:VALID])
            test = _rows(data.test, torch.arange(len(data.test)))
        return Examples(train, valid, test, data.domain, count)


def _rows(split: Split, index: Tensor) -> Tensor:
    return split.batch(index).x.cpu()


def log_px(density: Density, x: Tensor, num_samples: int | None, seed: int = 0) -> Tensor:
    """log p(x), or log 1/K Σ_k p(x + u_k) with u ~ U[0, 1)^D for x on the integers; [N] float64.

    Arguments: x [N, *shape]; num_samples K, or None for x as it is; seed of the noise.
    """
    if num_samples is None:
        return torch.cat([density(part).double() for part in x.split(max(1, TABLE // x[0].numel()))])
    found = []
    for number, part in enumerate(x.split(max(1, BLOCK // num_samples))):
        with keyed("dequantise", seed, number):
            noisy = part + torch.rand(num_samples, *part.shape)  # [K, B, *shape]
        found.append(log_mean_exp(density(noisy.flatten(0, 1)).reshape(num_samples, -1)))
    return torch.cat(found)


def with_noise(x: Tensor, domain: Domain, seed: int) -> Tensor:
    """x + u with u ~ U[0, 1)^D for discrete x; real x as it is."""
    if not domain.is_discrete:
        return x
    with keyed("baselines", "dequantise", seed):
        return x + torch.rand_like(x)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def left_out(examples: Examples, rows: int, tried_rows: int) -> tuple[str, ...]:
    """Which training examples were left out, in a phrase; nothing where none was."""
    N, remarks = examples.num_train, []
    if rows < N:
        remarks.append(f"fitted on {rows:,} of {N:,} examples")
    if tried_rows < rows:
        remarks.append(f"size chosen on {tried_rows:,} of {N:,} examples")
    return tuple(remarks)
