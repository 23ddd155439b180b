"""Small questions about a built model: the size of its z, what it can be used for, where it is."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..errors import RequestError
from ..ops import keyed
from .interface import Model
from .modes import evaluating


@torch.no_grad()
def shapes_of_z(model: Model) -> tuple[torch.Size, ...]:
    """The shape of each latent group of one example."""
    return tuple(group.shape[1:] for group in prior_draw(model)) if model.groups else ()


@torch.no_grad()
def prior_draw(model: Model) -> tuple[Tensor, ...]:
    """One z from p(z), groups [1, …]: what latents look like."""
    with keyed("shapes"):
        return model.draw_prior(1, model.draw_labels(1))


def groups_of(z: tuple[Tensor, ...] | Tensor, count: int | None = 1) -> tuple[Tensor, ...]:
    """z as a tuple of its groups; a tensor is the one group of a model that has one. Another number is refused.

    Arguments: count, L; None takes any, of a model that looks at the first alone.
    """
    groups = (z,) if isinstance(z, Tensor) else tuple(z)
    if count is not None and len(groups) != count:
        came = "one tensor" if isinstance(z, Tensor) else f"{len(groups)} groups"
        raise RequestError(f"z came as {came}; this model takes a tuple of {count} groups, from the top one down.")
    return groups


def has_real_z(model: Model) -> bool:
    """Whether every latent is a real number, between which others lie."""
    return all(group.is_floating_point() for group in prior_draw(model))


def num_latents(model: Model) -> int:
    """The dimensions of z, all groups together."""
    with evaluating(model):
        return sum(shape.numel() for shape in shapes_of_z(model))


def stands_for_x(model: Model) -> bool:
    """Whether the model has a z that x can be decoded from."""
    return bool(model.groups) and "joint" in model.gives


def require_latents(model: Model, what: str) -> None:
    """Raise a `RequestError` where the model has no z that stands for x; `what` is what needs it."""
    if not stands_for_x(model):
        why = "those of this {} do not" if model.groups else "this {} has none: it states p(x) itself"
        raise RequestError(
            f"{what} needs latents that stand for x, and {why.format(type(model).__name__)}.",
            "Use a model such as vae or hvae; samples and scores work as they are.",
        )


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first parameter or buffer."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")


@contextlib.contextmanager
def decoding_in(model: Model, precision: str) -> Iterator[None]:
    """Run the decoder in `precision` inside the block; a model without a decoder network stays as it is."""
    before = model.decoder_dtype
    if before is not None:
        model.decoder_dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    try:
        yield
    finally:
        model.decoder_dtype = before
