"""The interface of a model: p(x, z), q(z|x), what they answer, and small questions about them.

It may import terms, distributions and what is below them, and knows no family. A new family is a file in `models/`;
a new fact that each must state is an attribute of `Model` in `interface.py`, with a default.
"""

from .asking import (
    decoding_in,
    device_of,
    groups_of,
    has_real_z,
    num_latents,
    prior_draw,
    require_latents,
    shapes_of_z,
    stands_for_x,
)
from .interface import REMEDIES, Drawn, Model, parameters_in
from .modes import evaluating, held
from .posterior import OneGroup, Posterior, marginals
from .spaces import Coordinates, Flow, OneTransform

__all__ = [
    "REMEDIES",
    "Coordinates",
    "Drawn",
    "Flow",
    "Model",
    "OneGroup",
    "OneTransform",
    "Posterior",
    "decoding_in",
    "device_of",
    "evaluating",
    "groups_of",
    "has_real_z",
    "held",
    "marginals",
    "num_latents",
    "parameters_in",
    "prior_draw",
    "require_latents",
    "shapes_of_z",
    "stands_for_x",
]
