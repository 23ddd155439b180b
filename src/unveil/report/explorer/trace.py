"""From a function of tensors to the steps of a program: what depends on no input is computed here and kept."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from ...ops import keyed
from .lowering import LOWERED, Call, Lowering
from .program import Constants, Program, Untraced, Writer

Values = dict[fx.Node, Any]

UNARY = {
    "silu": "silu", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu", "exp": "exp", "expm1": "expm1", "log": "log",
    "log1p": "log1p", "neg": "neg", "sqrt": "sqrt", "rsqrt": "rsqrt", "abs": "abs", "reciprocal": "reciprocal",
    "floor": "floor", "ceil": "ceil", "round": "round", "sign": "sign", "sin": "sin", "cos": "cos", "sinh": "sinh",
    "cosh": "cosh", "asinh": "asinh", "atanh": "atanh", "square": "square", "erf": "erf", "lgamma": "lgamma",
    "logical_not": "not", "bitwise_not": "not", "isnan": "isnan",
}  # fmt: skip
BINARY = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "maximum": "max", "minimum": "min", "gt": "gt", "lt": "lt",
    "ge": "ge", "le": "le", "eq": "eq", "ne": "ne", "logical_and": "and", "bitwise_and": "and", "logical_or": "or",
    "bitwise_or": "or", "logaddexp": "logaddexp", "fmod": "fmod", "remainder": "remainder",
}  # fmt: skip
SAME = {
    "view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "detach", "clone", "alias", "contiguous", "lift_fresh",
    "lift_fresh_copy", "flatten", "unflatten",
}  # fmt: skip
REDUCED = {"sum": "sum", "mean": "mean", "amax": "amax", "amin": "amin", "logsumexp": "logsumexp", "prod": "prod"}
VIEWS = SAME | {"t", "transpose", "permute", "expand", "slice", "select", "unbind", "split", "diagonal"}
DRAWN = {"randn", "randn_like", "rand", "rand_like", "normal", "normal_functional", "bernoulli", "multinomial"}
BY_SHAPE = {"randn_like", "rand_like"}  # of what is drawn: it hangs on the shape of an input alone
WIDE = (torch.float32, torch.float64, torch.int64, torch.int32, torch.bool)  # types whose numbers a page has


def traced(
    f: Callable[..., dict[str, Tensor]], *inputs: Tensor, constants: Constants, noise: Sequence[str] = ()
) -> Program:
    """The program of f(*inputs) → {name: tensor}, at the shapes of these inputs; `Untraced` where there is none.

    Noise that f draws is drawn once: the program always has the same, under the key `noise`.
    """
    names: list[str] = []

    def listed(*given: Tensor) -> list[Tensor]:
        found = f(*given)
        names[:] = found
        return list(found.values())

    with torch.enable_grad(), keyed(*noise):  # what only judges branches on values; what also trains does not
        try:
            module = make_fx(listed, tracing_mode="real")(*inputs)
        except Exception as error:  # of a network of anybody's, which is not made for this
            raise Untraced(str(error).split("\n")[0]) from error
    with keyed(*noise):
        try:
            return _Tracing(module, inputs, constants).program(names)
        except (RuntimeError, ArithmeticError, LookupError, TypeError) as error:
            raise Untraced(str(error).split("\n")[0]) from error


class _Tracing(Lowering):
    """Runs a traced graph on its example inputs and writes what hangs on an input."""

    def __init__(self, module: fx.GraphModule, inputs: Sequence[Tensor], constants: Constants) -> None:
        self.module, self.given, self.writer = module, list(inputs), Writer(constants, inputs)
        self.values: Values = {}  # what each node gives for the example
        self.numbers: dict[fx.Node, int] = {}  # of nodes that hang on an input
        self.parts: dict[fx.Node, list[int]] = {}  # of nodes that give several values
        self.live = set[fx.Node]()  # what hangs on an input

    @torch.no_grad()
    def program(self, names: Sequence[str]) -> Program:
        module, waiting = self.module.eval(), list(enumerate(self.given))
        for node in module.graph.nodes:
            match node.op:
                case "placeholder":
                    number, value = waiting.pop(0)
                    self.values[node], self.numbers[node] = value, number
                    self.live.add(node)
                case "get_attr":
                    self.values[node] = getattr(module, node.target)
                case "call_function":
                    self._call(node)
                case "output":
                    (found,) = node.args
                    return self.writer.program(**dict(zip(names, map(self.number, found), strict=True)))
        raise Untraced("it gives nothing")

    def value(self, thing: Any) -> Any:
        return fx.node.map_arg(thing, lambda node: self.values[node])

    def number(self, thing: Any) -> int:
        if isinstance(thing, fx.Node) and thing in self.numbers:
            return self.numbers[thing]
        if self.hangs(thing):
            raise Untraced(f"{thing} is no value that a page has")
        found = self.value(thing)
        if not isinstance(found, Tensor):
            found = torch.tensor(float(found))
        return self.writer.constant(found)

    def hangs(self, thing: Any) -> bool:
        return isinstance(thing, fx.Node) and thing in self.live

    def _call(self, node: fx.Node) -> None:
        name = _name(node.target)
        args, kwargs = self.value(node.args), self.value(dict(node.kwargs))
        hangs = any(map(self.hangs, node.all_input_nodes))
        if hangs and name in DRAWN - BY_SHAPE:
            raise Untraced("what is drawn hangs on x")
        if hangs and name.endswith("_") and not self.hangs(node.args[0]):
            self._keep(node.args[0])
        value = self.values[node] = node.target(*args, **kwargs)  # type: ignore[operator]
        if name in DRAWN or not hangs:
            return
        self.live.add(node)
        if node.target is operator.getitem:
            parent, place = node.args
            if place < len(self.parts[parent]):  # type: ignore[index, operator]
                self.numbers[node] = self.parts[parent][place]  # type: ignore[index]
            return
        call = Call(name, node.args, args, kwargs, value)
        found = self._in_place(node, call) if name.endswith("_") else self._lowered(name, call)
        if isinstance(found, int):
            self.numbers[node] = found
        else:
            self.parts[node] = found

    def _keep(self, thing: Any) -> None:
        """Write down a constant as it is before a step changes it."""
        if not isinstance(thing, fx.Node):
            raise Untraced("something is changed that is no value of the graph")
        self.numbers[thing] = self.writer.constant(self.value(thing).clone())
        self.live.add(thing)

    def _in_place(self, node: fx.Node, call: Call) -> int:
        """A step that changes its first argument: whoever asks for that one later gets the result."""
        changed = node.args[0]
        views = isinstance(changed, fx.Node) and any(
            _name(each.target) in VIEWS or each.target is operator.getitem for each in (changed, *changed.users)
        )
        if not isinstance(changed, fx.Node) or views:
            raise Untraced(f"{call.name} changes what others look at")
        found = self._lowered(call.name.removesuffix("_"), call)
        if not isinstance(found, int):
            raise Untraced(f"{call.name} is no step that a page knows")
        self.numbers[changed] = found
        return found

    def _lowered(self, name: str, call: Call) -> int | list[int]:
        given = call.given
        if isinstance(call.value, Tensor) and call.value.dtype not in WIDE:
            raise Untraced(f"numbers of type {call.value.dtype} are none that a page has")
        if any(isinstance(arg, torch.dtype) for arg in call.args[1:]) or ("dtype" in call.kwargs and name in REDUCED):
            raise Untraced(f"{name} of another type is no step that a page knows")
        if name in UNARY:
            if call.kwargs or len(call.args) > 1:
                raise Untraced(f"{name} with these arguments is no step that a page knows")
            return self.step(UNARY[name], given[:1], call.shape)
        if name.startswith(("bitwise", "logical")) and any(_is_whole(arg) for arg in call.args):
            raise Untraced(f"{name} of whole numbers is no step that a page knows")
        if name == "add" and call.value.dtype == torch.bool:
            return self.step("or", given[:2], call.shape)
        if name in BINARY and call.kwargs.keys() <= {"alpha"}:
            return self.step(BINARY[name], [given[0], self._times(given[1], call.kwargs.get("alpha", 1))], call.shape)
        if name in SAME:
            return self.step("view", given[:1], call.shape)
        if name in REDUCED:
            dims = call.args[1] if len(call.args) > 1 and call.args[1] != [] else None
            return self.step(REDUCED[name], given[:1], call.shape, _places(dims, call.args[0].ndim))
        if name not in LOWERED:
            raise Untraced(f"{name} is no step that a page knows")
        return LOWERED[name](self, call)

    def _times(self, thing: Any, factor: float) -> Any:
        """A thing, or a constant times so much."""
        if factor == 1:
            return thing
        if self.hangs(thing):
            raise Untraced("a sum with a factor is no step that a page knows")
        return self.value(thing) * factor


def _is_whole(thing: Any) -> bool:
    return isinstance(thing, Tensor) and not thing.is_floating_point() and thing.dtype != torch.bool


def _name(target: Any) -> str:
    """The name of a step of torch: aten.add.Tensor → add."""
    return target.__name__.split(".")[0] if hasattr(target, "__name__") else str(target)


def _places(dims: Any, ndim: int) -> list[int]:
    """Which dimensions are meant; None for all."""
    if dims is None:
        return list(range(ndim))
    return sorted(d % ndim for d in ([dims] if isinstance(dims, int) else dims))
