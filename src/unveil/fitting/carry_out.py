"""Training, judging and reporting of a run, wherever its directory stands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..data import Data, Split
from ..errors import Unwritten
from ..estimators.base import Estimate, Estimator, evaluate
from ..evaluation.baselines.fit import fit_baselines
from ..evaluation.findings import conclude
from ..evaluation.judged import SUMMED, Part, judged, without_labels
from ..evaluation.result import report_estimate
from ..evaluation.splits import is_conditioned, of_one_quantity
from ..legible import quoted
from ..model import Model
from ..ops import threads
from ..planning.memory import within_memory
from ..runs.store import RESULT, RunStore
from ..use.reference import scored
from .events import Event, Finished, Working
from .place import placed
from .signals import StopRequests, stop_requests
from .trainer import Trainer

Report = Callable[[RunStore], object]  # writes the page of a finished run


def carry_out(run: RunStore, report: Report, problem: Any = None, model: Model | None = None) -> Iterator[Event]:
    """Train from wherever the directory stands, then judge, compare and report: what is there is not made again.

    Arguments: report, what writes the page of a finished run; problem, compiled, and model, initialised,
    where the caller has them.
    """
    with saying_how_to_go_on(run), run.lock(), stop_requests() as stop, threads(run.phase.threads):
        if not run.standing.is_trained or run.standing.changed == run.standing.weights.name:
            yield from Trainer(run, placed(run.data, run.device), model, problem).train(stop)
        with stop.at_once(run.path):
            if not run.is_finished or run.standing.changed:
                yield from _judge(run, placed(run.data, run.device))
        yield from _report(run, report)


def trained(run: RunStore, problem: Any = None, model: Model | None = None) -> RunStore:
    """Train a new run to its weights, as part of a caller's own work: it saves no states, and minds no signals."""
    less = "Give it more, or a smaller train.batch_size or model.width."
    with within_memory("this fit", less), threads(run.phase.threads):
        for _ in Trainer(run, placed(run.data, run.device), model, problem, saves=False).train(StopRequests()):
            pass
    return run


@contextmanager
def saying_how_to_go_on(run: RunStore) -> Iterator[None]:
    """Work on a run whose files hold what was done when the disk or the memory ends: said with what goes on."""
    less = "Give it more, or fit anew with a smaller train.batch_size or model.width."
    try:
        with within_memory(f"this work on {run.path}", f"{less} What was made is kept. {run.judged_again}"):
            yield
    except Unwritten as error:
        raise Unwritten(error.message, f"{error.hint} {run.judged_again}".strip()) from error


def _judge(run: RunStore, data: Data) -> Iterator[Event]:
    """Test and validation bounds, baselines, findings: result.json."""
    judge = run.config.judging.make()
    yield Working("validation examples", 0, 1)
    ranked = run.judged("valid").to(run.device)
    reference = scored(run, ranked, impossible=False)
    valid = _judged_as_test(run.model, ranked, judge, reference)
    yield Working("test examples", 0, 1)
    chosen = run.judged("test").to(run.device)
    test = judged(run.model, replace(chosen, z=None), judge)  # z that are known are no draws of p(z|x)
    # Simple models are given no labels: they are compared with log p(x), never with log p(x|label).
    compared = without_labels(run.model, test, judge)
    run.write_scores(reference.log_px, test.estimate.log_px, compared.log_px, ranked.whole)
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
        "phase": run.number,
        **run.sums,
        "valid_log_px": float(valid.log_px.mean()),
        "baselines": [b.compared_with(compared.log_px.numpy()) for b in baselines],
        "baselines_left_out": list(left_out),
    }
    if compared is not test.estimate:
        result["parts"] = [Part.of(SUMMED, "all, without their labels", compared).to_json()]
    result |= conclude(run, result)
    run.write_result(result)


def _judged_as_test(model: Model, valid: Split, judge: Estimator, reference: Estimate) -> Estimate:
    """The estimate of the quantity that is judged: the reference itself, unless that is log p(x|label)."""
    alike = of_one_quantity(model, replace(valid, z=None))
    labelled = alike.y is not None and is_conditioned(model)
    return evaluate(model, alike, judge)[0] if labelled else reference


def _report(run: RunStore, report: Report) -> Iterator[Event]:
    """report.html, and what to say at the end."""
    if not run.report_path.is_file():
        yield Working("report", 0, 1)
        report(run)
    commands = (
        f"unveil report {quoted(run.path)} --open",
        f"unveil diagnose {quoted(run.path)}",
        f"unveil sample {quoted(run.path)} -o samples.{'png' if run.domain.picture.is_image else 'csv'}",
    )
    yield Finished(run, tuple(run.result["sentences"]), commands)
