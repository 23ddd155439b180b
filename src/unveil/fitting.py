"""The verb `fit`: from a source to a run that is trained, judged and reported, and that can be killed at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from .baselines import fit_baselines
from .config import DEFAULTS, Choices, choose
from .data import Data, load
from .domain import Domain
from .errors import Interrupted, RequestError
from .estimators.base import evaluate
from .files import check_space, write_json
from .findings import conclude
from .judging import make_estimator, report_estimate
from .models.base import Model
from .ops import keyed
from .pictures import to_bytes
from .planning import Plan, memory, options_of, pick_device, resolve
from .registry import describe, seeded
from .run import CONFIG, Run, check_new, default_path, versions
from .train.checkpoint import Checkpoint, load_checkpoint, only_one, save_checkpoint, save_weights
from .train.loop import NonFinite, Problem, Step, TrainState, initialise
from .train.loop import fit as train
from .train.validation import validate
from .using import keep_validation_scores

LOGS_PER_VALIDATION = 5


@dataclass(frozen=True)
class Progress:
    """One update was made."""

    step: int
    steps: int
    bound: float
    rate: float
    distortion: float
    examples_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class Validated:
    """A validation was made; `samples` are uint8 images [N, H, W, C], or None for x that are not images."""

    step: int
    steps: int
    bound: float
    best: float
    rate: float
    samples: np.ndarray | None


@dataclass(frozen=True)
class Phase:
    """Work after training, `done` of `total`."""

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Finished:
    """The end: the run, three sentences and the next commands."""

    run: Run
    sentences: tuple[str, ...]
    commands: tuple[str, ...]


Event = Progress | Validated | Phase | Finished


@dataclass(frozen=True)
class Fitting:
    """A fit that is resolved and has written nothing yet.

    Arguments: path of the run to be; config, what config.json will hold; lines, what was picked and why.
    """

    path: Path
    config: dict[str, Any]
    lines: tuple[str, ...]
    data: Data = field(repr=False)
    model: Model = field(repr=False)
    plan: Plan = field(repr=False)
    parts: dict[str, Any] = field(repr=False)

    def start(self) -> Run:
        """Make the run directory; nothing is trained yet."""
        return Run.create(self.path, self.config, self.data, self.parts)

    def events(self) -> Iterator[Event]:
        """Train, judge and report, one event at a time."""
        run = self.start()
        yield from carry_out(run, problem=self.plan.problem, model=self.model)


def fit(source: Any, *, show: bool | None = None, **options: Any) -> Run:
    """Fit a model to data and return the finished run.

    Arguments:
        source: a name ("digits", "mnist"), a path to .npy or .npz[:name], an array or a tensor.
        show: progress on standard error; by default where that is a terminal.
        options: as for `prepare`: out, model, objective, seed, y, parts, and any key of `unveil list keys` with its
            dot as a double underscore (`model__latent=16`), or short: latent, epochs, steps, minutes.

    Example:
        >>> run = unveil.fit("digits", steps=300)
        >>> run.result["log_px"]
    """
    from .terminal import follow

    fitting = prepare(source, **options)
    return follow(fitting, show=show)


def prepare(
    source: Any,
    *,
    out: Path | str | None = None,
    model: str | Model = "vae",
    objective: Any = "elbo",
    seed: int = 0,
    y: Any = None,
    options: Mapping[str, Any] | None = None,
    started: float | None = None,
    **keys: Any,
) -> Fitting:
    """Resolve a fit: read the data, build the model, time a few steps. Writes nothing.

    Arguments:
        source: the data.
        out: the run directory; default runs/<source>-<model>-<n>.
        model: a name, or a model built by hand from parts.
        objective: a name, or an Objective.
        seed: of initial weights, order of examples and noise.
        y: [N] labels.
        options: {"model.latent": 16, …}; `keys` are the same with a double underscore for the dot.
        started: `time.perf_counter()` when the command began, for --minutes.
    """
    started = time.perf_counter() if started is None else started
    if seed < 0:
        raise RequestError(f"The seed is {seed}; it takes a whole number from 0 upwards.")
    asked = dict(options or {}) | {dotted(name): value for name, value in keys.items()}
    choices = choose(asked | _named("model", model) | _named("objective", objective))
    if isinstance(model, Model) and any(
        k.split(".")[0] in ("model", "prior", "posterior", "likelihood") for k in asked
    ):
        raise RequestError("A model built by hand came with options for building one; give either.")
    if out is not None:
        check_new(Path(out))
    device = pick_device(choices.train.device)
    data = load(source, y=y, **vars(choices.data))
    built, goal = _build(model, choices, data, seed, device), _objective(objective, choices)
    built.require(f"The objective {describe(goal).get('name', 'given')!r}", goal.needs)
    data = _on(data, device)
    plan = resolve(built, data, goal, choices.train, seed, started)
    path = Path(out) if out is not None else default_path(data.name, describe(built).get("name", "model"))
    config = _config(source, data, built, goal, choices, plan, seed)
    check_space(path, _bytes_on_disk(built))
    lines = explain(data, built, config)
    parts = own_parts(built)
    return Fitting(path, config, lines, data, built, plan, parts)


def dotted(name: str) -> str:
    """model__latent → model.latent; latent, epochs, steps, minutes → their keys."""
    short = {"latent": "model.latent", "epochs": "train.epochs", "steps": "train.steps", "minutes": "train.minutes"}
    return short.get(name, name.replace("__", "."))


def _named(kind: str, value: Any) -> dict[str, str]:
    return {kind: value} if isinstance(value, str) and value != DEFAULTS[kind] else {}


def _build(model: str | Model, choices: Choices, data: Data, seed: int, device: str) -> Model:
    if isinstance(model, Model) and model.domain != data.domain:
        raise RequestError(
            f"The model is for {model.domain} x of shape {model.domain.shape} and the data is "
            f"{data.domain} of shape {data.domain.shape}; build it with domain=data.domain."
        )
    built: Model = model if isinstance(model, Model) else seeded(describe(choices.model(data.domain)), seed)
    built = built.to(device)
    initialise(built, data.train, seed)
    return built


def _objective(objective: Any, choices: Choices) -> Any:
    return choices.objective() if isinstance(objective, str) else objective


def _on(data: Data, device: str) -> Data:
    return replace(data, train=data.train.to(device), valid=data.valid.to(device), test=data.test.to(device))


def _config(
    source: Any, data: Data, model: Model, objective: Any, choices: Choices, plan: Plan, seed: int
) -> dict[str, Any]:
    kind = "memory" if not isinstance(source, str | Path) else "named"
    return {
        "format": CONFIG,
        "versions": versions(),
        "source": {"kind": kind, "where": data.source},
        "data": vars(choices.data) | {"binarization": data.binarization or "none"},
        "seed": seed,
        "model": describe(model),
        "objective": describe(objective),
        "phases": [plan.phase],
        "evaluation": plan.evaluation,
        "plan": {
            "asked": {k: v for k, v in vars(choices.train).items() if k in ("epochs", "steps", "minutes") and v},
            "seconds": plan.seconds,
            "notes": [*data.notes, *plan.notes],
        },
    }


def _bytes_on_disk(model: Model) -> int:
    return 10 * 4 * sum(t.numel() for t in model.state_dict().values()) + 20_000_000


def own_parts(model: Model) -> dict[str, Any]:
    """The user's own pieces of a model built by hand, by slot."""
    arguments = getattr(model, "spec", {})
    return {
        slot: part
        for slot, part in arguments.items()
        if isinstance(part, torch.nn.Module) and "class" in describe(part)
    }


def explain(data: Data, model: Model, config: dict[str, Any]) -> tuple[str, ...]:
    """Three lines: what was picked and why, and what it will cost."""
    phase, seconds = config["phases"][-1], config["plan"]["seconds"]
    sizes = f"{len(data.train):,} + {len(data.valid):,} + {len(data.test):,} examples (train, validation, test)"
    binarized = f", {data.binarization} binarization" if data.binarization else ""
    shape = "×".join(map(str, data.domain.shape))
    weights = sum(p.numel() for p in model.parameters())
    story = f", {model.story}" if model.story else ""
    passes = phase["steps"] * phase["batch_size"] / len(data.train)
    needed, free = memory()
    end = time.strftime("%H:%M:%S", time.localtime(time.time() + sum(seconds.values())))
    fast = ", ".join(["bf16"] * (phase["precision"] == "bf16") + ["compiled"] * phase["compile"])
    how = (
        f"{phase['steps']:,} passes in closed form"
        if model.solves == "all"
        else f"{phase['steps']:,} steps of {phase['batch_size']} ({passes:,.0f} epochs){', ' + fast if fast else ''}"
    )
    return (
        f"Data   {data.name}: {sizes}, {shape}, {data.domain}{binarized}",
        f"Model  {describe(model).get('name', 'model')}{story}, {weights:,} weights",
        f"Budget {how}; memory {needed:.1f} of {free:.1f} GB; about {sum(seconds.values()):.0f} s, until {end}",
    )


# -- carrying it out --------------------------------------------------------------------------------------------------


def carry_out(run: Run, problem: Any = None, model: Model | None = None) -> Iterator[Event]:
    """Train from wherever the directory stands, then judge, compare and report."""
    with only_one(run.path), stop_requests() as stop:
        torch.set_num_threads(run.train["threads"])
        data = _on(run.data, run.train["device"])
        trainer = Trainer(run, data, model, problem)
        yield from trainer.train(stop)
        yield from _judge(run, data)


def resume(
    run: Run | Path | str, *, show: bool | None = None, data: Any = None, parts: Any = None, **budget: Any
) -> Run:
    """Go on where a run was stopped; `epochs`, `steps` or `minutes` open a declared new phase from its best weights."""
    from .terminal import follow

    run = run if isinstance(run, Run) else Run.load(run, data=data, parts=parts)
    return follow(continue_fitting(run, **budget), show=show)


def continue_fitting(run: Run, **budget: Any) -> Iterator[Event]:
    """The events of `resume`."""
    started = time.perf_counter()
    if any(value is not None for value in budget.values()):
        open_phase(run, started, **budget)
    elif run.is_finished:
        raise RequestError(
            f"{run.path} is finished.", f"To train on: unveil resume {run.path} --epochs {_epochs_again(run)}"
        )
    return carry_out(run)


def _epochs_again(run: Run) -> int:
    phase, sizes = run.train, run.data_info["split"]["sizes"]
    return max(1, round(phase["steps"] * phase["batch_size"] / sizes["train"]))


def open_phase(run: Run, started: float, **budget: Any) -> None:
    """Write a new phase into config.json: the same choices, a new budget, from the best weights so far."""
    if not run.is_finished:
        raise RequestError(f"{run.path} is not finished.", f"First: unveil resume {run.path}")
    asked = choose({f"train.{k}": v for k, v in budget.items() if v is not None}).train
    options = replace(options_of(run.train), epochs=asked.epochs, steps=asked.steps, minutes=asked.minutes)
    data = _on(run.data, run.train["device"])
    plan = resolve(
        run.model.train(), data, run.objective, options, run.config["seed"] + len(run.config["phases"]), started
    )
    run.forget()
    config = run.config | {
        "phases": [*run.config["phases"], plan.phase],
        "plan": {"asked": {k: v for k, v in budget.items() if v}, "seconds": plan.seconds, "notes": list(plan.notes)},
    }
    write_json(run.path / "config.json", config)
    run.config = config


@dataclass
class Best:
    """The best validation bound so far, and how many validations ago."""

    bound: float | None = None
    since: int = 0

    def take(self, bound: float) -> bool:
        better = self.bound is None or bound > self.bound
        self.bound, self.since = (bound, 0) if better else (self.bound, self.since + 1)
        return better


class Trainer:
    """The training of one run: metrics, validations, checkpoints, early stopping."""

    def __init__(self, run: Run, data: Data, model: Model | None, problem: Any) -> None:
        self.run, self.data, self.stage = run, data, run.stage()
        self.number, self.best = len(run.config["phases"]) - 1, Best()
        self.best_weights: dict[str, torch.Tensor] = {}
        self.sums: dict[str, float] = {}
        self.count, self.stopped, self.trained_seconds = 0, False, 0.0
        self.metrics = run.path / "metrics.jsonl"
        self.problem = problem
        self._restore(model)

    @property
    def is_over(self) -> bool:
        return self.stopped or self.state.step >= self.stage.steps

    def train(self, stop: StopRequests) -> Iterator[Event]:
        """Updates until the budget is spent, the bound stops improving, or a signal asks to stop."""
        phase, begin, first = self.run.train, time.perf_counter(), self.state.step
        if not self.is_over:
            problem = self._problem(phase)
            steps = train(
                self.state.model,
                self.data.train,
                self.stage,
                self.state,
                seed=phase["seed"],
                bf16=phase["precision"] == "bf16",
                problem=problem,
            )
            before = self.trained_seconds
            try:
                for step in steps:
                    elapsed = time.perf_counter() - begin
                    self.trained_seconds = before + elapsed
                    yield self._progress(step, elapsed / (step.number - first))
                    if step.number % phase["valid_every"] == 0 or step.number == self.stage.steps:
                        yield self._validate(step)
                    if self.is_over:
                        break
                    if stop.signum is not None:
                        self._save()
                        raise stop.told(self.run.path)
            except (NonFinite, KeyboardInterrupt):
                self._save()
                raise
        self._write_weights()

    def _problem(self, phase: dict[str, Any]) -> Any:
        if self.problem is not None or not phase["compile"]:
            return self.problem
        return torch.compile(Problem(self.state.model, self.stage), dynamic=False)

    def _progress(self, step: Step, per_step: float) -> Progress:
        for name, value in step.logs.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.count += 1
        every = max(1, self.run.train["valid_every"] // LOGS_PER_VALIDATION)
        if step.number % every == 0:
            self._log(step.number, {k: v / self.count for k, v in self.sums.items()})
            self.sums, self.count = {}, 0
        size = len(self.data.train) if self.state.optimizer is None else self.stage.batch_size
        return Progress(
            step.number,
            self.stage.steps,
            step.bound,
            step["rate"],
            step["distortion"],
            size / per_step,
            per_step * (self.stage.steps - step.number),
        )

    def _validate(self, step: Step) -> Validated:
        found = validate(step.model, self.data.valid, self.stage.objective)
        better = self.best.take(found["bound"])
        self._log(step.number, {f"valid_{k}": v for k, v in found.items()})
        if better:
            self.best_weights = {k: v.detach().clone() for k, v in step.model.state_dict().items()}
        patience = self.run.train["patience"]
        self.stopped = patience > 0 and self.best.since >= patience
        self._save()
        assert self.best.bound is not None
        samples = sample_pictures(step.model, self.data.domain, step.number)
        return Validated(step.number, self.stage.steps, found["bound"], self.best.bound, found["rate"], samples)

    def _log(self, step: int, values: dict[str, float]) -> None:
        row = {"phase": self.number, "step": step, **values, "time": {"at": round(time.time(), 3)}}
        with open(self.metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _save(self) -> None:
        with open(self.metrics, "a", encoding="utf-8") as file:  # what the checkpoint counts on is on the disk first
            os.fsync(file.fileno())
        values = {
            "phase": self.number,
            "best_bound": self.best.bound,
            "since_best": self.best.since,
            "sums": self.sums,
            "count": self.count,
            "stopped": self.stopped,
            "metrics_bytes": self.metrics.stat().st_size,
            "seconds": self.trained_seconds,
        }
        tensors = self.state.tensors() | {f"best/{k}": v for k, v in self.best_weights.items()}
        save_checkpoint(self.run.path / "state", Checkpoint(self.state.step, tensors, values))

    def _restore(self, model: Model | None) -> None:
        found = load_checkpoint(self.run.path / "state")
        if found is not None and found.values["phase"] == self.number:
            self.state = TrainState(self.run.new_model(), self.stage)
            self._take_up(found)
            if self.state.step > 0 and not self.is_over:
                _record_continuation(self.run, self.state.step)
            return
        self.state = TrainState(self._first_model(model), self.stage)
        self._save()

    def _first_model(self, model: Model | None) -> Model:
        if self.number > 0:  # a declared new phase goes on from the best weights
            kept = self.run.model
            self.run.forget()
            return kept
        self.metrics.unlink(missing_ok=True)
        if model is None:  # killed before its first checkpoint: the start is a function of the seed
            model = self.run.new_model(seed=self.run.train["seed"])
            initialise(model, self.data.train, self.run.train["seed"])
        return model

    def _take_up(self, found: Checkpoint) -> None:
        values = found.values
        self.state.load(found.tensors, found.step)
        self.best = Best(values["best_bound"], values["since_best"])
        self.best_weights = {k[5:]: v for k, v in found.tensors.items() if k.startswith("best/")}
        self.sums, self.count, self.stopped = values["sums"], values["count"], values["stopped"]
        self.trained_seconds = values["seconds"]
        with open(self.metrics, "a+b") as file:  # rows after the checkpoint are made again
            file.truncate(values["metrics_bytes"])

    def _write_weights(self) -> None:
        self.state.average.model.load_state_dict(self.best_weights)
        save_weights(self.run.path / "weights.safetensors", self.state.average.model)
        self.run.forget()


def _record_continuation(run: Run, step: int) -> None:
    from .judging import continuations

    row = {"phase": len(run.config["phases"]) - 1, "from_step": step, "at": round(time.time(), 3)}
    write_json(
        run.path / "continuations.json",
        {"format": "unveil-continuations-1", "continuations": [*continuations(run), row]},
    )


@torch.no_grad()
def sample_pictures(model: Model, domain: Domain, step: int, count: int = 16) -> np.ndarray | None:
    """A few samples as uint8 images, for the eye; None for x that are not images."""
    if not domain.is_image:
        return None
    with keyed("preview", 0):
        _, z = model.sample(count)
    return to_bytes(model.decode(z).mean.cpu().numpy(), domain)


def _judge(run: Run, data: Data) -> Iterator[Event]:
    """Test and validation bounds, baselines, findings, result.json, report.html."""
    chosen = run.config["evaluation"]
    judge = make_estimator(chosen["estimator"], chosen["num_samples"])
    yield Phase("validation examples", 0, 1)
    valid, _ = evaluate(run.model, data.valid, judge, seed=0)
    keep_validation_scores(run, valid.log_px)
    yield Phase("test examples", 0, 1)
    test, seconds = evaluate(run.model, data.test, judge, seed=0)
    yield Phase("baselines", 0, 1)
    baselines = fit_baselines(data, seed=run.config["seed"], seconds=run.config["plan"]["seconds"]["baselines"])
    result = {
        "source": data.source,
        "split": "test",
        **report_estimate(run, data.test, judge, test),
        "seconds": round(seconds, 3),
        "seed": run.config["seed"],
        "phase": len(run.config["phases"]) - 1,
        "valid_log_px": float(valid.log_px.mean()),
        "baselines": [b.compared_with(test.log_px.numpy()) for b in baselines],
    }
    result |= conclude(run, result)
    write_json(run.path / "result.json", result)
    yield Phase("report", 0, 1)
    run.report()
    commands = (
        f"unveil report {run.path} --open",
        f"unveil evaluate {run.path} --estimator {chosen['estimator']}"
        + (" --num-samples 1000" if chosen["num_samples"] else ""),
        f"unveil sample {run.path} -o samples.{'png' if data.domain.is_image else 'csv'}",
    )
    yield Finished(run, tuple(result["sentences"]), commands)


# -- signals ----------------------------------------------------------------------------------------------------------


class StopRequests:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self.signum: int | None = None

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is not None:  # asked twice: at once
            raise KeyboardInterrupt
        self.signum = signum

    def told(self, path: Path) -> Interrupted:
        assert self.signum is not None
        name = signal.Signals(self.signum).name
        return Interrupted(
            f"Stopped by {name}; the checkpoint is saved.", f"Go on with: unveil resume {path}", self.signum
        )


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Turn Ctrl-C and SIGTERM into a request that is met after the current step (main thread only)."""
    requests = StopRequests()
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    kept = {s: signal.signal(s, requests) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for s, handler in kept.items():
            signal.signal(s, handler)
