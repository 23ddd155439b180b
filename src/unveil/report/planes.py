"""Many dimensions as two."""

import torch
from torch import Tensor


def principal_components(means: Tensor) -> tuple[Tensor, float]:
    """Scores [N, 2] on the first two components and their share of the variance; largest loadings are positive."""
    centred = (means - means.mean(0)).double()
    _, s, Vt = torch.linalg.svd(centred, full_matrices=False)
    V = Vt[:2] * Vt[:2].gather(1, Vt[:2].abs().argmax(1, keepdim=True)).sign()
    return centred @ V.T, float((s[:2] ** 2).sum() / (s**2).sum().clamp(min=1e-300))
