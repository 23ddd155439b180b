"""The quantizer that makes the codes of x, and q(c|x), which gives them probability one."""

import torch
from torch import Tensor

from ...errors import RequestError, at_least
from ...model import Posterior
from ...nn.quantize import Quantized, Quantizer, ScalarQuantizer, VectorQuantizer
from ...terms import expand_samples

CODE_DIM = 16  # of a code's vector


class Codes(Posterior):
    """q(c|x) = 1 at the codes nearest to the vectors of x. Every draw is the same, and log q = 0.

    Arguments: found, what the vectors of x [B, n, D] became.
    """

    def __init__(self, found: Quantized) -> None:
        self.found = found

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        z = (expand_samples(self.found.codes, num_samples),)
        return z, self.log_prob(z)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        """0 at the codes of x, −∞ elsewhere."""
        same = (z[0] == self.found.codes).all(-1)
        return torch.where(same, 0.0, -torch.inf).unsqueeze(-1)


def make_quantizer(name: str, num_codes: int, dim: int, ema: bool, revival: bool) -> Quantizer:
    if name == "vq":
        return VectorQuantizer(num_codes, dim or CODE_DIM, ema=ema, revival=revival)
    if dim:
        raise RequestError(
            f"model.code_dim={dim} came with quantizer=fsq, whose codebook_size says how many numbers a code has; "
            "leave it out."
        )
    return ScalarQuantizer(num_codes)


def check(codebook_size: int, **sizes: int) -> None:
    at_least(2, "model.codebook_size", codebook_size)
    for key, size in sizes.items():
        at_least(1, f"model.{key}", size)
