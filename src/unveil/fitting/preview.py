"""A few samples for the eye while training goes on."""

import numpy as np
import torch

from ..domain import Domain
from ..model import Model
from ..ops import keyed
from ..pictures import to_bytes


@torch.no_grad()
def sample_pictures(model: Model, domain: Domain, count: int = 16) -> np.ndarray | None:
    """A few samples as uint8 images, for the eye; None for x that are not images."""
    if not domain.is_image:
        return None
    with keyed("preview", 0):
        y = model.draw_labels(count)
        x, z = model.sample(count, y)
        shown = model.shown(x, z, y)
    return to_bytes(shown.cpu().numpy(), domain)
