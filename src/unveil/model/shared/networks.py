"""The networks and the prior that a model gets by default."""

import math
from typing import Any, Literal

from ...domain import Domain
from ...errors import RequestError

Network = Literal["auto", "mlp", "patch", "conv", "plain", "linear"]
Activation = Literal["auto", "tanh", "relu", "silu"]
WIDTHS = {"conv": 32, "patch": 64, "plain": 200}
MOST = {"width": 100_000, "depth": 1_000, "patch": 1_000, "num_groups": 1_000}
ENOUGH = 10_000  # images from which more is learned of them: digits, with 1,400, gain nothing by a learned prior
SMALL = 1024  # values of an image up to which a network of matrices alone sees enough of it


def choose_network(domain: Domain, network: Network) -> str:
    """The network asked for, where it fits x, or the default."""
    if network == "auto":
        return default_network(domain)
    if network in ("conv", "patch") and not domain.is_image:
        raise RequestError(f"model.network {network!r} needs images and x has the shape {domain.shape}; use 'mlp'.")
    return network


def default_network(domain: Domain) -> str:
    """Convolutions for images of more than 1,024 values; below, an MLP sees ten times more of them in ten minutes."""
    return "conv" if domain.is_image and domain.num_dims > SMALL else "mlp"


def network_parts(network: str) -> tuple[str, str]:
    """The names of the encoder and the decoder of a network; what is inferred by a linear one needs more than that."""
    return ("mlp", "linear") if network == "linear" else (network, network)


def default_prior(domain: Domain, num_examples: int) -> str:
    """A learned prior for many images, worth some 3 nats on MNIST; else the one that needs no learning."""
    return "realnvp" if domain.is_image and num_examples >= ENOUGH else "standard_normal"


def sizes(domain: Domain, network: str, width: int, depth: int) -> dict[str, int]:
    """Width and depth as asked for, or by the kind of network and the size of x."""
    check_sizes(width=width, depth=depth)
    own = 2 if network == "plain" else 1  # a second residual block costs an MLP more of its budget than it brings
    return {"width": width or default_width(domain, network), "depth": depth or own}


def check_sizes(**asked: int) -> None:
    """Refuse sizes below 0, which leaves a size to the library, and such as no machine holds."""
    for key, size in asked.items():
        if not 0 <= size <= MOST[key]:
            raise RequestError(f"model.{key} is {size}; it takes a whole number from 1 to {MOST[key]:,}, or 0 to pick.")


def default_width(domain: Domain, network: str) -> int:
    """Channels, units of plain layers, or hidden units growing with √D between 128 and 512."""
    return WIDTHS.get(network) or min(512, max(128, 2 ** round(math.log2(16 * math.sqrt(domain.num_dims)))))


def own_options(network: str, dropout: float, activation: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options that only one kind of network has: those of encoder and decoder, then those of the encoder alone."""
    if not 0 <= dropout < 1:
        raise RequestError(f"model.dropout is {dropout}; it takes a share from 0 to below 1.")
    has_dropout = network_parts(network)[0] == "mlp"
    if dropout and not has_dropout:
        raise RequestError(f"model.dropout={dropout} came for model.network={network!r}; only 'mlp' has it.")
    if activation != "auto" and network != "plain":
        raise RequestError(f"model.activation={activation} came for model.network={network!r}; only 'plain' has it.")
    both = {"activation": "tanh" if activation == "auto" else activation} if network == "plain" else {}
    return both, {"dropout": dropout} if has_dropout else {}
