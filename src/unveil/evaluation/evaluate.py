"""How good a fitted model is: one estimate of log p(x) per example, and the object that reports it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..data import Split
from ..data.rowblocks import ROWS
from ..estimators.base import Estimate, Estimator, check_precision, evaluate
from ..files import finite
from ..ops import error_of_mean
from ..runs.store import RESULT, RunStore
from ..settings.judging import make_estimator
from .findings import heavy_weights
from .judged import judged
from .result import report_estimate
from .splits import choose_split, limited, said_of_training

PAIRED = 2 * ROWS  # examples on which two precisions are compared


def evaluate_run(
    run: RunStore,
    *,
    data: Any = None,
    split: str = "test",
    estimator: str | None = None,
    num_samples: int | None = None,
    options: Mapping[str, Any] | None = None,
    simulate: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The judged bound on log p(x), as one JSON object.

    Arguments:
        data: new x to judge (all of it), or the data that the run was fitted on, of which the split is judged.
        split: "train", "valid" or "test".
        estimator: a name of `unveil list estimators`; by default that of the run's own result.
        num_samples: K; by default as in the run's own result, or the estimator's default.
        options: {"estimator.KEY": value}, other arguments of the estimator.
        simulate: judge so many x drawn from the model itself, whose z are known, instead of any data.
        limit: only so many examples, drawn with the seed from all over the split; said in the result.
        seed: of the draws.
        precision: "bf16" runs the decoder in bfloat16; the result then holds `precision_difference`, what that changes.
    """
    run.require_one_phase()
    judge = _judge(run, estimator, num_samples, options or {})
    check_precision(run.model, judge, precision)
    chosen, source, name = choose_split(run, data, split, simulate, limit, seed)
    kept = limited(chosen, name, limit, seed)
    found = judged(run.model, kept, judge, seed=seed, precision=precision, progress=progress)
    changed = {}
    if precision != "float32":
        paired = found.estimate if len(kept) <= PAIRED else None
        changed = {"precision_difference": precision_difference(run, found.split, judge, seed, precision, paired)}
    report = report_estimate(run, judge, found)
    seen = said_of_training(run, data, name, len(chosen))
    further = [heavy_weights(run, report), {"code": "own_data", "sentence": seen} if seen else None]
    return {
        "format": RESULT,
        "source": source,
        "split": name,
        **report,
        "findings": [*report.get("findings", []), *(found for found in further if found)],
        "drawn_from": len(chosen),
        **changed,
        "precision": precision,
        "seconds": round(found.seconds, 3),
        "seed": seed,
    }


def _judge(run: RunStore, name: str | None, num_samples: int | None, options: Mapping[str, Any]) -> Estimator:
    """The estimator that was asked for; what was left open is as in the run's own result."""
    own = run.config.judging
    name = own.estimator if name is None else name
    if num_samples is None and name == own.estimator and "estimator.num_samples" not in options:
        num_samples = own.num_samples
    return make_estimator(name, num_samples, options)


def precision_difference(
    run: RunStore,
    split: Split,
    judge: Estimator,
    seed: int = 0,
    precision: str = "bf16",
    reduced: Estimate | None = None,
) -> dict[str, Any]:
    """What a reduced precision changes, log p̂(x) in it − log p̂(x) in float32, in nats, of examples spread over a split.

    Both see the same x, z and q(z|x), with the same K. Rounding of log w that differs from draw to draw pushes a
    log-mean-exp up, by up to half its variance, so the difference is stated and never taken off.

    Arguments: reduced, the estimate of the whole split in the reduced precision, where the split is no larger than what
    is compared.
    """
    some, start = split.spread(PAIRED), time.perf_counter()
    if reduced is None:
        reduced, _ = evaluate(run.model, some, judge, seed=seed, precision=precision)
    full, _ = evaluate(run.model, some, judge, seed=seed)
    off = reduced.log_px - full.log_px
    return {
        "mean": float(off.mean()),
        "stderr": finite(float(error_of_mean(off))),
        "max_abs": float(off.abs().max()),
        "num_examples": len(off),
        "num_samples": judge.num_samples,
        "seconds": round(time.perf_counter() - start, 3),
    }
