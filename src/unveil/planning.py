"""From "auto" to numbers: every choice that a clock or a probe makes is made here, once, before the first step."""

from __future__ import annotations

import copy
import math
import shutil
import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil
import torch

from .config import EvaluationOptions, TrainOptions
from .data import Data
from .errors import RequestError
from .estimators.base import ROWS, evaluate
from .judging import RANKED, make_estimator
from .models.base import Model
from .objectives import Objective
from .ops import threads
from .registry import rebuild
from .staging import check_stages, plan_stages
from .train.loop import Problem, TrainState, fit
from .train.stage import Stage
from .train.validation import validate

DEFAULT_MINUTES = 10.0
VALIDATIONS = 25
REPORT_SECONDS = 8.0
PROBED = 1.0  # seconds that timing the estimator may take, about
COMPILE_FROM = 240.0  # seconds of training that repay half a minute of compilation
LARGE = 2e9  # floating-point operations per update from which threads and reduced precision matter
BASELINE_SHARE, EVALUATION_SHARE, SLACK = 0.07, 0.08, 0.04


@dataclass(frozen=True)
class Plan:
    """What a fit will do.

    Arguments:
        phase: resolved training options (config.json, phases).
        evaluation: the estimator and K of the result and of scores.
        seconds: expected, by part.
        notes: what a probe decided, in sentences.
        problem: the compiled problem, where there is one, to be used again.
    """

    phase: dict[str, Any]
    evaluation: dict[str, Any]
    seconds: dict[str, float]
    notes: tuple[str, ...]
    problem: Any = None


def pick_device(name: str) -> str:
    """The device asked for, or the accelerator where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise RequestError(f"train.device came as {name!r}, which this machine does not have; use cpu.") from error
    return name


@dataclass(frozen=True)
class Request:
    """What a fit is asked to do.

    Arguments:
        model: initialised and on its device; left as it came.
        data: on the same device.
        objective: of the main stage.
        options: how to train, with what is left to be found as "auto".
        judging: how the result is judged.
        seed: of the order of examples and of all noise.
        started: `time.perf_counter()` at the command's start.
    """

    model: Model
    data: Data
    objective: Objective
    options: TrainOptions
    judging: EvaluationOptions
    seed: int
    started: float

    @property
    def batch_size(self) -> int:
        size, asked = len(self.data.train), self.options.batch_size
        return min(_batch_size(size) if asked == "auto" else asked, size)

    @property
    def has_budget(self) -> bool:
        return any(b is not None for b in (self.options.minutes, self.options.steps, self.options.epochs))


def resolve(request: Request) -> Plan:
    """Fix stages, batch size, learning rate, precision, threads, compilation and the number of steps.

    A budget in minutes becomes a number of steps after a short timed warm-up; nothing later reads the clock.
    """
    options, rows = request.options, request.batch_size * request.objective.num_samples
    for name, value in (("valid_every", options.valid_every), ("batch_size", options.batch_size)):
        if value != "auto" and value < 1:
            raise RequestError(f"train.{name} is {value}; it takes a whole number from 1 upwards.")
    check_stages(options, request.model, request.data.train)
    large = flops_per_step(request.model, rows) > LARGE
    with threads(torch.get_num_threads() if large else 1):  # a second thread costs a small model more than it brings
        return _resolve(request, large)


def _resolve(request: Request, large: bool) -> Plan:
    phase, minutes = _chosen(request), request.options.minutes
    probe = Probe(request.model, request.data, request.objective, phase, request.seed)
    bf16, compiled, notes = _pick_speed(request.options, probe, minutes, large)
    per_step = _seconds_per_step(request, phase, probe, bf16, compiled)
    steps = _steps_asked(request)
    if not request.has_budget and per_step * steps > 60 * DEFAULT_MINUTES * 0.8:
        minutes = DEFAULT_MINUTES
        notes.append(f"The default budget is {DEFAULT_MINUTES:g} minutes; --minutes, --epochs or --steps change it.")
    validation = probe.seconds_per_validation()
    evaluation = _evaluation(request.judging, probe, minutes, per_step * steps)
    judged = evaluation.pop("seconds")
    if minutes is not None:
        passed = time.perf_counter() - request.started
        left = 60 * minutes * (1 - BASELINE_SHARE - SLACK) - judged - REPORT_SECONDS - passed
        steps = max(VALIDATIONS, int((left - VALIDATIONS * validation) / per_step))
    phase |= _of_steps(request, phase, steps) | {
        "precision": "bf16" if bf16 else "float32",
        "compile": compiled is not None,
    }
    seconds = {
        "training": per_step * steps + validation * (steps / phase["valid_every"] + len(phase["stages"]) - 1),
        "evaluation": judged,
        "report": REPORT_SECONDS,
    }
    share = BASELINE_SHARE * 60 * minutes if minutes else 0.15 * seconds["training"]
    seconds["baselines"] = max(2.0, min(share, 60.0))
    return Plan(phase, evaluation, {k: round(v, 2) for k, v in seconds.items()}, tuple(notes), compiled)


KEPT = (  # as they were asked for
    "optimizer", "schedule", "warmup", "clip", "patience", "plateau",
    "finish", "finish_share", "prior_share", "encoder_steps", "aggressive_share",
)  # fmt: skip


def _chosen(request: Request) -> dict[str, Any]:
    """What does not depend on the number of steps (which stands at 1)."""
    options, model = request.options, request.model
    return {name: getattr(options, name) for name in KEPT} | {
        "steps": 1,
        "batch_size": request.batch_size,
        "lr": _learning_rate(request.batch_size) if options.lr == "auto" else options.lr,
        "weight_decay": 0.01 if options.weight_decay == "auto" else options.weight_decay,
        "ema_half_life": 0.0,
        "device": str(next(iter(model.buffers())).device) if list(model.buffers()) else "cpu",
        "threads": torch.get_num_threads(),
        "seed": request.seed,
    }


def _of_steps(request: Request, phase: dict[str, Any], steps: int) -> dict[str, Any]:
    """What follows from the number of steps."""
    options = request.options
    every = max(1, round(steps / VALIDATIONS)) if options.valid_every == "auto" else options.valid_every
    average = 0.01 * steps * phase["batch_size"] if options.ema_half_life == "auto" else options.ema_half_life
    return {
        "steps": steps,
        "ema_half_life": average,
        "valid_every": max(1, min(every, steps)),
        "stages": plan_stages(phase, request.objective, steps),
    }


def _seconds_per_step(request: Request, phase: dict[str, Any], probe: Probe, bf16: bool, compiled: Any) -> float:
    """The mean over all stages; later ones are timed eagerly and taken to gain as much by compiling as the first."""
    main = probe.seconds_per_step(bf16, compiled)
    gain = main / probe.seconds_per_step(bf16, None) if compiled is not None else 1.0
    stages = plan_stages(phase, request.objective, 1_000_000)
    total = 0.0
    for own in stages:
        inner = own.get("encoder_steps", phase["encoder_steps"]) * phase["aggressive_share"]
        seconds = main * (1 + inner)
        if own["name"] != "main":
            goal = rebuild(own["objective"])
            other = Probe(request.model, request.data, goal, phase | own, request.seed)
            seconds = gain * other.seconds_per_step(bf16, None, budget=0.5)
        total += own["steps"] * seconds
    return total / 1_000_000


def _steps_asked(request: Request) -> int:
    options, size, batch = request.options, len(request.data.train), request.batch_size
    steps = options.steps or _steps_of_epochs(options.epochs, size, batch, request.model)
    return steps or _default_steps(size, batch, request.model)


def _learning_rate(batch: int) -> float:
    return min(1.5e-3, 1e-3 * math.sqrt(batch / 128))


def _batch_size(size: int) -> int:
    return int(min(512, max(64, 2 ** round(math.log2(max(1, size / 100))))))


def _steps_of_epochs(epochs: int | None, size: int, batch: int, model: Model) -> int | None:
    if epochs is None:
        return None
    return epochs if model.solves == "all" else max(1, math.ceil(epochs * size / batch))


def _default_steps(size: int, batch: int, model: Model) -> int:
    if model.solves == "all":
        return 60
    return int(min(30_000, max(1_500, 80 * size / batch)))


def _pick_speed(options: TrainOptions, probe: Probe, minutes: float | None, large: bool) -> tuple[bool, Any, list[str]]:
    """(bf16?, the compiled problem or None, what was decided)."""
    notes: list[str] = []
    if probe.model.solves == "all":
        return False, None, notes
    bf16 = options.precision == "bf16"
    if options.precision == "auto" and large:
        full, half = probe.seconds_per_step(False, None), probe.seconds_per_step(True, None)
        bf16 = half < 0.87 * full
        notes.append(
            f"Networks run in {'bf16' if bf16 else 'float32'}: bf16 takes {half / full:.2f} of float32's time."
        )
    wanted = options.compile is True or (
        options.compile == "auto" and minutes is not None and 60 * minutes >= COMPILE_FROM
    )
    if not wanted:
        return bf16, None, notes
    compiled, why = probe.compiled(bf16)
    if compiled is None:
        notes.append(f"Not compiled: {why}.")
    elif options.compile == "auto":
        share = probe.seconds_per_step(bf16, compiled) / probe.seconds_per_step(bf16, None)
        notes.append(f"A compiled step takes {share:.2f} of an eager one's time{'' if share < 0.97 else '; not used'}.")
        compiled = compiled if share < 0.97 else None
    return bf16, compiled, notes


def _evaluation(asked: EvaluationOptions, probe: Probe, minutes: float | None, training: float) -> dict[str, Any]:
    """The estimator of the result; K such that judging test and validation takes at most its share of the budget."""
    model, data = probe.model, probe.data
    name = asked.estimator
    if name == "auto":
        name = "exact" if "exact" in model.gives else "iwae" if "log_w" in model.gives else "elbo"
    model.require(f"The estimator {name!r}", make_estimator(name).needs)
    if make_estimator(name).num_samples is None:
        return {"estimator": name, "num_samples": None, "seconds": 0.5}
    rows = sum(ROWS * math.ceil(n / ROWS) for n in (len(data.test), min(len(data.valid), RANKED)))
    if model.draw_labels(1) is not None:  # validation is ranked with every label, too
        rows += ROWS * math.ceil(min(len(data.valid), RANKED) / ROWS) * len(data.classes or ())
    per_sample = probe.seconds_per_sample(name) * rows
    allowed = EVALUATION_SHARE * 60 * minutes if minutes else max(10.0, 0.1 * training)
    samples = int(min(500 if rows <= 5000 else 100, max(10, allowed / per_sample)))
    samples = samples if asked.num_samples == "auto" else asked.num_samples
    return {"estimator": name, "num_samples": samples, "seconds": samples * per_sample}


def flops_per_step(model: Model, rows: int) -> float:
    """A rough count of one update: 6 per weight and row, weights of convolutions being used about 20 times."""
    weights = sum(p.numel() for p in model.parameters())
    reuse = 20 if any(isinstance(m, torch.nn.Conv2d) for m in model.modules()) else 1
    return 6.0 * weights * reuse * rows


class Probe:
    """Short timings on the real model and data; the model is left as it came."""

    def __init__(self, model: Model, data: Data, objective: Objective, phase: dict[str, Any], seed: int) -> None:
        self.model, self.data, self.seed = model, data, seed
        self.stage = Stage.of(objective, phase | {"steps": 10_000_000, "encoder_steps": 0})
        self._timed: dict[tuple[bool, bool], float] = {}

    def seconds_per_step(self, bf16: bool, problem: Any, budget: float = 1.5) -> float:
        """The median time of an update, after three that are not counted (fewer, where they are slow)."""
        key = (bf16, problem is not None)
        if key in self._timed:
            return self._timed[key]
        kept = copy.deepcopy(self.model.state_dict())
        state = TrainState(self.model, self.stage)
        times, last = [], time.perf_counter()
        for step in fit(self.model, self.data.train, self.stage, state, seed=self.seed, bf16=bf16, problem=problem):
            now = time.perf_counter()
            times.append(now - last)
            last = now
            if step.number >= 2 and (sum(times[1:]) > 2 * budget or sum(times[3:]) > budget or step.number >= 103):
                break
        self.model.load_state_dict(kept)
        counted = sorted(times[min(3, len(times) - 1) :])
        self._timed[key] = counted[len(counted) // 2]
        return self._timed[key]

    def compiled(self, bf16: bool) -> tuple[Any, str]:
        """The problem compiled and run once, or None and the reason."""
        if shutil.which("c++") is None and shutil.which("g++") is None and shutil.which("cl") is None:
            return None, "there is no C++ compiler"
        problem = torch.compile(Problem(self.model, self.stage), dynamic=False)
        try:
            self.seconds_per_step(bf16, problem)
        except RuntimeError as error:  # torch's compiler errors derive from it
            return None, f"the compiler failed ({type(error).__name__})"
        return problem, ""

    def seconds_per_validation(self) -> float:
        split = self.data.valid.head(1000)
        start = time.perf_counter()
        validate(self.model, split, self.stage.objective)
        return (time.perf_counter() - start) * len(self.data.valid) / len(split)

    def seconds_per_sample(self, estimator: str) -> float:
        """Of one draw for one example."""
        split = self.data.valid.head(ROWS)
        evaluate(self.model, split, make_estimator(estimator, 1))  # the first of all is slow, and says nothing
        _, one = evaluate(self.model, split, make_estimator(estimator, 1))
        samples = max(1, min(32, int(PROBED / one)))
        _, seconds = evaluate(self.model, split, make_estimator(estimator, samples))
        return seconds / (samples * ROWS)


def memory() -> tuple[float, float]:
    """(needed, free) in GB: what this process holds after the probes, and what the machine could still give it."""
    held = psutil.Process().memory_info().rss
    return held / 1e9, (held + psutil.virtual_memory().available) / 1e9


def options_of(phase: dict[str, Any]) -> TrainOptions:
    """Training options that repeat a resolved phase (for a declared new one)."""
    names = asdict(TrainOptions()).keys() - {"epochs", "steps", "minutes", "ema_half_life", "valid_every"}
    return TrainOptions(**{k: v for k, v in phase.items() if k in names})
