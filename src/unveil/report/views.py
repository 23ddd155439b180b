"""What a model shows of itself: samples, reconstructions, paths and extremes, from fixed noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..estimators.base import evaluate
from ..judging import make_estimator
from ..ops import keyed
from ..using import batch_x, posterior_z, scoring
from .subject import Subject, take

CANDIDATES = 32  # examples on either side that a cheap ranking hands to the estimator of the result
SCREENING = 1  # draw per example of the cheap ranking
Array = NDArray[np.floating]


@torch.no_grad()
def one_z_many_x(subject: Subject, num_examples: int, num_draws: int) -> tuple[Array, Array]:
    """E[x|z] [N, *shape] and draws x ~ p(x|z) [N, S, *shape], at the posterior mean z of each of N test examples."""
    p = subject.model.decode(posterior_z(subject.run, subject.test.head(num_examples)))
    with keyed("report", "one z"):
        draws = p.sample(torch.Size((num_draws,)))
    return _array(p.mean), _array(draws.movedim(0, 1))


@torch.no_grad()
def one_x_many_z(subject: Subject, num_examples: int, num_draws: int) -> tuple[Array, Array]:
    """x [N, *shape] and E[x|z] at draws z ~ q(z|x) [N, S, *shape]."""
    split = subject.test.head(num_examples)
    with keyed("report", "one x"):
        z, _ = subject.model.posterior(split.batch(torch.arange(len(split), device=split.x.device))).draw(num_draws)
    return batch_x(split), _array(subject.model.decode(z).mean.movedim(0, 1))


@dataclass(frozen=True)
class Extremes:
    """Test examples by log p(x): their places in the split [n], and log p(x) [n]; the most extreme first."""

    least: list[int]
    least_log_px: list[float]
    most: list[int]
    most_log_px: list[float]


def extremes(subject: Subject, count: int) -> Extremes:
    """The least and the most likely test examples, by the estimator of the result.

    A ranking by the ELBO with one draw picks 32 candidates on either side, which the estimator then judges; on a test
    set of at most 64 examples it judges them all.
    """
    name, num_samples = scoring(subject.run)
    judge = make_estimator(name, num_samples)
    order = torch.arange(len(subject.test))
    if len(order) > 2 * CANDIDATES:
        screen = judge if num_samples is None else make_estimator("elbo", SCREENING)
        rough, _ = evaluate(subject.model, subject.test, screen)
        order = rough.log_px.argsort(stable=True)
        order = torch.cat([order[:CANDIDATES], order[-CANDIDATES:]])
    judged, _ = evaluate(subject.model, take(subject.test, order), judge)
    best = judged.log_px.argsort(stable=True)
    count = min(count, len(order) // 2)
    least, most = best[:count], best.flip(0)[:count]
    return Extremes(
        order[least].tolist(), judged.log_px[least].tolist(), order[most].tolist(), judged.log_px[most].tolist()
    )


def held_out(subject: Subject, num_examples: int) -> Array:
    """x of the first test examples."""
    return batch_x(subject.test.head(num_examples))


def _array(value: Tensor) -> Array:
    return value.cpu().numpy()
