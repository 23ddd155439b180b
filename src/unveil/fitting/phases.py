"""Going on with a run: after a kill, or in a declared new phase."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..files import write_json
from ..planning.plan import Request, options_of, resolve
from ..runs.store import Run
from ..settings.choices import choose
from ..settings.options import EvaluationOptions
from ..train.checkpoint import only_one
from .carry_out import carry_out
from .events import Event
from .place import _on


def resume(
    run: Run | Path | str, *, show: bool | None = None, data: Any = None, parts: Any = None, **budget: Any
) -> Run:
    """Go on where a run was stopped; `epochs`, `steps` or `minutes` open a declared new phase from its best weights."""
    from ..output.progress import follow

    run = run if isinstance(run, Run) else Run.load(run, data=data, parts=parts)
    return follow((), continue_fitting(run, **budget), show=show)


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
