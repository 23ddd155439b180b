"""Plain feed-forward networks, as in the literature: what published numbers of small VAEs were reached with."""

import math
from typing import Literal

from torch import Tensor, nn

from ..registry import register
from .rectifier import ReLU
from .residual import small, unbiased

Activation = Literal["tanh", "relu", "silu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": ReLU, "silu": nn.SiLU}


def feed_forward(in_features: int, width: int, depth: int, activation: Activation) -> nn.Sequential:
    """h ← f(W h + b), `depth` times; W ∼ U[−a, a] with a² = 6/(inputs + outputs), b = 0.

    References: Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks (2010),
    eq. 16.
    """
    layers: list[nn.Module] = []
    for size in [in_features, *[width] * (depth - 1)]:
        linear = unbiased(nn.Linear(size, width))
        nn.init.xavier_uniform_(linear.weight)
        layers += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*layers)


@register("encoder", "plain")
class PlainEncoder(nn.Module):
    """x [B, *shape], flattened → `depth` layers of `width`: features [B, width].

    References: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders (2016), §5: two layers of 200, tanh.
    """

    def __init__(
        self, shape: tuple[int, ...], *, width: int = 200, depth: int = 2, activation: Activation = "tanh"
    ) -> None:
        super().__init__()
        self.num_features = width
        self.layers = feed_forward(math.prod(shape), width, depth, activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))


@register("decoder", "plain")
class PlainDecoder(nn.Module):
    """z [..., D] → `depth` layers of `width` → a linear map to the likelihood's features, whose bias it holds itself.

    References: as for the encoder, whose mirror it is.
    """

    def __init__(
        self,
        num_latents: int,
        shape: tuple[int, ...],
        params_per_dim: int,
        *,
        width: int = 200,
        depth: int = 2,
        activation: Activation = "tanh",
    ) -> None:
        super().__init__()
        self.layers = feed_forward(num_latents, width, depth, activation)
        self.out = small(nn.Linear(width, params_per_dim * math.prod(shape), bias=False), 0.1)  # near the mean

    def forward(self, z: Tensor) -> Tensor:
        return self.out(self.layers(z))
