"""Steps of torch as steps of a program, one function each where more than the name differs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .program import Untraced, Writer


@dataclass(frozen=True)
class Call:
    """One step of torch.

    Arguments: name; given, its arguments as they stand in the graph, nodes among them; args and kwargs, their values;
    value, what it gave for the example.
    """

    name: str
    given: tuple[Any, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    value: Any

    @property
    def shape(self) -> list[int]:
        return list(self.value.shape)


class Lowering(ABC):
    """What knows the numbers of values."""

    writer: Writer

    @abstractmethod
    def number(self, thing: Any) -> int:
        """The number of a value; of a constant, or a plain number, that of a new constant."""

    @abstractmethod
    def hangs(self, thing: Any) -> bool:
        """Whether it hangs on an input."""

    def step(self, name: str, things: Sequence[Any], shape: Sequence[int], more: Any = None) -> int:
        """Write a step of such things."""
        return self.writer.step(name, [self.number(thing) for thing in things], shape, more)


Lower = Callable[[Lowering, Call], "int | list[int]"]
LOWERED: dict[str, Lower] = {}


def lowers(*names: str) -> Callable[[Lower], Lower]:
    """Enter a function for the steps of torch of these names."""

    def enter(made: Lower) -> Lower:
        LOWERED.update(dict.fromkeys(names, made))
        return made

    return enter


@lowers("t")
def _t(out: Lowering, call: Call) -> int:
    return out.step("permute", call.given[:1], call.shape, list(reversed(range(call.args[0].ndim))))


@lowers("transpose")
def _transpose(out: Lowering, call: Call) -> int:
    order = list(range(call.args[0].ndim))
    order[call.args[1]], order[call.args[2]] = order[call.args[2]], order[call.args[1]]
    return out.step("permute", call.given[:1], call.shape, order)


@lowers("permute")
def _permute(out: Lowering, call: Call) -> int:
    return out.step("permute", call.given[:1], call.shape, [d % call.args[0].ndim for d in call.args[1]])


@lowers("expand")
def _expand(out: Lowering, call: Call) -> int:
    return out.step("expand", call.given[:1], call.shape)


@lowers("slice")
def _slice(out: Lowering, call: Call) -> int:
    dim, start, _, step = (*call.args[1:], *[None] * 4)[:4]
    dim, size = (dim or 0) % call.args[0].ndim, call.args[0].shape[(dim or 0) % call.args[0].ndim]
    first = max(0, size + start) if start is not None and start < 0 else min(start or 0, size)
    return out.step("slice", call.given[:1], call.shape, [dim, first, step or 1])


@lowers("select")
def _select(out: Lowering, call: Call) -> int:
    x, dim, place = call.args[:3]
    return taken(out, call.given[0], x, dim, place % x.shape[dim], 1, call.shape)


def taken(out: Lowering, thing: Any, x: Tensor, dim: int, first: int, count: int, shape: Sequence[int]) -> int:
    """A part of one dimension, in a shape of its own."""
    dim %= x.ndim
    whole = [*x.shape[:dim], count, *x.shape[dim + 1 :]]
    part = out.step("slice", [thing], whole, [dim, first, 1])
    return part if list(shape) == whole else out.writer.step("view", [part], shape)


@lowers("unbind")
def _unbind(out: Lowering, call: Call) -> list[int]:
    dim = call.args[1] if len(call.args) > 1 else 0
    each = enumerate(call.value)
    return [taken(out, call.given[0], call.args[0], dim, i, 1, list(part.shape)) for i, part in each]


@lowers("split", "split_with_sizes", "chunk")
def _split(out: Lowering, call: Call) -> list[int]:
    dim, first, found = (call.args[2] if len(call.args) > 2 else 0) % call.args[0].ndim, 0, []
    for part in call.value:
        found.append(taken(out, call.given[0], call.args[0], dim, first, part.shape[dim], list(part.shape)))
        first += part.shape[dim]
    return found


@lowers("cat")
def _cat(out: Lowering, call: Call) -> int:
    things, dim = call.given[0], call.args[1] if len(call.args) > 1 else 0
    kept = [thing for thing, x in zip(things, call.args[0], strict=True) if x.numel()]
    return out.step("cat", kept, call.shape, dim % call.value.ndim)


@lowers("stack")
def _stack(out: Lowering, call: Call) -> int:
    things, dim = call.given[0], (call.args[1] if len(call.args) > 1 else 0) % call.value.ndim
    one = [*call.shape[:dim], 1, *call.shape[dim + 1 :]]
    rows = [out.step("view", [thing], one) for thing in things]
    return out.writer.step("cat", rows, call.shape, dim)


@lowers("mm", "bmm", "matmul")
def _mm(out: Lowering, call: Call) -> int:
    return out.step("mm", call.given[:2], call.shape)


@lowers("mv")
def _mv(out: Lowering, call: Call) -> int:
    matrix, vector = call.given[:2]
    column = out.step("view", [vector], [len(call.args[1]), 1])
    product = out.writer.step("mm", [out.number(matrix), column], [*call.shape, 1])
    return out.writer.step("view", [product], call.shape)


@lowers("addmm")
def _addmm(out: Lowering, call: Call) -> int:
    if call.kwargs:
        raise Untraced("a product with a factor is no step that a page knows")
    bias, a, b = call.given[:3]
    return out.step("mm", [a, b, bias], call.shape)


@lowers("convolution")
def _convolution(out: Lowering, call: Call) -> int:
    x, weight, bias = call.given[:3]
    if call.args[6] or call.args[8] != 1 or set(call.args[5]) != {1} or len(call.args[0].shape) != 4:
        raise Untraced("this convolution is no step that a page knows")
    things = [x, weight] if bias is None else [x, weight, bias]
    return out.step("conv", things, call.shape, [*call.args[3], *call.args[4]])


@lowers("pixel_shuffle")
def _pixel_shuffle(out: Lowering, call: Call) -> int:
    *lead, channels, height, width = call.args[0].shape
    r, n = call.args[1], len(lead)
    cut = out.step("view", call.given[:1], [*lead, channels // r**2, r, r, height, width])
    order = [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    moved = out.writer.step("permute", [cut], [*lead, channels // r**2, height, r, width, r], order)
    return out.writer.step("view", [moved], call.shape)


@lowers("pixel_unshuffle")
def _pixel_unshuffle(out: Lowering, call: Call) -> int:
    *lead, channels, height, width = call.args[0].shape
    r, n = call.args[1], len(lead)
    cut = out.step("view", call.given[:1], [*lead, channels, height // r, r, width // r, r])
    order = [*range(n), n, n + 2, n + 4, n + 1, n + 3]
    moved = out.writer.step("permute", [cut], [*lead, channels, r, r, height // r, width // r], order)
    return out.writer.step("view", [moved], call.shape)


@lowers("constant_pad_nd")
def _constant_pad_nd(out: Lowering, call: Call) -> int:
    before = [call.args[1][2 * (call.args[0].ndim - 1 - d)] if call.args[0].ndim - 1 - d < len(call.args[1]) // 2 else 0
              for d in range(call.args[0].ndim)]  # fmt: skip
    return out.step("pad", call.given[:1], call.shape, [before, float(call.args[2]) if len(call.args) > 2 else 0.0])


@lowers("clamp")
def _clamp(out: Lowering, call: Call) -> int:
    low, high = (*call.args[1:], None, None)[:2]
    low, high = call.kwargs.get("min", low), call.kwargs.get("max", high)
    if any(isinstance(end, Tensor) for end in (low, high)) or (None not in (low, high) and low > high):
        raise Untraced("these ends are no step that a page knows")
    return out.step("clamp", call.given[:1], call.shape, [low, high])


@lowers("clamp_min")
def _clamp_min(out: Lowering, call: Call) -> int:
    return out.step("clamp", call.given[:1], call.shape, [float(call.args[1]), None])


@lowers("hardtanh")
def _hardtanh(out: Lowering, call: Call) -> int:
    return out.step("clamp", call.given[:1], call.shape, [*map(float, call.args[1:3])] or [-1.0, 1.0])


@lowers("pow")
def _pow(out: Lowering, call: Call) -> int:
    if isinstance(call.args[1], int | float) and float(call.args[1]) == 2:
        return out.step("square", call.given[:1], call.shape)
    return out.step("pow", call.given[:2], call.shape)


@lowers("rsub")
def _rsub(out: Lowering, call: Call) -> int:
    if call.kwargs or len(call.args) > 2:
        raise Untraced("a difference with a factor is no step that a page knows")
    return out.step("sub", [call.given[1], call.given[0]], call.shape)


@lowers("where")
def _where(out: Lowering, call: Call) -> int:
    return out.step("where", call.given[:3], call.shape)


@lowers("_softmax", "softmax")
def _softmax(out: Lowering, call: Call) -> int:
    return out.step("softmax", call.given[:1], call.shape, call.args[1] % call.value.ndim)


@lowers("_log_softmax", "log_softmax")
def _log_softmax(out: Lowering, call: Call) -> int:
    return out.step("log_softmax", call.given[:1], call.shape, call.args[1] % call.value.ndim)


@lowers("cumsum")
def _cumsum(out: Lowering, call: Call) -> int:
    return out.step("cumsum", call.given[:1], call.shape, call.args[1] % call.value.ndim)


@lowers("softplus")
def _softplus(out: Lowering, call: Call) -> int:
    if call.kwargs or (call.args[1:2] or (1,))[0] != 1 or (call.args[2:3] or (20,))[0] != 20:
        raise Untraced("this softplus is no step that a page knows")
    return out.step("softplus", call.given[:1], call.shape)


@lowers("log_sigmoid_forward")
def _log_sigmoid_forward(out: Lowering, call: Call) -> list[int]:
    return [out.step("log_sigmoid", call.given[:1], list(call.value[0].shape))]


@lowers("_to_copy", "to")
def _to_copy(out: Lowering, call: Call) -> int:
    if call.value.dtype == torch.bool:
        return out.step("ne", [call.given[0], 0.0], call.shape)
    whole = not call.value.is_floating_point()
    return out.step("trunc" if whole and call.args[0].is_floating_point() else "view", call.given[:1], call.shape)


@lowers("gather")
def _gather(out: Lowering, call: Call) -> int:
    return out.step("gather", [call.given[0], call.given[2]], call.shape, call.args[1] % call.args[0].ndim)


@lowers("index_select")
def _index_select(out: Lowering, call: Call) -> int:
    dim = call.args[1] % call.args[0].ndim
    whole = [1] * call.args[0].ndim
    whole[dim] = call.args[2].numel()
    places = out.step("view", [call.given[2]], whole)
    spread = out.writer.step("expand", [places], call.shape)
    return out.writer.step("gather", [out.number(call.given[0]), spread], call.shape, dim)


@lowers("index")
def _index(out: Lowering, call: Call) -> int:
    """x[…, i, …] for one list of places [n], which is all that networks here ask for."""
    x, asked = call.given[:2]
    used = [(dim, each) for dim, each in enumerate(asked) if each is not None]
    if len(used) != 1 or call.args[1][used[0][0]].ndim != 1 or call.args[1][used[0][0]].dtype == torch.bool:
        raise Untraced("these places are no step that a page knows")
    dim, places = used[0]
    if not out.hangs(places):  # −1 is the last place
        kept = call.args[1][dim] % call.args[0].shape[dim]
        return picked(out, out.number(x), call.shape, dim, kept)
    if not bool((call.args[1][dim] >= 0).all()):
        raise Untraced("places below 0 that hang on x are no step that a page knows")
    whole = [1] * call.args[0].ndim
    whole[dim] = call.args[1][dim].numel()
    spread = out.writer.step("expand", [out.step("view", [places], whole)], call.shape)
    return out.writer.step("gather", [out.number(x), spread], call.shape, dim)


@lowers("one_hot")
def _one_hot(out: Lowering, call: Call) -> int:
    one = out.step("view", call.given[:1], [*call.shape[:-1], 1])
    return out.writer.step("eq", [one, out.writer.constant(torch.arange(call.shape[-1]))], call.shape)


@lowers("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")
def _zeros_like(out: Lowering, call: Call) -> int:
    return out.writer.constant(call.value)


@lowers("native_group_norm")
def _native_group_norm(out: Lowering, call: Call) -> list[int]:
    x, weight, bias = call.given[:3]
    if weight is None or bias is None:
        raise Untraced("this norm is no step that a page knows")
    whole = list(call.value[0].shape)
    rows = out.step("view", [x], [call.args[3] * call.args[6], call.args[4] * call.args[5] // call.args[6]])
    normed = out.writer.step(
        "norm", [rows], [call.args[3] * call.args[6], call.args[4] * call.args[5] // call.args[6]], float(call.args[7])
    )
    back = out.writer.step("view", [normed], whole)
    wide = [1, call.args[4], *[1] * (len(whole) - 2)]
    scaled = out.writer.step("mul", [back, out.step("view", [weight], wide)], whole)
    return [out.writer.step("add", [scaled, out.step("view", [bias], wide)], whole)]


@lowers("native_layer_norm")
def _native_layer_norm(out: Lowering, call: Call) -> list[int]:
    x, _, weight, bias, eps = call.given[:5]
    whole = list(call.value[0].shape)
    count = torch.Size(call.args[1]).numel()
    rows = out.step("view", [x], [call.value[0].numel() // count, count])
    found = out.writer.step(
        "view", [out.writer.step("norm", [rows], [call.value[0].numel() // count, count], eps)], whole
    )
    found = found if weight is None else out.writer.step("mul", [found, out.number(weight)], whole)
    return [found if bias is None else out.writer.step("add", [found, out.number(bias)], whole)]


@lowers("upsample_nearest2d")
def _upsample_nearest2d(out: Lowering, call: Call) -> int:
    *lead, height, width = call.args[0].shape
    up, across = call.shape[-2] // height, call.shape[-1] // width
    if (call.shape[-2], call.shape[-1]) != (up * height, across * width):
        raise Untraced("this enlargement is no step that a page knows")
    cut = out.step("view", call.given[:1], [*lead, height, 1, width, 1])
    spread = out.writer.step("expand", [cut], [*lead, height, up, width, across])
    return out.writer.step("view", [spread], call.shape)


@lowers("avg_pool2d")
def _avg_pool2d(out: Lowering, call: Call) -> int:
    *lead, height, width = call.args[0].shape
    (down, across), rest = call.args[1], call.args[3:]
    stride = list(call.args[2]) if len(call.args) > 2 and call.args[2] else [down, across]
    if (
        stride != [down, across]
        or height % down
        or width % across
        or (any(rest[:1] or ()) and any(rest[0]))
        or len(rest) > 3
    ):
        raise Untraced("this pooling is no step that a page knows")
    cut = out.step("view", call.given[:1], [*lead, height // down, down, width // across, across])
    n = len(lead)
    return out.writer.step("mean", [cut], call.shape, [n + 1, n + 3])


def picked(out: Lowering, x: int, shape: Sequence[int], dim: int, places: Tensor) -> int:
    """The places [n] of one dimension, in that order."""
    spread = places.reshape([-1 if d == dim else 1 for d in range(len(shape))]).expand(list(shape))
    return out.writer.step("gather", [x, out.writer.constant(spread)], shape, dim)


@lowers("flip")
def _flip(out: Lowering, call: Call) -> int:
    found = out.number(call.given[0])
    for dim in call.args[1]:
        size = call.shape[dim]
        found = picked(out, found, call.shape, dim % len(call.shape), torch.arange(size - 1, -1, -1))
    return found


@lowers("index_copy")
def _index_copy(out: Lowering, call: Call) -> int:
    """What is put at places that hang on no input: both beside each other, and of each place the one that holds."""
    x, dim, index, source = call.args[:4]
    if out.hangs(call.given[2]):
        raise Untraced("places that hang on x are no step that a page knows")
    dim %= x.ndim
    places = torch.arange(x.shape[dim]).index_copy(0, index.cpu(), x.shape[dim] + torch.arange(source.shape[dim]))
    both = list(call.shape)
    both[dim] += source.shape[dim]
    joined = out.step("cat", [call.given[0], call.given[3]], both, dim)
    return picked(out, joined, call.shape, dim, places)


@lowers("std", "var")
def _std(out: Lowering, call: Call) -> int:
    x, dims = call.args[0], call.args[1] if len(call.args) > 1 and call.args[1] else list(range(call.args[0].ndim))
    dims = sorted(d % x.ndim for d in dims)
    kept = [1 if d in dims else size for d, size in enumerate(x.shape)]
    count = math.prod(x.shape[d] for d in dims)
    mean = out.step("mean", call.given[:1], kept, dims)
    off = out.writer.step("sub", [out.number(call.given[0]), mean], list(x.shape))
    squares = out.writer.step("square", [off], list(x.shape))
    total = out.writer.step("sum", [squares], call.shape, dims)
    correction = call.kwargs.get("correction", 1)
    share = out.writer.constant(torch.tensor(float(count - correction)))
    variance = out.writer.step("div", [total, share], call.shape)
    return variance if call.name == "var" else out.writer.step("sqrt", [variance], call.shape)


@lowers("addcmul")
def _addcmul(out: Lowering, call: Call) -> int:
    if call.kwargs:
        raise Untraced("a product with a factor is no step that a page knows")
    product = out.step("mul", call.given[1:3], torch.broadcast_shapes(call.args[1].shape, call.args[2].shape))
    return out.writer.step("add", [out.number(call.given[0]), product], call.shape)


@lowers("argmax")
def _argmax(out: Lowering, call: Call) -> int:
    x, dim = call.args[0], call.args[1] if len(call.args) > 1 else None
    if dim is None:
        raise Untraced("this place of the largest is no step that a page knows")
    return out.step("argmax", call.given[:1], call.shape, [dim % x.ndim])
