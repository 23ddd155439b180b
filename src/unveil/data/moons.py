"""Two interleaved half circles: two columns in which every density can be looked at."""

from typing import ClassVar

import numpy as np

from ..registry import register
from .raw import Raw

NUM_EXAMPLES = 4000
NOISE = 0.1


@register("source", "moons")
class Moons:
    """4,000 points of the plane: (cos t, sin t) and (1 − cos t, ½ − sin t), t ~ U(0, π), plus N(0, 0.1²) noise."""

    summary: ClassVar[str] = "4,000 points of the plane on two interleaved half circles; the moon is the label"

    def read(self) -> Raw:
        rng = np.random.default_rng(0)
        t, moon = rng.uniform(0, np.pi, NUM_EXAMPLES), rng.integers(0, 2, NUM_EXAMPLES)
        upper, lower = np.stack([np.cos(t), np.sin(t)], -1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], -1)
        x = np.where(moon[:, None] == 0, upper, lower) + NOISE * rng.normal(size=(NUM_EXAMPLES, 2))
        return Raw("moons", x.astype(np.float32), moon.astype(np.int64), ("upper", "lower"), columns=("x", "y"))
