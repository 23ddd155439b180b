"""Binary x from grey levels v = 0 … n−1: x = 1 with probability v/(n−1), drawn fresh, drawn once, or thresholded.

References: On the Quantitative Analysis of Deep Belief Networks (Salakhutdinov & Murray, 2008), the fixed draw;
Importance Weighted Autoencoders (Burda et al., 2016, https://arxiv.org/abs/1509.00519), the fresh draws.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MODES = ("auto", "dynamic", "static", "threshold", "none")
ROWS_AT_ONCE = 1024


def draw(v: Tensor, num_levels: int) -> Tensor:
    """A fresh x ~ Bernoulli(v/(n−1)) per value, float32, from torch's default generator of v's device.

    x = [t > r], t = round(65536·v/(n−1)) − 32768, r uniform on the 16-bit integers; p(x=1) is off by less than 1e-5.
    t at v = n−1 is one too large for 16 bits, so both it and the largest r are one less: v = 0 is never on, v = n−1
    always. No floats are drawn and no bools are made (both are slow): ten times as fast as `torch.bernoulli`.

    Arguments: `v`, level numbers 0 … n−1, uint8, any shape.
    """
    return torch.gt(_thresholds(v, num_levels), _uniform16(v), out=torch.empty_like(v, dtype=torch.float32))


def fixed(v: NDArray[np.uint8], num_levels: int, seed: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
    """The one draw x ~ Bernoulli(v/(n−1)) that belongs to `seed`: row i always gets the i-th block of its stream.

    Arguments: `v` [N, …] level numbers in the source's order; `rows`, sorted row numbers to return, None for all.
    """
    rows = np.arange(len(v)) if rows is None else rows
    x = np.empty((len(rows), *v.shape[1:]), np.uint8)
    stream = np.random.default_rng(seed)
    chance = (np.arange(num_levels) / (num_levels - 1)).astype(np.float32)
    for first in range(0, int(rows[-1]) + 1 if len(rows) else 0, ROWS_AT_ONCE):
        block = v[first : first + ROWS_AT_ONCE]
        noise = stream.random(block.shape, dtype=np.float32)
        here = slice(*np.searchsorted(rows, (first, first + len(block))))
        chosen = rows[here] - first
        x[here] = noise[chosen] < chance[block[chosen]]
    return x


def threshold(v: NDArray[np.uint8], num_levels: int) -> NDArray[np.uint8]:
    """x = [v > (n−1)/2]."""
    return (v > (num_levels - 1) / 2).astype(np.uint8)


def _uniform16(like: Tensor) -> Tensor:
    size = like.numel()
    if like.device.type == "mps":  # draws 32-bit integers only
        words = torch.empty((size + 1) // 2, dtype=torch.int32, device=like.device).random_(-(2**31), 2**31)
    else:
        words = torch.empty((size + 3) // 4, dtype=torch.int64, device=like.device).random_(-(2**63), None)
    return words.view(torch.int16)[:size].view(like.shape).clamp_(max=32766)


def _thresholds(v: Tensor, num_levels: int) -> Tensor:
    if num_levels == 256:  # 257·v + [127 ≤ v < 255] − 32768: arithmetic, since a table takes longer than the draw
        w = v.to(torch.int16)
        return (w * 257).sub_(32768).add_(w.add_(1).bitwise_and_(255).bitwise_right_shift_(7))
    return _table(num_levels, v.device).index_select(0, v.int().flatten()).view(v.shape)


@lru_cache(maxsize=64)
def _table(num_levels: int, device: torch.device) -> Tensor:
    t = np.round(np.arange(num_levels) * 65536 / (num_levels - 1)).astype(np.int64) - 32768
    return torch.from_numpy(np.minimum(t, 32767).astype(np.int16)).to(device)
