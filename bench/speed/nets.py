"""The networks that every contender trains, and the number of floating-point operations in them.

Plain torch and nothing else, so that the peer's environment can import it, too: all contenders hold the same layers,
with the same initial weights, the same standardised input and the same output bias.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT = 32
Product = tuple[int, int, int]  # rows per image, inner size, outputs: one matrix product of a layer


class MLPFeatures(nn.Module):
    """784-500-500."""

    num_features = 500

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))


class MLPDecoder(nn.Module):
    """D-500-500-784."""

    def __init__(self, latent: int = LATENT) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU(), nn.Linear(500, 784, bias=False)
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class ConvFeatures(nn.Module):
    """28 → 14 → 7 → 3 by 4×4 kernels of stride 2, with 32, 64 and 64 channels."""

    num_features = 576

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(64, 64, 4, 2, 1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.reshape(-1, 1, 28, 28))


class ConvDecoder(nn.Module):
    """The mirror: 3 → 7 → 14 → 28 by transposed convolutions."""

    def __init__(self, latent: int = LATENT) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(latent, 576), nn.ReLU())
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(64, 64, 4, 2, 1, output_padding=1), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1, bias=False),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        h = self.layers(self.inner(z).reshape(-1, 64, 3, 3))
        return h.reshape(*z.shape[:-1], 784)


PAIRS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "mlp": (MLPFeatures, MLPDecoder),
    "conv": (ConvFeatures, ConvDecoder),
}
PRODUCTS: dict[str, list[Product]] = {  # a transposed convolution multiplies its inputs' positions
    "mlp": [(1, 784, 500), (1, 500, 500), (1, 500, 64), (1, 32, 500), (1, 500, 500), (1, 500, 784)],
    "conv": [
        (196, 16, 32), (49, 512, 64), (9, 1024, 64), (1, 576, 64),
        (1, 32, 576), (9, 64, 1024), (49, 64, 512), (196, 32, 16),
    ],
}  # fmt: skip


def flops_per_image(network: str) -> int:
    """Of one training step: 6 per weight and use, less the gradient of the first layer's input, which nobody takes."""
    first, *_ = PRODUCTS[network]
    return sum(6 * math.prod(product) for product in PRODUCTS[network]) - 2 * math.prod(first)


class Networks(nn.Module):
    """q(z|x) = N(μ(x), σ(x)²) and p(x|z) = Bernoulli(decoder(z) + offset), x standardised before the first layer."""

    centre: Tensor
    spread: Tensor

    def __init__(self, network: str, latent: int = LATENT) -> None:
        super().__init__()
        features, decoder = PAIRS[network]
        self.features, self.decoder = features(), decoder(latent)
        self.head = nn.Linear(self.features.num_features, 2 * latent)
        self.offset = nn.Parameter(torch.zeros(784))
        self.register_buffer("centre", torch.zeros(784))
        self.register_buffer("spread", torch.ones(()))
        with torch.no_grad():  # as the library begins: near the prior, and near the data mean
            self.head.weight.mul_(0.5)
            self.head.bias.zero_()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ [B, D] of x [B, 784]."""
        return self._posterior(self.features((x - self.centre) / self.spread))

    def _posterior(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sigma = self.head(h.float()).chunk(2, -1)
        return mean, 8 * torch.tanh(log_sigma / 8)  # within ±8, as the library's head keeps it

    def decode(self, z: Tensor) -> Tensor:
        """Logits [..., 784]."""
        return self.decoder(z).float() + self.offset

    def negative_elbo(self, x: Tensor, noise: Tensor, bf16: bool = False) -> Tensor:
        """−log p(x|z) + KL(q(z|x)‖N(0, I)) of one draw, [B]; networks in bf16, densities in float32."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            h = self.features((x - self.centre) / self.spread)
        mean, log_sigma = self._posterior(h)
        sigma = log_sigma.exp()
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            logits = self.decoder(mean + sigma * noise)
        distortion = F.binary_cross_entropy_with_logits(logits.float() + self.offset, x, reduction="none").sum(-1)
        return distortion + (0.5 * (mean**2 + sigma**2 - 1) - log_sigma).sum(-1)


def fresh(network: str, mean: Tensor, latent: int = LATENT, seed: int = 0) -> Networks:
    """The networks with the weights of a seed, begun from the mean [784] of the training images (0 … 1)."""
    torch.manual_seed(seed)
    networks = Networks(network, latent)
    overall = float(mean.mean())
    with torch.no_grad():
        networks.centre.copy_(mean)
        networks.spread.fill_(math.sqrt(overall * (1 - overall)))
        networks.offset.copy_(torch.logit(mean.clamp(5e-5, 1 - 5e-5)))
    return networks


@torch.no_grad()
def held_out(networks: Networks, x: Tensor) -> float:
    """Negative ELBO per image of x [N, 784] that no contender trained on, one draw with noise that all share."""
    noise = torch.randn(len(x), networks.head.out_features // 2, generator=torch.Generator().manual_seed(1))
    device = networks.offset.device
    return float(networks.negative_elbo(x.float().to(device), noise.to(device)).mean())
