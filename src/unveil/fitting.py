"""The verb `fit`: from a source to a run that is trained, judged and reported, and that can be killed at any moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from .affording import asks, passes_within, verdict, with_patches
from .baselines import fit_baselines
from .config import DEFAULTS, Choices, EvaluationOptions, choose
from .data import Data, Split, load
from .errors import RequestError
from .estimators.base import evaluate
from .events import Event, Finished, Phase
from .files import check_space, write_json
from .findings import conclude
from .judging import RANKED, condition, make_estimator, report_estimate
from .model import Model
from .objectives import Objective
from .ops import threads
from .planning import Plan, Request, check_counts, memory, options_of, pick_device, resolve
from .probing import free_bytes
from .registry import describe, seeded
from .run import CONFIG, RESULT, Run, check_new, check_writable, default_path, versions
from .signals import stop_requests
from .train.checkpoint import only_one
from .train.loop import initialise
from .trainer import Trainer
from .using import keep_scores

DATA_SHARE = 0.4  # of an accelerator's free memory, up to which the data is kept on it


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
        options: as for `prepare`: out, model, objective, seed, y, z, and any key of `unveil list keys` with its
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
    z: Any = None,
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
        y: [N] labels; None, NaN or −1 where one is not known.
        z: [N, D] known latents, NaN in the rows where they are not known; see the objective elbo.
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
    check_writable(Path("runs")) if out is None else check_new(Path(out))
    device = pick_device(choices.train.device)
    data = load(source, y=y, z=z, **vars(choices.data))
    goal = _objective(objective, choices)
    built, told = _build(model, choices, data, goal, seed, device)
    goal.check(built, data.train.expected(torch.zeros(1, dtype=torch.int64)))
    data = _on(data, device)
    plan = resolve(Request(built, data, goal, choices.train, choices.evaluation, seed, started))
    plan = replace(plan, notes=(*told, *plan.notes))
    path = Path(out) if out is not None else default_path(data.name, describe(built).get("name", "model"))
    kind = "named" if isinstance(source, str | Path) and y is None and z is None else "memory"
    config = _config(kind, data, built, goal, choices, plan, seed)
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


def _build(
    model: str | Model, choices: Choices, data: Data, goal: Objective, seed: int, device: str
) -> tuple[Model, tuple[str, ...]]:
    """The model, initialised, and what was picked by the budget."""
    if isinstance(model, Model) and model.domain != data.domain:
        raise RequestError(
            f"The model is for {model.domain} x of shape {model.domain.shape} and the data is "
            f"{data.domain} of shape {data.domain.shape}; build it with domain=data.domain."
        )
    if isinstance(model, Model):
        return _started(model, data, seed, device), ()
    if choices.train.minutes is not None and asks(choices, data):
        check_counts(choices.train)
        tried = _started(_from_choices(with_patches(choices), data, seed), data, seed, device)
        depth, told = verdict(passes_within(choices.train.minutes, tried, data, goal, seed, choices.train))
        picked = with_patches(choices, depth) if depth else choices
        return _started(_from_choices(picked, data, seed), data, seed, device), (told,)
    return _started(_from_choices(choices, data, seed), data, seed, device), ()


def _from_choices(choices: Choices, data: Data, seed: int) -> Model:
    known = {"num_classes": len(data.classes or ()), "has_missing": data.has_missing, "num_examples": len(data.train)}
    built: Model = seeded(describe(choices.model(data.domain, **known)), seed)
    return built


def _started(model: Model, data: Data, seed: int, device: str) -> Model:
    model = model.to(device)
    initialise(model, data.train, seed)
    return model


def _objective(objective: Any, choices: Choices) -> Any:
    return choices.objective() if isinstance(objective, str) else objective


def _on(data: Data, device: str) -> Data:
    """The data beside the model where that leaves room, else where it is: batches are then copied a step ahead."""
    splits = (data.train, data.valid, data.test)
    if device != "cpu" and sum(map(num_bytes, splits)) > DATA_SHARE * free_bytes(torch.device(device)):
        return data
    return replace(data, train=data.train.to(device), valid=data.valid.to(device), test=data.test.to(device))


def num_bytes(split: Split) -> int:
    """The memory that the examples of a split take."""
    held = (split.x, split.y, split.rows, split.grey, split.observed, *(split.z or ()))
    return sum(tensor.nbytes for tensor in held if tensor is not None)


def _config(
    kind: str, data: Data, model: Model, objective: Any, choices: Choices, plan: Plan, seed: int
) -> dict[str, Any]:
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
    """Three lines (and one for images): what was picked and why, and what it will cost."""
    phase, seconds = config["phases"][-1], config["plan"]["seconds"]
    sizes = f"{len(data.train):,} + {len(data.valid):,} + {len(data.test):,} examples (train, valid, test)"
    binarized = f", {data.binarization} binarization" if data.binarization else ""
    shape = "×".join(map(str, data.domain.shape))
    weights = sum(p.numel() for p in model.parameters())
    story = f", {model.story}" if model.story else ""
    passes = phase["steps"] * phase["batch_size"] / len(data.train)
    epochs = f"{passes:,.{0 if passes >= 10 else 1}f}"
    needed, free = memory()
    end = time.strftime("%H:%M:%S", time.localtime(time.time() + sum(seconds.values())))
    picked = ["bf16"] * (phase["precision"] == "bf16") + ["compiled"] * phase["compile"]
    many = [f"{phase['threads']} threads"] * (phase["device"] == "cpu" and phase["threads"] > 1)
    fast = ", ".join(picked + many)
    how = (
        f"{phase['steps']:,} passes in closed form"
        if model.solves == "all"
        else f"{phase['steps']:,} steps of {phase['batch_size']} ({epochs} epochs){', ' + fast if fast else ''}"
    )
    return (
        *([] if data.resize is None else [f"Read   {data.resize}"]),
        f"Data   {data.name}: {sizes}, {shape}, {data.domain}{binarized}",
        f"Model  {describe(model).get('name', 'model')}{story}, {weights:,} weights",
        f"Budget {how}; memory {needed:.1f} of {free:.1f} GB; about {sum(seconds.values()):.0f} s, until {end}",
    )


# -- carrying it out --------------------------------------------------------------------------------------------------


def carry_out(run: Run, problem: Any = None, model: Model | None = None) -> Iterator[Event]:
    """Train from wherever the directory stands, then judge, compare and report."""
    with only_one(run.path), stop_requests() as stop, threads(run.train["threads"]):
        data = _on(run.data, run.train["device"])
        trainer = Trainer(run, data, model, problem)
        yield from trainer.train(stop)
        with stop.at_once(run.path):
            yield from _judge(run, data)
        yield from _report(run)


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
        with only_one(run.path):
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
    judging = EvaluationOptions(**{k: v for k, v in run.config["evaluation"].items() if v is not None})
    seed = run.config["seed"] + len(run.config["phases"])
    plan = resolve(Request(run.model.train(), data, run.objective, options, judging, seed, started))
    run.forget()
    config = run.config | {
        "phases": [*run.config["phases"], plan.phase],
        "plan": {"asked": {k: v for k, v in budget.items() if v}, "seconds": plan.seconds, "notes": list(plan.notes)},
    }
    write_json(run.path / "config.json", config)
    run.config = config


def _judge(run: Run, data: Data) -> Iterator[Event]:
    """Test and validation bounds, baselines, findings: result.json."""
    chosen = run.config["evaluation"]
    judge = make_estimator(chosen["estimator"], chosen["num_samples"])
    yield Phase("validation examples", 0, 1)
    ranked = data.valid.spread(RANKED)
    valid, _ = evaluate(run.model, ranked, judge, seed=0)
    yield Phase("test examples", 0, 1)
    test, seconds = evaluate(run.model, data.test, judge, seed=0)
    if condition(run.model, ranked) == "none":
        keep_scores(run, valid.log_px, test.log_px)
    else:  # new x come without labels, and are to be ranked among numbers of the same meaning
        unlabelled, _ = evaluate(run.model, replace(ranked, y=None), judge, seed=0)
        keep_scores(run, unlabelled.log_px, test.log_px)
    yield Phase("baselines", 0, 1)
    baselines = fit_baselines(data, seed=run.config["seed"], seconds=run.config["plan"]["seconds"]["baselines"])
    result = {
        "format": RESULT,
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


def _report(run: Run) -> Iterator[Event]:
    """report.html, and what to say at the end."""
    yield Phase("report", 0, 1)
    run.report()
    commands = (
        f"unveil report {run.path} --open",
        f"unveil diagnose {run.path}",
        f"unveil sample {run.path} -o samples.{'png' if run.domain.is_image else 'csv'}",
    )
    yield Finished(run, tuple(run.result["sentences"]), commands)
