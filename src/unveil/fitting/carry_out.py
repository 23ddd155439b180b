"""Training, judging and reporting of a run, wherever its directory stands."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..data import Data
from ..evaluation.baselines.fit import fit_baselines
from ..evaluation.findings import conclude
from ..evaluation.judged import SUMMED, Part, judged, without_labels
from ..evaluation.result import report_estimate
from ..model import Model
from ..ops import threads
from ..runs.store import RESULT, RunStore
from .events import Event, Finished, Working
from .place import placed
from .signals import stop_requests
from .trainer import Trainer

Report = Callable[[RunStore], object]  # writes the page of a finished run


def carry_out(run: RunStore, report: Report, problem: Any = None, model: Model | None = None) -> Iterator[Event]:
    """Train from wherever the directory stands, then judge, compare and report.

    Arguments: report, what writes the page of a finished run; problem, compiled, and model, initialised,
    where the caller has them.
    """
    with run.lock(), stop_requests() as stop, threads(run.phase.threads):
        data = placed(run.data, run.device)
        trainer = Trainer(run, data, model, problem)
        yield from trainer.train(stop)
        with stop.at_once(run.path):
            yield from _judge(run, data)
        yield from _report(run, report)


def _judge(run: RunStore, data: Data) -> Iterator[Event]:
    """Test and validation bounds, baselines, findings: result.json."""
    judge = run.config.judging.make()
    yield Working("validation examples", 0, 1)
    valid = judged(run.model, run.judged("valid").to(run.device), judge)
    yield Working("test examples", 0, 1)
    chosen = run.judged("test").to(run.device)
    test = judged(run.model, chosen, judge)
    # New x come without labels, as do the simple models: both are compared with log p(x), never with log p(x|label).
    scored, compared = (without_labels(run.model, found, judge) for found in (valid, test))
    run.write_scores(scored.log_px, test.estimate.log_px, compared.log_px)
    yield Working("baselines", 0, 1)
    seconds = run.config.seconds["baselines"]
    baselines, left_out = fit_baselines(replace(data, test=chosen), seed=run.config.seed, seconds=seconds)
    result = {
        "format": RESULT,
        "source": data.source,
        "split": "test",
        **report_estimate(run, judge, test),
        "seconds": round(test.seconds, 3),
        "seed": run.config.seed,
        "phase": len(run.config.phases) - 1,
        "valid_log_px": float(valid.estimate.log_px.mean()),
        "baselines": [b.compared_with(compared.log_px.numpy()) for b in baselines],
        "baselines_left_out": list(left_out),
    }
    if compared is not test.estimate:
        result["parts"] = [Part.of(SUMMED, "all, without their labels", compared).to_json()]
    result |= conclude(run, result)
    run.write_result(result)


def _report(run: RunStore, report: Report) -> Iterator[Event]:
    """report.html, and what to say at the end."""
    yield Working("report", 0, 1)
    report(run)
    commands = (
        f"unveil report {run.path} --open",
        f"unveil diagnose {run.path}",
        f"unveil sample {run.path} -o samples.{'png' if run.domain.is_image else 'csv'}",
    )
    yield Finished(run, tuple(run.result["sentences"]), commands)
