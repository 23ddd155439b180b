"""Going on with a run: after a kill, or in a declared new phase."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from ..errors import RequestError
from ..legible import quoted
from ..planning.plan import Request, resolve
from ..runs.store import RunStore
from ..settings.choices import choose
from ..settings.options import EvaluationOptions
from .carry_out import Report, carry_out
from .events import Event
from .place import placed


def continue_fitting(run: RunStore, report: Report, **budget: Any) -> Iterator[Event]:
    """The events of going on where a run was stopped, or of a new phase with `epochs`, `steps` or `minutes`."""
    started = time.perf_counter()
    run.require_newest_config()
    if any(value is not None for value in budget.values()):
        with run.lock():
            open_phase(run, started, **budget)
    elif run.is_finished and not run.standing.changed and run.report_path.is_file():
        further = f"unveil resume {quoted(run.path)} --epochs {_epochs_again(run)}"
        raise RequestError(f"{run.path} is finished.", f"To train it further: {further}")
    return carry_out(run, report)


def _epochs_again(run: RunStore) -> int:
    phase, sizes = run.phase, run.data_info["split"]["sizes"]
    return max(1, round(phase.steps * phase.batch_size / sizes["train"]))


def open_phase(run: RunStore, started: float, **budget: Any) -> None:
    """Write a new phase into config.json: the same choices, a new budget, from the best weights so far."""
    run.require_finished()
    config = run.config
    asked = choose({f"train.{k}": v for k, v in budget.items() if v is not None}).train
    kept = {name: value for name, value in config.asked.items() if name == "valid_every"}
    options = replace(run.phase.options, epochs=asked.epochs, steps=asked.steps, minutes=asked.minutes, **kept)
    compared: Literal["auto", "none"] = "none" if config.seconds.get("baselines") == 0 else "auto"
    judging = EvaluationOptions(config.judging.estimator, config.judging.num_samples or "auto", compared)
    data, seed = placed(run.data, run.device), config.seed + len(config.phases)
    plan = resolve(Request(run.model.train(), data, run.objective, options, judging, seed, started))
    run.forget()
    phases, given = (*config.phases, plan.phase), kept | {k: v for k, v in budget.items() if v}
    planned = replace(config, judging=plan.judging, seconds=plan.seconds, notes=plan.notes)
    run.write_config(replace(planned, phases=phases, asked=given))
