"""What a model whose z is the vector of a text says: pictures of a known text, and the nearest texts of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..data import Split
from ..data.knowntexts import KnownTexts
from ..ops import keyed
from ..runs.store import RunStore
from .description import Description

BLOCK = 256  # pictures at once


@torch.no_grad()
def nearest_texts(
    run: RunStore, known: KnownTexts, split: Split, n: int, among: Sequence[str] | None = None
) -> list[Description]:
    """The known texts of each picture whose vectors z_t are likeliest under q(z|x), with

    log q(t|x) = log q(z_t|x) − log Σ_s q(z_s|x) over all texts s that are known, or that are named.

    The posterior is not sampled: the numbers have no error.
    """
    texts = known.texts if among is None else tuple(dict.fromkeys(among))
    vectors = known.z if among is None else np.stack([known.vector(text) for text in texts])
    z = torch.from_numpy(vectors).to(run.device).unsqueeze(1)  # [M, 1, D]
    found: list[Description] = []
    for rows in torch.arange(len(split)).split(BLOCK):
        batch = split.batch(rows).to(run.device)
        log_q: Tensor = run.model.posterior(batch).log_prob((z.expand(-1, len(rows), -1),)).sum(-1)  # [M, B]
        log_p, order = log_q.double().log_softmax(0).sort(0, descending=True)
        for i in range(len(rows)):
            best = order[:n, i].tolist()
            told = tuple(log_p[:n, i].tolist())
            found.append(Description(tuple(texts[t] for t in best), told, (0.0,) * len(told)))
    return found


@torch.no_grad()
def pictures_of_known(
    run: RunStore, known: KnownTexts, text: str, num_samples: int, seed: int, mean: bool
) -> np.ndarray:
    """Pictures [N, *shape] of a text whose vector is known: E[x|z] at it first, then draws from p(x|z)."""
    z = torch.from_numpy(known.vector(text)).to(run.device).view(1, 1, -1)
    with keyed("pictures", seed):
        p = run.model.decode((z,))
        expected = p.mean.flatten(0, 1)
        more = num_samples - 1
        drawn = expected.expand(more, *expected.shape[1:]) if mean else p.sample(torch.Size((more,))).flatten(0, 2)
    return torch.cat([expected, drawn]).cpu().numpy()
