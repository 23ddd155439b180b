"""A prior with heavy tails."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent

from ..distributions import StudentT
from ..errors import RequestError
from ..registry import register
from .base import Prior


@register("prior", "student_t")
class StudentPrior(Prior):
    """p(z) = Π_d t_ν(z_d): as N(0, I) in the middle, but far z cost log |z| instead of z²/2.

    References: Mathieu et al., Disentangling Disentanglement in Variational Autoencoders (2019), §4.

    Arguments:
        df: ν > 2, the degrees of freedom; the smaller, the heavier the tails.
    """

    zero: Tensor

    def __init__(self, num_latents: int, *, df: float = 5.0) -> None:
        super().__init__(num_latents)
        if not 2 < df < math.inf:
            raise RequestError(f"prior.df is {df}; it takes a number above 2, so that z has a variance.")
        self.df = df
        self.register_buffer("zero", torch.zeros(num_latents), persistent=False)

    def forward(self, y: Tensor | None = None) -> Distribution:
        one = torch.ones_like(self.zero)
        return Independent(StudentT(self.df * one, self.zero, one), 1, validate_args=False)
