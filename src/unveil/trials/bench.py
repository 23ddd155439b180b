"""A run's model and data once more, with one choice changed, on a short budget, judged on validation examples alone."""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..diagnostics.activity import active_units
from ..diagnostics.collapse import collapse
from ..errors import RequestError
from ..estimators.base import Estimator, evaluate
from ..evaluation.splits import of_one_quantity
from ..files import Plain
from ..fitting.prepare import own_parts
from ..model import Model
from ..objectives import Objective
from ..ops import keyed, mean_and_error
from ..planning.measure import Probe
from ..planning.stages import check_stages
from ..runs.store import RunStore
from ..settings.judging import RANKED, default_estimator, make_estimator
from ..settings.options import TrainOptions
from ..train.loop import TrainState, initialise
from ..train.loop import fit as train
from ..train.stage import Stage
from ..train.validation import validate

MINUTES = 1.5  # of all trials together, where no budget is given
SAMPLES = 50  # most draws of the estimator that judges a trial
VALIDATIONS = 10  # of one trial, for the weights that are kept
FEWEST = 20  # steps that a trial has, however short the time

Told = Callable[[str, int, int], None]  # name of the trial, steps made of all trials, steps of all trials


class Count:
    """How many steps of all trials are made.

    Arguments: told, called after each; total, of all trials.
    """

    def __init__(self, told: Told | None, total: int) -> None:
        self.told, self.made, self.total = told, 0, total

    def step(self, name: str) -> None:
        """One more, of the named trial."""
        self.made += 1
        if self.told is not None:
            self.told(name, self.made, self.total)


@dataclass(frozen=True)
class Trial:
    """One way to fit the model again.

    Arguments:
        name: for tables.
        keys: what differs from the run's own choices, as `unveil fit` takes it.
        objective: of the main stage.
        train: training options that differ from the run's own.
        keep: the weights that count: "best" by the validation bound, as a run keeps them, or the "last".
    """

    name: str
    objective: Objective
    keys: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    keep: str = "best"


@dataclass(frozen=True)
class Judged(Plain):
    """What a model comes to on the validation examples; nats per example.

    Arguments:
        log_px: the mean of the estimate; stderr, of that mean.
        elbo, rate, distortion: ELBO = −(rate + distortion).
        active_units: latents whose posterior mean varies (Burda et al., 2016), or None where q has no mean.
        drop: by how much the bound falls when z is shuffled between examples; has_collapsed, whether that is
            next to nothing.
        each: [N] the estimate of each example; each_elbo, [N] its ELBO.
    """

    log_px: float
    stderr: float
    elbo: float
    rate: float
    distortion: float
    active_units: int | None
    drop: float
    has_collapsed: bool
    each: NDArray[np.float64] = field(repr=False)
    each_elbo: NDArray[np.float64] = field(repr=False)

    @property
    def units(self) -> str:
        """The active latents, for a table."""
        return "–" if self.active_units is None else str(self.active_units)


@dataclass(frozen=True, kw_only=True)
class Refits(Plain):
    """What is to be said of any refits of a run.

    Arguments:
        run: its path; own_steps, the steps that it made.
        steps, seed: of each refit.
        num_examples: validation examples that all were judged on.
        seconds: of everything.
    """

    run: str
    own_steps: int
    steps: int
    seed: int
    num_examples: int
    seconds: float
    split: str = "valid"

    def how(self, each: str, judge: str = "") -> str:
        """A sentence that says how they were made and judged."""
        return (
            f"{each} is a new fit of {self.steps:,} steps from seed {self.seed} (the run made {self.own_steps:,}), "
            f"judged on {self.num_examples:,} validation examples{judge}; no test example was looked at."
        )


def paired(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of one − other over the same examples [N], and the standard error of that mean (∞ for a single example)."""
    mean, error = mean_and_error(one - other)
    return mean, error if len(one) > 1 else math.inf


class Bench:
    """A run's model and data, to be fitted again and again; nothing is written, and the test split is left alone.

    Arguments:
        run: with weights.
        seed: of initial weights, order of examples and noise; by default the run's own.

    Attributes: before, what the run's own weights come to.

    A run's later stages (a finish, the prior alone), its patience and its compilation are left out: every trial makes
    the same number of updates by one objective.
    """

    def __init__(self, run: RunStore, seed: int | None = None) -> None:
        self._begun = time.perf_counter()
        if run.model.solves == "all":
            raise RequestError(
                f"The model of {run.path} is solved in closed form: it has no training that could be changed.",
                "Fit one that is trained, such as: unveil fit … --model vae",
            )
        self.run, self.seed = run, run.config.seed if seed is None else seed
        self.phase = replace(run.config.phases[0], device=run.device)
        device = self.phase.device
        self.data = replace(run.data, train=run.data.train.to(device), valid=run.data.valid.to(device))
        self.valid = of_one_quantity(run.model, self.data.valid.spread(RANKED))
        self.judge = _judge_of(run)
        start = time.perf_counter()
        self.before = self.judged(run.model)
        self._judging = time.perf_counter() - start

    def facts(self, steps: int) -> dict[str, Any]:
        """The fields of `Refits`, with so many steps each."""
        return {
            "run": str(self.run.path),
            "own_steps": self.own_steps,
            "steps": steps,
            "seed": self.seed,
            "num_examples": len(self.valid),
            "seconds": round(time.perf_counter() - self._begun, 3),
        }

    @property
    def own_steps(self) -> int:
        """The steps of the run itself, over all its phases."""
        return self.run.config.own_steps

    def new_model(self) -> Model:
        model = fresh_model(self.run, self.seed)
        initialise(model, self.data.train, self.seed)
        return model

    def check(self, trial: Trial) -> None:
        """Refuse, with the reason, a trial that this model or its data cannot have."""
        example = self.data.train.expected(torch.zeros(1, dtype=torch.int64))
        with keyed("check"):
            trial.objective.check(self.run.model, example)
        check_stages(replace(self._options(), **trial.train), self.run.model, self.data.train)

    def _options(self) -> TrainOptions:
        plain = TrainOptions()
        later = {name: getattr(plain, name) for name in ("finish", "finish_share", "prior_share")}
        return replace(self.phase.options, **later)

    def steps_of(self, trials: Sequence[Trial], steps: int | None, minutes: float | None, looking: float = 0.0) -> int:
        """The steps of each trial: as asked, or what fits in the minutes, at most those of the run itself.

        Arguments: looking, the seconds that the caller spends on each trial beside `judged`.
        """
        for name, value in (("steps", steps), ("minutes", minutes)):
            if value is not None and not value > 0:
                raise RequestError(f"The budget came as {value} {name}; it takes a positive number.")
        if steps is not None and minutes is not None:
            raise RequestError("The budget came as steps and minutes; give one of them.")
        if steps is not None:
            return steps
        return self._fitting(trials, 60 * (MINUTES if minutes is None else minutes), looking)

    def _fitting(self, trials: Sequence[Trial], seconds: float, looking: float) -> int:
        start = time.perf_counter()
        probe = Probe(self.new_model(), self.data, trials[0].objective, self.phase, self.seed)
        per_step = probe.seconds_per_step(self.phase.in_bf16, None, budget=0.5)
        fixed = len(trials) * (self._judging + looking + VALIDATIONS * probe.seconds_per_validation)
        left = seconds - self._judging - looking - (time.perf_counter() - start) - fixed
        found = int(left / (per_step * sum(map(self._cost, trials))))
        return min(self.own_steps, max(FEWEST, found))

    def _cost(self, trial: Trial) -> float:
        """Updates per step, an update of the encoder alone counting as one."""
        options = replace(self._options(), **trial.train)
        return 1 + options.encoder_steps * options.aggressive_share

    def fitted(
        self, trial: Trial, steps: int, count: Count, *, model: Model | None = None, seed: int | None = None
    ) -> tuple[Model, float]:
        """A model after so many steps of the trial, and the seconds they took.

        Arguments:
            count: told of every step.
            model: to go on with; by default a new one.
            seed: of order and noise; by default that of the bench.
        """
        model, seed = self.new_model() if model is None else model, self.seed if seed is None else seed
        stage = self._stage(trial, steps)
        state, kept, start = TrainState(model, stage), _Kept(trial.keep), time.perf_counter()
        every = max(1, round(steps / VALIDATIONS))
        bf16 = self.phase.in_bf16
        with contextlib.closing(train(model, self.data.train, stage, state, seed=seed, bf16=bf16)) as updates:
            for step in updates:
                count.step(trial.name)
                if step.number % every == 0 or step.number == steps:
                    kept.take(step.model, validate(step.model, self.data.valid, stage.objective)["bound"])
                    if stage.schedule == "plateau" and kept.since and kept.since % self.phase.asked.plateau == 0:
                        state.lr_factor /= 2
        model.load_state_dict(kept.weights)
        return model.eval(), round(time.perf_counter() - start, 3)

    def _stage(self, trial: Trial, steps: int) -> Stage:
        average = 0.01 * steps * self.phase.batch_size if self.phase.ema_half_life else 0.0
        own = {"steps": steps, "ema_half_life": average}
        return Stage.of(trial.objective, self.phase.stage_options(own | dict(trial.train)))

    def judged(self, model: Model) -> Judged:
        """What a model comes to on the validation examples, by the same draws for every model."""
        estimate, _ = evaluate(model, self.valid, self.judge, seed=0)
        worth = collapse(model, self.valid, seed=0)
        found = {name: estimate.diagnostics[name] for name in ("elbo", "rate", "distortion")}
        each = estimate.log_px.numpy()
        return Judged(
            log_px=float(each.mean()),
            stderr=paired(each, np.zeros_like(each))[1],
            **{name: float(value.mean()) for name, value in found.items()},
            active_units=active_units(model, self.valid),
            drop=worth.drop,
            has_collapsed=bool(worth.findings()),
            each=each,
            each_elbo=found["elbo"].numpy(),
        )


class _Kept:
    """The weights that count so far, and how many validations ago the bound was best."""

    def __init__(self, which: str) -> None:
        self.which, self.bound, self.since = which, -math.inf, 0
        self.weights: dict[str, torch.Tensor] = {}

    def take(self, model: Model, bound: float) -> None:
        better = bound > self.bound
        self.bound, self.since = (bound, 0) if better else (self.bound, self.since + 1)
        if better or self.which == "last" or not self.weights:
            self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}


def _judge_of(run: RunStore) -> Estimator:
    """The tightest quick estimate of log p(x) that the model has, with at most `SAMPLES` draws."""
    name = default_estimator(run.model)
    judge = make_estimator(name)
    if judge.num_samples is None:
        return judge
    return make_estimator(name, min(SAMPLES, run.config.judging.num_samples or SAMPLES))


def fresh_model(run: RunStore, seed: int) -> Model:
    """The run's model with the initial weights of a seed, its own weights left as they are.

    A part of the user's own that came as an object is the same object in every model: it is copied, and its layers
    draw their weights again.
    """
    model = run.new_model(seed)
    shared = {slot for slot, part in own_parts(run.new_model(seed)).items() if part is own_parts(model)[slot]}
    if not shared:
        return model
    model = copy.deepcopy(model)
    with keyed("weights", seed):
        for slot in sorted(shared):
            _reset(slot, own_parts(model)[slot])
    return model


def _reset(slot: str, part: nn.Module) -> None:
    """Draw the weights of every layer again; refused where a layer does not say how."""
    for module in part.modules():
        draw = getattr(module, "reset_parameters", None)
        if draw is not None:
            draw()
        elif next(module.parameters(recurse=False), None) is not None:
            raise RequestError(
                f"Your part {slot!r} came as an object whose {type(module).__name__} has no reset_parameters, so it "
                "cannot be fitted again from its start.",
                f"Give its class: Run.load(path, parts={{{slot!r}: …}}).",
            )
