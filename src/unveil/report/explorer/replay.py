"""Programs run here as a page runs them: what checks, before a page is made, that it computes what the model does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .program import Constants, Program

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "exp": torch.exp,
    "expm1": torch.expm1, "log": torch.log, "log1p": torch.log1p, "neg": torch.neg, "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt, "abs": torch.abs, "reciprocal": torch.reciprocal, "floor": torch.floor, "ceil": torch.ceil,
    "round": torch.round, "trunc": torch.trunc, "sign": torch.sign, "sin": torch.sin, "cos": torch.cos,
    "sinh": torch.sinh, "cosh": torch.cosh, "asinh": torch.asinh, "atanh": torch.atanh, "square": torch.square,
    "erf": torch.erf, "lgamma": torch.lgamma, "not": torch.logical_not, "isnan": torch.isnan, "softplus": F.softplus,
    "log_sigmoid": F.logsigmoid,
}  # fmt: skip
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow, "max": torch.maximum,
    "min": torch.minimum, "gt": torch.gt, "lt": torch.lt, "ge": torch.ge, "le": torch.le, "eq": torch.eq,
    "ne": torch.ne, "and": torch.logical_and, "or": torch.logical_or, "fmod": torch.fmod,
    "remainder": torch.remainder, "logaddexp": torch.logaddexp,
}  # fmt: skip
REDUCED: dict[str, Callable[..., Tensor]] = {
    "sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin, "logsumexp": torch.logsumexp,
}  # fmt: skip


@torch.no_grad()
def replayed(program: Program, constants: Constants, *inputs: Tensor) -> dict[str, Tensor]:
    """What a page makes of a program, flat arrays by name: every value is float32, and has the shape that is stated."""
    half = torch.from_numpy(np.frombuffer(b"".join(constants.half), "<f2").astype(np.float32))
    single = torch.from_numpy(np.frombuffer(b"".join(constants.single), "<f4").copy())
    values = [each.float() for each in inputs]
    for name, given, shape, *more in program.steps:
        if name == "const":
            is_half, first, count = given
            found = (half if is_half else single)[first : first + count]
        else:
            found = _step(name, [values[place] for place in given], shape, *more)
        values.append(found.float().reshape(shape))
    return {name: values[place].flatten() for name, place in program.outputs.items()}


def _step(name: str, values: list[Tensor], shape: list[int], more: Any = None) -> Tensor:
    a = values[0]
    if name in UNARY:
        return UNARY[name](a)
    if name in BINARY:
        return BINARY[name](a, values[1])
    if name in REDUCED:
        return REDUCED[name](a, dim=more)
    match name:
        case "view":
            return a
        case "expand":
            return a.expand(shape)
        case "permute":
            return a.permute(more)
        case "mm":
            return a @ values[1] + (values[2] if len(values) > 2 else 0.0)
        case "conv":
            return F.conv2d(a, values[1], values[2] if len(values) > 2 else None, more[:2], more[2:])
        case "slice":
            dim, first, each = more
            return a.narrow(dim, first, a.shape[dim] - first)[(slice(None),) * dim + (slice(None, None, each),)].narrow(
                dim, 0, shape[dim]
            )
        case "cat":
            return torch.cat(values, more)
        case "clamp":
            return a.clamp(*more)
        case "where":
            return torch.where(a != 0, values[1], values[2])
        case "gather":
            return a.gather(more, values[1].long())
        case "pad":
            before, filler = more
            after = [size - b - own for size, b, own in zip(shape, before, a.shape, strict=True)]
            sides = [side for b, end in zip(reversed(before), reversed(after), strict=True) for side in (b, end)]
            return F.pad(a, sides, value=filler)
        case "norm":
            return F.layer_norm(a, a.shape[1:], eps=more)
        case "softmax" | "log_softmax" | "cumsum":
            return getattr(torch, name)(a, more)
        case "prod" | "argmax":
            moved = a.movedim(more, list(range(-len(more), 0))).flatten(-len(more))
            return moved.prod(-1) if name == "prod" else moved.argmax(-1)
    raise ValueError(f"there is no step {name!r}")
