"""The sizes and the network that a ladder gets by default, and the priors that it takes."""

from typing import Any

from ...domain import Domain
from ...errors import RequestError
from ...nn.hierarchy import Ladder
from ...nn.rungs import Network
from ...priors import Prior

SMALL = 256  # values of x up to which a perceptron of vectors sees enough of it
DEFAULTS = {
    "mlp": {"latent": 32, "num_groups": 3, "cell": 0, "width": 256, "depth": 1},
    "grid": {"latent": 32, "num_groups": 3, "cell": 4, "width": 64, "depth": 1},
}
FEW = {"latent": 16, "width": 128}


def picked(
    domain: Domain, network: Network, latent: int, num_groups: int, cell: int, width: int, depth: int
) -> dict[str, Any]:
    """The sizes and the network that were asked for, or the defaults; what cannot be had is refused."""
    asked = {"latent": latent, "num_groups": num_groups, "cell": cell, "width": width, "depth": depth}
    for key, value in asked.items():
        if value < 0 or (key == "num_groups" and value == 1):
            least = 2 if key == "num_groups" else 1
            raise RequestError(f"model.{key} is {value}; it takes a whole number from {least} upwards, or 0 to pick.")
    if network == "grid" and not domain.is_image:
        raise RequestError(f"model.network 'grid' needs images and x has the shape {domain.shape}; use 'mlp'.")
    if network == "auto":
        network = "grid" if domain.is_image and domain.num_dims > SMALL else "mlp"
    defaults = DEFAULTS[network] if domain.num_dims > SMALL else DEFAULTS[network] | FEW
    return {key: asked[key] or defaults[key] for key in asked} | {"network": network}


def check_prior(prior: Prior, networks: Ladder, num_classes: int) -> None:
    if prior.support != "real":
        raise RequestError(
            f"The prior {prior.registered[1]!r} is over {prior.support} z, and the groups of a hvae are real; choose "
            "another, or use --model vae."
        )
    if prior.shares_encoder and (num_classes or not networks.downward):
        raise RequestError(
            f"The prior {prior.registered[1]!r} is made of q(z_L|x), which "
            f"{'here takes a label, too' if num_classes else 'a chain from below does not have'}; choose another, such "
            "as prior=mixture."
        )
