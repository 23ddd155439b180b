"""The small world of the first chapters: a hidden weather with three values, and umbrellas that are seen; a normal."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..domain import Domain
from ..models.mixture import Mixture

P_Z = np.array([0.5, 0.3, 0.2])  # sunny, cloudy, rainy
P_X_GIVEN_Z = np.array([[0.80, 0.15, 0.04, 0.01], [0.40, 0.35, 0.20, 0.05], [0.05, 0.15, 0.35, 0.45]])


def weather() -> Mixture:
    """The same tables as a model of the library: `model="mixture"` over one column of four levels."""
    model = Mixture(Domain("levels", (1,), 4), num_components=3)
    with torch.no_grad():
        model.logits.copy_(torch.as_tensor(P_Z).log())
        model.get_parameter("components.logits").copy_(torch.as_tensor(P_X_GIVEN_Z).log().unsqueeze(1))
    return model.eval()


def log_normal(x: NDArray[np.floating], mean: NDArray[np.floating] | float, scale: float) -> NDArray[np.floating]:
    """log N(x; mean, scale²)."""
    return np.asarray(-0.5 * ((x - mean) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi))
