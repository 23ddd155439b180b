"""The training of one run: metrics, validations, checkpoints, early stopping, and taking up where a kill left off."""

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ..data import Data
from ..errors import RequestError
from ..model import Model
from ..ops import seed_of
from ..runs.store import RunStore
from ..train.checkpoint import Checkpoint
from ..train.compiling import compiled
from ..train.loop import NonFinite, Step, TrainState, initialise
from ..train.loop import fit as train
from ..train.stage import Stage
from ..train.validation import validate
from .events import Event, Progress, Validated
from .preview import sample_pictures
from .signals import StopRequests

LOGS_PER_VALIDATION = 5
SETTLED = 0.25  # share of a stage before which patience stops nothing: warm-ups let the bound dip first


@dataclass
class Best:
    """The best validation bound so far, and how training itself comes on.

    Arguments: bound, the best, that of the start included; trained, the best after an update; since, the number of
    validations after that. A start that is fitted already may be hard to beat, and training that rises is not stopped
    for it.
    """

    bound: float | None = None
    trained: float | None = None
    since: int = 0

    def take(self, bound: float, is_start: bool) -> bool:
        """Whether the bound is the best so far."""
        better = self.bound is None or bound > self.bound
        self.bound = bound if better else self.bound
        if not is_start:
            rises = self.trained is None or bound > self.trained
            self.trained, self.since = (bound, 0) if rises else (self.trained, self.since + 1)
        return better


class Trainer:
    """The training of one run, stage after stage: metrics, validations, checkpoints, early stopping.

    Each stage goes on from the best weights of the one before, with a new optimiser, learning rate and average; bounds
    of two objectives cannot be compared, so "best" starts anew. Steps are counted over all stages as planned.

    Arguments: saves, whether a kill is to lose nothing; what nobody will go on with waits for no disk.
    """

    state: TrainState  # of the present stage

    def __init__(self, run: RunStore, data: Data, model: Model | None, problem: Any, saves: bool = True) -> None:
        self.saves = saves
        self.run, self.data, self.stages, self.index = run, data, run.stages(), 0
        looked_at = run.phase.valid_examples
        self.valid = data.valid if looked_at is None else data.valid.spread(looked_at)
        self.number, self.best = run.number, Best()
        self.best_weights: dict[str, torch.Tensor] = {}
        self.sums: dict[str, torch.Tensor] = {}  # on the device: reading a number would make an accelerator wait
        self.count, self.stopped, self.trained_seconds = 0, False, 0.0
        self.problem = problem
        self._restore(model)

    @property
    def stage(self) -> Stage:
        return self.stages[self.index]

    @property
    def stage_is_over(self) -> bool:
        return self.stopped or self.state.step >= self.stage.steps

    @property
    def is_over(self) -> bool:
        return self.stage_is_over and self.index + 1 == len(self.stages)

    @property
    def made(self) -> int:
        """The number of updates, over all stages as planned."""
        return sum(stage.steps for stage in self.stages[: self.index]) + self.state.step

    def train(self, stop: StopRequests) -> Iterator[Event]:
        """Updates until the budget is spent, the bound stops improving, or a signal asks to stop."""
        if self.made == 0 and self.best.bound is None and self.state.model.starts_fitted:
            yield self._judged(self.state.average.model, is_start=True)
            self._save()
        while not self.is_over:
            if self.stage_is_over:
                yield self._enter_next()
            yield from self._train_stage(stop)
        self.state.average.model.load_state_dict(self.best_weights)
        self.run.sync_metrics()
        self.run.write_weights(self.state.average.model)

    def _train_stage(self, stop: StopRequests) -> Iterator[Event]:
        phase, begin, first, before = self.run.phase, time.perf_counter(), self.state.step, self.trained_seconds
        steps = train(
            self.state.model,
            self.data.train,
            self.stage,
            self.state,
            seed=self._seed(),
            bf16=phase.in_bf16,
            problem=self._problem(),
        )
        with contextlib.closing(steps):
            try:
                for step in steps:
                    elapsed = time.perf_counter() - begin
                    self.trained_seconds = before + elapsed
                    yield self._progress(step, elapsed / (step.number - first))
                    if self.made % phase.valid_every == 0 or step.number == self.stage.steps:
                        yield self._validate(step)
                    if self.stage_is_over:
                        break
                    if stop.signum is not None:
                        self._save()
                        raise stop.told(self.run.path)
            except (NonFinite, KeyboardInterrupt):
                self._save()
                raise

    def _seed(self) -> int:
        """Of noise and order in this stage: none is met twice."""
        seed: int = self.run.phase.seed
        return seed if self.index == 0 else seed_of("stage", seed, self.index)

    def _enter_next(self) -> Validated:
        """The next stage, from the best weights so far, which are judged by its objective first.

        A function of the checkpoint at the end of the stage before, so nothing is saved here.
        """
        model = self.state.model
        model.load_state_dict(self.best_weights)
        self.index, self.problem = self.index + 1, None
        self.state = TrainState(model, self.stage)
        self.best, self.sums, self.count, self.stopped = Best(), {}, 0, False
        return self._judged(self.state.average.model, is_start=True)

    def _problem(self) -> Any:
        if self.problem is not None or not self.run.phase.compile:
            return self.problem
        return compiled(self.state.model, self.stage)

    def _progress(self, step: Step, per_step: float) -> Progress:
        for name, value in step.logs.items():
            self.sums[name] = value.double() + self.sums.get(name, 0.0)
        self.count += 1
        every = max(1, self.run.phase.valid_every // LOGS_PER_VALIDATION)
        if self.made % every == 0:
            self._log({k: float(v) / self.count for k, v in self.sums.items()})
            self.sums, self.count = {}, 0
        size = len(self.data.train) if self.state.optimizer is None else self.stage.batch_size
        left = self.num_steps - self.made
        return Progress(self.made, self.num_steps, step.logs, size / per_step, per_step * left)

    @property
    def num_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def _validate(self, step: Step) -> Validated:
        found = self._judged(step.model)
        phase, since = self.run.phase, self.best.since
        settled = self.state.step >= SETTLED * self.stage.steps
        self.stopped = settled and 0 < phase.asked.patience <= since
        if self.stage.schedule == "plateau" and since and since % phase.asked.plateau == 0:
            self.state.lr_factor /= 2
        self._save()
        return found

    def _judged(self, model: Model, is_start: bool = False) -> Validated:
        """The validation bound of a model, whose weights are kept where it is the best of the stage."""
        found = validate(model, self.valid, self.stage.objective)
        if self.best.take(found["bound"], is_start):
            self.best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self._log({f"valid_{k}": v for k, v in found.items()})
        assert self.best.bound is not None
        draw = functools.partial(sample_pictures, model, self.data.domain)
        return Validated(self.made, self.num_steps, found["bound"], self.best.bound, found["rate"], draw)

    def _log(self, values: dict[str, float]) -> None:
        where = {"phase": self.number, "stage": self.stage.name, "step": self.made}
        self.run.log({**where, **values, "time": {"at": round(time.time(), 3)}})

    def _save(self) -> None:
        if not self.saves:
            return
        values = {
            "phase": self.number,
            "run": self.run.identity,
            "stage": self.index,
            "lr_factor": self.state.lr_factor,
            "best_bound": self.best.bound,
            "best_trained": self.best.trained,
            "since_best": self.best.since,
            "sums": {k: float(v) for k, v in self.sums.items()},
            "count": self.count,
            "stopped": self.stopped,
            "metrics_bytes": self.run.sync_metrics(),
            "seconds": self.trained_seconds,
        }
        tensors = self.state.tensors() | {f"best/{k}": v for k, v in self.best_weights.items()}
        self.run.write_checkpoint(Checkpoint(self.made, tensors, values))

    def _restore(self, model: Model | None) -> None:
        found = self.run.checkpoint()
        if found is not None and found.values.get("run") not in (None, self.run.identity):
            raise RequestError(f"{self.run.path / 'state'} holds a state of another run.", "Put that of this run back.")
        if found is not None and found.values["phase"] == self.number:
            self.index = found.values.get("stage", 0)
            self.state = TrainState(self.run.new_model(), self.stage)
            self._take_up(found)
            if self.is_over:
                self._save()  # under its own name, which a kill may have kept it from; older ones go
            elif self.made > 0:
                self.run.add_continuation(self.made)
            return
        self.state = TrainState(self._first_model(model), self.stage)
        self._save()

    def _first_model(self, model: Model | None) -> Model:
        if self.number > 0:  # a declared new phase goes on from the best weights
            kept = self.run.model
            self.run.forget()
            return kept
        if self.run.standing.of_result is not None:
            raise RequestError(
                f"{self.run.path} was fitted, and its own weights and states are gone: there is nothing to go on from.",
                "Put its weights back, or fit it anew.",
            )
        self.run.drop_metrics()
        if model is None:  # killed before its first checkpoint: the start is a function of the seed
            model = self.run.new_model(seed=self.run.phase.seed)
            initialise(model, self.data.train, self.run.phase.seed)
        return model

    def _take_up(self, found: Checkpoint) -> None:
        values, first = found.values, self.made
        self.state.load(found.tensors, found.step - first, values.get("lr_factor", 1.0))
        self.best = Best(values["best_bound"], values.get("best_trained", values["best_bound"]), values["since_best"])
        self.best_weights = {k[5:]: v for k, v in found.tensors.items() if k.startswith("best/")}
        self.sums = {k: torch.tensor(v, dtype=torch.float64) for k, v in values["sums"].items()}
        self.count, self.stopped = values["count"], values["stopped"]
        self.trained_seconds = values["seconds"]
        self.run.cut_metrics(values["metrics_bytes"])
