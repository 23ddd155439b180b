"""What a model shows of itself: samples, reconstructions, paths and extremes, from fixed noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..ops import keyed
from ..use.show import batch_x, likely_labels, posterior_z
from .subject import Subject

Array = NDArray[np.floating]


@torch.no_grad()
def one_z_many_x(subject: Subject, num_examples: int, num_draws: int) -> tuple[Array, Array]:
    """E[x|z] [N, *shape] and draws x ~ p(x|z) [N, S, *shape], at the posterior mean z of each of N test examples."""
    split = subject.test.head(num_examples)
    p = subject.model.decode(posterior_z(subject.run, split), likely_labels(subject.run, split))
    with keyed("report", "one z"):
        draws = p.sample(torch.Size((num_draws,)))
    return _array(p.mean), _array(draws.movedim(0, 1))


@torch.no_grad()
def one_x_many_z(subject: Subject, num_examples: int, num_draws: int) -> tuple[Array, Array]:
    """x [N, *shape] and E[x|z] at draws z ~ q(z|x) [N, S, *shape]."""
    split = subject.test.head(num_examples)
    y = likely_labels(subject.run, split)
    with keyed("report", "one x"):
        z, _ = subject.model.posterior(split.batch(torch.arange(len(split), device=split.x.device))).draw(num_draws)
    return batch_x(split), _array(subject.model.decode(z, y).mean.movedim(0, 1))


@dataclass(frozen=True)
class Extremes:
    """Test examples by log p(x): their places in the split [n], and log p(x) [n]; the most extreme first."""

    least: list[int]
    least_log_px: list[float]
    most: list[int]
    most_log_px: list[float]


def extremes(subject: Subject, count: int) -> Extremes:
    """The least and the most likely test examples, by log p(x) as it was judged for the result."""
    log_px = torch.from_numpy(subject.run.scores("test"))
    best = log_px.argsort(stable=True)
    count = min(count, len(best) // 2)
    least, most = best[:count], best.flip(0)[:count]
    return Extremes(least.tolist(), log_px[least].tolist(), most.tolist(), log_px[most].tolist())


def held_out(subject: Subject, num_examples: int) -> Array:
    """x of the first test examples, NaN where it is not observed."""
    split = subject.test.head(num_examples)
    x = batch_x(split)
    return x if split.observed is None else np.where(split.observed.cpu().numpy(), x, np.nan)


def _array(value: Tensor) -> Array:
    return value.cpu().numpy()
