"""The training loop: a generator that yields after every update. The caller logs, evaluates, saves or stops."""

import math
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..data import Split
from ..errors import RequestError, WorkError
from ..model import Model, device_of, held
from ..objectives import Loss
from ..ops import keyed, seed_of
from .ema import Average
from .encoded import EncodedProblem, encoded, encodes
from .feeding import Feed
from .optimizer import Optimizer
from .stage import Stage
from .starting import starting_rows

SOLVE_ROWS = 1024  # rows per block of a closed-form pass
SURGE = 10.0  # times its usual length, beyond which a gradient is scaled down
FOLLOWING = 0.05  # share of a change of its length that is followed at once


class NonFinite(WorkError):
    """A loss or a gradient is not finite; the update that would have used it was not made."""


def initialise(model: Model, data: Split, seed: int) -> None:
    """The data-dependent start: once, on training examples, never on resume."""
    with keyed("initialise", seed), torch.no_grad():
        batch = data.batch(starting_rows(data))
        model.initialise(batch.to(device_of(model)))


class TrainState:
    """Everything that changes in a stage: weights, their average, the optimiser, the number of updates made.

    Noise and the order of the examples are functions of (seed, step), so they need no state of their own.
    """

    def __init__(self, model: Model, stage: Stage) -> None:
        model.begin(stage.parts)
        self.model, self.stage, self.step = model, stage, 0
        self.lr_factor = 1.0  # lowered by the caller, who validates
        gradient = model.solves != "all"
        self.usual = torch.full((), torch.nan, device=device_of(model))  # log of the gradient's usual length
        self.average = Average(model, stage.ema_half_life if gradient else 0.0)
        self.optimizer = stage.make_optimizer(model) if gradient else None

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state by name, for a checkpoint."""
        found = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        if self.average.model is not self.model:
            found |= {f"average/{k}": v for k, v in self.average.model.state_dict().items()}
        if self.optimizer is not None:
            found["guard/usual"] = self.usual
        for name, slots in self._optimizer_slots().items():
            found |= {f"optimizer/{name}/{slot}": value for slot, value in slots.items()}
        return {k: v.detach() for k, v in found.items()}

    def load(self, tensors: Mapping[str, Tensor], step: int, lr_factor: float = 1.0) -> None:
        """Put a checkpoint back, bit by bit."""
        self.step, self.lr_factor = step, lr_factor
        self.model.load_state_dict(_under(tensors, "model/"))
        if self.average.model is not self.model:
            self.average.model.load_state_dict(_under(tensors, "average/"))
        for value in _under(tensors, "guard/").values():
            self.usual.copy_(value)
        named = dict(self.model.named_parameters())
        for key, value in _under(tensors, "optimizer/").items():
            name, slot = key.rsplit("/", 1)
            assert self.optimizer is not None
            self.optimizer.state.setdefault(named[name], {})[slot] = value.clone()

    def _optimizer_slots(self) -> dict[str, dict[str, Tensor]]:
        if self.optimizer is None:
            return {}
        names = {id(p): name for name, p in self.model.named_parameters()}
        return {names[id(p)]: slots for p, slots in self.optimizer.state.items()}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@dataclass(frozen=True)
class Step:
    """One finished update. Numbers are batch means in nats, read from the device when asked for.

    Arguments: number, of updates made so far; examples seen; logs, the objective's scalars; state.
    """

    number: int
    examples: int
    logs: Mapping[str, Tensor]
    state: TrainState

    def __getitem__(self, name: str) -> float:
        return float(self.logs[name])

    @property
    def bound(self) -> float:
        """The objective's lower bound on log p(x)."""
        return self["bound"]

    @property
    def model(self) -> Model:
        """The model that is evaluated: the averaged weights."""
        return self.state.average.model


class Problem(nn.Module):
    """objective(model, batch, progress) as one module: what is compiled, never model and objective apart."""

    def __init__(self, model: Model, stage: Stage) -> None:
        super().__init__()
        self.model, self.objective = model, stage.objective

    def forward(
        self, x: Tensor, y: Tensor | None, observed: Tensor | None, z: tuple[Tensor, ...] | None, progress: Tensor
    ) -> tuple[Tensor, Any]:
        loss: Loss = self.objective(self.model, Batch(x=x, y=y, observed=observed, z=z), progress)
        return loss.surrogate.mean() + loss.shared, {"bound": loss.bound.mean().detach(), **loss.logs}


def fit(
    model: Model,
    data: Split,
    stage: Stage,
    state: TrainState | None = None,
    *,
    seed: int = 0,
    bf16: bool = False,
    problem: nn.Module | None = None,
) -> Generator[Step, None, None]:
    """Train for one stage, yielding after each update.

    Arguments:
        model: trained in place.
        data: the training split.
        stage: objective, budget, optimiser.
        state: where to go on from; a new one starts from the data.
        seed: of the order of examples and of all noise.
        bf16: run encoder and decoder in bfloat16; densities and sums stay in float32.
        problem: a compiled `Problem` of the same model and objective; by default it is run eagerly.

    Updates of q alone (`stage.encoder_steps`) take examples and noise of their own and count as part of the step.

    Raises NonFinite before an update that would spoil the weights.
    """
    with keyed("check"):
        stage.objective.check(model, data.batch(torch.arange(min(1, len(data)))).to(device_of(model)))
    stage.objective.prepare(len(data))
    if state is None:
        initialise(model, data, seed)
        state = TrainState(model, stage)
    if model.solves == "all":
        yield from _solve_steps(state, data, seed)
    elif encodes(model, stage, data):
        yield from _gradient_steps(state, encoded(model, data, seed), seed, bf16, EncodedProblem(model))
    else:
        yield from _gradient_steps(state, data, seed, bf16, Problem(model, stage) if problem is None else problem)


def _gradient_steps(state: TrainState, data: Split, seed: int, bf16: bool, problem: nn.Module) -> Iterator[Step]:
    model, stage, optimizer = state.model, state.stage, state.optimizer
    parameters, device = stage.parameters(model), device_of(model)
    frozen = [p for p in model.parameters() if id(p) not in {id(q) for q in parameters}]
    not_q = _outside_q(model, stage)
    guard, feed = Guard(parameters, stage.clip, device, state.usual), Feed(data, stage.batch_size, device)
    solves = model.solves == "some" and "p" in stage.parts
    solve_every = max(-(-len(data) // stage.batch_size), stage.steps // 50)

    def update(step: int, inner: int | None = None) -> Mapping[str, Tensor]:
        """The update after `step` finished ones, or (numbered `inner`) one of q alone before it."""
        assert optimizer is not None
        noise = seed if inner is None else seed_of("encoder", seed, inner)
        progress = torch.full((), stage.progress(step), device=device)  # a copy from the host would make it wait
        model.network_dtype = torch.bfloat16 if bf16 else torch.float32
        with keyed("train", noise, step):
            batch = feed.batch(noise, step)
            loss, logs = problem(batch.x, batch.y, batch.observed, batch.z, progress)
            model.network_dtype = torch.float32  # whoever evaluates between two updates does so in float32
            optimizer.zero_grad()
            loss.backward()
        if device.type == "cuda":  # one compiled graph, whose next replay writes over them, and they are read later
            loss, logs = loss.detach().clone(), {name: value.clone() for name, value in logs.items()}
        for p in not_q if inner is not None else ():
            p.grad = None  # the optimiser passes it over
        optimizer.lr = stage.learning_rate(step) * state.lr_factor
        guard.update(optimizer, loss, logs, step, model, whole=inner is None)
        return logs

    model.train()
    try:
        with held(frozen):
            while state.step < stage.steps:
                step = state.step
                for inner in range(stage.inner_steps(step)):
                    update(step, inner)
                logs = update(step)
                if step + 1 < stage.steps and not stage.inner_steps(step + 1):
                    feed.prepare(seed, step + 1)
                state.step = step + 1
                if solves and (state.step % solve_every == 0 or state.step == stage.steps):
                    _solve(model, data, seed, state.step)
                state.average.update(step, stage.batch_size)  # takes over what was solved
                yield Step(state.step, state.step * stage.batch_size, logs, state)
            guard.finish(model)
    finally:
        model.network_dtype = torch.float32


def _outside_q(model: Model, stage: Stage) -> list[nn.Parameter]:
    """What an update of q alone leaves as it is; weights that p shares with q move."""
    if not stage.encoder_steps:
        return []
    q = {id(p) for p in model.parameters_of("q")}
    if not q:
        raise RequestError(
            f"train.encoder_steps is {stage.encoder_steps}, and q of this {type(model).__name__} has no weights of its "
            "own; leave it out."
        )
    return [p for p in stage.parameters(model) if id(p) not in q]


def _solve_steps(state: TrainState, data: Split, seed: int) -> Iterator[Step]:
    model, stage = state.model, state.stage
    while state.step < stage.steps:
        _solve(model, data, seed, state.step)
        state.step += 1
        with keyed("train", seed, state.step), torch.no_grad():
            rows = torch.arange(min(len(data), SOLVE_ROWS), device=data.x.device)
            loss = stage.objective(model, data.batch(rows).to(device_of(model)))
        logs = {"bound": loss.bound.mean(), **loss.logs}
        if not torch.isfinite(logs["bound"]):
            raise NonFinite(
                f"The bound is {float(logs['bound'])} after step {state.step}.", "Check x for extreme values."
            )
        yield Step(state.step, state.step * len(data), logs, state)


def _solve(model: Model, data: Split, seed: int, step: int) -> None:
    def batches() -> Iterable[Batch]:
        for first in range(0, len(data), SOLVE_ROWS):
            rows = torch.arange(first, min(first + SOLVE_ROWS, len(data)), device=data.x.device)
            yield data.batch(rows).to(device_of(model))

    with keyed("solve", seed, step), torch.no_grad():
        model.solve(batches)


class Guard:
    """Scales a long gradient down, and makes an update only when the loss and every gradient are finite.

    Long is what is above `clip`, or ten times the usual length m, which follows log‖g‖, each time by a bounded step:

        log m ← log m + 0.05 · clamp(log‖g‖ − log m, −log 10, log 10)

    One surge hardly moves m. A lasting change is followed, by a factor of 10 in 20 updates, and no update is passed
    over meanwhile: so the guard cannot lock up, as one does that skips what is long and learns from what it let pass.

    On a CPU the check is read before the update. On an accelerator the update is masked on the device and the flag
    is read one step late, so that nothing waits.

    Arguments:
        parameters: that are updated.
        clip: the longest gradient.
        device: of the parameters.
        usual: log m, a scalar that is changed in place; NaN before the first update.
    """

    def __init__(
        self, parameters: list[nn.Parameter], clip: float, device: torch.device, usual: Tensor | None = None
    ) -> None:
        self.parameters, self.clip, self.late = parameters, clip, device.type != "cpu"
        self.usual = torch.full((), torch.nan, device=device) if usual is None else usual
        self._pending: tuple[Tensor, int, Tensor, Mapping[str, Tensor]] | None = None

    def _limit(self, norm: Tensor) -> Tensor:
        """The longest gradient now; the usual length takes note of this one's."""
        tells = torch.isfinite(norm) & (norm > 0)  # no gradient at all, as before a warm-up, has no usual length
        log_norm = torch.where(tells, norm, 1.0).log()
        usual = torch.where(self.usual.isnan(), log_norm, self.usual)
        change = (log_norm - usual).clamp(-math.log(SURGE), math.log(SURGE))
        self.usual.copy_(torch.where(tells, usual + FOLLOWING * change, self.usual))
        return (SURGE * usual.exp()).clamp(max=self.clip)

    def update(
        self,
        optimizer: Optimizer,
        loss: Tensor,
        logs: Mapping[str, Tensor],
        step: int,
        model: Model,
        whole: bool = True,
    ) -> None:
        """Arguments: whole, whether all parameters move; the usual length is of such updates."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        limit = self._limit(norm) if whole else torch.full_like(norm, self.clip)
        loss = loss.detach()
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        self.finish(model)
        if not self.late and not (math.isfinite(norm) and math.isfinite(loss)):
            raise self._story(loss, logs, step, model)
        if self.late or factor < 1:  # a pass over all gradients
            torch._foreach_mul_(gradients, factor)
        if self.late:
            bad = ~(torch.isfinite(norm) & torch.isfinite(loss))
            self._pending = (bad, step, loss, logs)
            if optimizer.can_skip:
                optimizer.skip = bad.float()
            else:
                self.finish(model)  # waits for the flag
        optimizer.step()

    def finish(self, model: Model) -> None:
        if self._pending is not None:
            bad, step, loss, logs = self._pending
            self._pending = None
            if bool(bad):
                raise self._story(loss, logs, step, model)

    def _story(self, loss: Tensor, logs: Mapping[str, Tensor], step: int, model: Model) -> NonFinite:
        terms = [k for k, v in logs.items() if not torch.isfinite(v).all()]
        names = [n for n, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
        where = f"term {terms[0]!r}" if terms else "the gradient"
        which = f", first in the parameter {names[0]!r}" if names else ""
        return NonFinite(
            f"Update {step + 1} was not made: {where} is not finite (loss {float(loss):.4g}){which}.",
            "The weights before it are saved; try a smaller train.lr or train.clip, or train.precision=float32.",
        )
