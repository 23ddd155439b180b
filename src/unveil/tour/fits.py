"""Small data and short fits that the chapters share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ..batch import Batch
from ..data import Data, Split, load_data
from ..model.interface import Model
from ..models.vae import VAE
from ..objectives import Objective
from ..objectives.elbo import Elbo
from ..ops import keyed, threads
from ..report.gallery import Painter, uris
from ..terms import Terms
from ..train.loop import fit
from ..train.stage import Stage

M = TypeVar("M", bound=Model)
OF_DIGITS = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10)  # colours
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HANZI = ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九")


@functools.cache
def digits() -> Data:
    """1,797 handwritten digits of 8×8 pixels, black or white, with their names as labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return load_data((found.images > 7).astype(np.uint8), y=found.target)


def short_fit(
    data: Data, steps: int, *, objective: Objective | None = None, seed: int = 0, lr: float = 3e-3, **parts: Any
) -> VAE:
    """A small VAE after so many steps.

    Arguments: data; steps; objective, by default the ELBO; seed; lr; parts, as of `VAE.build`.
    """
    with keyed("tour fit", seed):
        model = VAE.build(data.domain, network="mlp", **{"width": 64, "depth": 1, "latent": 8} | parts)
        model.initialise(whole(data.train))
        return trained(model, data, steps, objective, lr)


def trained(model: M, data: Data, steps: int, objective: Objective | None = None, lr: float = 3e-3) -> M:
    """The model after so many steps."""
    with threads(1):  # the same numbers on any machine of the kind
        for _ in fit(model, data.train, Stage(objective or Elbo(), steps=steps, lr=lr)):
            pass
    return model.eval()


@functools.cache
def digits_vae(steps: int) -> VAE:
    """A VAE of the digits with eight latents."""
    return short_fit(digits(), steps)


def steps_of(usual: int, share: float) -> int:
    """So many steps, at a share of the effort; never so few that nothing is learned."""
    return max(usual // 4, int(usual * share))


def q_of(model: Model, batch: Batch) -> Distribution:
    """q(z|x), batch shape [B]."""
    found = model.posterior(batch).distribution
    assert found is not None
    return found


def labels_of(split: Split) -> Tensor:
    assert split.y is not None
    return split.y


def whole(split: Split) -> Batch:
    return split.batch(torch.arange(len(split)))


@torch.no_grad()
def judged(model: Model, split: Split, num_samples: int = 16) -> Terms:
    """The terms of every example of a split, at so many draws of z."""
    with keyed("tour judge"):
        return model.infer(whole(split), num_samples)


def rate_and_distortion(terms: Terms) -> tuple[float, float]:
    """E[log q(z|x) − log p(z)] and −E[log p(x|z)], means over the examples."""
    return float(terms.mean(terms.rate).sum(-1).mean()), float(-terms.mean(terms.log_px_z).mean())


def pictures(x: Tensor | Sequence[Tensor], model: Model) -> list[str]:
    """Images of probabilities or of draws, dark on light, as data URIs."""
    rows = x if isinstance(x, Tensor) else torch.stack(list(x))
    paint = Painter(model.domain, 0.0, 1.0)
    return uris(255 - paint(rows.detach().reshape(-1, 8, 8).numpy()), 64)
