"""The training of one run: metrics, validations, checkpoints, early stopping, and taking up where a kill left off."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .data import Data
from .domain import Domain
from .events import Event, Progress, Validated
from .files import write_json
from .judging import continuations
from .models.base import Model
from .ops import keyed
from .pictures import to_bytes
from .run import Run
from .signals import StopRequests
from .train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, save_weights
from .train.loop import NonFinite, Problem, Step, TrainState, initialise
from .train.loop import fit as train
from .train.validation import validate

LOGS_PER_VALIDATION = 5


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
        self.sums: dict[str, torch.Tensor] = {}  # on the device: reading a number would make an accelerator wait
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
            self.sums[name] = value.double() + self.sums.get(name, 0.0)
        self.count += 1
        every = max(1, self.run.train["valid_every"] // LOGS_PER_VALIDATION)
        if step.number % every == 0:
            self._log(step.number, {k: float(v) / self.count for k, v in self.sums.items()})
            self.sums, self.count = {}, 0
        size = len(self.data.train) if self.state.optimizer is None else self.stage.batch_size
        return Progress(
            step.number,
            self.stage.steps,
            step.logs,
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
            "sums": {k: float(v) for k, v in self.sums.items()},
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
        self.sums = {k: torch.tensor(v, dtype=torch.float64) for k, v in values["sums"].items()}
        self.count, self.stopped = values["count"], values["stopped"]
        self.trained_seconds = values["seconds"]
        with open(self.metrics, "a+b") as file:  # rows after the checkpoint are made again
            file.truncate(values["metrics_bytes"])

    def _write_weights(self) -> None:
        self.state.average.model.load_state_dict(self.best_weights)
        save_weights(self.run.path / "weights.safetensors", self.state.average.model)
        self.run.forget()


def _record_continuation(run: Run, step: int) -> None:
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
