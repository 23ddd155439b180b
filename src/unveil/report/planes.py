"""Many dimensions as two."""

import torch
from torch import Tensor


def principal_components(means: Tensor) -> tuple[Tensor, float]:
    """Scores [N, 2] on the first two components and their share of the variance; largest loadings are positive."""
    _, V, share = _directions(means)
    return (means - means.mean(0)).double() @ V.T, share


def main_directions(places: Tensor) -> tuple[Tensor, Tensor, float]:
    """The centre [D] of places [N, D], their first two components [2, D], and the share of the variance in these."""
    centre, V, share = _directions(places)
    return centre, V.to(places.dtype), share


def _directions(places: Tensor) -> tuple[Tensor, Tensor, float]:
    """As `main_directions`, with components in float64."""
    centre = places.mean(0)
    _, s, Vt = torch.linalg.svd((places - centre).double(), full_matrices=False)
    V = Vt[:2] * Vt[:2].gather(1, Vt[:2].abs().argmax(1, keepdim=True)).sign()
    return centre, V, float((s[:2] ** 2).sum() / (s**2).sum().clamp(min=1e-300))
